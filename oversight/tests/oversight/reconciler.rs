//! Job registries against what is stored.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, U256, contracts,
    fees::LedgerEntry,
    ids::{ChainId, JobId, Serial, TaskNumber},
    job::{Cursor, Job, JobChange, JobRecord, Mode, Position, TriggerKind},
    lease::{Fence, ShardSet},
    registration::{Discrepancy, Registration},
    secret::{Grants, SealedSecret, SecretName},
    time::Timestamp,
};
use argus_memory::{ManualClock, MemoryStore};
use argus_oversight::{
    WatchedChain,
    reconciler::{Config, Ports, run},
};
use argus_ports::{
    Clock, CreateOutcome, CursorOutcome, JobQuery, JobStore, LinkError, Nudge, RegistrationCounts,
    RegistrationStore, SecretStore, StoreError, StoredSecret,
};
use async_trait::async_trait;
use tokio::{sync::watch, task::JoinSet};

use crate::fake::{CHAIN, CONTRACTS, FakeChain, OWNER, START, Tx, job, settle, term};

const STRANGER: Address = Address::repeat_byte(0x0b);
const CONFIRMATIONS: u64 = 3;

fn id(n: u64) -> JobId {
    JobId(U256::from(n))
}

/// A transaction by which a job was registered or deleted.
fn logs(topic: B256, n: u64, owner: Address, words: usize) -> Tx {
    let topics = vec![topic, B256::from(U256::from(n)), owner.into_word()];
    let logs = vec![(CONTRACTS.job_registry, topics, Bytes::from(vec![0; 32 * words]))];
    Tx { hash: argus_domain::keccak256(format!("{topic}/{n}/{owner}")), success: true, logs }
}

fn created(n: u64, owner: Address) -> Tx {
    logs(contracts::JOB_CREATED, n, owner, 2)
}

fn deleted(n: u64, owner: Address) -> Tx {
    logs(contracts::JOB_DELETED, n, owner, 1)
}

#[derive(Clone, Default)]
struct Nudged(Arc<Mutex<Vec<JobId>>>);

#[async_trait]
impl Nudge for Nudged {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.0.lock().expect("no test panics while it holds this").extend(jobs);
        Ok(())
    }
}

/// Where a reconciler stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// After it has kept why.
    Kept,
    /// On the way to the deletion, all asked and answered.
    Deletes,
}

/// A stop, and what the owner posts meanwhile.
#[derive(Clone)]
struct Stop {
    when: When,
    posted: (Job, Cursor),
}

/// A store before which the process dies: its n-th write never comes back, made or not.
#[derive(Clone)]
struct Mortal {
    store: MemoryStore,
    writes_left: Arc<AtomicUsize>,
    is_made: bool,
    /// What somebody posts as soon as a registration is kept.
    posted: Arc<Mutex<Vec<(Job, Cursor)>>>,
    /// Where this one stands still while another reconciler deletes what there was.
    meanwhile: Arc<Mutex<Option<Stop>>>,
}

impl Mortal {
    async fn write<T>(&self, write: impl Future<Output = T>) -> T {
        let left = self.writes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        match left {
            Ok(1..) => write.await,
            Ok(0) | Err(_) => {
                if self.is_made {
                    write.await;
                }
                std::future::pending().await
            }
        }
    }

