//! Reading and writing of single fields.

use std::str::FromStr;

use argus_domain::{
    Address, B256, U256, Value,
    call::Signature,
    decimal::Decimal,
    ids::{ChainId, JobId, KeeperId, TaskId},
    secret::{BadSecretName, Grants},
};

use crate::{Wire, v1};

/// Why bytes or a message are not the value they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed {}: {reason}", if field.is_empty() { "message" } else { field })]
pub struct Malformed {
    /// The path to the field, for example `job.trigger.cron.zone`; empty where the message as a whole is meant.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Malformed {
    /// A fault in a field of the message at hand.
    pub fn new(field: &str, reason: impl Into<String>) -> Self {
        Self { field: field.to_owned(), reason: reason.into() }
    }

    /// The same fault, seen from the message that holds the other as `field`.
    #[must_use]
    pub fn within(self, field: &str) -> Self {
        let path = if self.field.is_empty() { field.to_owned() } else { format!("{field}.{}", self.field) };
        Self { field: path, ..self }
    }
}

pub(crate) type Read<T> = Result<T, Malformed>;

pub(crate) fn missing(field: &str) -> Malformed {
    Malformed::new(field, "it is missing")
}

/// A message that must be there.
pub(crate) fn need<T: Wire>(message: Option<T::Message>, field: &str) -> Read<T> {
    T::from_wire(message.ok_or_else(|| missing(field))?).map_err(|e| e.within(field))
}

/// A message that need not be there.
pub(crate) fn maybe<T: Wire>(message: Option<T::Message>, field: &str) -> Read<Option<T>> {
    message.map(|m| T::from_wire(m).map_err(|e| e.within(field))).transpose()
}

pub(crate) fn list<T: Wire>(messages: Vec<T::Message>, field: &str) -> Read<Vec<T>> {
    messages.into_iter().map(|m| T::from_wire(m).map_err(|e| e.within(field))).collect()
}

pub(crate) fn array<const N: usize>(bytes: &[u8], field: &str) -> Read<[u8; N]> {
    bytes.try_into().map_err(|_| Malformed::new(field, format!("{} bytes instead of {N}", bytes.len())))
}

pub(crate) fn hash(bytes: &[u8], field: &str) -> Read<B256> {
    array(bytes, field).map(B256::new)
}

pub(crate) fn address(bytes: &[u8], field: &str) -> Read<Address> {
    array(bytes, field).map(Address::new)
}

pub(crate) fn keeper(bytes: &[u8], field: &str) -> Read<KeeperId> {
    address(bytes, field).map(KeeperId)
}

pub(crate) fn keepers(all: &[Vec<u8>], field: &str) -> Read<Vec<KeeperId>> {
    all.iter().map(|bytes| keeper(bytes, field)).collect()
}

pub(crate) fn task_id(bytes: &[u8], field: &str) -> Read<TaskId> {
    hash(bytes, field).map(TaskId)
}

pub(crate) fn job_id(bytes: &[u8], field: &str) -> Read<JobId> {
    u256(bytes, field).map(JobId)
}

pub(crate) fn signature(bytes: &[u8], field: &str) -> Read<Signature> {
    array(bytes, field).map(Signature)
}

pub(crate) fn u256(bytes: &[u8], field: &str) -> Read<U256> {
    array(bytes, field).map(U256::from_be_bytes::<32>)
}

pub(crate) fn word(n: U256) -> Vec<u8> {
    n.to_be_bytes::<32>().to_vec()
}

pub(crate) fn u128(bytes: &[u8], field: &str) -> Read<u128> {
    array(bytes, field).map(u128::from_be_bytes)
}

pub(crate) fn small<T: TryFrom<u32>>(n: u32, field: &str) -> Read<T> {
    T::try_from(n).map_err(|_| Malformed::new(field, format!("{n} is too large")))
}

pub(crate) fn decimal(text: &str, field: &str) -> Read<Decimal> {
    Decimal::from_str(text).map_err(|e| Malformed::new(field, e.to_string()))
}

pub(crate) fn values(texts: &[String], field: &str) -> Read<Vec<Value>> {
    texts
        .iter()
        .map(|text| serde_json::from_str(text).map_err(|e| Malformed::new(field, format!("no JSON: {e}"))))
        .collect()
}

pub(crate) fn texts(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}

pub(crate) fn secret_names(names: &[String], field: &str) -> Read<Grants> {
    names
        .iter()
        .map(|name| name.parse().map_err(|e: BadSecretName| Malformed::new(field, e.to_string())))
        .collect()
}

/// Ids of chains that must not repeat.
pub(crate) fn chains<T: FromIterator<ChainId>>(ids: Vec<u64>) -> T {
    ids.into_iter().map(ChainId).collect()
}

pub(crate) const NOTHING: v1::Nothing = v1::Nothing {};

/// An enumeration with its numbers on the wire.
pub(crate) trait WireEnum: Sized {
    fn to_number(self) -> i32;
    fn from_number(number: i32, field: &str) -> Read<Self>;
}

/// Pairs the variants of a domain enumeration with those of its form.
macro_rules! wire_enum {
    ($domain:path => $wire:path { $($from:ident = $to:ident),+ $(,)? }) => {
        impl $crate::field::WireEnum for $domain {
            fn to_number(self) -> i32 {
                use $domain as D;
                use $wire as W;
                match self {
                    $(D::$from => W::$to as i32,)+
                }
            }

            fn from_number(number: i32, field: &str) -> $crate::field::Read<Self> {
                use $domain as D;
                use $wire as W;
                match W::try_from(number) {
                    $(Ok(W::$to) => Ok(D::$from),)+
                    Ok(W::Unspecified) => Err($crate::field::missing(field)),
                    Err(_) => Err($crate::Malformed::new(field, format!("{number} means nothing here"))),
                }
            }
        }
    };
}
pub(crate) use wire_enum;
