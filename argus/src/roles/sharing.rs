//! How a process shares the work of its services with others that have the same roles.

use std::{num::NonZeroU16, time::Duration};

use anyhow::anyhow;
use argus_domain::lease::{MemberId, SHARDS, ServiceKind};
use argus_lease::Handle;
use argus_machine::lease::Config;
use argus_ports::{PlatformStore, StoreError};
use futures::future::BoxFuture;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::Process;
use crate::metrics;

/// How long a process that is told to end takes to give up what others wait for.
pub const LEAVE: Duration = Duration::from_secs(1);

/// The members of a process. They take part from when its roles begin until they are told to leave.
pub struct Sharing {
    lives: Vec<BoxFuture<'static, ()>>,
    members: JoinSet<()>,
    leave: CancellationToken,
    is_alone: bool,
}

impl Sharing {
    /// Without members. They give all of it up once `leave` is cancelled. With `is_alone` nobody else has its roles.
    pub fn new(leave: CancellationToken, is_alone: bool) -> Self {
        Self { lives: Vec::new(), members: JoinSet::new(), leave, is_alone }
    }

    /// Whether nobody else has the roles of this process.
    pub fn is_alone(&self) -> bool {
        self.is_alone
    }

    /// Has the members take part: now there is somebody to do what they get.
    pub fn begin(&mut self) {
        for life in self.lives.drain(..) {
            self.members.spawn(life);
        }
    }

    /// Returns once it was told to leave, and what was held is free; false: a member has ended by itself.
    pub async fn over(&mut self) -> bool {
        tokio::select! {
            () = self.leave.cancelled() => {}
            Some(_) = self.members.join_next() => {
                if !self.leave.is_cancelled() {
                    return false;
                }
            }
        }
        while self.members.join_next().await.is_some() {}
        true
    }

    /// Gives up what is held, where roles end by themselves: others need not wait for it.
    pub async fn give_up(&mut self) {
        self.leave.cancel();
        let all = async { while self.members.join_next().await.is_some() {} };
        let _ = timeout(LEAVE, all).await;
    }
}

impl Process<'_> {
    /// Has this process share the work of a service with the others that have its role.
    pub(super) fn member(&mut self, kind: ServiceKind) -> anyhow::Result<Handle> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|e| anyhow!("the system gives no randomness: {e}"))?;
        let (store, leave) = (self.backends.store()?, self.sharing.leave.clone());
        let config = Config { shards: shards(kind), ..Config::default() };
        let (lease, life) = argus_lease::member(config, kind, MemberId(id), store.clone(), leave);
        metrics::register_lease(kind, &lease, &self.figures)?;
        let is_alone = self.sharing.is_alone;
        self.sharing.lives.push(Box::pin(async move {
            if is_alone && !matches!(timeout(LEAVE, end_all(&*store, kind)).await, Ok(Ok(()))) {
                tracing::warn!(
                    "the store does not answer: what an earlier process held is taken once it has lapsed"
                );
            }
            life.await;
        }));
        Ok(lease)
    }
}

/// Into how many shards a service's work is cut: where it is one, whoever holds it leads, and the others stand by.
fn shards(kind: ServiceKind) -> NonZeroU16 {
    match kind {
        ServiceKind::Scheduler | ServiceKind::Dispatcher => SHARDS,
        ServiceKind::Aggregator | ServiceKind::Monitor => NonZeroU16::MIN,
    }
}

/// Ends the sessions of processes that are no more.
async fn end_all(store: &dyn PlatformStore, kind: ServiceKind) -> Result<(), StoreError> {
    for live in store.look(kind).await?.members {
        store.end(kind, live.session, None).await?;
    }
    Ok(())
}
