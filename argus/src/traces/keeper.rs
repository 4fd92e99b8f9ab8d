//! A keeper's part: from what it is told to what it says.

use std::{borrow::Cow, sync::Arc};

use argus_domain::{
    B256,
    attempt::Output,
    ids::{AttemptNo, KeeperId, TaskId},
};
use argus_otlp::{Place, Span, Tracer};
use argus_ports::{FromKeeper, KeeperLink, KeeperSession, LinkError, PerformEvent, SignedHello, ToKeeper};
use async_trait::async_trait;

use super::{attempt_of, hand_off_of, steps::Steps};

/// A keeper's link, told.
pub struct TracedLink {
    inner: Arc<dyn KeeperLink>,
    tracer: Tracer,
    /// Of all keepers of this process, over all sessions: what is answered after a connection was lost belongs to what
    /// was asked before.
    steps: Arc<Steps<(KeeperId, TaskId, Step)>>,
}

impl TracedLink {
    /// Around a link.
    pub fn new(inner: Arc<dyn KeeperLink>, tracer: Tracer) -> Self {
        Self { inner, tracer, steps: Arc::new(Steps::new()) }
    }
}

#[async_trait]
impl KeeperLink for TracedLink {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.inner.nonce().await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let keeper = hello.hello.keeper;
        let inner = self.inner.connect(hello).await?;
        Ok(Box::new(TracedSession { inner, tracer: self.tracer.clone(), keeper, steps: self.steps.clone() }))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    Run,
    SecondRun,
    Perform,
}

struct TracedSession {
    inner: Box<dyn KeeperSession<FromKeeper, ToKeeper>>,
    tracer: Tracer,
    keeper: KeeperId,
    steps: Arc<Steps<(KeeperId, TaskId, Step)>>,
}

impl TracedSession {
    fn told(&self, message: &ToKeeper) {
        let (task, step, number) = match message {
            ToKeeper::Assign { assignment, .. } => {
                let assignment = &assignment.assignment;
                (assignment.task.id, Step::Run, assignment.attempt.no.0)
            }
            ToKeeper::Second { round, .. } => (round.task, Step::SecondRun, round.attempt.0),
            ToKeeper::Perform(order) => (order.task.id, Step::Perform, order.handoff.number),
        };
        if self.tracer.wants(Place::of_task(task)) {
            self.steps.begin((self.keeper, task, step), number);
        }
    }

    fn says(&self, message: &FromKeeper) {
        match message {
            FromKeeper::Answer(answer) => {
                let observation = &answer.observation;
                let failure = match &observation.output {
                    Output::Call(_) | Output::Skip(_) => None,
                    Output::Fail(_) => Some("the script failed".into()),
                };
                self.ran(observation.task, observation.attempt, Step::Run, failure);
            }
            FromKeeper::Signed(claim) => self.ran(claim.task, claim.attempt, Step::SecondRun, None),
            FromKeeper::Refuted { task, attempt, .. } => {
                let failure = "the replay came to something else".into();
                self.ran(*task, *attempt, Step::SecondRun, Some(failure));
            }
            // Of which round it is, is not said.
            FromKeeper::Declined { task, attempt, .. } => {
                for step in [Step::Run, Step::SecondRun] {
                    self.ran(*task, *attempt, step, Some("it takes no part".into()));
                }
            }
            FromKeeper::Performed(event) => self.performed(event),
            FromKeeper::Heartbeat { .. } => {}
        }
    }

    fn ran(&self, task: TaskId, attempt: AttemptNo, step: Step, failure: Option<Cow<'static, str>>) {
        let Some((no, begun)) = self.steps.end((self.keeper, task, step), Some(attempt.0)) else { return };
        let name = if step == Step::Run { "run" } else { "second run" };
        let place = Place::in_task(task, name, &[&no.to_be_bytes(), self.keeper.0.as_slice()]);
        let span = Span::new(name, place, Some(attempt_of(task, attempt)), begun.until_now());
        self.tracer.tell(span.with("argus.attempt", no).with("argus.keeper", self.keeper).failed(failure));
    }

    fn performed(&self, event: &PerformEvent) {
        let (task, transaction) = match event {
            PerformEvent::Broadcast { task, transaction, .. } => (*task, Some(*transaction)),
            PerformEvent::Declined { task, .. } => (*task, None),
        };
        let Some((number, begun)) = self.steps.end((self.keeper, task, Step::Perform), None) else { return };
        let place = Place::in_task(task, "perform", &[&number.to_be_bytes()]);
        let span = Span::new("perform", place, Some(hand_off_of(task, number)), begun.until_now())
            .with("argus.keeper", self.keeper);
        self.tracer.tell(match transaction {
            Some(transaction) => span.with("argus.transaction", transaction),
            None => span.failed(Some("it declined".into())),
        });
    }
}

#[async_trait]
impl KeeperSession<FromKeeper, ToKeeper> for TracedSession {
    async fn send(&self, message: FromKeeper) -> Result<(), LinkError> {
        self.says(&message);
        self.inner.send(message).await
    }

    async fn receive(&self) -> Option<ToKeeper> {
        let message = self.inner.receive().await?;
        self.told(&message);
        Some(message)
    }
}
