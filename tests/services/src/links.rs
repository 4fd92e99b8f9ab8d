//! Local links that can be cut and mended: what is behind one may be restarted.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    B256,
    attempt::Assignment,
    ids::{AttemptNo, TaskId},
    keeper::LiveKeeper,
};
use argus_memory::session;
use argus_ports::{
    Aggregate, AttemptOutcome, FromKeeper, HandoffOrder, KeeperGate, KeeperLink, KeeperSession, LinkError,
    Outcomes, PerformEvent, SignedHello, ToKeeper,
};
use async_trait::async_trait;

/// A link to whatever is behind it now.
pub struct Switch<H>(Arc<Mutex<Option<H>>>);

impl<H> Clone for Switch<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<H> Default for Switch<H> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<H: Clone> Switch<H> {
    /// Puts another one behind it, or nothing.
    pub fn set(&self, handle: Option<H>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = handle;
    }

    /// What is behind it.
    pub fn get(&self) -> Result<H, LinkError> {
        let handle = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        handle.ok_or_else(|| LinkError::Gone("switched off".to_owned()))
    }
}

#[async_trait]
impl Outcomes for Switch<argus_dispatcher::Handle> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.get()?.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.get()?.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.get()?.keepers_changed().await
    }
}

#[async_trait]
impl Aggregate for Switch<argus_aggregator::Handle> {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.get()?.begin(assignment).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.get()?.hand_off(order).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.get()?.live().await
    }
}

#[async_trait]
impl KeeperLink for Switch<argus_aggregator::Handle> {
    async fn nonce(&self) -> Result<B256, LinkError> {
        KeeperGate::nonce(&self.get()?).await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (ours, theirs) = session(256, Duration::from_secs(1));
        self.get()?.admit(hello, Box::new(theirs)).await?;
        Ok(Box::new(ours))
    }
}
