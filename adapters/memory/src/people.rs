//! Keepers, ledger, modules and API keys.

use argus_domain::{
    Address, B256,
    access::ApiKey,
    fees::{Board, LedgerEntry, Standing},
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    module::{Cid, ModuleRecord},
    time::Timestamp,
};
use argus_ports::{KeeperStore, KeyStore, Ledger, ModuleStore, StoreError};
use async_trait::async_trait;

use crate::state::MemoryStore;

#[async_trait]
impl KeeperStore for MemoryStore {
    async fn put(&self, keepers: Vec<KeeperRecord>) -> Result<(), StoreError> {
        let mut state = self.write()?;
        state.keepers.extend(keepers.into_iter().map(|row| (row.keeper, row)));
        Ok(())
    }

    async fn remove(&self, keeper: KeeperId) -> Result<(), StoreError> {
        self.write()?.keepers.remove(&keeper);
        Ok(())
    }

    async fn all(&self) -> Result<Vec<KeeperRecord>, StoreError> {
        let state = self.read();
        let faults = |id: KeeperId| state.faults.iter().filter(|(keeper, _)| *keeper == id).count();
        let count = |id| u32::try_from(faults(id)).unwrap_or(u32::MAX);
        Ok(state
            .keepers
            .values()
            .map(|row| KeeperRecord { faults: count(row.keeper), ..row.clone() })
            .collect())
    }

    async fn fault(&self, keeper: KeeperId, task: TaskId) -> Result<(), StoreError> {
        self.write()?.faults.insert((keeper, task));
        Ok(())
    }
}

#[async_trait]
impl Ledger for MemoryStore {
    async fn book(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.write()?.book(entries);
        Ok(())
    }

    async fn of_key(&self, key: B256) -> Result<Vec<LedgerEntry>, StoreError> {
        Ok(self.read().ledger.iter().filter(|entry| entry.key == key).cloned().collect())
    }

    async fn of_account(&self, account: Address, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        let state = self.read();
        let newest = state.ledger.iter().rev().filter(|entry| entry.account == account);
        Ok(newest.take(limit as usize).cloned().collect())
    }

    async fn standings(&self, board: Board, limit: u32) -> Result<Vec<Standing>, StoreError> {
        let mut standings: Vec<Standing> = self.read().standings(board).into_values().collect();
        standings.sort_by_cached_key(Standing::rank);
        standings.truncate(limit as usize);
        Ok(standings)
    }

    async fn standing(&self, board: Board, account: Address) -> Result<Standing, StoreError> {
        let known = self.read().standings(board).remove(&account);
        Ok(known.unwrap_or_else(|| Standing::none(account)))
    }
}

#[async_trait]
impl ModuleStore for MemoryStore {
    async fn put(&self, record: ModuleRecord, publisher: Address) -> Result<(), StoreError> {
        let mut state = self.write()?;
        let known = state.modules.iter().any(|(old, who)| old.module == record.module && *who == publisher);
        if !known {
            state.modules.push((record, publisher));
        }
        Ok(())
    }

    async fn by_cid(&self, cid: &Cid) -> Result<Vec<(ModuleRecord, Address)>, StoreError> {
        Ok(self.read().modules.iter().filter(|(record, _)| record.module.source == *cid).cloned().collect())
    }
}

#[async_trait]
impl KeyStore for MemoryStore {
    async fn put(&self, key: ApiKey) -> Result<(), StoreError> {
        let mut state = self.write()?;
        if state.key_by_hash(key.hash).is_none() {
            state.keys.push(key);
        }
        Ok(())
    }

    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.read().key_by_hash(hash).cloned())
    }

    async fn list(&self, owner: Option<Address>) -> Result<Vec<ApiKey>, StoreError> {
        let state = self.read();
        let asked = state.keys.iter().rev().filter(|key| owner.is_none_or(|owner| key.owner == owner));
        let mut keys: Vec<ApiKey> = asked.cloned().collect();
        keys.sort_by_key(|key| std::cmp::Reverse(key.created_at));
        Ok(keys)
    }

    async fn update(
        &self,
        id: &str,
        rate_limit: Option<u32>,
        revoked_at: Option<Timestamp>,
    ) -> Result<Option<ApiKey>, StoreError> {
        let mut state = self.write()?;
        let Some(key) = state.keys.iter_mut().find(|key| key.id == id) else { return Ok(None) };
        key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
        key.revoked_at = key.revoked_at.or(revoked_at);
        Ok(Some(key.clone()))
    }

    async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write()?.keys.retain(|key| key.expires_at.is_none_or(|at| at > now));
        Ok(())
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        let mut state = self.write()?;
        if let Some(key) = state.keys.iter_mut().find(|key| key.id == id) {
            key.last_used = key.last_used.max(Some(at));
        }
        Ok(())
    }
}
