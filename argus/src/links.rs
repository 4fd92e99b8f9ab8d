//! Which conversation goes where: to a role in this process, or over gRPC to another one.
//!
//! Roles refer to each other in a circle, so each conversation begins as a [`Late`] link that is joined to its other
//! end once both exist. Until then it answers as a peer that has not come up yet, which every caller has to bear anyway.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use argus_domain::{
    B256,
    attempt::Attempt,
    ids::{AttemptNo, JobId, TaskId},
    keeper::LiveKeeper,
};
use argus_ports::{
    Aggregate, AttemptOutcome, Dispatch, FromKeeper, HandoffOrder, KeeperGate, KeeperLink, KeeperSession,
    LinkError, Nudge, Outcomes, PerformEvent, SignedHello, ToKeeper,
};
use async_trait::async_trait;

/// A link whose other end comes later.
pub struct Late<T: ?Sized>(OnceLock<Arc<T>>);

impl<T: ?Sized> Late<T> {
    /// Without its other end.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(OnceLock::new()))
    }

    /// Joins it; a second end is ignored.
    pub fn join(&self, end: Arc<T>) {
        let _ = self.0.set(end);
    }

    fn end(&self) -> Result<&T, LinkError> {
        self.0.get().map(|t| &**t).ok_or_else(|| LinkError::Gone("still starting".to_owned()))
    }
}

#[async_trait]
impl Nudge for Late<dyn Nudge> {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.end()?.jobs_changed(jobs).await
    }
}

#[async_trait]
impl Dispatch for Late<dyn Dispatch> {
    async fn submit(&self, tasks: &[TaskId]) -> Result<(), LinkError> {
        self.end()?.submit(tasks).await
    }

    async fn touched(&self, tasks: &[TaskId]) -> Result<(), LinkError> {
        self.end()?.touched(tasks).await
    }
}

#[async_trait]
impl Aggregate for Late<dyn Aggregate> {
    async fn begin(&self, attempt: Attempt) -> Result<(), LinkError> {
        self.end()?.begin(attempt).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.end()?.hand_off(order).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.end()?.live().await
    }
}

#[async_trait]
impl Outcomes for Late<dyn Outcomes> {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.end()?.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.end()?.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.end()?.keepers_changed().await
    }
}

/// Keepers of this process: a stream in memory to a gate in memory.
pub struct LocalKeepers(pub Arc<dyn KeeperGate>);

/// Messages on their way in one direction of a local stream.
const LOCAL_CREDITS: usize = 256;
/// How long a sender waits for room in a local stream.
const LOCAL_DEADLINE: Duration = Duration::from_secs(10);

#[async_trait]
impl KeeperLink for LocalKeepers {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.0.nonce().await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (platform, keeper) = argus_memory::session(LOCAL_CREDITS, LOCAL_DEADLINE);
        self.0.admit(hello, Box::new(platform)).await?;
        Ok(Box::new(keeper))
    }
}
