//! The platform: started, stopped and looked at.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    num::NonZeroU16,
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{
    Address, U256,
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    lease::{MemberId, ServiceKind},
    status::TaskState,
    time::Timestamp,
};
use argus_machine::lease;
use argus_memory::{MemoryArchive, MemoryBus, MemoryContent, MemoryJournal, MemoryStore, SystemClock};
use argus_ports::{Clock, Dispatch, KeeperStore, TaskOf};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{CHAIN, TestChain},
    links::Switch,
    runner::TestRunner,
    signer::{Elsewhere, TestSigner},
    store::{Store, Stores},
    witness::Witness,
};

/// The platform's key.
pub const PLATFORM: TestSigner = TestSigner(0xaa);

/// Within this all keepers are live, or they will never be.
const LIVE_WITHIN: Duration = Duration::from_secs(10);

/// What is not the same in every test.
#[derive(Clone)]
pub struct Settings {
    /// Where jobs, tasks and keepers are.
    pub store: Arc<dyn Store>,
    /// How stores behave.
    pub stores: Stores,
    /// A performer may be silent for so long.
    pub patience: Duration,
    /// Where the platform's key is, if it is elsewhere.
    pub platform_key: Option<Elsewhere>,
    /// Where the keepers' keys are, if they are elsewhere.
    pub keeper_keys: Option<Elsewhere>,
}

impl Default for Settings {
    fn default() -> Self {
        let store = Arc::new(MemoryStore::new());
        let (stores, patience) = (Stores::default(), Duration::from_secs(2));
        Self { store, stores, patience, platform_key: None, keeper_keys: None }
    }
}

/// The n-th of those that may lead by the same leases, as aggregators do, and what keeps its own up.
pub fn member(leases: Arc<MemoryStore>, n: u8) -> (argus_lease::Handle, impl Future<Output = ()> + Send) {
    let config = lease::Config { shards: NonZeroU16::MIN, ..lease::Config::default() };
    let id = MemberId([n; 16]);
    argus_lease::member(config, ServiceKind::Aggregator, id, leases, CancellationToken::new())
}

/// Everything of one platform.
pub struct World {
    /// Sees that nothing leaves too early.
    pub witness: Witness,
    /// Jobs, tasks, keepers: as a test looks at them, at once and unseen.
    pub store: Arc<dyn Store>,
    /// Who is told what.
    pub bus: MemoryBus,
    /// Scripts.
    pub content: MemoryContent,
    /// Transcripts and logs.
    pub archive: MemoryArchive,
    /// The chain.
    pub chain: TestChain,
    /// Journals by keeper: they outlive their processes.
    pub journals: BTreeMap<u8, MemoryJournal>,
    /// To the dispatcher.
    pub dispatcher: Switch<argus_dispatcher::Handle>,
    /// To the aggregator.
    pub aggregator: Switch<argus_aggregator::Handle>,
    /// Running keepers.
    pub keepers: BTreeMap<u8, (argus_keeper::Handle, AbortHandle)>,
    /// All shards of the dispatcher's, once the first one has started: those that follow have the same member.
    pub(crate) shards: Option<argus_lease::Handle>,
    pub(crate) services: BTreeMap<&'static str, AbortHandle>,
    /// Under which aggregators lead.
    pub leases: Arc<MemoryStore>,
    /// That of the aggregator, whichever runs.
    pub(crate) lease: argus_lease::Handle,
    member: JoinSet<()>,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stores: Stores,
    pub(crate) platform_key: Option<Elsewhere>,
    pub(crate) keeper_keys: Option<Elsewhere>,
    /// Told to stop.
    stopped: HashSet<Id>,
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.witness.assert_unbroken();
        }
    }
}

impl World {
    /// Has the dispatcher take tasks in.
    pub async fn submit(&self, tasks: &[TaskId]) {
        let tasks: Vec<TaskOf> = tasks.iter().copied().map(TaskOf::from).collect();
        self.dispatcher.get().expect("on").submit(&tasks).await.expect("taken");
    }

    fn new(store: Arc<dyn Store>, stores: Stores) -> Self {
        let leases = Arc::new(MemoryStore::new());
        let (lease, life) = member(leases.clone(), 1);
        let mut member = JoinSet::new();
        member.spawn(life);
        Self {
            leases,
            lease,
            member,
            witness: Witness::default(),
            store,
            bus: MemoryBus::new(),
            content: MemoryContent::new(),
            archive: MemoryArchive::new(),
            chain: TestChain::default(),
            journals: BTreeMap::new(),
            dispatcher: Switch::default(),
            aggregator: Switch::default(),
            keepers: BTreeMap::new(),
            shards: None,
            services: BTreeMap::new(),
            tasks: JoinSet::new(),
            stores,
            platform_key: None,
            keeper_keys: None,
            stopped: HashSet::new(),
        }
    }

