//! The aggregator's part: from an attempt that begins to its outcome.

use std::sync::Arc;

use argus_domain::{
    attempt::Assignment,
    ids::{AttemptNo, TaskId},
    keeper::LiveKeeper,
};
use argus_otlp::{Place, Span, Tracer};
use argus_ports::{Aggregate, AttemptOutcome, HandoffOrder, LinkError, Outcomes, PerformEvent};
use async_trait::async_trait;

use super::{attempt_of, steps::Steps};

/// Both ends of the aggregator, told.
pub struct Gathered {
    tracer: Tracer,
    attempts: Steps<TaskId>,
}

impl Gathered {
    /// Nothing is being gathered.
    pub fn new(tracer: Tracer) -> Arc<Self> {
        Arc::new(Self { tracer, attempts: Steps::new() })
    }

    /// Where attempts begin.
    pub fn beginning(self: &Arc<Self>, inner: Arc<dyn Aggregate>) -> Arc<dyn Aggregate> {
        Arc::new(Beginning { inner, gathered: Arc::clone(self) })
    }

    /// Where they end.
    pub fn ending(self: &Arc<Self>, inner: Arc<dyn Outcomes>) -> Arc<dyn Outcomes> {
        Arc::new(Ending { inner, gathered: Arc::clone(self) })
    }

    fn over(&self, task: TaskId, attempt: AttemptNo, outcome: &AttemptOutcome) {
        let Some((_, begun)) = self.attempts.end(task, Some(attempt.0)) else { return };
        let (what, failure) = match outcome {
            AttemptOutcome::Agreed(_) => ("agreed", None),
            AttemptOutcome::Skipped(_) => ("skipped", None),
            AttemptOutcome::Failed(_) => ("failed", Some("the script failed".into())),
            AttemptOutcome::Disagreed(_) => ("disagreed", Some("the keepers' answers differ".into())),
            AttemptOutcome::Short { .. } => ("short", Some("too few keepers take part".into())),
        };
        let above = attempt_of(task, attempt);
        let place = Place::in_task(task, "gather", &[&attempt.0.to_be_bytes()]);
        let span = Span::new("gather", place, Some(above), begun.until_now());
        self.tracer.tell(span.with("argus.attempt", attempt.0).with("argus.outcome", what).failed(failure));
    }
}

struct Beginning {
    inner: Arc<dyn Aggregate>,
    gathered: Arc<Gathered>,
}

#[async_trait]
impl Aggregate for Beginning {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        let (task, no) = (assignment.task.id, assignment.attempt.no);
        if self.gathered.tracer.wants(Place::of_task(task)) {
            self.gathered.attempts.begin(task, no.0);
        }
        self.inner.begin(assignment).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.inner.hand_off(order).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.inner.live().await
    }
}

struct Ending {
    inner: Arc<dyn Outcomes>,
    gathered: Arc<Gathered>,
}

#[async_trait]
impl Outcomes for Ending {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.gathered.over(task, attempt, &outcome);
        self.inner.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.inner.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.inner.keepers_changed().await
    }
}
