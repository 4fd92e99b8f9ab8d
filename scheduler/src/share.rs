//! Which jobs are this scheduler's, and what its writes for them carry.

use argus_domain::{
    ids::JobId,
    job::{JobRecord, TriggerKind},
    lease::{Fence, ShardSet},
    time::Timestamp,
};
use argus_ports::StoreError;
use tracing::warn;

use crate::perform::Shell;

impl Shell {
    /// The shards whose jobs are this scheduler's now.
    pub fn shards(&self) -> ShardSet {
        self.ports.lease.held().into_iter().map(|fence| fence.shard.no).collect()
    }

    /// This scheduler's jobs of a kind that are due at an instant.
    pub async fn due(
        &self,
        kind: TriggerKind,
        at: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        let shards = self.shards();
        if shards.is_empty() {
            return Ok(Vec::new());
        }
        self.store(self.ports.jobs.due(kind, shards, at, limit)).await
    }

    /// With what is written for a job now; `None` where the job is another scheduler's.
    pub fn fence_of(&self, job: JobId) -> Option<Fence> {
        self.ports.lease.fence_of_job(job)
    }

    /// Says once of each shard that another scheduler has it.
    pub fn lost(&self, fenced: impl Iterator<Item = Fence>) {
        for fence in fenced {
            self.metrics.fenced.add(1);
            if self.ports.lease.refused(fence) {
                warn!(shard = fence.shard.no, "another scheduler has this shard: a late write was refused");
            }
        }
    }
}
