//! Encrypted secrets of jobs.

use argus_domain::{
    ids::JobId,
    secret::{Grants, SealedSecret, SecretName},
};
use argus_ports::{SecretStore, StoreError, StoredSecret};
use async_trait::async_trait;

use crate::state::MemoryStore;

#[async_trait]
impl SecretStore for MemoryStore {
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError> {
        self.write()?.secrets.insert((job, name), sealed);
        Ok(())
    }

    async fn of_job(&self, job: JobId) -> Result<Vec<(SecretName, SealedSecret)>, StoreError> {
        let state = self.read();
        let own = state.secrets.iter().filter(|((of, _), _)| *of == job);
        Ok(own.map(|((_, name), sealed)| (name.clone(), sealed.clone())).collect())
    }

    async fn sealed_otherwise(
        &self,
        key: [u8; 8],
        after: Option<(JobId, SecretName)>,
        limit: u32,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        let state = self.read();
        let others =
            state.secrets.iter().filter(|(at, sealed)| sealed.key != key && Some(*at) > after.as_ref());
        let others = others.map(|((job, name), sealed)| (*job, name.clone(), sealed.clone()));
        Ok(others.take(limit as usize).collect())
    }

    async fn replace(&self, (job, name, old): StoredSecret, new: SealedSecret) -> Result<bool, StoreError> {
        let mut state = self.write()?;
        let known = state.secrets.get_mut(&(job, name)).filter(|known| **known == old);
        Ok(known.map(|known| *known = new).is_some())
    }

    async fn remove(&self, job: JobId, names: Grants) -> Result<u32, StoreError> {
        let mut state = self.write()?;
        let removed = names.into_iter().filter_map(|name| state.secrets.remove(&(job, name))).count();
        Ok(u32::try_from(removed).unwrap_or(u32::MAX))
    }
}
