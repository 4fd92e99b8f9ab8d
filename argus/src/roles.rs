//! Which roles a process runs, and how they are put together.

mod api;
mod peers;
mod role;
mod sharing;

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use argus_domain::lease::{Fence, ServiceKind};
use argus_metrics::{Figures, table};
use argus_otlp::Tracer;
use argus_oversight::{
    Term, WatchedChain, WatchedChains, challenger, health, monitor, reconciler, registrar,
};
use argus_ports::{
    Aggregate, Dispatch, KeeperGate, KeeperLink, ModuleBuilder, Nudge, Outcomes, RegistrationCounts, Signer,
    TaskStore,
};
use argus_vault::OwnLetterbox;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    backends::{self, Backends, Needs, signers::Signers},
    cli::{Run, Settings},
    config::{Config, Key},
    dev::stop_signal,
    environment,
    links::Late,
    metrics::{self, Calls},
    traces,
};

use peers::Own;
pub use role::Role;
use sharing::{LEAVE, Sharing};

/// Names the process that a supervised role must not outlive.
pub const PARENT: &str = "ARGUS_PARENT";

/// `argus run`.
pub async fn run(args: &Run) -> anyhow::Result<()> {
    let roles = if args.roles.contains(&Role::All) { Role::everything() } else { args.roles.clone() };
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let is_supervised = end_with_parent()?;
    until_stopped(config, &roles, is_supervised).await
}

/// `argus keeper`.
pub async fn run_keepers(settings: &Settings) -> anyhow::Result<()> {
    let config = Config::load(settings.config.as_deref(), &settings.overrides)?;
    if config.keeper.keys.is_empty() {
        bail!(
            "no keeper to run: name a key in [keeper] key_files (`argus keeper keygen` makes one), or one of a remote \
            signer in signer_addresses"
        );
    }
    let is_supervised = end_with_parent()?;
    until_stopped(config, &[Role::Keeper], is_supervised).await
}

/// Runs roles until one of them ends or the process is told to. What others wait for is given up before that. With
/// `is_alone` no other process has these roles, so that what an earlier one held when it was killed is taken at once.
pub async fn until_stopped(config: Config, roles: &[Role], is_alone: bool) -> anyhow::Result<()> {
    let leave = CancellationToken::new();
    let mut serving = Box::pin(serve(config, roles, Sharing::new(leave.clone(), is_alone)));
    tokio::select! {
        ended = &mut serving => ended,
        signal = stop_signal() => {
            leave.cancel();
            // Others find out by themselves what does not reach the store within that time.
            let _ = tokio::time::timeout(LEAVE, serving).await;
            signal
        }
    }
}

/// Has the system end this process when the one that supervises it ends, however that ends. Whether there is one: it
/// starts each role once.
fn end_with_parent() -> anyhow::Result<bool> {
    let Some(parent) = environment::variable(PARENT) else { return Ok(false) };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The parent may have ended before the system was told.
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if now.as_deref() != parent.to_str() {
        bail!("the supervising process is gone");
    }
    Ok(true)
}

/// What a role is, once it has its ports: a future that ends only when something is wrong.
type Life = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Runs roles until one of them ends, or until they have left. Dropping the future ends them all.
async fn serve(config: Config, roles: &[Role], sharing: Sharing) -> anyhow::Result<()> {
    let needs = Needs {
        store: roles.iter().any(|role| *role != Role::Keeper),
        runner: roles.iter().any(|role| matches!(role, Role::Api | Role::Keeper | Role::Oversight)),
    };
    let backends = Backends::open(&config, needs).await?;
    let mut process = Process::new(config, backends, roles, sharing)?;
    process.build().await?;
    process.live().await
}

/// A process under construction.
struct Process<'a> {
    config: Config,
    backends: Backends,
    roles: &'a [Role],
    lives: Vec<(&'static str, Life)>,
    stop: CancellationToken,
    sharing: Sharing,
    nudge: Arc<Late<dyn Nudge>>,
    dispatch: Arc<Late<dyn Dispatch>>,
    aggregate: Arc<Late<dyn Aggregate>>,
    outcomes: Arc<Late<dyn Outcomes>>,
    own: Own,
    gate: Option<Arc<dyn KeeperGate>>,
    builder: Option<Arc<dyn ModuleBuilder>>,
    figures: Figures,
    tracer: Option<Tracer>,
    /// Keys that lie elsewhere share its connections.
    signers: Signers,
    /// The store as roles that write facts have it, once one of them does.
    tasks: Option<Arc<dyn TaskStore>>,
}

