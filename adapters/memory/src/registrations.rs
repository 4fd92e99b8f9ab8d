//! Where registries and what is stored part.

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    registration::{Discrepancy, Registration},
    time::Timestamp,
};
use argus_ports::{RegistrationCounts, RegistrationStore, StoreError};
use async_trait::async_trait;

use crate::state::MemoryStore;

#[async_trait]
impl RegistrationStore for MemoryStore {
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError> {
        Ok(self.read().registries.get(&(chain, registry)).copied())
    }

    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError> {
        self.write()?.registries.insert((chain, registry), block);
        Ok(())
    }

    async fn keep(&self, found: Registration) -> Result<(), StoreError> {
        self.write()?.registrations.insert((found.chain, found.job), found);
        Ok(())
    }

    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError> {
        self.write()?.registrations.remove(&(chain, job));
        Ok(())
    }

    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let state = self.read();
        let all = state.registrations.values();
        let arrived = all.filter(|r| match r.discrepancy {
            Discrepancy::Orphan | Discrepancy::Gone => state.jobs.contains_key(&r.job),
            Discrepancy::OwnerDiffers(_) => {
                state.jobs.get(&r.job).is_some_and(|entry| entry.record.job.owner == r.owner)
            }
            Discrepancy::DeletedOnChain => false,
        });
        Ok(arrived.take(limit as usize).cloned().collect())
    }

    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        let state = self.read();
        let all = state.registrations.iter().filter(|(place, r)| {
            after.is_none_or(|after| **place > after)
                && job.is_none_or(|job| r.job == job)
                && is_listed(r, orphans_until)
        });
        Ok(all.map(|(_, r)| r.clone()).take(limit as usize).collect())
    }

    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError> {
        let mut counts = RegistrationCounts::default();
        for found in self.read().registrations.values().filter(|r| is_listed(r, orphans_until)) {
            match found.discrepancy {
                Discrepancy::Orphan => counts.orphans += 1,
                Discrepancy::Gone => {}
                Discrepancy::DeletedOnChain => counts.deleted_on_chain += 1,
                Discrepancy::OwnerDiffers(_) => counts.owner_differs += 1,
            }
        }
        Ok(counts)
    }
}

fn is_listed(found: &Registration, orphans_until: Timestamp) -> bool {
    match found.discrepancy {
        Discrepancy::Orphan => found.at <= orphans_until,
        Discrepancy::Gone => false,
        Discrepancy::DeletedOnChain | Discrepancy::OwnerDiffers(_) => true,
    }
}
