//! How the services of a world are wired: real services over witnessed stores and links.

use std::{sync::Arc, time::Duration};

use argus_domain::lease::{MemberId, SHARDS, ServiceKind};
use argus_machine::{backoff::Backoff, dispatch, lease};
use argus_memory::SystemClock;
use argus_ports::{ChainReader, ChainWriter, Signer};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    chain::{CHAIN, EXECUTOR},
    links::{Heard, Spoken},
    runner::TestRunner,
    signer::{Elsewhere, TestSigner},
    store::{WitnessedJournal, WitnessedTasks},
    witness::Writer,
    world::{PLATFORM, World, keeper},
};

impl World {
    /// Starts the aggregator, or another one in its place.
    pub async fn start_aggregator(&mut self) {
        self.stop("aggregator").await;
        let (handle, future) = self.aggregator_with(self.lease.clone());
        self.aggregator.set(Some(handle));
        let task = self.tasks.spawn(async move { future.await.expect("the aggregator") });
        self.services.insert("aggregator", task);
    }

    /// An aggregator that leads as far as this lease goes.
    pub fn aggregator_with(
        &self,
        lease: argus_lease::Handle,
    ) -> (
        argus_aggregator::Handle,
        impl Future<Output = Result<(), argus_aggregator::AggregatorError>> + Send + use<>,
    ) {
        let ports = argus_aggregator::Ports {
            lease,
            clock: Arc::new(SystemClock),
            signer: signer(self.platform_key.as_ref(), PLATFORM),
            tasks: self.tasks_of(Writer::Aggregator),
            keepers: self.store.clone(),
            archive: Arc::new(self.archive.clone()),
            secrets: None,
            outcomes: self.heard(self.dispatcher.clone()),
        };
        let config = argus_aggregator::Config {
            executors: [(CHAIN, EXECUTOR)].into(),
            ..argus_aggregator::Config::default()
        };
        argus_aggregator::new(config, ports)
    }

    /// Starts the dispatcher, or another one in its place. A performer may be silent for `patience`.
    pub async fn start_dispatcher(&mut self, patience: Duration) {
        let lease = self.shards().await;
        let ports = argus_dispatcher::Ports {
            clock: Arc::new(SystemClock),
            tasks: self.tasks_of(Writer::Dispatcher),
            jobs: self.store.clone(),
            bus: self.heard(self.bus.clone()),
            aggregate: self.heard(self.aggregator.clone()),
            lease,
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
        self.stop("dispatcher").await;
        let (handle, future) = argus_dispatcher::new(config, ports);
        self.dispatcher.set(Some(handle));
        let task = self.tasks.spawn(async move { future.await.expect("the dispatcher") });
        self.services.insert("dispatcher", task);
    }

    /// Starts a keeper, or the same one again with the journal that it had.
    pub async fn start_keeper(&mut self, key: u8, runner: TestRunner) {
        let journal = Arc::new(self.journals.entry(key).or_default().clone());
        let journal = WitnessedJournal::new(journal, self.witness.clone(), keeper(key), &self.stores);
        let writer = self.spoken(key, self.chain.clone());
        let ports = argus_keeper::Ports {
            clock: Arc::new(SystemClock),
            link: self.spoken(key, self.aggregator.clone()),
            signer: signer(self.keeper_keys.as_ref(), TestSigner(key)),
            letterbox: None,
            journal: Arc::new(journal),
            content: Arc::new(self.content.clone()),
            runner: Arc::new(runner),
            readers: [(CHAIN, Arc::new(self.chain.clone()) as Arc<dyn ChainReader>)].into(),
            writers: [(CHAIN, writer as Arc<dyn ChainWriter>)].into(),
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
            ..argus_keeper::Config::new(PLATFORM.address())
        };
        if let Some((_, old)) = self.keepers.remove(&key) {
            self.end(&old).await;
        }
        let (handle, future) = argus_keeper::new(config, ports);
        let task = self.tasks.spawn(async move { future.await.expect("a keeper") });
        self.keepers.insert(key, (handle, task));
    }

    async fn shards(&mut self) -> argus_lease::Handle {
        if let Some(lease) = &self.shards {
            return lease.clone();
        }
        let config = lease::Config { batch: 64, pause: Duration::from_millis(1), ..lease::Config::default() };
        let (store, stop) = (self.store.clone(), CancellationToken::new());
        let (lease, life) =
            argus_lease::member(config, ServiceKind::Dispatcher, MemberId([1; 16]), store, stop);
        self.tasks.spawn(life);
        let all = async {
            while lease.held().len() < usize::from(SHARDS.get()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), all).await.expect("all shards");
        self.shards.insert(lease).clone()
    }

    fn tasks_of(&self, writer: Writer) -> Arc<WitnessedTasks> {
        Arc::new(WitnessedTasks::new(self.store.clone(), self.witness.clone(), writer, &self.stores))
    }

    fn heard<L>(&self, link: L) -> Arc<Heard<L>> {
        Arc::new(Heard { link, witness: self.witness.clone() })
    }

    fn spoken<L>(&self, key: u8, link: L) -> Arc<Spoken<L>> {
        Arc::new(Spoken { link, witness: self.witness.clone(), keeper: keeper(key) })
    }
}

/// A key here, or elsewhere.
fn signer(place: Option<&Elsewhere>, key: TestSigner) -> Arc<dyn Signer> {
    place.map_or_else(|| Arc::new(key) as Arc<dyn Signer>, |place| place.signer(key))
}
