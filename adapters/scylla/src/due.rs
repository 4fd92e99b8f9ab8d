//! Which jobs are due: rows by the minute, written before the cursor that they follow from, and removed after it.

use argus_domain::{
    job::{JobRecord, TriggerKind},
    lease::{Shard, ShardSet},
    time::Timestamp,
};
use argus_ports::StoreError;
use futures::FutureExt as _;

use crate::{
    buckets::{self, Noted},
    cell::{job_id, ordered, values},
    job_rows::{Head, number},
    session::{Statement, each},
    store::ScyllaStore,
};

/// Milliseconds of a bucket.
const BUCKET_MS: i64 = 60_000;
/// Partitions or jobs read at the same time.
const AT_ONCE: usize = 16;

static PUT: Statement =
    Statement::write("INSERT INTO due (kind, bucket, due, serial, stamp, job) VALUES (?, ?, ?, ?, ?, ?)");
static REMOVE: Statement = Statement::write(
    "DELETE FROM due WHERE kind = ? AND bucket = ? AND due = ? AND serial = ? AND stamp = ?",
);
static READ: Statement = Statement::read(
    "SELECT due, serial, stamp, job FROM due WHERE kind = ? AND bucket = ? AND (due) <= (?) AND (due, serial, stamp) > (?, ?, ?)
     LIMIT ?",
);

fn list(kind: i32) -> Vec<u8> {
    format!("due/{kind}").into_bytes()
}

/// When a job is due, if it may open tasks.
fn due(head: &Head) -> Option<i64> {
    head.cursor.next_due.filter(|_| head.is_armed()).map(|at| ordered(at.0))
}

/// Writes the row that follows from a job's next state.
pub(crate) async fn put(store: &ScyllaStore, head: &Head) -> Result<(), StoreError> {
    let Some(due) = due(head) else { return Ok(()) };
    let bucket = due / BUCKET_MS;
    let cells = values![head.kind, bucket, due, head.serial.0, head.stamp, head.id];
    store.db().write(&PUT, cells).await?;
    store.notes().passing(store.db(), &list(head.kind), bucket).await
}

/// Removes the row of a state that is past.
pub(crate) async fn remove(store: &ScyllaStore, head: &Head) -> Result<(), StoreError> {
    let Some(due) = due(head) else { return Ok(()) };
    let cells = values![head.kind, due / BUCKET_MS, due, head.serial.0, head.stamp];
    store.db().write(&REMOVE, cells).await
}

/// Before all rows of a partition.
const START: (i64, i32, i64) = (i64::MIN, i32::MIN, i64::MIN);

/// A row.
type Row = (i64, i32, i64, Vec<u8>);

pub(crate) async fn scan(
    store: &ScyllaStore,
    (kind, shards): (TriggerKind, ShardSet),
    now: Timestamp,
    limit: u32,
) -> Result<Vec<JobRecord>, StoreError> {
    let kind = number(kind);
    let now = ordered(now.0);
    let buckets = buckets::between(store.db(), &list(kind), i64::MIN, now / BUCKET_MS).await?;
    let wanted = limit as usize;
    let mut found = Vec::new();
    // Several partitions are read at a time, and their rows taken in order.
    for some in buckets.chunks(AT_ONCE) {
        let pages =
            some.iter().map(|noted| page(store, (kind, noted.bucket), now, START, limit).boxed()).collect();
        for (noted, rows) in some.iter().zip(each(AT_ONCE, pages).await?) {
            take(store, (kind, *noted, shards), (now, limit), rows, &mut found).await?;
        }
        if found.len() >= wanted {
            break;
        }
    }
    found.truncate(wanted);
    each(AT_ONCE, found.into_iter().map(|head| store.job_record(head).boxed()).collect()).await
}

/// Takes the jobs of a bucket, from its first page on, until there are as many as are wanted.
async fn take(
    store: &ScyllaStore,
    (kind, noted, shards): (i32, Noted, ShardSet),
    (now, limit): (i64, u32),
    mut rows: Vec<Row>,
    found: &mut Vec<Head>,
) -> Result<(), StoreError> {
    let wanted = limit as usize;
    if rows.is_empty() && found.len() < wanted {
        return forget_if_empty(store, kind, noted).await;
    }
    while found.len() < wanted && !rows.is_empty() {
        let last = rows.last().map(|(due, serial, stamp, _)| (*due, *serial, *stamp));
        let is_full = rows.len() >= wanted;
        // Rows of other shards are read and passed over: they are for whoever holds those.
        let heads = rows.into_iter().map(|row| valid(store, (kind, noted.bucket, shards), row).boxed());
        let heads = heads.collect();
        found.extend(each(AT_ONCE, heads).await?.into_iter().flatten());
        rows = match last {
            Some(last) if is_full && found.len() < wanted => {
                page(store, (kind, noted.bucket), now, last, limit).await?
            }
            Some(_) | None => Vec::new(),
        };
    }
    Ok(())
}

async fn page(
    store: &ScyllaStore,
    (kind, bucket): (i32, i64),
    now: i64,
    (due, serial, stamp): (i64, i32, i64),
    limit: u32,
) -> Result<Vec<Row>, StoreError> {
    store.db().rows(&READ, values![kind, bucket, now, due, serial, stamp, limit]).await
}

/// The job that a row is of, where its own row says the same. What is past is removed; what is not yet may come.
async fn valid(
    store: &ScyllaStore,
    (kind, bucket, shards): (i32, i64, ShardSet),
    (at, serial, stamp, job): Row,
) -> Result<Option<Head>, StoreError> {
    let job = job_id("job", &job)?;
    if !shards.contains(Shard::of_job(job).no) {
        return Ok(None);
    }
    let Some(head) = store.head(job).await? else { return Ok(None) };
    let is_this = head.serial.0 == u32::try_from(serial).unwrap_or_default();
    if is_this && head.stamp == stamp && due(&head) == Some(at) && head.kind == kind {
        return Ok(Some(head));
    }
    if head.stamp >= stamp {
        store.db().write(&REMOVE, values![kind, bucket, at, serial, stamp]).await?;
    }
    Ok(None)
}

async fn forget_if_empty(store: &ScyllaStore, kind: i32, noted: Noted) -> Result<(), StoreError> {
    // Rows of this very minute may be due later.
    let all = page(store, (kind, noted.bucket), i64::MAX, START, 1).await?;
    if all.is_empty() { buckets::forget(store.db(), &list(kind), noted).await } else { Ok(()) }
}