impl<'a> Process<'a> {
    fn new(config: Config, backends: Backends, roles: &'a [Role], sharing: Sharing) -> anyhow::Result<Self> {
        let figures = backends.figures.clone();
        let shown = roles.iter().filter_map(|role| role.shown());
        metrics::register_process(&figures, shown, backends.clock.now())?;
        let calls = Calls::counted(&figures, &table::LINK_CALLS)?;
        Ok(Self {
            config,
            backends,
            roles,
            lives: Vec::new(),
            stop: CancellationToken::new(),
            sharing,
            nudge: Late::new(&calls),
            dispatch: Late::new(&calls),
            aggregate: Late::new(&calls),
            outcomes: Late::new(&calls),
            own: Own::default(),
            gate: None,
            builder: None,
            figures,
            tracer: None,
            signers: Signers::default(),
            tasks: None,
        })
    }

    /// The tasks, for a role that writes facts about them: what it writes is counted.
    fn tasks(&mut self) -> anyhow::Result<Arc<dyn TaskStore>> {
        if let Some(tasks) = &self.tasks {
            return Ok(tasks.clone());
        }
        let counted = metrics::CountedTasks::register(
            self.backends.store()?,
            &self.figures,
            self.has(Role::Scheduler),
        )?;
        let told = |inner, tracer| Arc::new(traces::TracedTasks::new(inner, tracer)) as Arc<dyn TaskStore>;
        let tasks = traces::traced(Arc::new(counted) as Arc<dyn TaskStore>, self.tracer.as_ref(), told);
        Ok(self.tasks.insert(tasks).clone())
    }

    /// A key of this process, in a file or at the signer, whose calls are counted.
    fn signer(&mut self, key: &Key) -> anyhow::Result<Arc<dyn Signer>> {
        self.signers.signer(&self.config, key, &self.figures)
    }

    fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn add(&mut self, name: &'static str, life: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.lives.push((name, Box::pin(life)));
    }

    /// Those that others refer to come first, so that a link is joined as early as can be.
    async fn build(&mut self) -> anyhow::Result<()> {
        if let Some((tracer, sending)) = traces::open(&self.config.traces, self.roles)? {
            metrics::register_traces(&tracer, &self.figures)?;
            self.tracer = Some(tracer);
            self.add("traces", async {
                sending.await;
                Ok(())
            });
        }
        self.join_others()?;
        if self.has(Role::Aggregator) {
            self.aggregator()?;
        }
        if self.has(Role::Dispatcher) {
            self.dispatcher()?;
        }
        if self.has(Role::Scheduler) {
            self.scheduler()?;
        }
        if self.has(Role::Oversight) {
            self.oversight().await?;
        }
        if self.has(Role::Keeper) {
            self.keepers()?;
        }
        if self.has(Role::Builder) {
            self.builder().await?;
        }
        if self.has(Role::Api) {
            self.api().await?;
        }
        if let Some(address) = self.config.metrics_listen {
            let shown = metrics::listen(self.figures.clone(), address).await?;
            self.add("metrics", shown);
        }
        self.listen().await
    }

    fn aggregator(&mut self) -> anyhow::Result<()> {
        let signer = self.signer(&self.config.platform_key.clone())?;
        let store = self.backends.store()?;
        let config = argus_aggregator::Config {
            executors: self.backends.executors(),
            failpoint: self.config.failpoint,
            ..Default::default()
        };
        let gathered = self.tracer.clone().map(traces::Gathered::new);
        let outcomes: Arc<dyn Outcomes> = self.outcomes.clone();
        let ports = argus_aggregator::Ports {
            clock: self.backends.clock.clone(),
            signer,
            tasks: self.tasks()?,
            keepers: store.clone(),
            archive: store.clone(),
            secrets: backends::secrets(&self.config, store)?,
            outcomes: gathered.as_ref().map_or(outcomes.clone(), |gathered| gathered.ending(outcomes)),
            lease: self.member(ServiceKind::Aggregator)?,
        };
        let (handle, life) = argus_aggregator::new(config, ports);
        metrics::register_aggregator(&handle, &self.figures)?;
        let handle = Arc::new(handle);
        let begins: Arc<dyn Aggregate> = handle.clone();
        let begins = gathered.map_or(begins.clone(), |gathered| gathered.beginning(begins));
        self.join_aggregators(Some(begins))?;
        self.gate = Some(Arc::new(metrics::CountedGate::register(handle, &self.figures)?));
        self.add("aggregator", async { life.await.map_err(Into::into) });
        Ok(())
    }

