//! Dispatcher, aggregator and keepers in one process: real services over real files, over local links.

use std::{
    collections::BTreeMap,
    num::NonZeroU16,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::{Context, anyhow};
use argus_domain::{
    Address, B256,
    ids::{AttemptNo, ChainId, KeeperId, TaskId},
    keeper::KeeperRecord,
    lease::{MemberId, SHARDS, ServiceKind},
};
use argus_evm::{LocalSigner, anvil::DEV_KEYS};
use argus_host::{Host, HostConfig};
use argus_http::{HttpEgress, HttpValues};
use argus_memory::{MemoryContent, SystemClock};
use argus_ports::{
    AttemptOutcome, ChainReader, ChainWriter, Clock, FromKeeper, KeeperGate, KeeperLink, KeeperSession,
    KeeperStore, LinkError, Outcomes, PerformEvent, SignedHello, Signer, ToKeeper,
};
use argus_sqlite::{Options, SqliteJournal, SqliteStore};
use async_trait::async_trait;
use secrecy::SecretString;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::counted::Counted;

/// One keeper's account and what it reads and writes.
pub struct Seat {
    /// Its key.
    pub signer: Arc<LocalSigner>,
    /// Its node.
    pub reader: Arc<dyn ChainReader>,
    /// Its way to act.
    pub writer: Arc<dyn ChainWriter>,
}

/// What a platform is made of.
pub struct Plan {
    /// The chain.
    pub chain: ChainId,
    /// Its executor.
    pub executor: Address,
    /// The platform's own node.
    pub reader: Arc<dyn ChainReader>,
    /// Keepers.
    pub seats: Vec<Seat>,
    /// Runs that a keeper takes at once.
    pub capacity: u32,
    /// How keepers follow their transactions.
    pub fees: argus_keeper::Fees,
    /// How the scheduler opens tasks; `None`: somebody else opens them.
    pub scheduler: Option<argus_scheduler::Config>,
}

/// A platform that runs. Dropping it ends it.
pub struct Platform {
    /// Durable state.
    pub store: Arc<SqliteStore>,
    /// The same, for tasks.
    pub counted: Arc<Counted>,
    /// Scripts.
    pub content: MemoryContent,
    /// The way to the dispatcher.
    pub dispatcher: argus_dispatcher::Handle,
    /// The way to the scheduler.
    pub scheduler: Option<argus_scheduler::Handle>,
    services: JoinSet<anyhow::Error>,
}

/// Keys that every development chain has: worthless anywhere else.
pub fn dev_signer(index: usize) -> anyhow::Result<Arc<LocalSigner>> {
    let key = DEV_KEYS.get(index).context("no such development key")?;
    Ok(Arc::new(LocalSigner::from_hex(&SecretString::from((*key).to_owned()))?))
}

/// The sandbox, with nothing outside but `readers`.
pub fn host(readers: BTreeMap<ChainId, Arc<dyn ChainReader>>) -> anyhow::Result<Host> {
    Ok(Host::new(HostConfig::default(), Arc::new(HttpEgress::new()?), readers)?)
}

impl Platform {
    /// Starts everything and waits until the keepers are connected.
    pub async fn start(folder: &Path, plan: Plan) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let store = Arc::new(SqliteStore::open(&folder.join("argus.db"), &Options::default())?);
        let counted = Counted::new(store.clone());
        let content = MemoryContent::new();
        let signer = dev_signer(0)?;
        let platform = signer.address();
        let executors = BTreeMap::from([(plan.chain, plan.executor)]);
        let readers = BTreeMap::from([(plan.chain, plan.reader.clone())]);
        let rows = plan.seats.iter().map(|seat| KeeperRecord {
            keeper: KeeperId(seat.signer.address()),
            name: "keeper".to_owned(),
            stake: 1_000,
            chains: [plan.chain].into(),
            faults: 0,
            registered_at: SystemClock.now(),
        });
        KeeperStore::put(&*store, rows.collect()).await?;

        let mut services = JoinSet::new();
        let outcomes = Arc::new(Later::default());
        let ports = argus_aggregator::Ports {
            lease: member(ServiceKind::Aggregator, NonZeroU16::MIN, &store, &mut services),
            clock: clock.clone(),
            signer,
            tasks: counted.clone(),
            keepers: store.clone(),
            archive: store.clone(),
            secrets: None,
            outcomes: outcomes.clone(),
        };
        let config =
            argus_aggregator::Config { executors: executors.clone(), ..argus_aggregator::Config::default() };
        let (aggregator, life) = argus_aggregator::new(config, ports);
        let aggregator = Arc::new(aggregator);
        services.spawn(async move { anyhow!("the aggregator ended: {:?}", life.await) });

        let ports = argus_dispatcher::Ports {
            clock: clock.clone(),
            tasks: counted.clone(),
            jobs: store.clone(),
            bus: store.clone(),
            aggregate: aggregator.clone(),
            lease: member(ServiceKind::Dispatcher, SHARDS, &store, &mut services),
            readers: readers.clone(),
        };
        let machine = argus_machine::dispatch::Config {
            // Nothing here sees receipts, so every task stays in hand to the end.
            flights_max: 1 << 20,
            ..argus_machine::dispatch::Config::default()
        };
        let config = argus_dispatcher::Config {
            machine,
            head: Duration::from_millis(250),
            // Keepers come and go by message; this is only how soon the first are known.
            keepers: Duration::from_millis(250),
            ..argus_dispatcher::Config::default()
        };
        let (dispatcher, life) = argus_dispatcher::new(config, ports);
        outcomes.0.set(dispatcher.clone()).map_err(|_| anyhow!("two dispatchers"))?;
        services.spawn(async move { anyhow!("the dispatcher ended: {:?}", life.await) });

        let runner = host(readers.clone())?;
        runner.warm_up().await?;
        let runner = Arc::new(runner);
        let mut keepers = Vec::new();
        for seat in plan.seats {
            let path = folder.join(seat.signer.address().to_string()).join("journal.db");
            let ports = argus_keeper::Ports {
                clock: clock.clone(),
                link: Arc::new(Local(aggregator.clone())),
                signer: seat.signer,
                letterbox: None,
                journal: Arc::new(SqliteJournal::open(&path)?),
                content: Arc::new(content.clone()),
                runner: runner.clone(),
                readers: [(plan.chain, seat.reader)].into(),
                writers: [(plan.chain, seat.writer)].into(),
            };
            let config = argus_keeper::Config {
                executors: executors.clone(),
                capacity: plan.capacity,
                fees: plan.fees,
                ..argus_keeper::Config::new(platform)
            };
            let (handle, life) = argus_keeper::new(config, ports);
            services.spawn(async move { anyhow!("a keeper ended: {:?}", life.await) });
            keepers.push(handle);
        }
        let scheduler = match plan.scheduler {
            None => None,
            Some(config) => {
                let egress = Arc::new(HttpEgress::new()?);
                let lease = member(ServiceKind::Scheduler, SHARDS, &store, &mut services);
                let ports = argus_scheduler::Ports {
                    clock,
                    jobs: store.clone(),
                    tasks: counted.clone(),
                    decisions: store.clone(),
                    bus: store.clone(),
                    dispatch: Arc::new(dispatcher.clone()),
                    chains: readers,
                    values: Arc::new(HttpValues::new(egress, Vec::new())),
                    lease,
                };
                let (handle, life) = argus_scheduler::scheduler(config, ports, CancellationToken::new());
                services.spawn(async move {
                    life.await;
                    anyhow!("the scheduler ended")
                });
                Some(handle)
            }
        };
        for keeper in &keepers {
            tokio::time::timeout(Duration::from_secs(10), keeper.connected()).await?;
        }
        // The dispatcher reads who is live a few times a second.
        tokio::time::sleep(Duration::from_millis(600)).await;
        Ok(Self { store, counted, content, dispatcher, scheduler, services })
    }

    /// Fails where a service has ended.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.services.try_join_next() {
            None => Ok(()),
            Some(ended) => Err(ended?),
        }
    }

    /// Ends all services and waits until they are gone.
    pub async fn stop(mut self) {
        self.services.shutdown().await;
    }
}

