//! Values between SQLite's cells and the domain.

use argus_domain::{Address, B256, U256, ids::JobId, ids::TaskId, time::Timestamp};
use argus_ports::StoreError;
use argus_proto::{Wire, decode};
use rusqlite::{Connection, Row, ToSql};

use crate::fault::Fault;

/// A number by which rows are ordered. SQLite's integers end at 2^63 - 1, which no instant, nonce or height reaches.
pub(crate) fn ordered(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Where rows of a task are looked for: the first eight bytes of its hash. Others may lie there, too.
pub(crate) fn place(task: TaskId) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = task.0.0;
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Where rows of a job are looked for: the last eight bytes of its id. Others may lie there, too.
pub(crate) fn job_place(id: JobId) -> i64 {
    exact(id.0.as_limbs()[0])
}

/// A number by which rows are only ever found; the upper half becomes negative, and nothing is lost.
pub(crate) fn exact(n: u64) -> i64 {
    i64::from_ne_bytes(n.to_ne_bytes())
}

pub(crate) fn instant(row: &Row<'_>, column: &str) -> Result<Timestamp, Fault> {
    Ok(Timestamp(row.get::<_, i64>(column)?.unsigned_abs()))
}

pub(crate) fn maybe_instant(row: &Row<'_>, column: &str) -> Result<Option<Timestamp>, Fault> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|ms| Timestamp(ms.unsigned_abs())))
}

/// A protobuf body.
pub(crate) fn body<T: Wire>(row: &Row<'_>, column: &str) -> Result<T, Fault> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|e| corrupt(column, &e.to_string()))?;
    decode(bytes).map_err(|e| corrupt(column, &e.to_string()))
}

pub(crate) fn array<const N: usize>(row: &Row<'_>, column: &str) -> Result<[u8; N], Fault> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|e| corrupt(column, &e.to_string()))?;
    bytes.try_into().map_err(|_| corrupt(column, &format!("{} bytes instead of {N}", bytes.len())))
}

pub(crate) fn address(row: &Row<'_>, column: &str) -> Result<Address, Fault> {
    array(row, column).map(Address::new)
}

pub(crate) fn hash(row: &Row<'_>, column: &str) -> Result<B256, Fault> {
    array(row, column).map(B256::new)
}

pub(crate) fn job_id(row: &Row<'_>, column: &str) -> Result<JobId, Fault> {
    array(row, column).map(|bytes| JobId(U256::from_be_bytes::<32>(bytes)))
}

pub(crate) fn task_id(row: &Row<'_>, column: &str) -> Result<TaskId, Fault> {
    hash(row, column).map(TaskId)
}

/// The cell of a job's id.
pub(crate) fn of_job(id: JobId) -> [u8; 32] {
    id.0.to_be_bytes::<32>()
}

pub(crate) fn corrupt(column: &str, what: &str) -> Fault {
    Fault::Store(StoreError::Corrupt(format!("column {column}: {what}")))
}

/// All rows of a query.
pub(crate) fn all<T>(
    db: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}
