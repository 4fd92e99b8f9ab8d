//! The API over a store of its own, and a server that says hello, both on loopback.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::bail;
use argus_domain::{
    access::Role,
    ids::{ChainId, JobId},
};
use argus_http::HttpEgress;
use argus_memory::{MemoryContent, MemoryLimiter, SystemClock};
use argus_ports::{Clock, KeyStore, LinkError, Nudge};
use argus_sqlite::{Options, SqliteStore};
use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    routing::{get, post},
};
use reqwest::{Client, RequestBuilder};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    chain::{CHAIN, StubChain},
    platform::host,
    work::owner,
};

/// The least time for a client to send its next request on a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Nobody schedules here.
struct Nobody;

#[async_trait]
impl Nudge for Nobody {
    async fn jobs_changed(&self, _: &[JobId]) -> Result<(), LinkError> {
        Ok(())
    }
}

/// Where to send what. It is served for as long as this lives.
pub struct Edge {
    /// Where the API listens.
    pub address: SocketAddr,
    /// The key of [`owner`].
    pub key: String,
    /// What it serves.
    pub store: Arc<SqliteStore>,
    client: Client,
    hello: String,
    next: AtomicU64,
    _servers: JoinSet<()>,
}

impl Edge {
    /// Serves from a store in this folder.
    pub async fn serve(folder: &Path) -> anyhow::Result<Self> {
        let store = Arc::new(SqliteStore::open(&folder.join("argus.db"), &Options::default())?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let key = argus_api::new_key(owner(), Role::User, u32::MAX, clock.now());
        KeyStore::put(&*store, key.key).await?;
        let chain = Arc::new(StubChain::new(Instant::now()));
        let chain =
            argus_api::Chain { reader: chain.clone(), writer: chain, contracts: None, explorer: None };
        let ports = argus_api::Ports {
            jobs: store.clone(),
            tasks: store.clone(),
            decisions: store.clone(),
            registrations: store.clone(),
            bus: store.clone(),
            keys: store.clone(),
            keepers: store.clone(),
            ledger: store.clone(),
            profiles: store.clone(),
            webhooks: store.clone(),
            claims: store.clone(),
            faucet: None,
            recover: argus_evm::recover,
            modules: store.clone(),
            answers: store.clone(),
            content: Arc::new(MemoryContent::new()),
            archive: store.clone(),
            secrets: None,
            egress: Arc::new(HttpEgress::new()?),
            builder: None,
            runner: Arc::new(host(BTreeMap::new())?),
            limiter: Arc::new(MemoryLimiter::new(clock.clone())),
            clock,
            nudge: Arc::new(Nobody),
            chains: BTreeMap::<ChainId, _>::from([(CHAIN, chain)]),
            checks: Vec::new(),
            metrics: argus_metrics::Figures::default(),
            witness: None,
        };
        // Everything comes from one address here, far more of it than anybody's front end sends.
        let config = argus_api::Config { keyed_per_minute: u32::MAX, ..argus_api::Config::default() };
        let (router, background) = argus_api::api(config, ports)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut servers = JoinSet::new();
        servers.spawn(argus_api::listen(listener, router, HEAD_TIMEOUT, None));
        servers.spawn(background);
        let hello = Router::new()
            .route("/", post(|body: Bytes| async move { body.len().to_string() }))
            .route("/", get(|| async { "hello" }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let hello_url = format!("http://{}/", listener.local_addr()?);
        servers.spawn(async move {
            if let Err(error) = axum::serve(listener, hello).await {
                tracing::warn!(%error, "nobody says hello any more");
            }
        });
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
        Ok(Self {
            address,
            key: key.text,
            store,
            client,
            hello: hello_url,
            next: AtomicU64::new(1),
            _servers: servers,
        })
    }

    /// Creates the next job, µs.
    pub async fn job(&self) -> anyhow::Result<f64> {
        let body = body(self.next.fetch_add(1, Ordering::Relaxed));
        let request = self.client.post(self.url("/jobs")).header("x-api-key", &self.key);
        sent(request.header("content-type", "application/json").body(body)).await
    }

    /// The same body, to the server that says its length, µs.
    pub async fn hello(&self) -> anyhow::Result<f64> {
        let body = body(self.next.fetch_add(1, Ordering::Relaxed));
        sent(self.client.post(&self.hello).header("content-type", "application/json").body(body)).await
    }

    /// Reads something of the API, by its path below /api, µs.
    pub async fn read(&self, path: &str) -> anyhow::Result<f64> {
        sent(self.client.get(self.url(path)).header("x-api-key", &self.key)).await
    }

    /// Reads a greeting, µs.
    pub async fn greeting(&self) -> anyhow::Result<f64> {
        sent(self.client.get(&self.hello)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/api{path}", self.address)
    }
}

/// Sends, reads the whole answer, and says how long that took, µs.
async fn sent(request: RequestBuilder) -> anyhow::Result<f64> {
    let began = Instant::now();
    let response = request.send().await?;
    let status = response.status();
    let text = response.text().await?;
    let took = began.elapsed().as_secs_f64() * 1e6;
    if !status.is_success() {
        bail!("{status}: {text}");
    }
    Ok(took)
}

/// A job of 2 KB.
pub fn body(id: u64) -> String {
    let inputs = r#"{"internalType":"uint256","name":"amount","type":"uint256"}"#;
    let function = |name: &str| {
        format!(
            r#"{{"inputs":[{inputs}],"name":"{name}","outputs":[],"stateMutability":"nonpayable","type":"function"}}"#
        )
    };
    let names =
        ["incrementBy", "decrementBy", "setTo", "multiplyBy", "divideBy", "raiseTo", "resetTo", "record"];
    let abi = format!("[{}]", names.map(function).join(","));
    serde_json::json!([{
        "job_id": id.to_string(), "user_address": owner().to_string(), "job_title": "measured",
        "task_definition_id": 1, "custom": true, "time_frame": 3600, "recurring": true, "timezone": "UTC",
        "created_chain_id": CHAIN.to_string(), "schedule_type": "interval", "time_interval": 60,
        "target_chain_id": CHAIN.to_string(), "target_contract_address": "0xcccccccccccccccccccccccccccccccccccccccc",
        "target_function": "incrementBy", "abi": abi, "arg_type": 1, "arguments": ["3"],
        "dynamic_arguments_script_url": "", "is_imua": false, "is_safe": false, "language": "",
    }])
    .to_string()
}
