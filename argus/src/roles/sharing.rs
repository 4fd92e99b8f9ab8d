//! How a process shares the work of its services with others that have the same roles.

use std::time::Duration;

use anyhow::anyhow;
use argus_domain::lease::{MemberId, ServiceKind};
use argus_lease::Handle;
use argus_machine::lease::Config;
use argus_ports::{PlatformStore, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Process;
use crate::metrics;

/// How long a process that is told to end takes to give up what others wait for.
pub const LEAVE: Duration = Duration::from_secs(1);

/// The members of a process, which hold shards from before its roles begin until they are told to leave.
pub struct Sharing {
    members: JoinSet<()>,
    leave: CancellationToken,
    is_alone: bool,
}

impl Sharing {
    /// Without members. They give all of it up once `leave` is cancelled. With `is_alone` nobody else has its roles.
    pub fn new(leave: CancellationToken, is_alone: bool) -> Self {
        Self { members: JoinSet::new(), leave, is_alone }
    }

    /// Returns once it was told to leave, and what was held is free.
    pub async fn left(&mut self) {
        self.leave.cancelled().await;
        while self.members.join_next().await.is_some() {}
    }
}

impl Process<'_> {
    /// Has this process share the work of a service with the others that have its role.
    pub(super) fn member(&mut self, kind: ServiceKind) -> anyhow::Result<Handle> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| anyhow!("the system gives no randomness: {e}"))?;
        let (store, leave) = (self.backends.store()?, self.sharing.leave.clone());
        let (lease, life) = argus_lease::member(Config::default(), kind, MemberId(id), store.clone(), leave);
        metrics::register_lease(kind, &lease, &self.figures)?;
        let is_alone = self.sharing.is_alone;
        self.sharing.members.spawn(async move {
            if is_alone && let Err(error) = end_all(&*store, kind).await {
                tracing::warn!(%error, "what an earlier process held is taken once it has lapsed");
            }
            life.await;
        });
        Ok(lease)
    }
}

/// Ends the sessions of processes that are no more.
async fn end_all(store: &dyn PlatformStore, kind: ServiceKind) -> Result<(), StoreError> {
    for live in store.look(kind).await?.members {
        store.end(kind, live.session, None).await?;
    }
    Ok(())
}
