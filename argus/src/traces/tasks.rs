//! The steps that are written down: what a process writes, it tells.

use std::{borrow::Cow, sync::Arc};

use argus_domain::{
    B256,
    ids::{AttemptNo, JobId, TaskId},
    state::JobState,
    task::{Fact, Receipt, Task, TaskRecord, TriggerFact, Verdict},
    time::Timestamp,
};
use argus_otlp::{Begun, Kind, Place, Span, Tracer, instant};
use argus_ports::{OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use async_trait::async_trait;

use super::{attempt_of, hand_off_of, steps::Steps};

/// A store of tasks that tells what is written into it, each thing once.
pub struct TracedTasks {
    inner: Arc<dyn TaskStore>,
    tracer: Tracer,
    /// The newest attempt and the newest handoff of each task that this process leads.
    steps: Steps<(TaskId, Step)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Attempt,
    HandOff,
}

impl TracedTasks {
    /// Around a store.
    pub fn new(inner: Arc<dyn TaskStore>, tracer: Tracer) -> Self {
        Self { inner, tracer, steps: Steps::new() }
    }

    fn opened(&self, task: &Task) {
        let time = (instant(task.due), instant(task.opened_at));
        let trigger = match task.trigger {
            TriggerFact::Due => "time",
            TriggerFact::Log(_) => "event",
            TriggerFact::Value { .. } => "condition",
            TriggerFact::Manual => "manual",
        };
        let span = Span::new("task", Place::of_task(task.id), None, time)
            .on(Kind::Producer)
            .with("argus.task", task.public_id())
            .with("argus.task_id", task.id.0)
            .with("argus.job", task.job.0)
            .with("argus.trigger", trigger);
        self.tracer.tell(span);
    }

    fn written(&self, fact: &Fact) {
        let task = fact.task();
        match fact {
            Fact::Attempted(attempt) => {
                let before = self.steps.begin((task, Step::Attempt), attempt.no.0);
                self.attempt_over(task, before, "none", Some("no agreement: another attempt".into()));
            }
            Fact::Settled(settled) => {
                let (verdict, failure) = told(&settled.verdict);
                self.attempt_over(task, self.steps.end((task, Step::Attempt), None), verdict, failure);
            }
            Fact::HandedOff(handoff) => {
                let before = self.steps.begin((task, Step::HandOff), handoff.number);
                self.hand_off_over(task, before, Some("nothing was sent: another keeper's turn".into()));
            }
            Fact::Broadcast(_) => {
                self.hand_off_over(task, self.steps.end((task, Step::HandOff), None), None);
            }
            Fact::Received(receipt) => self.received(receipt),
            Fact::Confirmed { at, block_hash, .. } => {
                let span = moment("confirm", task, block_hash, *at);
                self.tracer.tell(span.with("argus.block_hash", block_hash));
            }
            Fact::Revoked { at, block_hash, .. } => {
                let span = moment("revoke", task, block_hash, *at);
                self.tracer.tell(span.with("argus.block_hash", block_hash));
            }
            Fact::Lapsed { at, .. } => self.tracer.tell(moment("lapse", task, &B256::ZERO, *at)),
            Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::Announced { .. }
            | Fact::TriggerLost { .. }
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => {}
        }
    }

    fn attempt_over(
        &self,
        task: TaskId,
        attempt: Option<(u16, Begun)>,
        verdict: &str,
        failure: Option<Cow<'static, str>>,
    ) {
        let Some((no, begun)) = attempt else { return };
        let span = Span::new("attempt", attempt_of(task, AttemptNo(no)), above(task), begun.until_now());
        self.tracer.tell(span.with("argus.attempt", no).with("argus.verdict", verdict).failed(failure));
    }

    fn hand_off_over(
        &self,
        task: TaskId,
        hand_off: Option<(u16, Begun)>,
        failure: Option<Cow<'static, str>>,
    ) {
        let Some((number, begun)) = hand_off else { return };
        let span = Span::new("hand off", hand_off_of(task, number), above(task), begun.until_now());
        self.tracer.tell(span.with("argus.hand_off", number).failed(failure));
    }

    fn received(&self, receipt: &Receipt) {
        let place = Place::in_task(receipt.task, "include", &[&receipt.sighting.to_be_bytes()]);
        let (_, now) = Begun::now().until_now();
        let time = (instant(receipt.block_time), now);
        let span = Span::new("include", place, above(receipt.task), time)
            .with("argus.chain", receipt.chain)
            .with("argus.block", receipt.block_number)
            .with("argus.transaction", receipt.transaction)
            .failed((!receipt.success).then_some("the call was reverted".into()));
        self.tracer.tell(span);
    }
}

fn above(task: TaskId) -> Option<Place> {
    Some(Place::of_task(task))
}

/// A step that has no length. Whose it is, is told by a key: it may come again.
fn moment(name: &'static str, task: TaskId, key: &B256, at: Timestamp) -> Span {
    let at = instant(at);
    Span::new(name, Place::in_task(task, name, &[key.as_slice()]), above(task), (at, at))
}

fn told(verdict: &Verdict) -> (&'static str, Option<Cow<'static, str>>) {
    match verdict {
        Verdict::Agreed(_) => ("agreed", None),
        Verdict::Skipped(_) => ("skipped", None),
        Verdict::Withdrawn(_) => ("withdrawn", None),
        Verdict::Failed(_) => ("failed", Some("the script failed".into())),
        Verdict::Exhausted(_) => ("exhausted", Some("attempts or time ran out".into())),
    }
}

#[async_trait]
impl TaskStore for TracedTasks {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        let wanted = |task: &Task| self.tracer.wants(Place::of_task(task.id));
        let told: Vec<_> =
            tasks.iter().map(|Opening { task, .. }| wanted(task).then(|| task.clone())).collect();
        let outcomes = self.inner.open(tasks).await?;
        for (outcome, task) in outcomes.iter().zip(told) {
            if let (OpenOutcome::Opened, Some(task)) = (outcome, task) {
                self.opened(&task);
            }
        }
        Ok(outcomes)
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let wanted = |fact: &Fact| self.tracer.wants(Place::of_task(fact.task()));
        let told: Vec<_> =
            facts.iter().map(|Recording { fact, .. }| wanted(fact).then(|| fact.clone())).collect();
        let outcomes = self.inner.append(facts).await?;
        for (outcome, fact) in outcomes.iter().zip(told) {
            if let (Recorded::New, Some(fact)) = (outcome, fact) {
                self.written(&fact);
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
