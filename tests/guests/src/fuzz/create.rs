//! The body of a job's creation, through the whole edge, on stores in memory.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use argus_api::{Chain, Config, Ports, api, new_key};
use argus_domain::{
    Address, B256, Bytes, U256,
    access::Role,
    chain::{Block, GasPrice, Log, LogQuery, SignedTx, TxReceipt},
    ids::{ChainId, JobId},
    time::Timestamp,
};
use argus_memory::{
    ManualClock, MemoryArchive, MemoryBus, MemoryContent, MemoryLimiter, MemoryStore, recorded::Recorded,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, KeyStore, LinkError, Nudge, chain::At};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use super::sandbox;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const CHAIN: ChainId = ChainId(31_337);
const OWNER: Address = Address::repeat_byte(0x11);
const ABI: &str = r#"[{"type":"function","name":"record","stateMutability":"nonpayable","inputs":[{"name":"what","type":"string"},{"name":"n","type":"uint256"}],"outputs":[]},{"type":"event","name":"Pinged","inputs":[{"name":"who","type":"address","indexed":true},{"name":"a","type":"uint256","indexed":true},{"name":"b","type":"uint256","indexed":false}]}]"#;
/// What clients of the original platform send.
const CORPUS: [&str; 2] =
    [include_str!("../../../e2e/corpus/10-sdk.json"), include_str!("../../../e2e/corpus/20-front-end.json")];
/// Bodies after which the stores are new ones, so that they stay small.
const BODIES_MAX: u32 = 1_000;
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Bytes as the body of a creation: no answer is the server's fault, and a repeat of what was taken is answered the
/// same.
pub fn create(bytes: &[u8]) {
    let _ = is_created(bytes);
}

/// The same, and whether jobs came of it.
pub fn is_created(bytes: &[u8]) -> bool {
    static EDGE: OnceLock<Mutex<Edge>> = OnceLock::new();
    let edge = EDGE.get_or_init(|| Mutex::new(Edge::new()));
    let mut edge = edge.lock().unwrap_or_else(PoisonError::into_inner);
    if edge.bodies >= BODIES_MAX {
        *edge = Edge::new();
    }
    edge.bodies += 1;
    let (status, text) = edge.post(bytes);
    assert!(!status.is_server_error(), "{status}: {text}");
    let is_created = status == StatusCode::OK;
    if is_created {
        assert_eq!(edge.post(bytes), (status, text), "the same once more");
    }
    is_created
}

/// What clients send, with this edge's names in the places of theirs.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let steps = CORPUS.iter().flat_map(|corpus| {
        let corpus: Value = serde_json::from_str(corpus).expect("a corpus is JSON");
        corpus["steps"].as_array().expect("a corpus has steps").clone()
    });
    let mut jobs = 0;
    steps
        .filter(|step| step["request"] == "POST /api/jobs")
        .map(|mut step| {
            put_in(&mut step["body"], &mut jobs);
            step["body"].to_string().into_bytes()
        })
        .collect()
}

fn put_in(value: &mut Value, jobs: &mut u32) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(|value| put_in(value, jobs)),
        Value::Object(fields) => fields.values_mut().for_each(|value| put_in(value, jobs)),
        Value::String(text) => {
            let put = match text.as_str() {
                "${owner}" => OWNER.to_string(),
                "${chain}" => CHAIN.to_string(),
                "${target}" => Address::repeat_byte(0xcc).to_string(),
                "${abi}" => ABI.to_owned(),
                name if name.starts_with("${new:") => {
                    *jobs += 1;
                    jobs.to_string()
                }
                _ => return,
            };
            *value = json!(put);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

struct Edge {
    runtime: Runtime,
    router: Router,
    key: String,
    bodies: u32,
}

impl Edge {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (store, key) = (MemoryStore::new(), new_key(OWNER, Role::User, u32::MAX, NOW));
        runtime.block_on(store.put(key.key)).expect("a key is kept");
        let clock = Arc::new(ManualClock::new(NOW));
        let chain = Arc::new(Quiet);
        let ports = Ports {
            jobs: Arc::new(store.clone()),
            tasks: Arc::new(store.clone()),
            decisions: Arc::new(store.clone()),
            registrations: Arc::new(store.clone()),
            bus: Arc::new(MemoryBus::new()),
            keys: Arc::new(store.clone()),
            keepers: Arc::new(store.clone()),
            ledger: Arc::new(store.clone()),
            profiles: Arc::new(store.clone()),
            webhooks: Arc::new(store.clone()),
            claims: Arc::new(store.clone()),
            faucet: None,
            recover: |_, _| None,
            modules: Arc::new(store.clone()),
            answers: Arc::new(store),
            content: Arc::new(MemoryContent::new()),
            archive: Arc::new(MemoryArchive::new()),
            secrets: None,
            egress: Arc::new(Recorded::new(Vec::new())),
            runner: sandbox().host.clone(),
            builder: None,
            limiter: Arc::new(MemoryLimiter::new(clock.clone())),
            clock,
            nudge: Arc::new(Quiet),
            chains: BTreeMap::from([(
                CHAIN,
                Chain { reader: chain.clone(), writer: chain, contracts: None, explorer: None },
            )]),
            checks: Vec::new(),
            metrics: argus_metrics::Figures::default(),
            witness: None,
        };
        let config = Config { keyed_per_minute: u32::MAX, ..Config::default() };
        let (router, _) = api(config, ports).expect("an edge");
        Self { runtime, router, key: key.text, bodies: 0 }
    }

    fn post(&self, body: &[u8]) -> (StatusCode, String) {
        let request = Request::post("/api/jobs").header("X-Api-Key", &self.key);
        let request = request.body(Body::from(body.to_vec())).expect("a request");
        self.runtime.block_on(async {
            let answer = self.router.clone().oneshot(request).await.expect("an answer");
            let status = answer.status();
            let text = to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.expect("a whole answer");
            (status, String::from_utf8_lossy(&text).into_owned())
        })
    }
}

/// A chain on which nothing ever happened, and a scheduler that nobody has to tell.
struct Quiet;

#[async_trait]
impl Nudge for Quiet {
    async fn jobs_changed(&self, _: &[JobId]) -> Result<(), LinkError> {
        Ok(())
    }
}

#[async_trait]
impl ChainReader for Quiet {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn block(&self, _: At) -> Result<Option<Block>, ChainError> {
        Ok(Some(Block { number: 7, hash: B256::repeat_byte(7), parent: B256::repeat_byte(6), time: NOW }))
    }

    async fn call(&self, _: Option<Address>, _: Address, _: Bytes, _: At) -> Result<Bytes, ChainError> {
        Ok(Bytes::from_static(&[0; 32]))
    }

    async fn balance(&self, _: Address, _: At) -> Result<U256, ChainError> {
        Ok(U256::from(10).pow(U256::from(20)))
    }

    async fn logs(&self, _: LogQuery) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn receipt(&self, _: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(None)
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::from_static(&[0xfe]))
    }
}

#[async_trait]
impl ChainWriter for Quiet {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn nonce(&self, _: Address) -> Result<u64, ChainError> {
        Ok(0)
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        Ok(GasPrice { base_fee: 1_000, priority_fee: 10 })
    }

    async fn estimate(&self, _: Address, _: Address, _: U256, _: Bytes) -> Result<u64, ChainError> {
        Ok(100_000)
    }

    async fn send(&self, _: &SignedTx) -> Result<(), ChainError> {
        Err(ChainError::Refused("nothing is sent to this chain".to_owned()))
    }
}
