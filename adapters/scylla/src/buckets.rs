//! Which partitions a list has: each bucket is a partition, and a reader looks into those that are noted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use argus_ports::StoreError;

use crate::{
    cell::{instant, values},
    session::{Db, Statement},
};

/// How long a process relies on having noted a bucket of a list whose rows are removed again.
const NOTED_FOR: Duration = Duration::from_secs(30);
/// How old the note of an empty bucket is before it is taken away: much longer than anyone relies on it.
const EMPTY_AFTER_MS: u64 = 180_000;
/// Notes kept in memory, at some tens of bytes each.
const NOTES_MAX: usize = 200_000;

static NOTE: Statement = Statement::write("INSERT INTO buckets (list, bucket, seen) VALUES (?, ?, true)");
static UP_TO: Statement = Statement::read(
    "SELECT bucket, WRITETIME(seen), toUnixTimestamp(now()) FROM buckets WHERE list = ? AND bucket >= ? AND bucket <= ?",
);
static DOWN_FROM: Statement =
    Statement::read("SELECT bucket FROM buckets WHERE list = ? AND bucket <= ? ORDER BY bucket DESC LIMIT ?");
static UP_FROM: Statement =
    Statement::read("SELECT bucket FROM buckets WHERE list = ? AND bucket >= ? LIMIT ?");
/// Takes away just the note that was seen: one that was made since has a later timestamp, and stays.
static FORGET: Statement =
    Statement::write("DELETE FROM buckets USING TIMESTAMP ? WHERE list = ? AND bucket = ?");

/// A bucket, and the write that noted it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted {
    pub bucket: i64,
    written_us: i64,
    is_old: bool,
}

/// What this process has noted.
#[derive(Default)]
pub(crate) struct Notes(Mutex<HashMap<(Vec<u8>, i64), Instant>>);

impl Notes {
    fn is_fresh(&self, key: &(Vec<u8>, i64), keeps: bool) -> bool {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.get(key).is_some_and(|at| keeps || at.elapsed() < NOTED_FOR)
    }

    fn note(&self, key: (Vec<u8>, i64), at: Instant) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() >= NOTES_MAX {
            notes.clear();
        }
        notes.insert(key, at);
    }

    /// Notes a bucket of a list whose rows stay for ever.
    pub(crate) async fn kept(&self, db: &Db, list: &[u8], bucket: i64) -> Result<(), StoreError> {
        self.add(db, list, bucket, true).await
    }

    /// Notes a bucket of a list whose rows are removed again. To be called when the row is there: who finds the bucket
    /// empty then has found it so before.
    pub(crate) async fn passing(&self, db: &Db, list: &[u8], bucket: i64) -> Result<(), StoreError> {
        self.add(db, list, bucket, false).await
    }

    async fn add(&self, db: &Db, list: &[u8], bucket: i64, keeps: bool) -> Result<(), StoreError> {
        let key = (list.to_vec(), bucket);
        if self.is_fresh(&key, keeps) {
            return Ok(());
        }
        let before = Instant::now();
        db.write(&NOTE, values![list, bucket]).await?;
        self.note(key, before);
        Ok(())
    }
}

/// The buckets of a list between two, both included, in their order.
pub(crate) async fn between(db: &Db, list: &[u8], from: i64, to: i64) -> Result<Vec<Noted>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = db.rows(&UP_TO, values![list, from, to]).await?;
    let noted = |(bucket, written_us, now): (i64, i64, i64)| {
        let age_ms = instant(now).0.saturating_sub(written_us.unsigned_abs() / 1000);
        Noted { bucket, written_us, is_old: age_ms > EMPTY_AFTER_MS }
    };
    Ok(rows.into_iter().map(noted).collect())
}

/// The last buckets of a list up to one, newest first.
pub(crate) async fn down(db: &Db, list: &[u8], from: i64, limit: u32) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = db.rows(&DOWN_FROM, values![list, from, limit]).await?;
    Ok(rows.into_iter().map(|(bucket,)| bucket).collect())
}

/// The first buckets of a list from one on.
pub(crate) async fn up(db: &Db, list: &[u8], from: i64, limit: u32) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = db.rows(&UP_FROM, values![list, from, limit]).await?;
    Ok(rows.into_iter().map(|(bucket,)| bucket).collect())
}

/// Forgets a bucket that was found empty, if its note is old enough.
pub(crate) async fn forget(db: &Db, list: &[u8], noted: Noted) -> Result<(), StoreError> {
    if !noted.is_old {
        return Ok(());
    }
    db.write(&FORGET, values![noted.written_us, list, noted.bucket]).await
}
