//! Values between cells and the domain.

use argus_domain::{
    Address, B256, U256,
    ids::{JobId, TaskId},
    time::Timestamp,
};
use argus_ports::StoreError;
use argus_proto::{Wire, decode};
use bytes::Bytes;
use scylla::value::CqlValue;

/// What is bound to a statement's marker.
pub(crate) type Cell = Option<CqlValue>;

/// The values of a statement, in the order of its markers.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::cell::IntoCell::into_cell($value)),*]
    };
}
pub(crate) use values;

/// What a cell can be made of.
pub(crate) trait IntoCell {
    fn into_cell(self) -> Cell;
}

macro_rules! cells {
    ($($from:ty => $value:ident, $make:expr;)*) => {
        $(impl IntoCell for $from {
            fn into_cell(self) -> Cell {
                let make: fn($from) -> _ = $make;
                Some(CqlValue::$value(make(self)))
            }
        })*
    };
}

cells! {
    i32 => Int, |n| n;
    u32 => Int, |n| i32::try_from(n).unwrap_or(i32::MAX);
    u16 => Int, i32::from;
    u8 => Int, i32::from;
    i64 => BigInt, |n| n;
    bool => Boolean, |b| b;
    &str => Text, str::to_owned;
    String => Text, |text| text;
    &String => Text, String::clone;
    Vec<u8> => Blob, |bytes| bytes;
    &[u8] => Blob, <[u8]>::to_vec;
    &Vec<u8> => Blob, Vec::clone;
    &Bytes => Blob, |bytes| bytes.to_vec();
    JobId => Blob, |id| id.0.to_be_bytes::<32>().to_vec();
    TaskId => Blob, |id| id.0.to_vec();
    B256 => Blob, |hash| hash.to_vec();
    Address => Blob, |address| address.to_vec();
    U256 => Blob, |n| n.to_be_bytes::<32>().to_vec();
    Timestamp => BigInt, |at| ordered(at.0);
    Vec<Vec<u8>> => List, |all| all.into_iter().map(CqlValue::Blob).collect();
}

impl<T: IntoCell> IntoCell for Option<T> {
    fn into_cell(self) -> Cell {
        self.and_then(T::into_cell)
    }
}

impl<const N: usize> IntoCell for [u8; N] {
    fn into_cell(self) -> Cell {
        Some(CqlValue::Blob(self.to_vec()))
    }
}

/// A number by which rows are ordered; no instant, nonce or height is as large as where it ends.
pub(crate) fn ordered(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// A number by which rows are only ever found; the upper half becomes negative, and nothing is lost.
pub(crate) fn exact(n: u64) -> i64 {
    i64::from_ne_bytes(n.to_ne_bytes())
}

/// Back from [`exact`].
pub(crate) fn inexact(n: i64) -> u64 {
    u64::from_ne_bytes(n.to_ne_bytes())
}

pub(crate) fn instant(cell: i64) -> Timestamp {
    Timestamp(cell.unsigned_abs())
}

pub(crate) fn corrupt(what: &str, why: &str) -> StoreError {
    StoreError::Corrupt(format!("column {what}: {why}"))
}

/// A cell that must be there.
pub(crate) fn there<T>(what: &str, cell: Option<T>) -> Result<T, StoreError> {
    cell.ok_or_else(|| corrupt(what, "it is empty"))
}

/// A protobuf body.
pub(crate) fn body<T: Wire>(what: &str, cell: &[u8]) -> Result<T, StoreError> {
    decode(cell).map_err(|e| corrupt(what, &e.to_string()))
}

pub(crate) fn array<const N: usize>(what: &str, cell: &[u8]) -> Result<[u8; N], StoreError> {
    cell.try_into().map_err(|_| corrupt(what, &format!("{} bytes instead of {N}", cell.len())))
}

pub(crate) fn address(what: &str, cell: &[u8]) -> Result<Address, StoreError> {
    array(what, cell).map(Address::new)
}

pub(crate) fn hash(what: &str, cell: &[u8]) -> Result<B256, StoreError> {
    array(what, cell).map(B256::new)
}

pub(crate) fn task_id(what: &str, cell: &[u8]) -> Result<TaskId, StoreError> {
    hash(what, cell).map(TaskId)
}

pub(crate) fn job_id(what: &str, cell: &[u8]) -> Result<JobId, StoreError> {
    array(what, cell).map(|bytes| JobId(U256::from_be_bytes::<32>(bytes)))
}

pub(crate) fn wide(what: &str, cell: &[u8]) -> Result<U256, StoreError> {
    array(what, cell).map(U256::from_be_bytes::<32>)
}

pub(crate) fn decimal(what: &str, cell: &str) -> Result<U256, StoreError> {
    U256::from_str_radix(cell, 10).map_err(|e| corrupt(what, &e.to_string()))
}

pub(crate) fn unsigned(what: &str, cell: i32) -> Result<u32, StoreError> {
    u32::try_from(cell).map_err(|_| corrupt(what, &format!("{cell} is below zero")))
}

/// The cell of a job's id.
pub(crate) fn of_job(id: JobId) -> [u8; 32] {
    id.0.to_be_bytes::<32>()
}
