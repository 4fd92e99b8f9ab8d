//! Jobs and cursors.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::{
    U256,
    fees::LedgerEntry,
    ids::{JobId, Serial},
    job::{Cursor, Job, JobChange, JobRecord, TriggerKind},
    lease::{Fence, Shard, ShardSet},
    registration::Discrepancy,
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, JobStore, StoreError};
use async_trait::async_trait;

use crate::state::{JobEntry, MemoryStore, State};

#[async_trait]
impl JobStore for MemoryStore {
    async fn create_and_book(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: Vec<LedgerEntry>,
    ) -> Result<CreateOutcome, StoreError> {
        let mut state = self.write()?;
        let mut fresh: BTreeMap<JobId, &Job> = BTreeMap::new();
        for (job, _) in &jobs {
            let known = state.standing(job).and_then(JobEntry::created).map(|created| &**created);
            match known.or_else(|| fresh.get(&job.id).copied()) {
                None => {
                    fresh.insert(job.id, job);
                }
                Some(other) if same_content(job, other) => {}
                Some(_) => return Ok(CreateOutcome::Taken(job.id)),
            }
        }
        let (was_new, next) = (!fresh.is_empty(), state.next_serial());
        if next as usize + fresh.len() > Serial::MAX as usize + 1 {
            return Err(StoreError::ReadOnly("all serials of jobs are given out".to_owned()));
        }
        let mut serials = Vec::with_capacity(jobs.len());
        for (job, cursor) in jobs {
            let known = state.standing(&job).map(|entry| entry.record.job.serial);
            serials.push(known.unwrap_or_else(|| state.insert(job, cursor)));
        }
        if !was_new {
            return Ok(CreateOutcome::Same(serials));
        }
        state.book(entries);
        Ok(CreateOutcome::Created(serials))
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        Ok(self.read().jobs.get(&id).map(|entry| entry.record.clone()))
    }

    async fn created(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(self.read().jobs.get(&id).and_then(JobEntry::created).cloned())
    }

    async fn version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError> {
        Ok(self.read().jobs.get(&id).and_then(|entry| entry.versions.get(&version).cloned()))
    }

    async fn list(
        &self,
        query: JobQuery,
        before: Option<Serial>,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let state = self.read();
        let end = before.unwrap_or(Serial(u32::MAX));
        let records = state.by_serial.range(..end).rev().filter_map(|(_, id)| state.jobs.get(id));
        let matching = records.map(|entry| &entry.record).filter(|r| asked(&query, &r.job));
        Ok(matching.take(limit as usize).cloned().collect())
    }

    async fn change(
        &self,
        id: JobId,
        serial: Serial,
        change: JobChange,
    ) -> Result<Option<JobRecord>, StoreError> {
        let mut state = self.write()?;
        let entry = state.jobs.get_mut(&id).filter(|entry| entry.record.job.serial == serial);
        let Some(entry) = entry else { return Ok(None) };
        if entry.record.deleted_at.is_none() {
            entry.apply(change);
        }
        Ok(Some(entry.record.clone()))
    }

    async fn due(
        &self,
        kind: TriggerKind,
        shards: ShardSet,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let state = self.read();
        let asked = state.jobs.values().filter(|entry| shards.contains(entry.shard));
        let mut due: Vec<&JobRecord> = asked.map(|entry| &entry.record).collect();
        due.retain(|r| {
            r.job.trigger.kind() == kind
                && r.paused_at.is_none()
                && r.deleted_at.is_none()
                && !r.cursor.finished
                && r.cursor.next_due.is_some_and(|at| at <= now)
        });
        due.sort_by_key(|r| (r.cursor.next_due, r.job.serial));
        Ok(due.into_iter().take(limit as usize).cloned().collect())
    }

