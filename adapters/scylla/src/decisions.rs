//! Why jobs did not fire. Nothing is decided by it: rows are read, folded and written back without conditions.

use std::collections::BTreeMap;

use argus_domain::{
    decision::{Decision, Outcome},
    ids::{JobId, Serial},
    lease::Fence,
};
use argus_ports::{DecisionStore, Look, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use futures::FutureExt as _;

use crate::{
    cell::{body, ordered, unsigned, values},
    session::{Bound, Statement, each},
    store::ScyllaStore,
};

/// Jobs whose decisions are written at the same time.
const AT_ONCE: usize = 16;
/// Decisions of a job that are written in one step where all of them are written.
const STEP: usize = 32;

static READ: Statement = Statement::read("SELECT serial, body FROM decisions WHERE job = ?");
static PUT: Statement = Statement::write(
    "INSERT INTO decisions (job, task, kind, serial, last_at, body) VALUES (?, ?, ?, ?, ?, ?)",
);
static REMOVE: Statement = Statement::write("DELETE FROM decisions WHERE job = ? AND task = ? AND kind = ?");

#[async_trait]
impl DecisionStore for ScyllaStore {
    async fn note(&self, looks: Vec<Look>, keep: u32) -> Result<(), StoreError> {
        let mut jobs: BTreeMap<(JobId, Serial), Vec<(Option<Fence>, Decision)>> = BTreeMap::new();
        for Look { job, serial, fence, decision } in looks {
            jobs.entry((job, serial)).or_default().push((fence, decision));
        }
        let noted = jobs.into_iter().map(|(job, rows)| self.note_of_job(job, rows, keep as usize).boxed());
        each(AT_ONCE, noted.collect()).await.map(drop)
    }

    async fn of_job(&self, job: JobId, limit: u32) -> Result<Vec<Decision>, StoreError> {
        let standing = self.head(job).await?.map(|head| head.serial);
        let mut rows = self.decisions(job, standing).await?;
        rows.truncate(limit as usize);
        Ok(rows)
    }
}

impl ScyllaStore {
    /// Keeps decisions as they were kept elsewhere, of the job that stands under the id.
    pub(crate) async fn put_decisions(&self, job: JobId, rows: Vec<Decision>) -> Result<(), StoreError> {
        let serial = self.head(job).await?.map_or(Serial(0), |head| head.serial);
        let cells = |row: &Decision| {
            let (task, kind) = (row.task.0, number(&row.outcome));
            values![job, task, kind, serial.0, ordered(row.last_at.0), encode(row)]
        };
        for step in rows.chunks(STEP) {
            self.db().write_all(step.iter().map(|row| (&PUT, cells(row))).collect()).await?;
        }
        Ok(())
    }

    /// Newest first; where a job stands under the id, its own alone.
    pub(crate) async fn decisions(
        &self,
        job: JobId,
        standing: Option<Serial>,
    ) -> Result<Vec<Decision>, StoreError> {
        let rows: Vec<(i32, Vec<u8>)> = self.db().rows(&READ, values![job]).await?;
        let mut found: Vec<Decision> = Vec::with_capacity(rows.len());
        for (serial, bytes) in rows {
            let serial = Serial(unsigned("serial", serial)?);
            if standing.is_none_or(|standing| standing == serial) {
                found.push(body("body", &bytes)?);
            }
        }
        found.sort_by_key(|row| std::cmp::Reverse((row.last_at, row.task)));
        Ok(found)
    }

    async fn note_of_job(
        &self,
        (job, serial): (JobId, Serial),
        decisions: Vec<(Option<Fence>, Decision)>,
        keep: usize,
    ) -> Result<(), StoreError> {
        let head = self.head(job).await?;
        if head.as_ref().is_some_and(|head| head.serial != serial) {
            return Ok(());
        }
        // As the job's row was a moment ago.
        let stands = |fence| head.as_ref().is_none_or(|head| head.fenced(fence).is_some());
        let decisions =
            decisions.into_iter().filter(|(fence, _)| stands(*fence)).map(|(_, decision)| decision);
        let known = self.decisions(job, Some(serial)).await?;
        let mut rows: BTreeMap<(u32, u8), Decision> =
            known.into_iter().map(|row| ((row.task.0, number(&row.outcome)), row)).collect();
        let before: Vec<(u32, u8)> = rows.keys().copied().collect();
        let mut changed = Vec::new();
        for decision in decisions {
            let place = (decision.task.0, number(&decision.outcome));
            match rows.get_mut(&place) {
                Some(row) => row.fold(decision),
                None => drop(rows.insert(place, decision)),
            }
            changed.push(place);
        }
        let mut order: Vec<(u32, u8)> = rows.keys().copied().collect();
        order.sort_by_key(|place| std::cmp::Reverse(rows.get(place).map(|row| (row.last_at, row.task))));
        let (kept, gone) = order.split_at(order.len().min(keep));
        let mut write: Vec<Bound> = Vec::new();
        for place in kept.iter().filter(|place| changed.contains(place)) {
            let Some(row) = rows.get(place) else { continue };
            let (task, kind) = place;
            let cells = values![job, *task, *kind, serial.0, ordered(row.last_at.0), encode(row)];
            write.push((&PUT, cells));
        }
        for (task, kind) in gone.iter().filter(|place| before.contains(place)) {
            write.push((&REMOVE, values![job, *task, *kind]));
        }
        self.db().write_all(write).await
    }
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
