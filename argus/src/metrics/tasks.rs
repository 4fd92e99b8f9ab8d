//! What becomes of tasks.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    ids::{JobId, TaskId},
    state::JobState,
    task::{Fact, Task, TaskRecord, TriggerFact, Verdict},
};
use argus_metrics::{Counter, Counters, Figures, Times, Unregistered, table};
use argus_ports::{OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use async_trait::async_trait;

/// A store that counts what becomes of tasks. It counts what its own process wrote, and each fact once: what was
/// there before is not counted again.
pub struct CountedTasks {
    inner: Arc<dyn TaskStore>,
    opened: Counter,
    /// Only the scheduler's process opens tasks.
    lateness: Option<Times>,
    attempts: Counter,
    observations: Counter,
    claims: Counter,
    verdicts: Counters,
    handoffs: Counter,
    broadcasts: Counter,
    receipts: Counters,
    revoked: Counter,
    confirmed: Counter,
    lapsed: Counter,
    challenges: Counter,
    disagreements: Counter,
}

impl CountedTasks {
    /// Registers the figures; with `opens` those of opening, too.
    pub fn register(inner: Arc<dyn TaskStore>, figures: &Figures, opens: bool) -> Result<Self, Unregistered> {
        Ok(Self {
            inner,
            opened: figures.counter(&table::TASKS_OPENED)?,
            lateness: opens.then(|| figures.times(&table::TASK_LATENESS)).transpose()?,
            attempts: figures.counter(&table::ATTEMPTS)?,
            observations: figures.counter(&table::OBSERVATIONS)?,
            claims: figures.counter(&table::CLAIMS)?,
            verdicts: figures.counters(&table::VERDICTS)?,
            handoffs: figures.counter(&table::HANDOFFS)?,
            broadcasts: figures.counter(&table::BROADCASTS)?,
            receipts: figures.counters(&table::RECEIPTS)?,
            revoked: figures.counter(&table::RECEIPTS_REVOKED)?,
            confirmed: figures.counter(&table::TASKS_CONFIRMED)?,
            lapsed: figures.counter(&table::TASKS_LAPSED)?,
            challenges: figures.counter(&table::CHALLENGES)?,
            disagreements: figures.counter(&table::DISAGREEMENTS)?,
        })
    }

    fn opened(&self, task: &OpenedTask) {
        self.opened.inc();
        if let Some(lateness) = &self.lateness {
            lateness.observe(&[task.trigger], task.late);
        }
    }

    fn counter(&self, fact: &Fact) -> Option<Counter> {
        match fact {
            Fact::Attempted(_) => Some(self.attempts.clone()),
            Fact::Settled(s) => Some(self.verdicts.of(&[verdict_name(&s.verdict)])),
            Fact::HandedOff(_) => Some(self.handoffs.clone()),
            Fact::Broadcast(_) => Some(self.broadcasts.clone()),
            Fact::Received(r) => Some(self.receipts.of(&[if r.success { "true" } else { "false" }])),
            Fact::Revoked { .. } => Some(self.revoked.clone()),
            Fact::Confirmed { .. } => Some(self.confirmed.clone()),
            Fact::Lapsed { .. } => Some(self.lapsed.clone()),
            Fact::Challenged(_) => Some(self.challenges.clone()),
            Fact::Disagreed(_) => Some(self.disagreements.clone()),
            Fact::Observed(_) => Some(self.observations.clone()),
            Fact::Claimed(_) => Some(self.claims.clone()),
            Fact::Announced { .. } | Fact::TriggerLost { .. } => None,
        }
    }
}

/// What is kept of a task while it is opened.
struct OpenedTask {
    trigger: &'static str,
    late: Duration,
}

impl OpenedTask {
    fn of(task: &Task) -> Self {
        let trigger = match task.trigger {
            TriggerFact::Due | TriggerFact::Manual => "time",
            TriggerFact::Log(_) => "event",
            TriggerFact::Value { .. } => "condition",
        };
        Self { trigger, late: task.opened_at.since(task.due) }
    }
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Agreed(_) => "agreed",
        Verdict::Skipped(_) => "skipped",
        Verdict::Failed(_) => "failed",
        Verdict::Withdrawn(_) => "withdrawn",
        Verdict::Exhausted(_) => "exhausted",
    }
}

#[async_trait]
impl TaskStore for CountedTasks {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        let opening: Vec<_> = tasks.iter().map(|opening| OpenedTask::of(&opening.task)).collect();
        let outcomes = self.inner.open(tasks).await?;
        for (outcome, task) in outcomes.iter().zip(&opening) {
            if matches!(outcome, OpenOutcome::Opened) {
                self.opened(task);
            }
        }
        Ok(outcomes)
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let counters: Vec<_> = facts.iter().map(|recording| self.counter(&recording.fact)).collect();
        let outcomes = self.inner.append(facts).await?;
        for (outcome, counter) in outcomes.iter().zip(counters) {
            if let (Recorded::New, Some(counter)) = (outcome, counter) {
                counter.inc();
            }
        }
        Ok(outcomes)
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.tasks(ids).await
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.unfinished(after, limit).await
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.list(query, before, limit).await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.inner.by_public_id(id).await
    }

    async fn state(&self, job: JobId, before: Option<u64>) -> Result<JobState, StoreError> {
        self.inner.state(job, before).await
    }
}