/// The dispatcher, which is made after the aggregator.
#[derive(Default)]
struct Later(OnceLock<argus_dispatcher::Handle>);

impl Later {
    fn get(&self) -> Result<&argus_dispatcher::Handle, LinkError> {
        self.0.get().ok_or_else(|| LinkError::Gone("still starting".to_owned()))
    }
}

#[async_trait]
impl Outcomes for Later {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.get()?.attempt_ended(task, attempt, outcome).await
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.get()?.performed(event).await
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.get()?.keepers_changed().await
    }
}

/// The only member of a service.
fn member(
    kind: ServiceKind,
    shards: NonZeroU16,
    store: &Arc<SqliteStore>,
    services: &mut JoinSet<anyhow::Error>,
) -> argus_lease::Handle {
    let config = argus_machine::lease::Config { shards, ..argus_machine::lease::Config::default() };
    let (lease, life) =
        argus_lease::member(config, kind, MemberId([1; 16]), store.clone(), CancellationToken::new());
    services.spawn(async move {
        life.await;
        anyhow!("the member of the {} ended", kind.name())
    });
    lease
}

/// A keeper's stream within the process, as `argus run` makes it.
struct Local(Arc<argus_aggregator::Handle>);

#[async_trait]
impl KeeperLink for Local {
    async fn nonce(&self) -> Result<B256, LinkError> {
        KeeperGate::nonce(&*self.0).await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (platform, keeper) = argus_memory::session(256, Duration::from_secs(10));
        self.0.admit(hello, Box::new(platform)).await?;
        Ok(Box::new(keeper))
    }
}
