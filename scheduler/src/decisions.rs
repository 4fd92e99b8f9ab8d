//! Why jobs did not fire: gathered in memory, where looks that come to the same become one, and written now and then.
//!
//! What is gathered is lost in a crash, and where more jobs are looked at than is written, some of it is dropped and
//! counted: opening tasks never waits for it.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use argus_domain::{
    decision::{Decision, Outcome},
    ids::{JobId, Serial, TaskNumber},
    job::JobRecord,
    lease::Fence,
};
use argus_ports::Look;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::perform::Shell;

/// Jobs of which something waits to be written.
const JOBS_MAX: usize = 50_000;
/// Rows of one job that wait: more than there are kinds of outcome for one task.
const ROWS_MAX: usize = 16;
/// Jobs whose rows are written at once.
const BATCH: usize = 1_000;

/// A job, and not another one under its id, and the fence under which it was looked at.
type Looked = (JobId, Serial, Fence);

#[derive(Default)]
pub(crate) struct Gathered(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    rows: BTreeMap<Looked, Vec<Decision>>,
    /// Who has waited longest comes first.
    order: VecDeque<Looked>,
}

impl Gathered {
    /// Takes a decision in; whether there was room.
    fn add(&self, job: Looked, decision: Decision) -> bool {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { rows, order } = &mut *waiting;
        if !rows.contains_key(&job) {
            if rows.len() >= JOBS_MAX {
                return false;
            }
            order.push_back(job);
        }
        let rows = rows.entry(job).or_default();
        let has_room = rows.len() < ROWS_MAX;
        match rows.iter_mut().find(|row| row.is_like(&decision)) {
            Some(row) => row.fold(decision),
            None if has_room => rows.push(decision),
            None => return false,
        }
        true
    }

    fn take(&self) -> Vec<(Looked, Decision)> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { rows, order } = &mut *waiting;
        let size = BATCH.min(order.len());
        let taken = order
            .drain(..size)
            .flat_map(|job| rows.remove(&job).into_iter().flatten().map(move |decision| (job, decision)));
        taken.collect()
    }
}

impl Shell {
    /// Gathers that a look at this job's trigger opened no task.
    pub fn note(&self, record: &JobRecord, outcome: Outcome) {
        let task = TaskNumber(record.cursor.opened.0.saturating_add(1));
        let Some(fence) = self.fence_of(record.job.id) else { return };
        let job = (record.job.id, record.job.serial, fence);
        if !self.gathered.add(job, Decision::once(task, outcome, self.now())) {
            self.metrics.decisions_dropped.add(1);
        }
    }

    /// Writes what has waited longest. What the store does not take is lost: a repeat could count it twice.
    async fn write_decisions(&self) {
        let taken = self.gathered.take().into_iter();
        let batch: Vec<Look> = taken
            .map(|((job, serial, fence), decision)| Look { job, serial, fence: Some(fence), decision })
            .collect();
        if batch.is_empty() {
            return;
        }
        let rows = batch.len() as u64;
        if let Err(error) = self.store(self.ports.decisions.note(batch, self.config.decisions_kept)).await {
            self.metrics.decisions_dropped.add(rows);
            warn!(%error, rows, "why jobs did not fire was not written");
        }
    }
}

pub(crate) async fn run(shell: Arc<Shell>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return shell.write_decisions().await,
            () = shell.ports.clock.sleep_until(shell.later(shell.config.decision_write)) => {}
        }
        shell.write_decisions().await;
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::{
        U256,
        lease::{Shard, Token},
        time::Timestamp,
    };

    use super::*;

    fn looked(job: JobId) -> Looked {
        (job, Serial(1), Fence { shard: Shard::of_job(job), token: Token(1) })
    }

    fn look(at: u64) -> Decision {
        Decision::once(TaskNumber(1), Outcome::unread("down"), Timestamp(at))
    }

    #[test]
    fn what_waits_is_folded_and_bounded_and_the_oldest_goes_first() {
        let gathered = Gathered::default();
        let job = |n: usize| looked(JobId(U256::from(n)));
        for n in 0..JOBS_MAX {
            assert!(gathered.add(job(n), look(1)));
        }
        assert!(!gathered.add(job(JOBS_MAX), look(1)), "a job too many");
        assert!(gathered.add(job(0), look(2)), "one that is known has room");
        let taken = gathered.take();
        assert_eq!((taken.len(), taken[0].0, taken[0].1.count), (BATCH, job(0), 2));
        assert!(gathered.add(job(JOBS_MAX), look(1)), "what was taken has made room");
    }

    #[test]
    fn one_job_does_not_take_the_room_of_others() {
        let gathered = Gathered::default();
        let of_task = |n| Decision::once(TaskNumber(n), Outcome::Expired, Timestamp(1));
        let taken = (0..100).filter(|n| gathered.add(looked(JobId(U256::ZERO)), of_task(*n))).count();
        assert_eq!(taken, ROWS_MAX);
    }
}
