//! Which tasks are this dispatcher's: those of jobs whose shards it holds.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use argus_domain::{
    ids::JobId,
    lease::{Fence, Shard, ShardSet},
};
use argus_lease::Handle;

use crate::Metrics;

/// This dispatcher's part. Clones are of the same one.
#[derive(Clone)]
pub(crate) struct Share {
    lease: Handle,
    /// Those that the store refused while the member still held them: nothing is done under them any more.
    refused: Arc<Mutex<BTreeSet<Fence>>>,
    metrics: Arc<Metrics>,
}

impl Share {
    pub fn new(lease: Handle, metrics: Arc<Metrics>) -> Self {
        Self { lease, refused: Arc::default(), metrics }
    }

    /// With what is written now for a job's tasks; `None` where another leads them.
    pub fn fence_of(&self, job: JobId) -> Option<Fence> {
        let fence = self.lease.fence(Shard::of_job(job).no)?;
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        (!refused.contains(&fence)).then_some(fence)
    }

    /// All that is led now.
    pub fn held(&self) -> BTreeSet<Fence> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let held: BTreeSet<Fence> = self.lease.held().into_iter().collect();
        refused.retain(|fence| held.contains(fence));
        held.into_iter().filter(|fence| !refused.contains(fence)).collect()
    }

    /// Returns once something else may be led than when this was last called. Never, once the member's life is over.
    pub async fn changed(&mut self) {
        if !self.lease.changed().await {
            std::future::pending().await
        }
    }

    /// Says once of a shard that another leads it.
    pub fn lost(&self, fence: Fence) {
        self.metrics.fenced.add(1);
        if self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(fence) {
            tracing::warn!(
                shard = fence.shard.no,
                "another dispatcher has this shard: a late fact was refused"
            );
        }
    }
}

/// The shards of some fences.
pub(crate) fn shards<'a>(fences: impl IntoIterator<Item = &'a Fence>) -> ShardSet {
    fences.into_iter().map(|fence| fence.shard.no).collect()
}
