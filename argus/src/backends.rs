//! Configuration -> ports. The only place that knows which adapter stands behind a port.

pub mod copies;
pub mod redis;
pub mod signers;
pub mod store;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use argus_api::{ReadyCheck, key_hash};
use argus_builder::{Builder, Confinement, Toolchain, ToolchainError};
use argus_domain::{
    Address, B256,
    access::{ApiKey, Role},
    chain::Contracts,
    ids::ChainId,
};
use argus_evm::{ChainConfig, EvmChain};
use argus_host::{CompilerProcess, Host, HostConfig, HostError};
use argus_http::{HttpEgress, HttpValues};
use argus_ipfs::{IpfsContent, Places};
use argus_memory::SystemClock;
use argus_metrics::{Figures, table};
use argus_ports::{
    ChainReader, ChainWriter, Clock, ContentStore, Egress, EventBus, Journal, KeeperStore, KeyStore,
    ModuleRunner, PlatformStore, RateLimiter, Secrets, Signer, ValueReader, chain::At,
};
use argus_sqlite::SqliteJournal;
use argus_vault::KeyVault;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use crate::{
    answers::Answers,
    cli::{keygen::read_secret, show},
    config::Config,
    environment,
    metrics::{
        self, Calls, ChainFigures, CountedChain, CountedContent, CountedEgress, CountedJournals,
        CountedRunner,
    },
};

/// Holds the key of secrets where no file does.
pub const SECRETS_KEY: &str = "ARGUS_SECRETS_KEY";

const NO_STORE: &str = "this process was started without the platform's store";

/// The ports of a process.
pub struct Backends {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// All durable state of the platform; a process of keepers alone has none of it.
    store: Option<Arc<dyn PlatformStore>>,
    /// Published content.
    pub content: Arc<dyn ContentStore>,
    /// The way out.
    pub egress: Arc<dyn Egress>,
    /// Observed values.
    pub values: Arc<dyn ValueReader>,
    /// The sandbox; only roles that run scripts have it.
    runner: Option<Arc<dyn ModuleRunner>>,
    /// Rates.
    pub limiter: Arc<dyn RateLimiter>,
    /// Changes of the store, as far as it has one.
    bus: Option<Arc<dyn EventBus>>,
    /// API keys of the store, as far as it has one.
    keys: Option<Arc<dyn KeyStore>>,
    /// The chains.
    pub chains: BTreeMap<ChainId, OpenChain>,
    /// The journals of keepers.
    journals: CountedJournals,
    /// What this process counts.
    pub figures: Figures,
}

/// What a process needs beyond clock, content and chains.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The platform's store: its own roles do, keepers do not.
    pub store: bool,
    /// The sandbox: those who run scripts.
    pub runner: bool,
}

/// A chain that answers.
#[derive(Clone)]
pub struct OpenChain {
    /// Reads and writes.
    pub evm: Arc<CountedChain<EvmChain>>,
    /// Our contracts there.
    pub contracts: Option<Contracts>,
    /// Nothing of them is in earlier blocks.
    pub contracts_from: u64,
    /// Blocks on top.
    pub confirmations: u64,
    /// Age of a block before it is final besides.
    pub settle: Duration,
    /// For links.
    pub explorer: Option<String>,
}

