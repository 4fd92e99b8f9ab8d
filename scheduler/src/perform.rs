//! Carries steps out: opens tasks with their cursors, moves cursors, and tells whom it concerns.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use argus_domain::{
    decision::Outcome,
    ids::{JobId, TaskId},
    job::{Cursor, JobRecord},
    task::Task,
    time::Timestamp,
};
use argus_machine::schedule::Step;
use argus_ports::{Change, ChangeKind, CursorOutcome, OpenOutcome, StoreError, failpoint::Step as Failstep};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{Config, Metrics, Ports, decisions::Gathered};

/// What all loops share.
pub(crate) struct Shell {
    pub config: Config,
    pub ports: Ports,
    pub metrics: Arc<Metrics>,
    /// Why jobs did not fire, as far as it is not written yet.
    pub gathered: Gathered,
}

/// A job with the steps that were decided for it.
pub(crate) struct Work {
    pub record: JobRecord,
    pub steps: VecDeque<Step>,
}

impl Work {
    pub fn new(record: JobRecord, steps: Vec<Step>) -> Self {
        Self { record, steps: steps.into() }
    }
}

/// What became of a job's steps.
pub(crate) enum Carried {
    /// All done: the record with its new cursor.
    Done(Box<JobRecord>),
    /// Another writer was first, or the job is paused or gone: read it again.
    Stale(JobId),
}

struct Progress {
    work: Work,
    stale: bool,
}

impl Shell {
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// Waits for the store no longer than the configuration allows.
    pub async fn store<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        match tokio::time::timeout(self.config.call_timeout, call).await {
            Ok(result) => result,
            Err(_) => Err(StoreError::Unavailable(format!(
                "no answer within {} ms",
                self.config.call_timeout.as_millis()
            ))),
        }
    }

    /// Carries the steps of many jobs out, those of one job in order. Openings of different jobs go to the store
    /// together, because a durable write costs the same for one and for a hundred.
    pub async fn carry(&self, work: Vec<Work>) -> Result<Vec<Carried>, StoreError> {
        let mut all: Vec<Progress> = work.into_iter().map(|work| Progress { work, stale: false }).collect();
        while all.iter().any(|p| !p.stale && !p.work.steps.is_empty()) {
            self.open_round(&mut all).await?;
            self.move_round(&mut all).await?;
        }
        Ok(all
            .into_iter()
            .map(|p| {
                if p.stale {
                    self.metrics.stale.add(1);
                    Carried::Stale(p.work.record.job.id)
                } else {
                    Carried::Done(Box::new(p.work.record))
                }
            })
            .collect())
    }

    /// Opens what stands first in the queue of each job.
    async fn open_round(&self, all: &mut [Progress]) -> Result<(), StoreError> {
        let mut owners = Vec::new();
        let mut batch: Vec<(Task, Cursor)> = Vec::new();
        for (index, progress) in all.iter_mut().enumerate().filter(|(_, p)| !p.stale) {
            while let Some(Step::Open(_)) = progress.work.steps.front() {
                if let Some(Step::Open(open)) = progress.work.steps.pop_front() {
                    owners.push(index);
                    batch.push(*open);
                }
            }
        }
        let size = self.config.batch.max(1) as usize;
        for (owners, batch) in owners.chunks(size).zip(batch.chunks(size)) {
            let outcomes = self.store(self.ports.tasks.open(batch.to_vec())).await?;
            let mut told = Vec::new();
            for ((index, (task, cursor)), outcome) in owners.iter().zip(batch).zip(outcomes) {
                let progress = &mut all[*index];
                match outcome {
                    OpenOutcome::Opened | OpenOutcome::Already => {
                        let counter = match outcome {
                            OpenOutcome::Opened => &self.metrics.opened,
                            _ => &self.metrics.repeated,
                        };
                        counter.add(1);
                        progress.work.record.cursor = cursor.clone();
                        told.push(change_of(&progress.work.record, task));
                    }
                    OpenOutcome::Stale | OpenOutcome::Gone => progress.stale = true,
                }
            }
            self.tell(told).await;
        }
        Ok(())
    }

    async fn move_round(&self, all: &mut [Progress]) -> Result<(), StoreError> {
        for progress in all.iter_mut().filter(|p| !p.stale) {
            while let Some(Step::Move(_)) = progress.work.steps.front() {
                let Some(Step::Move(cursor)) = progress.work.steps.pop_front() else { break };
                match self.store(self.ports.jobs.move_cursor((*cursor).clone())).await? {
                    CursorOutcome::Moved => {
                        if cursor.finished && self.now() > progress.work.record.job.expires_at {
                            self.note(&progress.work.record, Outcome::Expired);
                        }
                        progress.work.record.cursor = *cursor;
                    }
                    CursorOutcome::Stale => {
                        progress.stale = true;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells watchers and the dispatcher. Neither is waited for beyond the deadline, and neither failure matters to
    /// the tasks: the store has them, and the dispatcher scans it.
    async fn tell(&self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        self.config.failpoint.reach(Failstep::Opened);
        let tasks: Vec<TaskId> = changes.iter().map(|change| change.task).collect();
        if let Err(error) = self.store(self.ports.bus.publish(changes)).await {
            warn!(%error, "openings were not announced to watchers");
        }
        self.submit(&tasks).await;
    }

    async fn submit(&self, tasks: &[TaskId]) {
        let submitted =
            tokio::time::timeout(self.config.call_timeout, self.ports.dispatch.submit(tasks)).await;
        if !matches!(submitted, Ok(Ok(()))) {
            self.metrics.submit_failed.add(tasks.len() as u64);
            warn!(tasks = tasks.len(), "the dispatcher was not told of open tasks and will find them itself");
        }
    }

    /// Counts a cycle that was given up.
    pub fn failed(&self, part: &'static str, error: &dyn std::fmt::Display) {
        self.metrics.failed_cycles.add(1);
        warn!(part, %error, "a cycle was given up and will be repeated");
    }

    /// Waits for a time, a nudge or the end, whichever comes first.
    pub async fn wait(
        &self,
        until: Timestamp,
        nudges: &mut mpsc::Receiver<JobId>,
        stop: &CancellationToken,
    ) -> Woken {
        tokio::select! {
            biased;
            () = stop.cancelled() => Woken::Stopped,
            nudge = nudges.recv() => {
                // All handles are gone: only time wakes.
                let Some(first) = nudge else {
                    tokio::select! {
                        () = stop.cancelled() => return Woken::Stopped,
                        () = self.ports.clock.sleep_until(until) => return Woken::Time,
                    }
                };
                let mut jobs = vec![first];
                while let Ok(next) = nudges.try_recv() {
                    jobs.push(next);
                }
                Woken::Nudged(jobs)
            }
            () = self.ports.clock.sleep_until(until) => Woken::Time,
        }
    }

    /// The instant `after` from now.
    pub fn later(&self, after: Duration) -> Timestamp {
        self.now() + after
    }
}

/// Why a loop woke.
pub(crate) enum Woken {
    Time,
    Nudged(Vec<JobId>),
    Stopped,
}

fn change_of(record: &JobRecord, task: &Task) -> Change {
    Change {
        job: task.job,
        owner: record.job.owner,
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        at: task.opened_at,
    }
}