    async fn move_cursor(&self, cursor: Cursor, fence: Option<Fence>) -> Result<CursorOutcome, StoreError> {
        let mut state = self.write()?;
        if !state.may_write(cursor.job, fence) {
            return Ok(CursorOutcome::Fenced);
        }
        let Some(entry) = state.jobs.get_mut(&cursor.job) else { return Ok(CursorOutcome::Stale) };
        let record = &mut entry.record;
        if record.deleted_at.is_some() || record.cursor.revision.checked_add(1) != Some(cursor.revision) {
            return Ok(CursorOutcome::Stale);
        }
        record.cursor = cursor;
        Ok(CursorOutcome::Moved)
    }
}

impl State {
    fn next_serial(&self) -> u32 {
        self.by_serial.last_key_value().map_or(1, |(last, _)| last.0 + 1)
    }

    /// The job that stands under another's id, and stays there.
    fn standing(&self, job: &Job) -> Option<&JobEntry> {
        let known = self.jobs.get(&job.id)?;
        let found = self.registrations.get(&(job.created_chain, job.id));
        let is_theirs = found
            .is_some_and(|r| matches!(r.discrepancy, Discrepancy::OwnerDiffers(_)) && r.owner == job.owner);
        let record = &known.record;
        (record.deleted_at.is_none() || record.job.owner == job.owner || !is_theirs).then_some(known)
    }

    fn insert(&mut self, mut job: Job, mut cursor: Cursor) -> Serial {
        let serial = Serial(self.next_serial());
        job.serial = serial;
        let mut versions = BTreeMap::new();
        if let Some(before) = self.jobs.remove(&job.id) {
            self.by_serial.remove(&before.record.job.serial);
            self.decisions.remove(&job.id);
            self.secrets.retain(|(of, _), _| *of != job.id);
            job.version = before.record.job.version.saturating_add(1);
            cursor = cursor.in_place_of(&before.record.cursor);
            versions = before.versions;
        }
        self.by_serial.insert(serial, job.id);
        versions.insert(job.version, Arc::new(job.clone()));
        let (id, updated_at) = (job.id, job.accepted_at);
        let record = JobRecord {
            job,
            cursor,
            paused_at: None,
            deleted_at: None,
            updated_at,
            last_opened_at: None,
            charged: U256::ZERO,
        };
        self.jobs.insert(id, JobEntry { shard: Shard::of_job(id).no, record, versions });
        serial
    }
}

impl JobEntry {
    /// Its first version.
    fn created(&self) -> Option<&Arc<Job>> {
        self.versions.values().find(|version| version.serial == self.record.job.serial)
    }

    fn apply(&mut self, change: JobChange) {
        let record = &mut self.record;
        match change {
            JobChange::Version(job, at) => {
                if job.id == record.job.id && record.job.version.checked_add(1) == Some(job.version) {
                    record.job = Job { serial: record.job.serial, ..*job };
                    record.updated_at = at;
                    self.versions.insert(record.job.version, Arc::new(record.job.clone()));
                }
            }
            JobChange::Paused(at) => {
                if record.paused_at.is_none() {
                    (record.paused_at, record.updated_at) = (Some(at), at);
                }
            }
            JobChange::Resumed(at) => {
                if record.paused_at.take().is_some() {
                    record.updated_at = at;
                }
            }
            JobChange::Deleted(at) => (record.deleted_at, record.updated_at) = (Some(at), at),
        }
    }
}

fn same_content(a: &Job, b: &Job) -> bool {
    let (serial, version) = (b.serial, b.version);
    let a = Job { serial, version, accepted_at: b.accepted_at, expires_at: b.expires_at, ..a.clone() };
    a == *b
}

fn asked(query: &JobQuery, job: &Job) -> bool {
    match query {
        JobQuery::Owner(owner) => job.owner == *owner,
        JobQuery::OwnerOnChain(owner, chain) => job.owner == *owner && job.created_chain == *chain,
        JobQuery::Safe(safe) => job.safe.as_ref().is_some_and(|s| s.address == *safe),
    }
}
