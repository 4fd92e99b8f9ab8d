//! How far registries were read.

use std::sync::Arc;

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    registration::Registration,
    time::Timestamp,
};
use argus_metrics::{Figures, Gauges, Unregistered, table};
use argus_ports::{RegistrationCounts, RegistrationStore, StoreError};
use async_trait::async_trait;

/// A store that shows how far the reconciler has come.
pub struct CountedRegistrations {
    inner: Arc<dyn RegistrationStore>,
    read: Gauges,
}

impl CountedRegistrations {
    /// Registers the figure.
    pub fn register(inner: Arc<dyn RegistrationStore>, figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self { inner, read: figures.gauges(&table::REGISTRY_READ)? })
    }

    fn came_to(&self, chain: ChainId, block: u64) {
        self.read.of(&[&chain.to_string()]).set(block);
    }
}

#[async_trait]
impl RegistrationStore for CountedRegistrations {
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError> {
        let block = self.inner.read_to(chain, registry).await?;
        if let Some(block) = block {
            self.came_to(chain, block);
        }
        Ok(block)
    }

    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError> {
        self.inner.set_read_to(chain, registry, block).await?;
        self.came_to(chain, block);
        Ok(())
    }

    async fn keep(&self, found: Registration) -> Result<(), StoreError> {
        self.inner.keep(found).await
    }

    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError> {
        self.inner.forget(chain, job).await
    }

    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError> {
        self.inner.arrived(limit).await
    }

    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        self.inner.list(job, orphans_until, after, limit).await
    }

    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError> {
        self.inner.counts(orphans_until).await
    }
}
