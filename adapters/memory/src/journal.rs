//! A keeper's journal that forgets.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use argus_domain::ids::{AttemptNo, ChainId, Round, TaskId};
use argus_ports::{Intent, Journal, Kept, KeptClaim, StoreError};
use async_trait::async_trait;

use crate::lock;

/// Claims and intents of one keeper. Clones share one journal.
#[derive(Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    claims: BTreeMap<(TaskId, AttemptNo, Round), KeptClaim>,
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
    async fn claim(&self, claim: KeptClaim) -> Result<KeptClaim, StoreError> {
        let key = (claim.task, claim.attempt, claim.round);
        Ok(*lock(&self.0).claims.entry(key).or_insert(claim))
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

    async fn of_task(&self, task: TaskId) -> Result<Kept, StoreError> {
        let entries = lock(&self.0);
        let (first, last) = ((task, AttemptNo(0), Round(0)), (task, AttemptNo(u16::MAX), Round(u8::MAX)));
        let claims = entries.claims.range(first..=last).map(|(_, claim)| *claim);
        let intents = entries.intents.range((task, 0)..=(task, u16::MAX)).map(|(_, intent)| intent.clone());
        Ok(Kept { claims: claims.collect(), intents: intents.collect() })
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
