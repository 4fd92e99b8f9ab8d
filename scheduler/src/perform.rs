//! Carries steps out: opens tasks with their cursors, moves cursors, and tells whom it concerns.

use std::{collections::VecDeque, future::Future, sync::Arc, time::Duration};

use argus_domain::{
    decision::Outcome, ids::JobId, job::JobRecord, lease::Fence, task::Task, time::Timestamp,
};
use argus_machine::schedule::Step;
use argus_ports::{
    Change, ChangeKind, CursorOutcome, OpenOutcome, Opening, StoreError, TaskOf, failpoint::Step as Failstep,
};
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
    /// That under which they were decided.
    fence: Fence,
}

/// What became of a job's steps.
pub(crate) enum Carried {
    /// All done: the record with its new cursor.
    Done(Box<JobRecord>),
    /// Another writer was first, or the job is paused or gone: read it again.
    Stale(JobId),
    /// The job is another scheduler's: forget it.
    Lost(JobId),
}

struct Progress {
    work: Work,
    /// Why nothing more is done.
    end: Option<End>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Stale,
    Fenced,
}

impl Shell {
    pub fn now(&self) -> Timestamp {
        self.ports.clock.now()
    }

    /// What is decided now for a job; `None` where the job is another scheduler's.
    pub fn work(&self, record: JobRecord, steps: Vec<Step>) -> Option<Work> {
        let fence = self.fence_of(record.job.id)?;
        Some(Work { record, steps: steps.into(), fence })
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
        let mut all: Vec<Progress> = work.into_iter().map(|work| Progress { work, end: None }).collect();
        while all.iter().any(|p| p.end.is_none() && !p.work.steps.is_empty()) {
            self.open_round(&mut all).await?;
            self.move_round(&mut all).await?;
        }
        self.lost(all.iter().filter(|p| p.end == Some(End::Fenced)).map(|p| p.work.fence));
        let carried = all.into_iter().map(|p| match p.end {
            Some(End::Stale) => {
                self.metrics.stale.add(1);
                Carried::Stale(p.work.record.job.id)
            }
            Some(End::Fenced) => Carried::Lost(p.work.record.job.id),
            None => Carried::Done(Box::new(p.work.record)),
        });
        Ok(carried.collect())
    }

    /// Opens what stands first in the queue of each job.
    async fn open_round(&self, all: &mut [Progress]) -> Result<(), StoreError> {
        let mut owners = Vec::new();
        let mut batch: Vec<Opening> = Vec::new();
        for (index, progress) in all.iter_mut().enumerate().filter(|(_, p)| p.end.is_none()) {
            let fence = Some(progress.work.fence);
            while let Some(Step::Open(_)) = progress.work.steps.front() {
                if let Some(Step::Open(open)) = progress.work.steps.pop_front() {
                    let (task, cursor) = *open;
                    owners.push(index);
                    batch.push(Opening { task, cursor, fence });
                }
            }
        }
        let size = self.config.batch.max(1) as usize;
        for (owners, batch) in owners.chunks(size).zip(batch.chunks(size)) {
            let outcomes = self.store(self.ports.tasks.open(batch.to_vec())).await?;
            let mut told = Vec::new();
            for ((index, Opening { task, cursor, .. }), outcome) in owners.iter().zip(batch).zip(outcomes) {
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
                    OpenOutcome::Stale | OpenOutcome::Gone => progress.end = Some(End::Stale),
                    OpenOutcome::Fenced => progress.end = Some(End::Fenced),
                }
            }
            self.tell(told).await;
        }
        Ok(())
    }

    async fn move_round(&self, all: &mut [Progress]) -> Result<(), StoreError> {
        for progress in all.iter_mut().filter(|p| p.end.is_none()) {
            while let Some(Step::Move(_)) = progress.work.steps.front() {
                let Some(Step::Move(cursor)) = progress.work.steps.pop_front() else { break };
                match self
                    .store(self.ports.jobs.move_cursor((*cursor).clone(), Some(progress.work.fence)))
                    .await?
                {
                    CursorOutcome::Moved => {
                        if cursor.finished && self.now() > progress.work.record.job.expires_at {
                            self.note(&progress.work.record, Outcome::Expired);
                        }
                        progress.work.record.cursor = *cursor;
                    }
                    CursorOutcome::Stale => {
                        progress.end = Some(End::Stale);
                        break;
                    }
                    CursorOutcome::Fenced => {
                        progress.end = Some(End::Fenced);
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
        let tasks: Vec<TaskOf> = changes.iter().map(|change| TaskOf::job(change.job, change.task)).collect();
        if let Err(error) = self.store(self.ports.bus.publish(changes)).await {
            warn!(%error, "openings were not announced to watchers");
        }
        self.submit(&tasks).await;
    }

    async fn submit(&self, tasks: &[TaskOf]) {
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

    /// Waits for a time, a nudge, other shards or the end, whichever comes first.
    pub async fn wait(&self, until: Timestamp, heard: &mut Heard) -> Woken {
        tokio::select! {
            biased;
            () = heard.stop.cancelled() => Woken::Stopped,
            () = changed(&mut heard.lease) => Woken::Moved,
            jobs = nudged(&mut heard.nudges) => Woken::Nudged(jobs),
            () = self.ports.clock.sleep_until(until) => Woken::Time,
        }
    }

    /// The instant `after` from now.
    pub fn later(&self, after: Duration) -> Timestamp {
        self.now() + after
    }
}

/// What a loop listens to besides its clock.
pub(crate) struct Heard {
    pub nudges: mpsc::Receiver<JobId>,
    pub lease: argus_lease::Handle,
    pub stop: CancellationToken,
}

/// Why a loop woke.
pub(crate) enum Woken {
    Time,
    Nudged(Vec<JobId>),
    /// Other shards are held than before.
    Moved,
    Stopped,
}

/// Other shards are held; never, once the member's life is over.
async fn changed(lease: &mut argus_lease::Handle) {
    if !lease.changed().await {
        std::future::pending::<()>().await;
    }
}

/// All nudges that wait; never any, once all handles are gone.
async fn nudged(nudges: &mut mpsc::Receiver<JobId>) -> Vec<JobId> {
    let Some(first) = nudges.recv().await else { return std::future::pending().await };
    let mut jobs = vec![first];
    while let Ok(next) = nudges.try_recv() {
        jobs.push(next);
    }
    jobs
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
