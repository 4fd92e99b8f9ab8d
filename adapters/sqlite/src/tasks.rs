//! Tasks: opening and reading.

use argus_domain::{
    ids::{Serial, TaskId},
    task::TaskRecord,
};
use argus_ports::{OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use argus_proto::encode;
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, ToSql, params, types::Value};

use crate::{
    cell::{body, of_job, ordered, place},
    database::SqliteStore,
    facts::{self, Written},
    fault::Fault,
    job_rows, leases,
};

const ONE: &str = "SELECT row, body FROM tasks WHERE place = ?1 AND id = ?2";

#[async_trait]
impl TaskStore for SqliteStore {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        let tasks: Vec<Encoded> = tasks.into_iter().map(Encoded::new).collect();
        self.write(2 * tasks.len(), move |db| tasks.iter().map(|opening| open(db, opening)).collect()).await
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let facts: Vec<Written> = facts.iter().map(Written::new).collect();
        self.write(facts.len(), move |db| facts::append(db, &facts)).await
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        let ids = ids.to_vec();
        self.read(move |db| {
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                found.extend(records(db, ONE, &[&place(id), &id.0.0])?);
            }
            Ok(found)
        })
        .await
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.read(move |db| {
            // In the order of their opening.
            let after = match after {
                Some(id) => facts::row_of(db, id)?.unwrap_or_default(),
                None => 0,
            };
            let sql =
                "SELECT row, body FROM tasks INDEXED BY tasks_unfinished WHERE finished = 0 AND row > ?1
                       ORDER BY row LIMIT ?2";
            records(db, sql, &[&after, &limit])
        })
        .await
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        self.read(move |db| {
            let Some((opened_at, public_id)) = place_of(db, before)? else { return Ok(Vec::new()) };
            let before: [&dyn ToSql; 3] = [&limit, &opened_at, &public_id];
            match query {
                TaskQuery::Job(job) => list_of_job(db, job_rows::serial(db, job)?, public_id, limit),
                TaskQuery::Owner(owner) => records(
                    db,
                    "SELECT row, body FROM tasks WHERE owner = ?4 AND (opened_at, public_id) < (?2, ?3)
                     ORDER BY opened_at DESC, public_id DESC LIMIT ?1",
                    &[before[0], before[1], before[2], &owner.0.0],
                ),
                TaskQuery::Safe(safe) => records(
                    db,
                    "SELECT row, body FROM tasks WHERE safe = ?4 AND (opened_at, public_id) < (?2, ?3)
                     ORDER BY opened_at DESC, public_id DESC LIMIT ?1",
                    &[before[0], before[1], before[2], &safe.0.0],
                ),
                TaskQuery::Recent => records(
                    db,
                    "SELECT row, body FROM tasks WHERE (opened_at, public_id) < (?2, ?3)
                     ORDER BY opened_at DESC, public_id DESC LIMIT ?1",
                    &before,
                ),
            }
        })
        .await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.read(move |db| {
            Ok(records(db, "SELECT row, body FROM tasks WHERE public_id = ?1", &[&ordered(id)])?.pop())
        })
        .await
    }
}

/// A job's tasks are opened in the order of their numbers, and its public ids are one stretch.
fn list_of_job(
    db: &Connection,
    serial: Option<Serial>,
    before: i64,
    limit: u32,
) -> Result<Vec<TaskRecord>, Fault> {
    let Some(serial) = serial else { return Ok(Vec::new()) };
    let (first, end) = (i64::from(serial.0) << 26, (i64::from(serial.0) + 1) << 26);
    records(
        db,
        "SELECT row, body FROM tasks WHERE public_id >= ?1 AND public_id < ?2 ORDER BY public_id DESC LIMIT ?3",
        &[&first, &end.min(before), &limit],
    )
}

/// Where a listing starts; `None` where there is no such task.
fn place_of(db: &Connection, before: Option<u64>) -> Result<Option<(i64, i64)>, Fault> {
    let Some(id) = before else { return Ok(Some((i64::MAX, i64::MAX))) };
    let mut select = db.prepare_cached("SELECT opened_at, public_id FROM tasks WHERE public_id = ?1")?;
    Ok(select.query_row([ordered(id)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

fn records(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<TaskRecord>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(TaskRecord { task: body(row, "body")?, facts: facts::of_task(db, row.get("row")?)? });
    }
    Ok(found)
}

/// A task to be opened, encoded before the writer has it.
struct Encoded {
    opening: Opening,
    task_body: Vec<u8>,
    cursor_body: Vec<u8>,
}

impl Encoded {
    fn new(opening: Opening) -> Self {
        let (task_body, cursor_body) = (encode(&opening.task), encode(&opening.cursor));
        Self { opening, task_body, cursor_body }
    }
}

fn open(
    db: &Connection,
    Encoded { opening: Opening { task, cursor, fence }, task_body, cursor_body }: &Encoded,
) -> Result<OpenOutcome, Fault> {
    if !leases::may_write(db, task.job, *fence)? {
        return Ok(OpenOutcome::Fenced);
    }
    let mut select = db.prepare_cached(
        "SELECT serial, owner, safe FROM jobs WHERE id = ?1 AND paused_at IS NULL AND deleted_at IS NULL",
    )?;
    let mut rows = select.query([of_job(task.job)])?;
    let Some(job) = rows.next()? else { return Ok(OpenOutcome::Gone) };
    let serial = Serial(job.get("serial")?);
    if serial != task.serial {
        return Ok(OpenOutcome::Gone);
    }
    let (owner, safe): (Value, Value) = (job.get("owner")?, job.get("safe")?);
    let of_this_job = cursor.job == task.job;
    if facts::row_of(db, task.id)?.is_some() {
        if of_this_job {
            job_rows::move_cursor(db, serial, cursor, cursor_body)?;
        }
        return Ok(OpenOutcome::Already);
    }
    let public_id = ordered(task.public_id());
    let number_taken = exists(db, "SELECT 1 FROM tasks WHERE public_id = ?1", &public_id)?;
    if number_taken || !of_this_job || !job_rows::move_cursor(db, serial, cursor, cursor_body)? {
        return Ok(OpenOutcome::Stale);
    }
    db.prepare_cached(
        "INSERT INTO tasks (place, id, public_id, opened_at, owner, safe, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        place(task.id),
        task.id.0.0,
        public_id,
        ordered(task.opened_at.0),
        owner,
        safe,
        task_body
    ])?;
    db.prepare_cached("UPDATE cursors SET last_opened_at = ?2 WHERE serial = ?1")?
        .execute(params![serial.0, ordered(task.due.0)])?;
    Ok(OpenOutcome::Opened)
}

fn exists(db: &Connection, sql: &str, value: &dyn ToSql) -> Result<bool, Fault> {
    Ok(db.prepare_cached(sql)?.exists([value])?)
}