    /// Dispatcher and aggregator, and these keepers with what scripts print at each.
    pub async fn start(keepers: &[(u8, TestRunner)]) -> Self {
        Self::start_with(Settings::default(), keepers).await
    }

    /// The same with other settings.
    pub async fn start_with(settings: Settings, keepers: &[(u8, TestRunner)]) -> Self {
        let mut world = Self::new(settings.store, settings.stores);
        world.platform_key = settings.platform_key;
        world.keeper_keys = settings.keeper_keys;
        // A chain has blocks.
        for n in 0..3u8 {
            world.chain.emit(argus_domain::B256::repeat_byte(n + 1), Vec::new());
        }
        world.start_aggregator().await;
        world.start_dispatcher(settings.patience).await;
        for (key, runner) in keepers {
            world.register(*key).await;
            world.start_keeper(*key, runner.clone()).await;
        }
        tokio::time::timeout(LIVE_WITHIN, world.all_live()).await.expect("all keepers are live");
        world
    }

    /// Waits until the dispatcher was told of all keepers. One that is connected is not yet live for it, and a task
    /// that it takes in before is given to fewer.
    async fn all_live(&self) {
        let all: BTreeSet<_> = self.keepers.keys().map(|key| keeper(*key)).collect();
        while self.witness.live() != all {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Keeps the aggregator's lease up no more, as if its process had stood still.
    pub fn let_lapse(&mut self) {
        self.member.abort_all();
    }

    /// Puts a keeper into the keeper set.
    pub async fn register(&self, key: u8) {
        let row = KeeperRecord {
            keeper: keeper(key),
            name: format!("keeper {key}"),
            stake: 1_000,
            chains: [CHAIN].into(),
            faults: 0,
            registered_at: now(),
        };
        KeeperStore::put(self.store.as_ref(), vec![row]).await.expect("registered");
    }

    /// Ends a service as abruptly as its process would.
    pub async fn stop(&mut self, service: &'static str) {
        if let Some(task) = self.services.remove(service) {
            self.end(&task).await;
        }
        match service {
            "dispatcher" => self.dispatcher.set(None),
            "aggregator" => self.aggregator.set(None),
            other => panic!("no service {other}"),
        }
    }

    /// Asks a keeper to end.
    pub fn stop_keeper(&mut self, key: u8) {
        let (handle, task) = &self.keepers[&key];
        self.stopped.insert(task.id());
        handle.stop();
    }

    /// Returns once it is dead: what is cut off while it runs goes on to where it next waits, and would meet the one in
    /// its place.
    pub(crate) async fn end(&mut self, task: &AbortHandle) {
        self.stopped.insert(task.id());
        task.abort();
        while !task.is_finished() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Looks whether all services are still there. One that was told to stop may have come to its own end before it
    /// was cut off: its inbox closes at the same moment.
    ///
    /// # Panics
    /// Where one has failed, or has ended and was not told to.
    fn look_after_services(&mut self) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let (id, failed) = match ended {
                Ok((id, ())) => (id, false),
                Err(error) => (error.id(), error.is_panic()),
            };
            assert!(!failed && self.stopped.remove(&id), "a service has ended");
        }
    }

    /// A task as the store has it.
    pub async fn state(&self, task: TaskId) -> TaskState {
        let records = self.store.tasks(&[task]).await.expect("read");
        records.first().map(|r| r.state()).unwrap_or_default()
    }

    /// Waits until a task is as asked.
    ///
    /// # Panics
    /// After `within`, when a service has ended, or when something left too early.
    pub async fn until(
        &mut self,
        task: TaskId,
        within: Duration,
        what: &str,
        is: impl Fn(&TaskState) -> bool,
    ) -> TaskState {
        let give_up = Instant::now() + within;
        loop {
            let state = self.state(task).await;
            if is(&state) {
                return state;
            }
            self.look_after_services();
            self.witness.assert_unbroken();
            assert!(Instant::now() < give_up, "not {what} within {within:?}: {state:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Now, by the system's clock.
pub fn now() -> Timestamp {
    SystemClock.now()
}

/// The keeper with this key.
pub fn keeper(key: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(key))
}

/// A number as calldata's last word.
pub fn last_word(calldata: &[u8]) -> U256 {
    U256::from_be_slice(&calldata[calldata.len().saturating_sub(32)..])
}