    async fn stands_still(&self, here: When) -> Result<(), StoreError> {
        let meanwhile = self
            .meanwhile
            .lock()
            .expect("no test panics while it holds this")
            .take_if(|stop| stop.when == here);
        if let Some(Stop { posted: owners, .. }) = meanwhile {
            let _another = term(&self.store).await;
            self.store.change(owners.0.id, Serial(1), JobChange::Deleted(START)).await?;
            self.store.create(vec![owners]).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl RegistrationStore for Mortal {
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError> {
        self.store.read_to(chain, registry).await
    }
    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError> {
        self.write(self.store.set_read_to(chain, registry, block)).await
    }
    async fn keep(&self, found: Registration) -> Result<(), StoreError> {
        self.write(self.store.keep(found)).await?;
        let posted = std::mem::take(&mut *self.posted.lock().expect("no test panics while it holds this"));
        self.store.create(posted).await?;
        self.stands_still(When::Kept).await
    }
    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError> {
        self.write(self.store.forget(chain, job)).await
    }
    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError> {
        self.store.arrived(limit).await
    }
    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        RegistrationStore::list(&self.store, job, orphans_until, after, limit).await
    }
    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError> {
        self.store.counts(orphans_until).await
    }
}

#[async_trait]
impl JobStore for Mortal {
    async fn create_and_book(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: Vec<LedgerEntry>,
    ) -> Result<CreateOutcome, StoreError> {
        self.store.create_and_book(jobs, entries).await
    }
    async fn job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError> {
        self.store.job(id).await
    }
    async fn created(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        self.store.created(id).await
    }
    async fn version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError> {
        self.store.version(id, version).await
    }
    async fn list(&self, q: JobQuery, before: Option<Serial>, n: u32) -> Result<Vec<JobRecord>, StoreError> {
        JobStore::list(&self.store, q, before, n).await
    }
    async fn change(
        &self,
        id: JobId,
        serial: Serial,
        change: JobChange,
    ) -> Result<Option<JobRecord>, StoreError> {
        self.stands_still(When::Deletes).await?;
        self.write(self.store.change(id, serial, change)).await
    }
    async fn due(
        &self,
        kind: TriggerKind,
        shards: ShardSet,
        now: Timestamp,
        n: u32,
    ) -> Result<Vec<JobRecord>, StoreError> {
        self.store.due(kind, shards, now, n).await
    }
    async fn move_cursor(&self, cursor: Cursor, fence: Option<Fence>) -> Result<CursorOutcome, StoreError> {
        self.store.move_cursor(cursor, fence).await
    }
}

#[async_trait]
impl SecretStore for Mortal {
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError> {
        SecretStore::put(&self.store, job, name, sealed).await
    }
    async fn of_job(&self, job: JobId) -> Result<Vec<(SecretName, SealedSecret)>, StoreError> {
        SecretStore::of_job(&self.store, job).await
    }
    async fn sealed_otherwise(
        &self,
        key: [u8; 8],
        after: Option<(JobId, SecretName)>,
        n: u32,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        self.store.sealed_otherwise(key, after, n).await
    }
    async fn replace(&self, old: StoredSecret, new: SealedSecret) -> Result<bool, StoreError> {
        self.store.replace(old, new).await
    }
    async fn remove(&self, job: JobId, names: Grants) -> Result<u32, StoreError> {
        self.write(SecretStore::remove(&self.store, job, names)).await
    }
}

struct World {
    store: MemoryStore,
    clock: ManualClock,
    chain: FakeChain,
    nudged: Nudged,
    config: Config,
    from: u64,
}

impl World {
    fn new() -> Self {
        let config = Config { log_range: 7, log_rounds: 2, ..Config::default() };
        let (store, clock) = (MemoryStore::new(), ManualClock::new(START));
        Self { store, clock, chain: FakeChain::new(CHAIN), nudged: Nudged::default(), config, from: 0 }
    }

    fn run(&self) -> Running {
        self.run_on(self.immortal())
    }

    fn immortal(&self) -> Mortal {
        Mortal {
            store: self.store.clone(),
            writes_left: Arc::new(AtomicUsize::new(usize::MAX)),
            is_made: false,
            posted: Arc::default(),
            meanwhile: Arc::default(),
        }
    }

    fn run_on(&self, store: Mortal) -> Running {
        let watched = WatchedChain {
            reader: Arc::new(self.chain.clone()),
            contracts: Some(CONTRACTS),
            contracts_from: self.from,
            confirmations: CONFIRMATIONS,
            settle: Duration::ZERO,
        };
        let ports = Ports {
            registrations: Arc::new(store.clone()),
            jobs: Arc::new(store.clone()),
            secrets: Arc::new(store),
            nudge: Arc::new(self.nudged.clone()),
            chains: [(CHAIN, watched)].into(),
            clock: Arc::new(self.clock.clone()),
        };
        let (sender, counts) = watch::channel(RegistrationCounts::default());
        let (config, leases) = (self.config.clone(), self.store.clone());
        let mut set = JoinSet::new();
        set.spawn(async move { run(config, ports, term(&leases).await, sender).await });
        Running { counts, _life: set }
    }

    /// Lets it look so often that it has seen all there is.
    async fn looks(&self) {
        for _ in 0..10 {
            settle().await;
            self.clock.advance(self.config.interval);
        }
        settle().await;
    }

    async fn store_job(&self, n: u64, owner: Address) {
        self.store.create(vec![Self::posted(n, owner)]).await.expect("stored");
    }

    fn posted(n: u64, owner: Address) -> (Job, Cursor) {
        let mut stored = job(n, CHAIN, Mode::Solo);
        stored.owner = owner;
        let cursor = Cursor {
            job: stored.id,
            revision: 0,
            next_due: Some(START),
            opened: TaskNumber(0),
            position: Position::Time,
            finished: false,
        };
        (stored, cursor)
    }

    /// What an owner does.
    async fn delete(&self, n: u64) {
        let serial = self.store.job(id(n)).await.expect("read").expect("there").job.serial;
        let deleted = self.store.change(id(n), serial, JobChange::Deleted(self.clock.now())).await;
        deleted.expect("changed").expect("there");
    }

    async fn is_deleted(&self, n: u64) -> bool {
        self.store.job(id(n)).await.expect("read").expect("there").deleted_at.is_some()
    }

    /// Job and kind of all that is listed, whatever its age.
    async fn listed(&self) -> Vec<(JobId, Discrepancy)> {
        let all = RegistrationStore::list(&self.store, None, Timestamp::MAX, None, 100).await.expect("read");
        all.into_iter().map(|r| (r.job, r.discrepancy)).collect()
    }
}

struct Running {
    counts: watch::Receiver<RegistrationCounts>,
    _life: JoinSet<()>,
}

#[tokio::test]
async fn a_registration_without_a_job_is_an_orphan_until_the_job_comes() {
    let w = World::new();
    let running = w.run();
    let tx = created(1, OWNER);
    let block = w.chain.mine(vec![tx.clone()]);
    w.chain.grow(2);
    w.looks().await;
    assert_eq!(w.listed().await, [], "the block is not final");
    w.chain.grow(1);
    w.looks().await;
    let all = RegistrationStore::list(&w.store, None, Timestamp::MAX, None, 9).await.expect("read");
    let expected = Registration {
        chain: CHAIN,
        job: id(1),
        owner: OWNER,
        block: block.number,
        transaction: tx.hash,
        at: block.time,
        discrepancy: Discrepancy::Orphan,
    };
    assert_eq!(all, [expected]);
    assert_eq!(running.counts.borrow().orphans, 0, "it may still be on its way");
    w.clock.set(block.time + w.config.grace + Duration::from_secs(60));
    w.looks().await;
    assert_eq!(running.counts.borrow().orphans, 1);
    w.store_job(1, OWNER).await;
    w.looks().await;
    assert_eq!((w.listed().await, running.counts.borrow().orphans), (vec![], 0), "the late POST came");
    assert!(!w.is_deleted(1).await);
}

#[tokio::test]
async fn a_deletion_on_the_chain_deletes_the_job_once_it_is_final() {
    let w = World::new();
    w.store_job(1, OWNER).await;
    w.store_job(2, OWNER).await;
    w.chain.mine(vec![created(1, OWNER), created(2, OWNER)]);
    let _running = w.run();
    w.chain.grow(4);
    w.looks().await;
    let block = w.chain.mine(vec![deleted(1, OWNER), deleted(2, OWNER)]);
    w.chain.grow(2);
    w.looks().await;
    assert!(!w.is_deleted(1).await, "not before it is final");
    // This one was deleted by its owner on both sides, which is nothing to list.
    w.delete(2).await;
    w.chain.grow(1);
    w.looks().await;
    assert!(w.is_deleted(1).await);
    assert_eq!(w.listed().await, [(id(1), Discrepancy::DeletedOnChain)]);
    assert_eq!(*w.nudged.0.lock().expect("unpoisoned"), [id(1)]);
    let why = RegistrationStore::list(&w.store, Some(id(1)), START, None, 9).await.expect("read");
    assert_eq!((why[0].block, why[0].transaction), (block.number, deleted(1, OWNER).hash));
}

#[tokio::test]
async fn a_job_that_comes_after_its_deletion_on_the_chain_is_deleted() {
    let w = World::new();
    let _running = w.run();
    w.chain.mine(vec![created(1, OWNER)]);
    w.chain.mine(vec![deleted(1, OWNER)]);
    w.chain.grow(5);
    w.looks().await;
    assert_eq!(w.listed().await, [], "no money without a job");
    w.store_job(1, OWNER).await;
    w.looks().await;
    assert!(w.is_deleted(1).await);
    assert_eq!(w.listed().await, [(id(1), Discrepancy::DeletedOnChain)]);
}

#[tokio::test]
async fn a_job_of_another_than_registered_it_is_stopped_and_listed() {
    for stored_first in [true, false] {
        let w = World::new();
        let running = w.run();
        if stored_first {
            w.store_job(1, STRANGER).await;
        }
        w.chain.mine(vec![created(1, OWNER)]);
        w.chain.grow(5);
        w.looks().await;
        if !stored_first {
            w.store_job(1, STRANGER).await;
        }
        w.looks().await;
        assert!(w.is_deleted(1).await);
        assert_eq!(w.listed().await, [(id(1), Discrepancy::OwnerDiffers(STRANGER))]);
        assert_eq!(running.counts.borrow().owner_differs, 1);
    }
}

#[tokio::test]
async fn the_job_of_its_owner_takes_the_others_place_and_stays() {
    let w = World::new();
    let running = w.run();
    w.store_job(1, STRANGER).await;
    w.chain.mine(vec![created(1, OWNER)]);
    w.chain.grow(5);
    w.looks().await;
    w.store_job(1, OWNER).await;
    assert!(!w.is_deleted(1).await);
    w.looks().await;
    assert_eq!((w.listed().await, running.counts.borrow().owner_differs), (vec![], 0));
    // A process that read the log and died reads it again.
    w.store.set_read_to(CHAIN, CONTRACTS.job_registry, 0).await.expect("set back");
    w.looks().await;
    assert!(!w.is_deleted(1).await && w.listed().await.is_empty());
}

#[tokio::test]
async fn what_a_stranger_took_back_is_not_deleted_again_for_the_owners_job_may_be_there() {
    let w = World::new();
    w.store_job(1, STRANGER).await;
    w.delete(1).await;
    w.chain.mine(vec![created(1, OWNER)]);
    w.chain.grow(5);
    let store = w.immortal();
    store.posted.lock().expect("alone").push(World::posted(1, OWNER));
    let _running = w.run_on(store);
    w.looks().await;
    let there = w.store.job(id(1)).await.expect("read").expect("there");
    assert_eq!((there.job.owner, there.deleted_at), (OWNER, None));
    assert_eq!(w.listed().await, []);
}

#[tokio::test]
async fn what_a_reorg_takes_away_before_it_is_final_never_was() {
    let w = World::new();
    w.store_job(2, OWNER).await;
    let _running = w.run();
    w.chain.grow(5);
    w.looks().await;
    w.chain.mine(vec![created(1, OWNER), deleted(2, OWNER)]);
    w.chain.grow(2);
    w.looks().await;
    w.chain.drop_newest(3);
    w.chain.mine(vec![created(3, OWNER)]);
    w.chain.grow(10);
    w.looks().await;
    assert_eq!(w.listed().await, [(id(3), Discrepancy::Orphan)]);
    assert!(!w.is_deleted(2).await);
}

#[tokio::test]
async fn all_blocks_are_read_once_and_a_node_that_fails_or_lags_leaves_none_out() {
    let w = World::new();
    for n in 1..=40 {
        w.chain.mine(vec![created(n, OWNER)]);
    }
    let _running = w.run();
    w.chain.down(true);
    w.looks().await;
    w.chain.down(false);
    w.chain.lag(20);
    w.looks().await;
    w.chain.lag(0);
    w.looks().await;
    let orphans: Vec<JobId> = w.listed().await.into_iter().map(|(job, _)| job).collect();
    assert_eq!(orphans, (1..=40 - CONFIRMATIONS).map(id).collect::<Vec<_>>());
    let asked: Vec<(u64, u64)> = w.chain.queries().iter().map(|q| (q.from, q.to)).collect();
    assert!(asked.iter().all(|(from, to)| to - from < 7), "{asked:?}");
    assert!(asked.windows(2).all(|two| two[1].0 == two[0].1 + 1), "{asked:?}");
}

#[tokio::test]
async fn nothing_is_looked_for_before_the_contracts_were_there() {
    let w = World { from: 30, ..World::new() };
    for n in 1..=40 {
        w.chain.mine(vec![created(n, OWNER)]);
    }
    let _running = w.run();
    w.looks().await;
    let asked: Vec<u64> = w.chain.queries().iter().map(|q| q.from).collect();
    assert_eq!(asked.first(), Some(&30), "{asked:?}");
    assert!(asked.is_sorted_by(|a, b| a < b), "{asked:?}");
}

#[tokio::test]
async fn wherever_it_dies_the_next_one_comes_to_the_same() {
    let mut deaths = 0;
    for is_made in [false, true] {
        for writes in 0.. {
            let w = World::new();
            w.store_job(1, OWNER).await;
            w.store_job(2, STRANGER).await;
            w.chain.mine(vec![created(1, OWNER), created(2, OWNER), created(3, OWNER)]);
            w.chain.mine(vec![deleted(1, OWNER)]);
            w.chain.grow(5);
            let writes_left = Arc::new(AtomicUsize::new(writes + 1));
            let mortal = Mortal { writes_left: writes_left.clone(), is_made, ..w.immortal() };
            let dies = w.run_on(mortal);
            w.looks().await;
            let survived = writes_left.load(Ordering::Relaxed) > 0;
            drop(dies);
            let _running = w.run();
            w.looks().await;
            let expected = [
                (id(1), Discrepancy::DeletedOnChain),
                (id(2), Discrepancy::OwnerDiffers(STRANGER)),
                (id(3), Discrepancy::Orphan),
            ];
            assert_eq!(w.listed().await, expected, "dead at write {writes}, made: {is_made}");
            assert!(w.is_deleted(1).await && w.is_deleted(2).await);
            if survived {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths >= 10, "{deaths} deaths");
}

#[tokio::test]
async fn one_whose_lease_is_anothers_deletes_nothing_and_moves_no_mark() {
    let w = World::new();
    w.store_job(1, OWNER).await;
    w.chain.mine(vec![created(1, OWNER)]);
    let stopped = w.run();
    w.chain.grow(4);
    w.looks().await;
    let read_to = w.store.read_to(CHAIN, CONTRACTS.job_registry).await.expect("read");
    assert!(read_to.is_some());
    let _taken = term(&w.store).await;
    w.chain.mine(vec![deleted(1, OWNER)]);
    w.chain.grow(4);
    w.looks().await;
    assert!(!w.is_deleted(1).await && w.listed().await.is_empty());
    assert_eq!(w.store.read_to(CHAIN, CONTRACTS.job_registry).await, Ok(read_to));
    drop(stopped);
    let _next = w.run();
    w.looks().await;
    assert!(w.is_deleted(1).await, "the next one does");
}

#[tokio::test]
async fn a_deletion_that_comes_late_leaves_the_owners_job_alone() {
    for when in [When::Kept, When::Deletes] {
        let w = World::new();
        w.store_job(1, STRANGER).await;
        w.chain.mine(vec![created(1, OWNER)]);
        w.chain.grow(5);
        // While this one stands still, another one does all of it, and the owner's job comes.
        let store = w.immortal();
        *store.meanwhile.lock().expect("alone") = Some(Stop { when, posted: World::posted(1, OWNER) });
        let _late = w.run_on(store);
        w.looks().await;
        let there = w.store.job(id(1)).await.expect("read").expect("there");
        assert_eq!((there.job.owner, there.deleted_at), (OWNER, None), "{when:?}");
    }
}
