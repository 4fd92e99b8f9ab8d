//! Stores as they are on a bad day: slow, so that calls made at the same time are answered in another order; now and
//! then not there; or with somebody else who was first. What they have answered the [`Witness`] knows.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    ids::{ChainId, KeeperId, TaskId},
    task::{Fact, TaskRecord},
};
use argus_ports::{
    Intent, JobStore, Journal, KeeperStore, Kept, KeptClaim, LeaseStore, OpenOutcome, Opening, Recorded,
    Recording, StoreError, TaskQuery, TaskStore,
};
use async_trait::async_trait;
use tokio::time::sleep;

use crate::witness::{Witness, Writer};

/// What a platform keeps: jobs, tasks and keepers.
pub trait Store: JobStore + TaskStore + KeeperStore + LeaseStore {}

impl<S: JobStore + TaskStore + KeeperStore + LeaseStore> Store for S {}

/// How a store answers. By default at once, and always.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Of the sequence that decides.
    pub seed: u64,
    /// The slowest write takes so long, in milliseconds; the others anything below.
    pub slowest_ms: u64,
    /// Of a hundred writes so many fail: half of them before anything is kept, half with only the answer lost.
    pub failing: u64,
}

/// What somebody else records just before this fact.
pub type Rival = Arc<dyn Fn(&Fact) -> Option<Fact> + Send + Sync>;

/// How all stores of a platform behave.
#[derive(Clone, Default)]
pub struct Stores {
    /// The task store, for each of its writers.
    pub tasks: Pace,
    /// Journals, when they keep claims.
    pub claims: Pace,
    /// Journals, when they keep intents.
    pub intents: Pace,
    /// Who is faster than the dispatcher.
    pub rival: Option<Rival>,
}

impl Stores {
    /// All of them up to this slow.
    pub fn slow(seed: u64, slowest_ms: u64) -> Self {
        let pace = |seed| Pace { seed, slowest_ms, failing: 0 };
        Self { tasks: pace(seed), claims: pace(seed + 1), intents: pace(seed + 2), rival: None }
    }
}

/// One writer's way to a store.
struct Way {
    pace: Pace,
    drawn: AtomicU64,
}

impl Way {
    fn new(pace: Pace) -> Self {
        Self { pace, drawn: AtomicU64::new(0) }
    }

    /// The next number of the sequence (SplitMix64).
    fn draw(&self) -> u64 {
        let step = self.drawn.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let mut z = self.pace.seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Makes a call take its time, some of it on the way there and the rest on the way back.
    async fn go<T>(&self, call: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let (total, there, fails) = (self.draw(), self.draw(), self.draw());
        let total = total % (self.pace.slowest_ms + 1);
        let there = there % (total + 1);
        let is_lost = fails % 100 < self.pace.failing;
        let lost = |what: &str| Err(StoreError::Unavailable(what.to_owned()));
        pause(there).await;
        if is_lost && fails % 2 == 0 {
            return lost("the call was lost");
        }
        let answer = call.await?;
        pause(total - there).await;
        if is_lost { lost("the answer was lost") } else { Ok(answer) }
    }
}

async fn pause(ms: u64) {
    if ms > 0 {
        sleep(Duration::from_millis(ms)).await;
    }
}

/// A task store as one writer meets it.
pub struct WitnessedTasks {
    inner: Arc<dyn TaskStore>,
    witness: Witness,
    writer: Writer,
    way: Way,
    rival: Option<Rival>,
}

impl WitnessedTasks {
    /// This writer's.
    pub fn new(inner: Arc<dyn TaskStore>, witness: Witness, writer: Writer, stores: &Stores) -> Self {
        Self { inner, witness, writer, way: Way::new(stores.tasks), rival: stores.rival.clone() }
    }

    async fn append_after_rival(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        if let Some(rival) = &self.rival {
            self.inner.record(facts.iter().filter_map(|recording| rival(&recording.fact)).collect()).await?;
        }
        self.inner.append(facts).await
    }
}

#[async_trait]
impl TaskStore for WitnessedTasks {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        self.inner.open(tasks).await
    }

    async fn append(&self, recordings: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let facts: Vec<Fact> = recordings.iter().map(|recording| recording.fact.clone()).collect();
        self.witness.records(&facts);
        let call = self.witness.enter(self.writer);
        let answers = self.way.go(self.append_after_rival(recordings)).await?;
        self.witness.recorded(&facts, &answers);
        call.answered();
        Ok(answers)
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        let records = self.inner.tasks(ids).await?;
        self.witness.read(&records);
        Ok(records)
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let records = self.inner.unfinished(after, limit).await?;
        self.witness.read(&records);
        Ok(records)
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        self.inner.list(query, before, limit).await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.inner.by_public_id(id).await
    }
}

/// A keeper's journal.
pub struct WitnessedJournal {
    inner: Arc<dyn Journal>,
    witness: Witness,
    keeper: KeeperId,
    claims: Way,
    intents: Way,
}

impl WitnessedJournal {
    /// This keeper's.
    pub fn new(inner: Arc<dyn Journal>, witness: Witness, keeper: KeeperId, stores: &Stores) -> Self {
        Self { inner, witness, keeper, claims: Way::new(stores.claims), intents: Way::new(stores.intents) }
    }
}

#[async_trait]
impl Journal for WitnessedJournal {
    async fn claim(&self, claim: KeptClaim) -> Result<KeptClaim, StoreError> {
        let call = self.witness.enter(Writer::Claims(self.keeper));
        let kept = self.claims.go(self.inner.claim(claim)).await?;
        self.witness.claimed(self.keeper, &kept);
        call.answered();
        Ok(kept)
    }

    async fn intend(&self, intent: Intent) -> Result<Intent, StoreError> {
        let call = self.witness.enter(Writer::Intents(self.keeper));
        let kept = self.intents.go(self.inner.intend(intent)).await?;
        self.witness.intended(self.keeper, std::slice::from_ref(&kept));
        call.answered();
        Ok(kept)
    }

    async fn intend_all(&self, intents: Vec<Intent>) -> Result<Vec<Intent>, StoreError> {
        let call = self.witness.enter(Writer::Intents(self.keeper));
        let kept = self.intents.go(self.inner.intend_all(intents)).await?;
        self.witness.intended(self.keeper, &kept);
        call.answered();
        Ok(kept)
    }

    async fn pending(&self) -> Result<Vec<Intent>, StoreError> {
        let pending = self.inner.pending().await?;
        self.witness.intended(self.keeper, &pending);
        Ok(pending)
    }

    async fn of_task(&self, task: TaskId) -> Result<Kept, StoreError> {
        let kept = self.inner.of_task(task).await?;
        self.witness.read_journal(self.keeper, &kept);
        Ok(kept)
    }

    async fn end(&self, task: TaskId) -> Result<(), StoreError> {
        self.inner.end(task).await
    }

    async fn highest_nonce(&self, chain: ChainId) -> Result<Option<u64>, StoreError> {
        self.inner.highest_nonce(chain).await
    }
}