impl Backends {
    /// Opens what the configuration names, as far as this process needs it.
    pub async fn open(config: &Config, needs: Needs) -> anyhow::Result<Self> {
        let figures = Figures::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let egress: Arc<dyn Egress> =
            Arc::new(CountedEgress::register(Arc::new(HttpEgress::new()?), &figures)?);
        let counted = ChainFigures::register(&figures)?;
        let mut chains = BTreeMap::new();
        for (id, chain) in &config.chains {
            let evm = Arc::new(EvmChain::connect(&ChainConfig::new(*id, chain.rpc.clone())).await?);
            metrics::register_endpoints(&figures, *id, &evm)?;
            let open = OpenChain {
                evm: Arc::new(CountedChain::new(evm, counted.clone(), Arc::clone(&clock))),
                contracts: chain.contracts,
                contracts_from: chain.contracts_from,
                confirmations: chain.confirmations,
                settle: chain.settle,
                explorer: chain.explorer.clone(),
            };
            chains.insert(*id, open);
        }
        let runner: Option<Arc<dyn ModuleRunner>> = if needs.runner {
            let host = open_host(config, Arc::clone(&egress), readers(&chains)).await?;
            Some(Arc::new(CountedRunner::register(Arc::new(host), &figures)?))
        } else {
            None
        };
        let operator = config.egress_allow.clone();
        let places = Places {
            root: config.content_dir.clone(),
            node: config.ipfs_node.clone(),
            gateways: config.gateways.clone(),
            operator: operator.clone(),
        };
        let content = Arc::new(IpfsContent::open(&places, &egress)?);
        let calls = Calls::timed(&figures, &table::STORE_CALLS, &table::STORE_SECONDS)?;
        let store = if needs.store {
            Some(store::open_counted(&config.store, &figures, calls.clone()).await?)
        } else {
            None
        };
        let redis = if needs.store { redis::open(config).await? } else { None };
        if let Some(redis) = &redis {
            metrics::register_redis(redis, &figures)?;
        }
        let shared = redis::Shared { settings: &config.redis, redis: redis.as_ref() };
        Ok(Self {
            limiter: shared.limiter(Arc::clone(&clock)),
            bus: shared.bus(store.clone()).await,
            keys: shared.keys(store.clone()),
            store,
            content: Arc::new(CountedContent::register(content, &figures)?),
            values: Arc::new(HttpValues::new(Arc::clone(&egress), operator)),
            egress,
            runner,
            clock,
            chains,
            journals: CountedJournals::new(calls, &figures),
            figures,
        })
    }

    /// The platform's store.
    pub fn store(&self) -> anyhow::Result<Arc<dyn PlatformStore>> {
        self.store.clone().context(NO_STORE)
    }

    /// The changes of its tasks.
    pub fn bus(&self) -> anyhow::Result<Arc<dyn EventBus>> {
        self.bus.clone().context(NO_STORE)
    }

    /// Its API keys.
    pub fn keys(&self) -> anyhow::Result<Arc<dyn KeyStore>> {
        self.keys.clone().context(NO_STORE)
    }

    /// The sandbox.
    pub fn runner(&self) -> anyhow::Result<Arc<dyn ModuleRunner>> {
        self.runner.clone().context("this process was started without a sandbox")
    }

    /// A keeper's journal, counted.
    pub fn journal(&self, config: &Config, keeper: Address) -> anyhow::Result<Arc<dyn Journal>> {
        Ok(self.journals.count(open_journal(config, keeper)?)?)
    }

    /// The chains as readers.
    pub fn readers(&self) -> BTreeMap<ChainId, Arc<dyn ChainReader>> {
        readers(&self.chains)
    }

    /// The chains as writers.
    pub fn writers(&self) -> BTreeMap<ChainId, Arc<dyn ChainWriter>> {
        self.chains.iter().map(|(id, c)| (*id, Arc::clone(&c.evm) as Arc<dyn ChainWriter>)).collect()
    }

    /// Executors by chain.
    pub fn executors(&self) -> BTreeMap<ChainId, Address> {
        self.chains.iter().filter_map(|(id, c)| Some((*id, c.contracts?.executor))).collect()
    }

    /// Gas registries by chain.
    pub fn gas_registries(&self) -> BTreeMap<ChainId, Address> {
        self.chains.iter().filter_map(|(id, c)| Some((*id, c.contracts?.gas_registry))).collect()
    }

    /// What must answer before requests are taken.
    pub fn checks(&self) -> Vec<Arc<dyn ReadyCheck>> {
        let store = self
            .store
            .iter()
            .map(|s| Arc::new(StoreAnswers(Arc::<dyn PlatformStore>::clone(s))) as Arc<dyn ReadyCheck>);
        let chains = self.chains.iter().map(|(id, chain)| {
            let check = ChainAnswers { name: format!("chain {id}"), reader: Arc::clone(&chain.evm) as _ };
            Arc::new(check) as Arc<dyn ReadyCheck>
        });
        store.chain(chains).collect()
    }
}

fn readers(chains: &BTreeMap<ChainId, OpenChain>) -> BTreeMap<ChainId, Arc<dyn ChainReader>> {
    chains.iter().map(|(id, c)| (*id, Arc::clone(&c.evm) as Arc<dyn ChainReader>)).collect()
}