    fn dispatcher(&mut self) -> anyhow::Result<()> {
        let timing = self.config.timing;
        let machine = argus_machine::dispatch::Config {
            agree: Duration::from_millis(timing.attempt_ms),
            patience: Duration::from_millis(timing.patience_ms),
            ..Default::default()
        };
        let config = argus_dispatcher::Config {
            machine,
            head: Duration::from_millis(timing.chain_poll_ms.max(250)),
            failpoint: self.config.failpoint,
            ..Default::default()
        };
        let ports = argus_dispatcher::Ports {
            clock: self.backends.clock.clone(),
            tasks: self.tasks()?,
            jobs: self.backends.store()?,
            bus: self.backends.bus()?,
            aggregate: self.aggregate.clone(),
            lease: self.member(ServiceKind::Dispatcher)?,
            readers: self.backends.readers(),
        };
        let (handle, life) = argus_dispatcher::new(config, ports);
        metrics::register_dispatcher(&handle, self.backends.clock.clone(), &self.figures)?;
        let handle = Arc::new(handle);
        self.join_dispatchers(Some(handle))?;
        self.add("dispatcher", async { life.await.map_err(Into::into) });
        Ok(())
    }

    fn scheduler(&mut self) -> anyhow::Result<()> {
        let timing = self.config.timing;
        let config = argus_scheduler::Config {
            source_poll: Duration::from_millis(timing.source_poll_ms),
            chain_poll: Duration::from_millis(timing.chain_poll_ms),
            decision_write: Duration::from_millis(timing.source_poll_ms),
            decisions_kept: u32::try_from(self.config.decisions_kept).unwrap_or(u32::MAX),
            failpoint: self.config.failpoint,
            ..argus_scheduler::Config::default()
        };
        let store = self.backends.store()?;
        let ports = argus_scheduler::Ports {
            clock: self.backends.clock.clone(),
            jobs: store.clone(),
            tasks: self.tasks()?,
            decisions: store,
            bus: self.backends.bus()?,
            dispatch: self.dispatch.clone(),
            chains: self.backends.readers(),
            values: Arc::new(metrics::CountedValues::register(self.backends.values.clone(), &self.figures)?),
            lease: self.member(ServiceKind::Scheduler)?,
        };
        let due = metrics::watch_due(self.backends.store()?, self.backends.clock.clone(), &self.figures)?;
        self.add("look at due jobs", due);
        let (handle, life) = argus_scheduler::scheduler(config, ports, self.stop.clone());
        metrics::register_scheduler(&handle, &self.figures)?;
        self.join_schedulers(Some(Arc::new(handle)))?;
        self.add("scheduler", async {
            life.await;
            Err(anyhow!("it was stopped"))
        });
        Ok(())
    }

    async fn oversight(&mut self) -> anyhow::Result<()> {
        let timing = self.config.timing;
        let chains: WatchedChains = self
            .backends
            .chains
            .iter()
            .map(|(id, c)| {
                let watched = WatchedChain {
                    reader: c.evm.clone(),
                    contracts: c.contracts,
                    contracts_from: c.contracts_from,
                    confirmations: c.confirmations,
                    settle: c.settle,
                };
                (*id, watched)
            })
            .collect();
        let store = self.backends.store()?;
        let clock = self.backends.clock.clone();
        let lease = self.member(ServiceKind::Monitor)?;
        let begins = {
            let leases = store.clone();
            move |fence| Term::new(leases.clone(), fence)
        };
        let watched =
            registrar::Ports { keepers: store.clone(), chains: chains.clone(), clock: clock.clone() };
        // Keepers are let in by the keeper set, so a fresh store gets it before anyone dials. In another one the set is
        // kept by whoever watches.
        if self.sharing.is_alone() || store.all().await?.is_empty() {
            registrar::sync(&watched, None).await.context("the keeper registry")?;
        }
        let term = begins.clone();
        self.lead("registrar", &lease, move |fence| {
            registrar::run(registrar::Config::default(), watched.clone(), term(fence))
        });
        let config = reconciler::Config {
            interval: Duration::from_millis(timing.chain_poll_ms),
            grace: Duration::from_millis(timing.registration_grace_ms),
            ..reconciler::Config::default()
        };
        let ports = reconciler::Ports {
            registrations: Arc::new(metrics::CountedRegistrations::register(store.clone(), &self.figures)?),
            jobs: store.clone(),
            secrets: store.clone(),
            nudge: self.nudge.clone(),
            chains: chains.clone(),
            clock: clock.clone(),
        };
        let (counts, counted) = watch::channel(RegistrationCounts::default());
        metrics::register_registrations(counted, lease.clone(), &self.figures)?;
        let term = begins.clone();
        self.lead("reconciler", &lease, move |fence| {
            reconciler::run(config.clone(), ports.clone(), term(fence), counts.clone())
        });
        let config = monitor::Config {
            interval: Duration::from_millis(timing.chain_poll_ms),
            ..monitor::Config::default()
        };
        let ports = monitor::Ports {
            tasks: self.tasks()?,
            jobs: store.clone(),
            ledger: store.clone(),
            bus: self.backends.bus()?,
            dispatcher: self.dispatch.clone(),
            chains,
            clock: clock.clone(),
        };
        let health_ports =
            health::Ports { keepers: store.clone(), aggregator: self.aggregate.clone(), clock };
        self.lead("monitor", &lease, move |fence| monitor::run(config.clone(), ports.clone(), begins(fence)));
        let tasks = self.tasks()?;
        let b = &self.backends;
        let ports = challenger::Ports {
            tasks,
            jobs: store.clone(),
            keepers: store.clone(),
            archive: store,
            content: b.content.clone(),
            runner: b.runner()?,
            bus: b.bus()?,
            clock: b.clock.clone(),
        };
        self.lead("challenger", &lease, move |_| {
            challenger::run(challenger::Config::default(), ports.clone())
        });
        let (reports, report) = watch::channel(health::Report::default());
        metrics::register_keepers(report, lease.clone(), &self.figures)?;
        self.lead("health", &lease, move |_| {
            health::run(health::Config::default(), health_ports.clone(), reports.clone())
        });
        Ok(())
    }

