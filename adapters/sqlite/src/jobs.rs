//! Jobs and cursors.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::{Arc, PoisonError},
};

use argus_domain::{
    fees::LedgerEntry,
    ids::{JobId, Serial},
    job::{Cursor, Job, JobChange, JobRecord, TriggerKind},
    lease::{Fence, ShardSet},
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, JobStore, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use rusqlite::{Connection, params};

use crate::{
    cell::{exact, of_job, ordered},
    database::SqliteStore,
    fault::Fault,
    job_rows::{self, select_jobs},
    leases, ledger,
};

/// Shards are picked within the index, so that jobs of others cost no more than their place in it.
pub(crate) const DUE: &str = select_jobs!(
    "WHERE c.kind = ?1 AND c.armed = 1 AND c.next_due <= ?2 AND (?4 >> c.shard) & 1
     ORDER BY c.next_due, c.serial LIMIT ?3"
);

/// Versions kept in memory: at a few KB each some tens of MB.
const VERSIONS_MAX: usize = 10_000;

#[async_trait]
impl JobStore for SqliteStore {
    async fn create_and_book(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: Vec<LedgerEntry>,
    ) -> Result<CreateOutcome, StoreError> {
        self.write(3 * jobs.len() + entries.len(), move |db| {
            let outcome = create(db, &jobs)?;
            if let CreateOutcome::Created(_) = outcome {
                ledger::book(db, &entries)?;
            }
            Ok(outcome)
        })
        .await
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.find(move |db| job_rows::by_id(db, id)).await
    }

    async fn created(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        self.find(move |db| job_rows::created(db, id)).await
    }

    async fn version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError> {
        let known = |store: &Self| {
            let versions = store.versions().lock().unwrap_or_else(PoisonError::into_inner);
            versions.get(&(id, version)).cloned()
        };
        if let Some(job) = known(self) {
            return Ok(Some(job));
        }
        let found = self.find(move |db| job_rows::version(db, id, version)).await?;
        if let Some(job) = &found {
            let mut versions = self.versions().lock().unwrap_or_else(PoisonError::into_inner);
            if versions.len() >= VERSIONS_MAX {
                versions.clear();
            }
            versions.insert((id, version), job.clone());
        }
        Ok(found)
    }

    async fn list(
        &self,
        query: JobQuery,
        before: Option<Serial>,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let before = before.map_or(i64::MAX, |serial| i64::from(serial.0));
        self.read(move |db| match query {
            JobQuery::Owner(owner) => job_rows::records(
                db,
                select_jobs!("WHERE j.owner = ?1 AND j.serial < ?2 ORDER BY j.serial DESC LIMIT ?3"),
                &[&owner.0.0, &before, &limit],
            ),
            JobQuery::OwnerOnChain(owner, chain) => job_rows::records(
                db,
                select_jobs!(
                    "WHERE j.owner = ?1 AND j.serial < ?2 AND j.created_chain = ?4
                     ORDER BY j.serial DESC LIMIT ?3"
                ),
                &[&owner.0.0, &before, &limit, &exact(chain.0)],
            ),
            JobQuery::Safe(safe) => job_rows::records(
                db,
                select_jobs!("WHERE j.safe = ?1 AND j.serial < ?2 ORDER BY j.serial DESC LIMIT ?3"),
                &[&safe.0.0, &before, &limit],
            ),
        })
        .await
    }

    async fn change(
        &self,
        id: JobId,
        serial: Serial,
        change: JobChange,
    ) -> Result<Option<JobRecord>, StoreError> {
        self.write(3, move |db| {
            let of_serial = |record: &JobRecord| record.job.serial == serial;
            let Some(record) = job_rows::by_id(db, id)?.filter(of_serial) else { return Ok(None) };
            if record.deleted_at.is_none() {
                apply(db, &record, &change)?;
            }
            job_rows::by_id(db, id)
        })
        .await
    }

    async fn due(
        &self,
        kind: TriggerKind,
        shards: ShardSet,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        self.read(move |db| {
            let shards = exact(shards.bits());
            job_rows::records(db, DUE, &[&job_rows::number(kind), &ordered(now.0), &limit, &shards])
        })
        .await
    }

    async fn move_cursor(&self, cursor: Cursor, fence: Option<Fence>) -> Result<CursorOutcome, StoreError> {
        let bytes = encode(&cursor);
        self.write(1, move |db| {
            if !leases::may_write(db, cursor.job, fence)? {
                return Ok(CursorOutcome::Fenced);
            }
            let mut select =
                db.prepare_cached("SELECT serial FROM jobs WHERE id = ?1 AND deleted_at IS NULL")?;
            let mut rows = select.query([of_job(cursor.job)])?;
            let Some(row) = rows.next()? else { return Ok(CursorOutcome::Stale) };
            let moved = job_rows::move_cursor(db, Serial(row.get(0)?), &cursor, &bytes)?;
            Ok(if moved { CursorOutcome::Moved } else { CursorOutcome::Stale })
        })
        .await
    }
}

fn create(db: &Connection, jobs: &[(Job, Cursor)]) -> Result<CreateOutcome, Fault> {
    let mut fresh: BTreeMap<JobId, &Job> = BTreeMap::new();
    for (job, _) in jobs {
        let same = match standing(db, job)? {
            Some(_) => job_rows::created(db, job.id)?.is_some_and(|known| same_content(job, &known)),
            None => match fresh.entry(job.id) {
                Entry::Occupied(known) => same_content(job, known.get()),
                Entry::Vacant(place) => {
                    place.insert(job);
                    true
                }
            },
        };
        if !same {
            return Ok(CreateOutcome::Taken(job.id));
        }
    }
    let was_new = !fresh.is_empty();
    if was_new && last_serial(db)? + fresh.len() as u64 > u64::from(Serial::MAX) {
        return Err(Fault::Store(StoreError::ReadOnly("all serials of jobs are given out".to_owned())));
    }
    let mut serials = Vec::with_capacity(jobs.len());
    for (job, cursor) in jobs {
        serials.push(match standing(db, job)? {
            Some(serial) => serial,
            None => job_rows::replace(db, job, cursor)?,
        });
    }
    Ok(if was_new { CreateOutcome::Created(serials) } else { CreateOutcome::Same(serials) })
}

/// The job that stands under another's id, and stays there.
fn standing(db: &Connection, job: &Job) -> Result<Option<Serial>, Fault> {
    match job_rows::serial(db, job.id)? {
        Some(_) if job_rows::may_replace(db, job)? => Ok(None),
        known => Ok(known),
    }
}

fn last_serial(db: &Connection) -> Result<u64, Fault> {
    let mut select =
        db.prepare_cached("SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'jobs'")?;
    Ok(select.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

fn same_content(a: &Job, b: &Job) -> bool {
    let (serial, version) = (b.serial, b.version);
    let a = Job { serial, version, accepted_at: b.accepted_at, expires_at: b.expires_at, ..a.clone() };
    a == *b
}

fn apply(db: &Connection, record: &JobRecord, change: &JobChange) -> Result<(), Fault> {
    let serial = record.job.serial;
    match change {
        JobChange::Version(job, at) => {
            if job.id != record.job.id || record.job.version.checked_add(1) != Some(job.version) {
                return Ok(());
            }
            let job = Job { serial, ..(**job).clone() };
            job_rows::insert_version(db, &job)?;
            let safe = job.safe.as_ref().map(|safe| safe.address.0.0);
            db.prepare_cached(
                "UPDATE jobs SET version = ?2, owner = ?3, created_chain = ?4, safe = ?5, updated_at = ?6
                 WHERE serial = ?1",
            )?
            .execute(params![
                serial.0,
                job.version,
                job.owner.0.0,
                exact(job.created_chain.0),
                safe,
                ordered(at.0)
            ])?;
            db.prepare_cached("UPDATE cursors SET kind = ?2 WHERE serial = ?1")?
                .execute(params![serial.0, job_rows::number(job.trigger.kind())])?;
        }
        JobChange::Paused(at) if record.paused_at.is_none() => {
            let sql = "UPDATE jobs SET paused_at = ?2, updated_at = ?2 WHERE serial = ?1";
            db.prepare_cached(sql)?.execute(params![serial.0, ordered(at.0)])?;
        }
        JobChange::Resumed(at) if record.paused_at.is_some() => {
            let sql = "UPDATE jobs SET paused_at = NULL, updated_at = ?2 WHERE serial = ?1";
            db.prepare_cached(sql)?.execute(params![serial.0, ordered(at.0)])?;
        }
        JobChange::Paused(_) | JobChange::Resumed(_) => return Ok(()),
        JobChange::Deleted(at) => {
            let sql = "UPDATE jobs SET deleted_at = ?2, updated_at = ?2 WHERE serial = ?1";
            db.prepare_cached(sql)?.execute(params![serial.0, ordered(at.0)])?;
        }
    }
    db.prepare_cached(
        "UPDATE cursors SET armed = NOT finished AND EXISTS (
             SELECT 1 FROM jobs j WHERE j.serial = ?1 AND j.paused_at IS NULL AND j.deleted_at IS NULL
         ) WHERE serial = ?1",
    )?
    .execute([serial.0])?;
    Ok(())
}
