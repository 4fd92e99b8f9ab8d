//! A keeper's journal that forgets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use argus_domain::{
    attempt::SignedClaim,
    ids::{AttemptNo, ChainId, Round, TaskId},
};
use argus_ports::{Intent, Journal, StoreError};
use async_trait::async_trait;

use crate::lock;

/// Claims and intents of one keeper. Clones share one journal.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    claims: BTreeMap<(TaskId, AttemptNo, Round), SignedClaim>,
    intents: BTreeMap<(TaskId, u16), Intent>,
    ended: BTreeSet<TaskId>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn claim(&self, claim: SignedClaim) -> Result<SignedClaim, StoreError> {
        let key = (claim.task, claim.attempt, claim.round);
        Ok(lock(&self.0).claims.entry(key).or_insert(claim).clone())
    }

    async fn claimed(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        round: Round,
    ) -> Result<Option<SignedClaim>, StoreError> {
        Ok(lock(&self.0).claims.get(&(task, attempt, round)).cloned())
    }

    async fn intend(&self, intent: Intent) -> Result<Intent, StoreError> {
        let key = (intent.task, intent.number);
        Ok(lock(&self.0).intents.entry(key).or_insert(intent).clone())
    }

    async fn pending(&self) -> Result<Vec<Intent>, StoreError> {
        let entries = lock(&self.0);
        let open = entries.intents.values().filter(|intent| !entries.ended.contains(&intent.task));
        let mut open: Vec<Intent> = open.cloned().collect();
        open.sort_by_key(|intent| (intent.draft.chain, intent.draft.nonce, intent.number, intent.task));
        Ok(open)
    }

    async fn intents(&self, task: TaskId) -> Result<Vec<Intent>, StoreError> {
        let entries = lock(&self.0);
        Ok(entries.intents.range((task, 0)..=(task, u16::MAX)).map(|(_, intent)| intent.clone()).collect())
    }

    async fn end(&self, task: TaskId) -> Result<(), StoreError> {
        lock(&self.0).ended.insert(task);
        Ok(())
    }

    async fn highest_nonce(&self, chain: ChainId) -> Result<Option<u64>, StoreError> {
        let entries = lock(&self.0);
        let drafts = entries.intents.values().map(|intent| &intent.draft);
        Ok(drafts.filter(|draft| draft.chain == chain).map(|draft| draft.nonce).max())
    }
}
