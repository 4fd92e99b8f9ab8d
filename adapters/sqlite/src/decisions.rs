//! Why jobs did not fire.

use argus_domain::{
    decision::{Decision, Outcome},
    ids::JobId,
};
use argus_ports::{DecisionStore, Look, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use rusqlite::{Connection, params};

use crate::{
    cell::{body, of_job, ordered},
    database::SqliteStore,
    fault::Fault,
    job_rows, leases,
};

#[async_trait]
impl DecisionStore for SqliteStore {
    async fn note(&self, looks: Vec<Look>, keep: u32) -> Result<(), StoreError> {
        self.write(looks.len(), move |db| looks.iter().try_for_each(|look| note(db, look, keep))).await
    }

    async fn of_job(&self, job: JobId, limit: u32) -> Result<Vec<Decision>, StoreError> {
        self.read(move |db| {
            let mut select = db.prepare_cached(
                "SELECT body FROM decisions WHERE job = ?1 ORDER BY last_at DESC, task DESC LIMIT ?2",
            )?;
            let mut rows = select.query(params![of_job(job), limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(body(row, "body")?);
            }
            Ok(found)
        })
        .await
    }
}

fn note(db: &Connection, Look { job, serial, fence, decision }: &Look, keep: u32) -> Result<(), Fault> {
    let job = *job;
    if !leases::may_write(db, job, *fence)? {
        return Ok(());
    }
    if job_rows::serial(db, job)?.is_some_and(|standing| standing != *serial) {
        return Ok(());
    }
    let (task, kind) = (decision.task.0, number(&decision.outcome));
    let mut select =
        db.prepare_cached("SELECT body FROM decisions WHERE job = ?1 AND task = ?2 AND kind = ?3")?;
    let mut rows = select.query(params![of_job(job), task, kind])?;
    let known: Option<Decision> = rows.next()?.map(|row| body(row, "body")).transpose()?;
    let is_new = known.is_none();
    let row = match known {
        Some(mut known) => {
            known.fold(decision.clone());
            known
        }
        None => decision.clone(),
    };
    put(db, job, &row)?;
    if is_new {
        db.prepare_cached(
            "DELETE FROM decisions WHERE job = ?1 AND (task, kind) IN (
                 SELECT task, kind FROM decisions WHERE job = ?1
                 ORDER BY last_at DESC, task DESC LIMIT -1 OFFSET ?2
             )",
        )?
        .execute(params![of_job(job), keep])?;
    }
    Ok(())
}

/// Keeps a row in the place of the one like it.
pub(crate) fn put(db: &Connection, job: JobId, row: &Decision) -> Result<(), Fault> {
    let (task, kind) = (row.task.0, number(&row.outcome));
    db.prepare_cached(
        "INSERT OR REPLACE INTO decisions (job, task, kind, last_at, body) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![of_job(job), task, kind, ordered(row.last_at.0), encode(row)])?;
    Ok(())
}

fn number(outcome: &Outcome) -> u8 {
    match outcome {
        Outcome::PassedOver { .. } => 5,
        Outcome::Held { .. } => 6,
        Outcome::Paused { .. } => 7,
        Outcome::Expired => 8,
        Outcome::Unfulfilled(_) => 9,
        Outcome::StillFulfilled(_) => 10,
        Outcome::Cooling { .. } => 11,
        Outcome::Unread { .. } => 12,
        Outcome::Unmatched(_) => 13,
    }
}
