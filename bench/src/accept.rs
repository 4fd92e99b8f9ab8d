//! M7: POST /api/jobs to durable, beside HTTP alone and fdatasync alone.

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

use anyhow::{Context, bail};
use argus_domain::{
    access::Role,
    ids::{ChainId, JobId},
};
use argus_http::HttpEgress;
use argus_memory::{MemoryContent, MemoryLimiter, SystemClock};
use argus_ports::{Clock, KeyStore, LinkError, Nudge};
use argus_sqlite::{Options, SqliteStore};
use async_trait::async_trait;
use axum::{Router, body::Bytes, routing::post};
use reqwest::Client;
use tokio::task::JoinSet;

use crate::{
    chain::{CHAIN, StubChain},
    measure::{Row, Stopwatch, fdatasyncs, median, percentile},
    platform::host,
    work::owner,
};

const ROUNDS: usize = 9;
/// Requests of one kind in a round.
const REQUESTS: usize = 100;
/// Clients that send at once where it is about rates.
const CLIENTS: usize = 64;

/// Nobody schedules here.
struct Nobody;

#[async_trait]
impl Nudge for Nobody {
    async fn jobs_changed(&self, _: &[JobId]) -> Result<(), LinkError> {
        Ok(())
    }
}

/// Where to send what.
#[derive(Clone)]
struct Target {
    client: Client,
    jobs: String,
    hello: String,
    key: String,
    next: Arc<AtomicU64>,
}

impl Target {
    async fn job(&self) -> anyhow::Result<f64> {
        let body = body(self.next.fetch_add(1, Ordering::Relaxed));
        let request = self.client.post(&self.jobs).header("x-api-key", &self.key);
        sent(request.header("content-type", "application/json").body(body)).await
    }

    async fn hello(&self) -> anyhow::Result<f64> {
        let body = body(self.next.fetch_add(1, Ordering::Relaxed));
        sent(self.client.post(&self.hello).header("content-type", "application/json").body(body)).await
    }
}

/// Sends, reads the whole answer, and says how long that took, µs.
async fn sent(request: reqwest::RequestBuilder) -> anyhow::Result<f64> {
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
fn body(id: u64) -> String {
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

/// The API and a server that says hello, both on loopback.
async fn serve(folder: &Path, servers: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<Target> {
    let store = Arc::new(SqliteStore::open(&folder.join("argus.db"), &Options::default())?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let key = argus_api::new_key(owner(), Role::User, u32::MAX, clock.now());
    KeyStore::put(&*store, key.key).await?;
    let chain = Arc::new(StubChain::new(Instant::now()));
    let chain = argus_api::Chain { reader: chain.clone(), writer: chain, contracts: None, explorer: None };
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
        archive: store,
        secrets: None,
        egress: Arc::new(HttpEgress::new()?),
        builder: None,
        runner: Arc::new(host(BTreeMap::new())?),
        limiter: Arc::new(MemoryLimiter::new(clock.clone())),
        clock,
        nudge: Arc::new(Nobody),
        chains: BTreeMap::<ChainId, _>::from([(CHAIN, chain)]),
        checks: Vec::new(),
        metrics: prometheus::Registry::new(),
    };
    let (router, background) = argus_api::api(argus_api::Config::default(), ports)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let jobs = format!("http://{}/api/jobs", listener.local_addr()?);
    servers.spawn(async move {
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        Ok(axum::serve(listener, service).await?)
    });
    servers.spawn(async move {
        background.await;
        Ok(())
    });
    let hello = Router::new().route("/", post(|body: Bytes| async move { body.len().to_string() }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let hello_url = format!("http://{}/", listener.local_addr()?);
    servers.spawn(async move { Ok(axum::serve(listener, hello.into_make_service()).await?) });
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(30)).build()?;
    Ok(Target { client, jobs, hello: hello_url, key: key.text, next: Arc::new(AtomicU64::new(1)) })
}

/// Requests a second and CPU time per request of `CLIENTS` clients at once.
async fn rate(target: &Target, seconds: u64, is_job: bool) -> anyhow::Result<(f64, f64)> {
    let watch = Stopwatch::start();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let target = target.clone();
        clients.spawn(async move {
            let mut count = 0u64;
            while Instant::now() < end {
                if is_job {
                    target.job().await?
                } else {
                    target.hello().await?
                };
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(one) = clients.join_next().await {
        count += one??;
    }
    let count = count as f64;
    Ok((count / watch.wall().as_secs_f64(), watch.cpu().as_secs_f64() * 1e6 / count.max(1.0)))
}

/// Measures for about so many seconds per kind of request.
pub async fn run(folder: &Path, seconds: u64) -> anyhow::Result<Vec<Row>> {
    let mut servers = JoinSet::new();
    let target = serve(folder, &mut servers).await?;
    for _ in 0..50 {
        target.job().await.context("the API refuses the job that is measured with")?;
        target.hello().await?;
    }
    let (mut ratios, mut values, mut floors, mut all) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut hellos, mut syncs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (mut hello, mut job) = (Vec::new(), Vec::new());
        let sync = tokio::task::block_in_place(|| fdatasyncs(folder, REQUESTS))?;
        for _ in 0..REQUESTS {
            hello.push(target.hello().await?);
            job.push(target.job().await?);
        }
        let floor = median(&hello) + median(&sync);
        ratios.push(median(&job) / floor);
        values.push(median(&job));
        floors.push(floor);
        hellos.push(median(&hello));
        syncs.push(median(&sync));
        all.extend(job);
    }
    let (hello_rate, hello_cpu) = rate(&target, seconds.min(5), false).await?;
    let (job_rate, job_cpu) = rate(&target, seconds.min(5), true).await?;
    servers.shutdown().await;
    let ratio = median(&ratios);
    Ok(vec![
        Row {
            id: "M7".to_owned(),
            measure: "POST /api/jobs to durable, p50, one client".to_owned(),
            value: median(&values),
            unit: "us",
            floor: Some(median(&floors)),
            ratio: Some(ratio),
            goal: "<= 1.5x (HTTP + fdatasync)".to_owned(),
            met: Some(ratio <= 1.5),
            how: format!(
                "{ROUNDS} rounds of {REQUESTS} requests over kept-alive loopback, hello and job in turns; the floor is the \
                 p50 of the same body sent to a server that says its length ({:.0} us) plus the p50 of a 4 KiB write with \
                 fdatasync on the same disk ({:.0} us), each of the same round; median of the rounds' ratios; job p99 {:.0} \
                 us. Real API (key, rate, validation, answer), SQLite store, one job of {} bytes a request",
                median(&hellos),
                median(&syncs),
                percentile(&all, 99.0),
                body(1).len(),
            ),
        },
        Row {
            id: "M7".to_owned(),
            measure: format!("POST /api/jobs, {CLIENTS} clients at once"),
            value: job_rate,
            unit: "jobs/s",
            floor: Some(hello_rate),
            ratio: Some(job_rate / hello_rate),
            goal: ">= 0.2x hello".to_owned(),
            met: Some(job_rate >= 0.2 * hello_rate),
            how: format!(
                "clients and servers in this process, {} s each; CPU {job_cpu:.0} us a job and {hello_cpu:.0} us a hello, \
                 the client's part included",
                seconds.min(5)
            ),
        },
    ])
}
