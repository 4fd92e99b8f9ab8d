//! Jobs and cursors.

use std::sync::Arc;

use argus_domain::{
    fees::LedgerEntry,
    ids::{JobId, Serial},
    job::{Cursor, Job, JobChange, JobRecord, TriggerKind},
    lease::{Fence, ShardSet},
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, JobStore, StoreError};
use async_trait::async_trait;
use futures::FutureExt as _;

use crate::{
    buckets,
    cell::{exact, job_id, values},
    due,
    job_rows::{Head, JobList},
    session::{Statement, each},
    store::ScyllaStore,
};

/// Jobs read at the same time.
const AT_ONCE: usize = 16;
/// How often a write is tried that others come before: each time, one of them was written.
const TRIES: u32 = 64;

static LISTED: Statement =
    Statement::read("SELECT serial, job FROM job_lists WHERE list = ? AND bucket = ? AND serial < ? LIMIT ?");
static PUT_IN_LIST: Statement =
    Statement::write("INSERT INTO job_lists (list, bucket, serial, job) VALUES (?, ?, ?, ?)");

/// What callers are told whose write others always came before.
pub(crate) fn crowded(what: &str) -> StoreError {
    StoreError::Unavailable(format!("others write {what} all the time"))
}

#[async_trait]
impl JobStore for ScyllaStore {
    async fn create_and_book(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: Vec<LedgerEntry>,
    ) -> Result<CreateOutcome, StoreError> {
        self.create_jobs(&jobs, &entries).await
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        match self.full(id).await? {
            Some(head) => self.job_record(head).await.map(Some),
            None => Ok(None),
        }
    }

    async fn created(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        match self.head(id).await? {
            Some(head) => self.find_version(id, head.first_version).await,
            None => Ok(None),
        }
    }

    async fn version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError> {
        self.find_version(id, version).await
    }

    async fn list(
        &self,
        query: JobQuery,
        before: Option<Serial>,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let list = match query {
            JobQuery::Owner(owner) => JobList::Owner(owner),
            JobQuery::OwnerOnChain(owner, chain) => JobList::OwnerOnChain(owner, exact(chain.0)),
            JobQuery::Safe(safe) => JobList::Safe(safe),
        };
        self.list_jobs(list, before, limit as usize).await
    }

    async fn change(
        &self,
        id: JobId,
        serial: Serial,
        change: JobChange,
    ) -> Result<Option<JobRecord>, StoreError> {
        for _ in 0..TRIES {
            let before = self.full(id).await?.filter(|head| head.serial == serial);
            let Some(before) = before else { return Ok(None) };
            let Some((after, version)) = changed(&before, &change) else {
                return self.job_record(before).await.map(Some);
            };
            if version.is_some() {
                self.keep_newest_version(&before).await?;
                self.put_in_lists(&after).await?;
            }
            if self.save(&before, &after, version.as_ref()).await? {
                // Another may have written since; that is told as well.
                let now = JobStore::job(self, id).await?;
                return Ok(now.filter(|record| record.job.serial == serial));
            }
        }
        Err(crowded("this job"))
    }

    async fn due(
        &self,
        kind: TriggerKind,
        shards: ShardSet,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        due::scan(self, (kind, shards), now, limit).await
    }

    async fn move_cursor(&self, cursor: Cursor, fence: Option<Fence>) -> Result<CursorOutcome, StoreError> {
        for _ in 0..TRIES {
            let Some(before) = self.head(cursor.job).await? else { return Ok(CursorOutcome::Stale) };
            let Some(ours) = before.fenced(fence) else { return Ok(CursorOutcome::Fenced) };
            let is_next = before.cursor.revision.checked_add(1) == Some(cursor.revision);
            if before.deleted_at.is_some() || !is_next {
                return Ok(CursorOutcome::Stale);
            }
            let after = Head { cursor: cursor.clone(), ..ours };
            if self.save(&before, &after, None).await? {
                return Ok(CursorOutcome::Moved);
            }
        }
        Err(crowded("this job"))
    }
}

/// A job after a change, with the version that it brings; `None` where the change is none.
fn changed(before: &Head, change: &JobChange) -> Option<(Head, Option<Job>)> {
    if before.deleted_at.is_some() {
        return None;
    }
    let mut after = before.clone();
    let mut version = None;
    match change {
        JobChange::Version(job, at) => {
            if job.id != before.id || before.version.checked_add(1) != Some(job.version) {
                return None;
            }
            let job = Job { serial: before.serial, ..(**job).clone() };
            after.take(&job);
            after.updated_at = *at;
            version = Some(job);
        }
        JobChange::Paused(at) if before.paused_at.is_none() => {
            (after.paused_at, after.updated_at) = (Some(*at), *at);
        }
        JobChange::Resumed(at) if before.paused_at.is_some() => {
            (after.paused_at, after.updated_at) = (None, *at);
        }
        JobChange::Paused(_) | JobChange::Resumed(_) => return None,
        JobChange::Deleted(at) => (after.deleted_at, after.updated_at) = (Some(*at), *at),
    }
    Some((after, version))
}

/// Partitions of a list of jobs.
fn bucket(serial: Serial) -> i64 {
    i64::from(serial.0 >> 16)
}

impl ScyllaStore {
    /// Writes the rows by which lists find a job. Those of lists that it is in no longer stay, and count for nothing.
    pub(crate) async fn put_in_lists(&self, head: &Head) -> Result<(), StoreError> {
        let bucket = bucket(head.serial);
        for list in JobList::all(head) {
            let key = list.key();
            self.db().write(&PUT_IN_LIST, values![&key, bucket, head.serial.0, head.id]).await?;
            self.notes().kept(self.db(), &key, bucket).await?;
        }
        Ok(())
    }

    async fn list_jobs(
        &self,
        list: JobList,
        before: Option<Serial>,
        limit: usize,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let key = list.key();
        let mut below = before.map_or(i32::MAX, |serial| i32::try_from(serial.0).unwrap_or(i32::MAX));
        let newest = before.map_or(i64::MAX, bucket);
        let mut found = Vec::new();
        for bucket in buckets::down(self.db(), &key, newest, u32::MAX).await? {
            loop {
                let rows: Vec<(i32, Vec<u8>)> =
                    self.db().rows(&LISTED, values![&key, bucket, below, ordered_limit(limit)]).await?;
                let Some((last, _)) = rows.last() else { break };
                below = *last;
                let is_last_page = rows.len() < limit;
                let heads = rows.into_iter().map(|row| self.listed(list, row).boxed()).collect();
                found.extend(each(AT_ONCE, heads).await?.into_iter().flatten());
                if is_last_page || found.len() >= limit {
                    break;
                }
            }
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        each(AT_ONCE, found.into_iter().map(|head| self.job_record(head).boxed()).collect()).await
    }

    /// The job of a row, where it is in that list still.
    async fn listed(&self, list: JobList, (serial, job): (i32, Vec<u8>)) -> Result<Option<Head>, StoreError> {
        let head = self.head(job_id("job", &job)?).await?;
        let serial = u32::try_from(serial).unwrap_or_default();
        Ok(head.filter(|head| head.serial.0 == serial && list.has(head)))
    }
}

/// As many rows at a time as are asked for.
pub(crate) fn ordered_limit(limit: usize) -> i32 {
    i32::try_from(limit.max(1)).unwrap_or(i32::MAX)
}