/// The sandbox of this configuration, with the JavaScript engine compiled or mapped from the cache.
async fn open_host(
    config: &Config,
    egress: Arc<dyn Egress>,
    readers: BTreeMap<ChainId, Arc<dyn ChainReader>>,
) -> anyhow::Result<Host> {
    let host = HostConfig {
        slots: config.slots,
        cache_dir: Some(config.compiled_dir.clone()),
        operator_hosts: config.egress_allow.clone(),
        compile_timeout: Duration::from_millis(config.compile_ms),
        compiler: compiler(),
        ..HostConfig::default()
    };
    let host = Host::new(host, egress, readers)?;
    host.warm_up().await?;
    Ok(host)
}

/// This very program as the compiler's process, also where its file has been replaced meanwhile. The program of unit
/// tests has no such command, and compiles by itself.
fn compiler() -> Option<CompilerProcess> {
    let process = CompilerProcess {
        program: "/proc/self/exe".into(),
        arguments: vec!["compile-native".into()],
        // This program's allocator would set a gigabyte of addresses aside before the memory limit is drawn.
        environment: vec![("MIMALLOC_ARENA_RESERVE".into(), "0".into())],
    };
    (!cfg!(test)).then_some(process)
}

/// Compiles the JavaScript engine into the cache, so that several processes which start at once find it there.
pub async fn warm_cache(config: &Config) -> anyhow::Result<()> {
    open_host(config, Arc::new(HttpEgress::new()?), BTreeMap::new()).await.map(drop)
}

/// Opens a keeper's journal: one file per key, one process per file.
fn open_journal(config: &Config, keeper: Address) -> anyhow::Result<Arc<dyn Journal>> {
    let path = config.keeper.dir.join(keeper.to_string().to_lowercase()).join("journal.db");
    make_folder_of(&path)?;
    Ok(Arc::new(SqliteJournal::open(&path).with_context(|| format!("the journal {}", path.display()))?))
}

