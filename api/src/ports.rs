//! What the edge needs from the world.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{Address, B256, call::Signature, chain::Contracts, ids::ChainId};
use argus_ports::{
    AnswerStore, Archive, ChainReader, ChainWriter, ClaimStore, Clock, ContentStore, DecisionStore, Egress,
    EventBus, JobStore, KeeperStore, KeyStore, Ledger, ModuleBuilder, ModuleRunner, ModuleStore, Nudge,
    ProfileStore, RateLimiter, RegistrationStore, Secrets, Signer, TaskStore, WebhookStore,
};
use async_trait::async_trait;

/// The edge's ports.
#[derive(Clone)]
pub struct Ports {
    /// Jobs.
    pub jobs: Arc<dyn JobStore>,
    /// Tasks.
    pub tasks: Arc<dyn TaskStore>,
    /// Why jobs did not fire.
    pub decisions: Arc<dyn DecisionStore>,
    /// Where job registries say otherwise than what is stored.
    pub registrations: Arc<dyn RegistrationStore>,
    /// Changes of tasks.
    pub bus: Arc<dyn EventBus>,
    /// API keys.
    pub keys: Arc<dyn KeyStore>,
    /// The keeper set.
    pub keepers: Arc<dyn KeeperStore>,
    /// Points and fees.
    pub ledger: Arc<dyn Ledger>,
    /// What people say of themselves.
    pub profiles: Arc<dyn ProfileStore>,
    /// Who is told of changes over HTTP.
    pub webhooks: Arc<dyn WebhookStore>,
    /// Who had coins of the faucet lately.
    pub claims: Arc<dyn ClaimStore>,
    /// The faucet's account; `None`: there is no faucet.
    pub faucet: Option<Arc<dyn Signer>>,
    /// Who made a signature.
    pub recover: Recover,
    /// Published scripts.
    pub modules: Arc<dyn ModuleStore>,
    /// Answers to named requests.
    pub answers: Arc<dyn AnswerStore>,
    /// Public content.
    pub content: Arc<dyn ContentStore>,
    /// The platform's private blobs.
    pub archive: Arc<dyn Archive>,
    /// Secrets of jobs; without them none can be set.
    pub secrets: Option<Secrets>,
    /// The one way out.
    pub egress: Arc<dyn Egress>,
    /// Where scripts run.
    pub runner: Arc<dyn ModuleRunner>,
    /// Where sources are built that no sandbox compiles; `None`: clients publish modules.
    pub builder: Option<Arc<dyn ModuleBuilder>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Rates.
    pub limiter: Arc<dyn RateLimiter>,
    /// To the scheduler.
    pub nudge: Arc<dyn Nudge>,
    /// The chains that jobs may name.
    pub chains: BTreeMap<ChainId, Chain>,
    /// What must answer before this process takes requests.
    pub checks: Vec<Arc<dyn ReadyCheck>>,
    /// Where metrics of the whole process are gathered.
    pub metrics: argus_metrics::Figures,
    /// Who is told of each request; `None`: nobody.
    pub witness: Option<Arc<dyn Witness>>,
}

/// The address that made a signature over a digest; `None` where it is none.
pub type Recover = fn(B256, &Signature) -> Option<Address>;

/// One chain.
#[derive(Clone)]
pub struct Chain {
    /// Reads.
    pub reader: Arc<dyn ChainReader>,
    /// Prices and simulations.
    pub writer: Arc<dyn ChainWriter>,
    /// The platform's contracts; without them jobs run in solo mode.
    pub contracts: Option<Contracts>,
    /// Origin of a block explorer, for links to transactions.
    pub explorer: Option<String>,
}

impl Chain {
    /// The page of a transaction; empty where no explorer is known.
    pub fn transaction_url(&self, transaction: B256) -> String {
        match &self.explorer {
            Some(origin) => format!("{}/tx/{transaction}", origin.trim_end_matches('/')),
            None => String::new(),
        }
    }
}

/// Is told of requests.
pub trait Witness: Send + Sync {
    /// One was answered. Returns at once.
    fn answered(&self, request: &Answered<'_>);
}

/// A request that was answered.
#[derive(Debug, Clone, Copy)]
pub struct Answered<'a> {
    /// The trace that its client named, or one that was made up.
    pub trace: &'a str,
    /// The client's own span, where it named one.
    pub parent: Option<[u8; 8]>,
    /// The request's own, random.
    pub id: [u8; 16],
    /// How.
    pub method: &'a str,
    /// Which route.
    pub path: &'static str,
    /// The answer's status.
    pub status: u16,
    /// From its head to its answer.
    pub took: Duration,
}

/// Something that must work before requests are taken.
#[async_trait]
pub trait ReadyCheck: Send + Sync {
    /// Its name in `/ready` and `/health`.
    fn name(&self) -> &str;
    /// Whether it works now, or what is wrong.
    async fn check(&self) -> Result<(), String>;
}
