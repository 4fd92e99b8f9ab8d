//! Where registries and what is stored part, and how far registries have been read.

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    registration::Registration,
    time::Timestamp,
};
use async_trait::async_trait;

use crate::StoreError;

/// How many registrations there are of each kind that is listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegistrationCounts {
    /// [`argus_domain::registration::Discrepancy::Orphan`]
    pub orphans: u64,
    /// [`argus_domain::registration::Discrepancy::DeletedOnChain`]
    pub deleted_on_chain: u64,
    /// [`argus_domain::registration::Discrepancy::OwnerDiffers`]
    pub owner_differs: u64,
}

/// Registrations that are not as what is stored. The reconciler is the one writer.
#[async_trait]
pub trait RegistrationStore: Send + Sync {
    /// The block up to which a registry has been read, included; `None`: not at all.
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError>;

    /// Notes how far a registry has been read. Idempotent; the newest call counts, whatever it says.
    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError>;

    /// Keeps a registration in the place of what is known of that chain and job. Idempotent.
    async fn keep(&self, found: Registration) -> Result<(), StoreError>;

    /// Forgets what is known of a chain and job; absent: nothing to do.
    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError>;

    /// Orphans and those that are gone whose job is stored by now, and those of another owner whose job is stored as
    /// their owner's by now, `limit` at most.
    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError>;

    /// All but those that are gone, and but orphans registered after `orphans_until`, by (chain, job), those after
    /// `after`, `limit` at most; with a job, only of it.
    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError>;

    /// How many [`RegistrationStore::list`] would give.
    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError>;
}