/// Makes the folder of a file, readable by its owner alone.
pub fn make_folder_of(path: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(folder) = path.parent() else { return Ok(()) };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

/// Store and keys of secrets; `None`: the configuration names no key.
pub fn secrets(config: &Config, store: Arc<dyn PlatformStore>) -> anyhow::Result<Option<Secrets>> {
    Ok(vault(config)?.map(|vault| Secrets { store, vault: Arc::new(vault) }))
}

/// The keys of secrets alone.
pub fn vault(config: &Config) -> anyhow::Result<Option<KeyVault>> {
    let text = match (environment::variable(SECRETS_KEY), &config.secrets_key) {
        (Some(text), _) => SecretString::from(text.to_string_lossy().into_owned()),
        (None, Some(path)) => read_secret(path, "the key of secrets")?,
        (None, None) => return Ok(None),
    };
    let vault = KeyVault::from_text(text.expose_secret())
        .with_context(|| format!("[secrets] key_file, or {SECRETS_KEY}"))?;
    Ok(Some(vault))
}

/// The address that signs assignments, as keepers of this process see it.
pub fn platform_address(config: &Config) -> anyhow::Result<Address> {
    match config.keeper.platform {
        Some(address) => Ok(address),
        None => signers::address(&config.platform_key)
            .context("[keeper] platform is empty, and the platform's own key is not here"),
    }
}

/// Makes a store know an API key whose text is given. Idempotent.
pub async fn know_key(store: &dyn KeyStore, text: &str, role: Role, owner: Address) -> anyhow::Result<()> {
    let hash: B256 = key_hash(text);
    if store.by_hash(hash).await?.is_some() {
        return Ok(());
    }
    let key = ApiKey {
        id: hash.to_string()[2..34].to_owned(),
        hash,
        masked: format!("{}****{}", &text[..9], &text[text.len() - 4..]),
        owner,
        role,
        rate_limit: if role == Role::User { 120 } else { 6_000 },
        created_at: SystemClock.now(),
        revoked_at: None,
        expires_at: None,
        last_used: None,
    };
    Ok(store.put(key).await?)
}

/// A sandbox for one command that reaches recorded answers and nothing else.
pub fn recorded_runner(answers: &Answers) -> anyhow::Result<Arc<dyn ModuleRunner>> {
    command_runner(&[], answers.http.clone(), answers.chains.clone())
}

/// The Go toolchain: the one that is configured, or one on this machine.
pub async fn toolchain(configured: Option<&Path>) -> Result<Toolchain, ToolchainError> {
    let mut folders = environment::program_folders();
    // Where scripts/setup puts one.
    folders.extend(environment::cache_folder().map(|cache| cache.join("argus/tools/go/bin")));
    Toolchain::find(configured, &folders).await
}

/// How the toolchain is started: through this program itself.
pub fn confinement(user: Option<u32>) -> anyhow::Result<Confinement> {
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    Ok(Confinement { launcher: vec![program.into(), "confined".into()], user })
}

/// The builder of this configuration, and what builds for it.
pub fn builder(
    config: &Config,
    toolchain: Toolchain,
    store: Arc<dyn PlatformStore>,
    signer: Arc<dyn Signer>,
) -> anyhow::Result<(Builder, impl Future<Output = ()> + use<>)> {
    let settings = &config.builder;
    make_folder_of(&settings.dir.join("modules"))?;
    let go = argus_builder::Go::new(argus_builder::Settings {
        toolchain,
        cache: settings.dir.clone(),
        modules: None,
        module_proxy: settings.module_proxy.clone(),
        confinement: confinement(settings.user)?,
    })?;
    let ports = argus_builder::Ports { signer, archive: store };
    argus_builder::new(go, settings.dir.join("built"), ports, Duration::from_millis(settings.patience_ms))
        .with_context(|| format!("the builder's folder {}", settings.dir.display()))
}

/// A sandbox for one command, outside any platform. `chains` are `ID=URL`.
pub async fn local_runner(operator: &[String], chains: &[String]) -> anyhow::Result<Arc<dyn ModuleRunner>> {
    let egress: Arc<dyn Egress> = Arc::new(HttpEgress::new()?);
    let mut readers: BTreeMap<ChainId, Arc<dyn ChainReader>> = BTreeMap::new();
    for entry in chains {
        let Some((id, url)) = entry.split_once('=') else { bail!("--chain takes ID=URL, not {entry:?}") };
        let id = ChainId(id.parse().with_context(|| format!("--chain {entry:?}: {id:?} is no chain id"))?);
        let evm = EvmChain::connect(&ChainConfig::new(id, vec![url.to_owned()])).await?;
        readers.insert(id, Arc::new(evm));
    }
    command_runner(operator, egress, readers)
}

/// A sandbox for replays, in which nothing is asked of the world.
pub fn replay_host() -> anyhow::Result<Host> {
    command_host(&[], Arc::new(HttpEgress::new()?), BTreeMap::new())
}

fn command_runner(
    operator: &[String],
    egress: Arc<dyn Egress>,
    readers: BTreeMap<ChainId, Arc<dyn ChainReader>>,
) -> anyhow::Result<Arc<dyn ModuleRunner>> {
    Ok(Arc::new(command_host(operator, egress, readers)?))
}

fn command_host(
    operator: &[String],
    egress: Arc<dyn Egress>,
    readers: BTreeMap<ChainId, Arc<dyn ChainReader>>,
) -> anyhow::Result<Host> {
    let cache = environment::cache_folder().map(|cache| cache.join("argus/compiled"));
    let config = HostConfig {
        slots: 2,
        cache_dir: cache,
        operator_hosts: operator.to_vec(),
        compiler: compiler(),
        // Nobody else waits for the compiler here, however busy the machine is.
        compile_timeout: Duration::from_secs(300),
        ..HostConfig::default()
    };
    match Host::new(config.clone(), egress.clone(), readers.clone()) {
        // A home that cannot be written, as services have one, is no reason not to run.
        Err(error @ HostError::Cache { .. }) => {
            show::progress(format!("warning: {error}; nothing compiled is kept"));
            Ok(Host::new(HostConfig { cache_dir: None, ..config }, egress, readers)?)
        }
        host => Ok(host?),
    }
}

struct StoreAnswers(Arc<dyn KeeperStore>);

#[async_trait]
impl ReadyCheck for StoreAnswers {
    fn name(&self) -> &str {
        "store"
    }

    async fn check(&self) -> Result<(), String> {
        self.0.all().await.map(|_| ()).map_err(|e| e.to_string())
    }
}

struct ChainAnswers {
    name: String,
    reader: Arc<dyn ChainReader>,
}

#[async_trait]
impl ReadyCheck for ChainAnswers {
    fn name(&self) -> &str {
        &self.name
    }

    async fn check(&self) -> Result<(), String> {
        match self.reader.block(At::Head).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err("the chain has no block".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}
