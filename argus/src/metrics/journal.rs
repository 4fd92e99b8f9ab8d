//! Keepers' journals: their calls, and the transactions that are not done with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use argus_domain::{
    act::Intent,
    ids::{ChainId, TaskId},
};
use argus_metrics::{Figures, Sample, Unregistered, Value, table};
use argus_ports::{Journal, Kept, KeptClaim, StoreError};
use async_trait::async_trait;

use super::Calls;

type Pending = Arc<Mutex<BTreeMap<TaskId, ChainId>>>;

/// The journals of a process.
pub struct CountedJournals {
    calls: Calls,
    figures: Figures,
}

impl CountedJournals {
    /// With the figures that they share with the store.
    pub fn new(calls: Calls, figures: &Figures) -> Self {
        Self { calls, figures: figures.clone() }
    }

    /// One of them.
    pub fn count(&self, inner: Arc<dyn Journal>) -> Result<Arc<dyn Journal>, Unregistered> {
        let pending = Pending::default();
        let shown = pending.clone();
        self.figures.read(&table::KEEPER_INTENTS, move || {
            let mut chains: BTreeMap<ChainId, u64> = BTreeMap::new();
            for chain in lock(&shown).values() {
                *chains.entry(*chain).or_default() += 1;
            }
            let sample =
                |(chain, count): (ChainId, u64)| Sample::of(&[&chain.to_string()], Value::Count(count));
            chains.into_iter().map(sample).collect()
        })?;
        Ok(Arc::new(CountedJournal { inner, calls: self.calls.clone(), pending }))
    }
}

fn lock(pending: &Pending) -> std::sync::MutexGuard<'_, BTreeMap<TaskId, ChainId>> {
    pending.lock().unwrap_or_else(PoisonError::into_inner)
}

struct CountedJournal {
    inner: Arc<dyn Journal>,
    calls: Calls,
    pending: Pending,
}

impl CountedJournal {
    fn note(&self, intents: &[Intent]) {
        lock(&self.pending).extend(intents.iter().map(|intent| (intent.task, intent.draft.chain)));
    }
}

#[async_trait]
impl Journal for CountedJournal {
    async fn claim(&self, claim: KeptClaim) -> Result<KeptClaim, StoreError> {
        self.calls.call(&["journal", "claim"], self.inner.claim(claim)).await
    }

    async fn intend(&self, intent: Intent) -> Result<Intent, StoreError> {
        let kept = self.calls.call(&["journal", "intend"], self.inner.intend(intent)).await?;
        self.note(std::slice::from_ref(&kept));
        Ok(kept)
    }

    async fn intend_all(&self, intents: Vec<Intent>) -> Result<Vec<Intent>, StoreError> {
        let kept = self.calls.call(&["journal", "intend_all"], self.inner.intend_all(intents)).await?;
        self.note(&kept);
        Ok(kept)
    }

    async fn pending(&self) -> Result<Vec<Intent>, StoreError> {
        let pending = self.calls.call(&["journal", "pending"], self.inner.pending()).await?;
        self.note(&pending);
        Ok(pending)
    }

    async fn of_task(&self, task: TaskId) -> Result<Kept, StoreError> {
        self.calls.call(&["journal", "of_task"], self.inner.of_task(task)).await
    }

    async fn end(&self, task: TaskId) -> Result<(), StoreError> {
        self.calls.call(&["journal", "end"], self.inner.end(task)).await?;
        lock(&self.pending).remove(&task);
        Ok(())
    }

    async fn highest_nonce(&self, chain: ChainId) -> Result<Option<u64>, StoreError> {
        self.calls.call(&["journal", "highest_nonce"], self.inner.highest_nonce(chain)).await
    }
}