    /// Has a part of oversight done for as long as this process is the one that does it: each on a task of its own, and
    /// each begins anew when it is the one again.
    fn lead<F>(
        &mut self,
        name: &'static str,
        lease: &argus_lease::Handle,
        begin: impl FnMut(Fence) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let leading = lease.clone().lead(0, begin);
        self.add(name, async {
            leading.await;
            Ok(())
        });
    }

    fn keepers(&mut self) -> anyhow::Result<()> {
        let platform = backends::platform_address(&self.config)?;
        let link = self.gates()?;
        let told = |inner, tracer| Arc::new(traces::TracedLink::new(inner, tracer)) as Arc<dyn KeeperLink>;
        let link = traces::traced(link, self.tracer.as_ref(), told);
        let mut handles = Vec::new();
        for key in self.config.keeper.keys.clone() {
            let signer = self.signer(&key)?;
            let journal = self.backends.journal(&self.config, signer.address())?;
            let mut config = argus_keeper::Config::new(platform);
            config.executors = self.backends.executors();
            config.gas_registries = self.backends.gas_registries();
            config.failpoint = self.config.failpoint;
            if let Some(most) = self.config.keeper.gas_price_max {
                config.fees.per_gas_max = most;
            }
            let ports = argus_keeper::Ports {
                clock: self.backends.clock.clone(),
                link: link.clone(),
                signer,
                letterbox: Some(Arc::new(OwnLetterbox::new()?)),
                journal,
                content: self.backends.content.clone(),
                runner: self.backends.runner()?,
                readers: self.backends.readers(),
                writers: self.backends.writers(),
            };
            let (handle, life) = argus_keeper::new(config, ports);
            handles.push(handle);
            self.add("keeper", async { life.await.map_err(Into::into) });
        }
        metrics::register_operators(handles, &self.figures)?;
        Ok(())
    }

    /// Where every role runs, the one that needs a toolchain is left out if there is none.
    async fn builder(&mut self) -> anyhow::Result<()> {
        if !self.has(Role::Api) {
            bail!("the builder works for the API of its own process: run them together, --roles api,builder");
        }
        let toolchain = match backends::toolchain(self.config.builder.go.as_deref()).await {
            Ok(toolchain) => toolchain,
            Err(reason) if Role::everything().iter().all(|role| self.has(*role)) => {
                tracing::warn!(%reason, "Go sources are not built here");
                return Ok(());
            }
            Err(reason) => return Err(reason.into()),
        };
        let signer = self.signer(&self.config.platform_key.clone())?;
        let (builder, life) = backends::builder(&self.config, toolchain, self.backends.store()?, signer)?;
        self.builder = Some(Arc::new(builder));
        self.add("builder", async {
            life.await;
            Err(anyhow!("it was stopped"))
        });
        Ok(())
    }

    /// Polls every role on a task of its own; the first one that ends ends the process, with its name.
    async fn live(mut self) -> anyhow::Result<()> {
        let mut set = JoinSet::new();
        for (name, life) in self.lives {
            set.spawn(async move { (name, life.await) });
        }
        self.sharing.begin();
        let ended = tokio::select! {
            ended = set.join_next() => ended,
            has_left = self.sharing.over() => {
                return if has_left { Ok(()) } else { Err(anyhow!("this process holds no shards any more")) };
            }
        };
        self.sharing.give_up().await;
        match ended {
            Some(Ok((name, Ok(())))) => bail!("the {name} ended"),
            Some(Ok((name, Err(error)))) => Err(error.context(format!("the {name} ended"))),
            Some(Err(error)) => Err(anyhow!("a role ended abruptly: {error}")),
            None => bail!("no role to run"),
        }
    }
}
