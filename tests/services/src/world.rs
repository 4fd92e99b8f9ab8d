//! The platform: started, stopped and looked at.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{
    Address, U256,
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    status::TaskState,
    time::Timestamp,
};
use argus_machine::{backoff::Backoff, dispatch};
use argus_memory::{MemoryArchive, MemoryBus, MemoryContent, MemoryJournal, MemoryStore, SystemClock};
use argus_ports::{ChainReader, ChainWriter, Clock, KeeperStore, TaskStore};
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::{
    chain::{CHAIN, EXECUTOR, TestChain},
    links::Switch,
    runner::TestRunner,
    signer::TestSigner,
};

/// The platform's key.
pub const PLATFORM: TestSigner = TestSigner(0xaa);

/// Everything of one platform.
pub struct World {
    /// Jobs, tasks, keepers.
    pub store: MemoryStore,
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
    services: BTreeMap<&'static str, AbortHandle>,
    tasks: JoinSet<()>,
    /// Told to stop.
    stopped: HashSet<Id>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            store: MemoryStore::new(),
            bus: MemoryBus::new(),
            content: MemoryContent::new(),
            archive: MemoryArchive::new(),
            chain: TestChain::default(),
            journals: BTreeMap::new(),
            dispatcher: Switch::default(),
            aggregator: Switch::default(),
            keepers: BTreeMap::new(),
            services: BTreeMap::new(),
            tasks: JoinSet::new(),
            stopped: HashSet::new(),
        }
    }
}

/// Now, by the system's clock.
pub fn now() -> Timestamp {
    SystemClock.now()
}

impl World {
    /// Dispatcher and aggregator, and these keepers with what scripts print at each.
    pub async fn start(keepers: &[(u8, TestRunner)]) -> Self {
        let mut world = Self::default();
        // A chain has blocks.
        for n in 0..3u8 {
            world.chain.emit(argus_domain::B256::repeat_byte(n + 1), Vec::new());
        }
        world.start_aggregator();
        world.start_dispatcher(Duration::from_secs(2));
        for (key, runner) in keepers {
            world.register(*key).await;
            world.start_keeper(*key, runner.clone());
        }
        for (handle, _) in world.keepers.values() {
            tokio::time::timeout(Duration::from_secs(5), handle.connected()).await.expect("connected");
        }
        world
    }

    /// Puts a keeper into the keeper set.
    pub async fn register(&self, key: u8) {
        let row = KeeperRecord {
            keeper: KeeperId(Address::repeat_byte(key)),
            name: format!("keeper {key}"),
            stake: 1_000,
            chains: [CHAIN].into(),
            faults: 0,
            registered_at: now(),
        };
        KeeperStore::put(&self.store, vec![row]).await.expect("registered");
    }

    /// Starts the aggregator, or another one in its place.
    pub fn start_aggregator(&mut self) {
        let ports = argus_aggregator::Ports {
            clock: Arc::new(SystemClock),
            signer: Arc::new(PLATFORM),
            tasks: Arc::new(self.store.clone()),
            keepers: Arc::new(self.store.clone()),
            archive: Arc::new(self.archive.clone()),
            outcomes: Arc::new(self.dispatcher.clone()),
        };
        let config = argus_aggregator::Config {
            executors: [(CHAIN, EXECUTOR)].into(),
            ..argus_aggregator::Config::default()
        };
        self.stop("aggregator");
        let (handle, future) = argus_aggregator::new(config, ports);
        self.aggregator.set(Some(handle));
        let task = self.tasks.spawn(async move { future.await.expect("the aggregator") });
        self.services.insert("aggregator", task);
    }

    /// Starts the dispatcher, or another one in its place. A performer may be silent for `patience`.
    pub fn start_dispatcher(&mut self, patience: Duration) {
        let ports = argus_dispatcher::Ports {
            clock: Arc::new(SystemClock),
            tasks: Arc::new(self.store.clone()),
            jobs: Arc::new(self.store.clone()),
            bus: Arc::new(self.bus.clone()),
            aggregate: Arc::new(self.aggregator.clone()),
            readers: [(CHAIN, Arc::new(self.chain.clone()) as Arc<dyn ChainReader>)].into(),
        };
        let machine = dispatch::Config {
            agree: Duration::from_secs(3),
            patience,
            landing: patience,
            remind: Duration::from_secs(1),
            backoff: Backoff::new(Duration::from_millis(50), Duration::from_millis(200)),
            ..dispatch::Config::default()
        };
        let config = argus_dispatcher::Config {
            machine,
            rescan: Duration::from_millis(500),
            head: Duration::from_millis(200),
            keepers: Duration::from_millis(200),
            ..argus_dispatcher::Config::default()
        };
        self.stop("dispatcher");
        let (handle, future) = argus_dispatcher::new(config, ports);
        self.dispatcher.set(Some(handle));
        let task = self.tasks.spawn(async move { future.await.expect("the dispatcher") });
        self.services.insert("dispatcher", task);
    }

    /// Starts a keeper, or the same one again with the journal that it had.
    pub fn start_keeper(&mut self, key: u8, runner: TestRunner) {
        let signer = TestSigner(key);
        let chain = Arc::new(self.chain.clone());
        let ports = argus_keeper::Ports {
            clock: Arc::new(SystemClock),
            link: Arc::new(self.aggregator.clone()),
            signer: Arc::new(signer),
            journal: Arc::new(self.journals.entry(key).or_default().clone()),
            content: Arc::new(self.content.clone()),
            runner: Arc::new(runner),
            readers: [(CHAIN, chain.clone() as Arc<dyn ChainReader>)].into(),
            writers: [(CHAIN, chain as Arc<dyn ChainWriter>)].into(),
        };
        let config = argus_keeper::Config {
            executors: [(CHAIN, EXECUTOR)].into(),
            capacity: 64,
            reconnect: (Duration::from_millis(20), Duration::from_millis(200)),
            fees: argus_keeper::Fees {
                look: Duration::from_millis(50),
                resend_after: Duration::from_millis(300),
                confirmations: 1,
                ..argus_keeper::Fees::default()
            },
            ..argus_keeper::Config::new(argus_ports::Signer::address(&PLATFORM))
        };
        if let Some((_, old)) = self.keepers.remove(&key) {
            self.abort(&old);
        }
        let (handle, future) = argus_keeper::new(config, ports);
        let task = self.tasks.spawn(async move { future.await.expect("a keeper") });
        self.keepers.insert(key, (handle, task));
    }

    /// Ends a service as abruptly as its process would.
    pub fn stop(&mut self, service: &'static str) {
        if let Some(task) = self.services.remove(service) {
            self.abort(&task);
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

    fn abort(&mut self, task: &AbortHandle) {
        self.stopped.insert(task.id());
        task.abort();
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
    /// After `within`, or when a service has ended.
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
            assert!(Instant::now() < give_up, "not {what} within {within:?}: {state:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// A number as calldata's last word.
pub fn last_word(calldata: &[u8]) -> U256 {
    U256::from_be_slice(&calldata[calldata.len().saturating_sub(32)..])
}
