//! An edge with small fakes behind it, and the requests of tests.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argus_api::{Chain, Config, NewKey, Ports, api, new_key};
use argus_domain::{Address, access::Role, chain::Contracts, ids::ChainId, time::Timestamp};
use argus_memory::{ManualClock, MemoryArchive, MemoryBus, MemoryContent, MemoryLimiter, MemoryStore};
use argus_ports::{KeyStore, ModuleBuilder, Opening, Secrets, Signer};
use argus_vault::KeyVault;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::fakes::{Component, FakeChain, FakeEgress, FakeNudge, FakeRunner};

pub const CHAIN: u64 = 31337;
pub const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub const TARGET: &str = "0xa92f95FDeF3DB6B2aA115548376c7a2429711497";
pub const SAFE: &str = "0x00000000000000000000000000000000005afe01";
pub const ABI: &str = r#"[{"type":"function","name":"incrementBy","stateMutability":"nonpayable","inputs":[{"name":"amount","type":"uint256"}],"outputs":[]},{"type":"event","name":"Moved","inputs":[{"name":"who","type":"address","indexed":true},{"name":"amount","type":"uint256","indexed":false}]}]"#;
pub const SAFE_ABI: &str = r#"[{"type":"function","name":"execJobFromHub","inputs":[{"name":"safe","type":"address"},{"name":"to","type":"address"},{"name":"value","type":"uint256"},{"name":"data","type":"bytes"},{"name":"operation","type":"uint8"},{"name":"jobOwner","type":"address"}],"outputs":[]}]"#;

pub fn address(n: u8) -> Address {
    Address::repeat_byte(n)
}

/// Where secrets are kept, and under which key.
fn secrets(store: &MemoryStore) -> Secrets {
    let vault = KeyVault::from_text(&"5a".repeat(32)).expect("a key");
    Secrets { store: Arc::new(store.clone()), vault: Arc::new(vault) }
}

pub fn contracts() -> Contracts {
    Contracts {
        executor: address(0xe1),
        keeper_registry: address(0xe2),
        job_registry: address(0xe3),
        gas_registry: address(0xe4),
    }
}

pub struct World {
    pub router: Router,
    pub store: MemoryStore,
    pub bus: MemoryBus,
    pub content: MemoryContent,
    pub archive: Arc<MemoryArchive>,
    pub clock: ManualClock,
    pub chain: Arc<FakeChain>,
    pub runner: Arc<FakeRunner>,
    pub nudge: Arc<FakeNudge>,
    pub component: Arc<Component>,
    pub egress: Arc<FakeEgress>,
    /// Keys by name: `user` (of address 0x11..), `other` (0x22..), `app`, `keeper` (0x33..), `admin`.
    pub keys: BTreeMap<&'static str, String>,
    ports: Ports,
    config: Config,
    // Ends with the world.
    background: tokio::task::JoinSet<()>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl World {
    pub async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::made(config, None).await
    }

    /// With a builder of sources.
    pub async fn building(config: Config, builder: Arc<dyn ModuleBuilder>) -> Self {
        Self::made(config, Some(builder)).await
    }

    async fn made(config: Config, builder: Option<Arc<dyn ModuleBuilder>>) -> Self {
        let (store, bus, content) = (MemoryStore::new(), MemoryBus::new(), MemoryContent::new());
        let (archive, clock) = (Arc::new(MemoryArchive::new()), ManualClock::new(NOW));
        let (chain, runner) = (Arc::new(FakeChain::default()), Arc::new(FakeRunner::default()));
        let nudge = Arc::new(FakeNudge::default());
        let egress = Arc::new(FakeEgress::default());
        let component = Arc::new(Component(Mutex::new(Ok(()))));
        let mut keys = BTreeMap::new();
        for (name, owner, role) in [
            ("user", 0x11, Role::User),
            ("other", 0x22, Role::User),
            ("app", 0x99, Role::App),
            ("keeper", 0x33, Role::Keeper),
            ("admin", 0xaa, Role::Admin),
        ] {
            let NewKey { text, key } = new_key(address(owner), role, 100_000, NOW);
            store.put(key).await.unwrap();
            keys.insert(name, text);
        }
        let one = Chain {
            reader: chain.clone(),
            writer: chain.clone(),
            contracts: Some(contracts()),
            explorer: Some("https://scan.example/".to_owned()),
        };
        let ports = Ports {
            jobs: Arc::new(store.clone()),
            tasks: Arc::new(store.clone()),
            decisions: Arc::new(store.clone()),
            registrations: Arc::new(store.clone()),
            bus: Arc::new(bus.clone()),
            keys: Arc::new(store.clone()),
            keepers: Arc::new(store.clone()),
            ledger: Arc::new(store.clone()),
            profiles: Arc::new(store.clone()),
            webhooks: Arc::new(store.clone()),
            claims: Arc::new(store.clone()),
            faucet: None,
            recover: crate::wallet::recover,
            modules: Arc::new(store.clone()),
            answers: Arc::new(store.clone()),
            content: Arc::new(content.clone()),
            archive: archive.clone(),
            secrets: Some(secrets(&store)),
            egress: egress.clone(),
            runner: runner.clone(),
            builder,
            clock: Arc::new(clock.clone()),
            limiter: Arc::new(MemoryLimiter::new(Arc::new(clock.clone()))),
            nudge: nudge.clone(),
            chains: BTreeMap::from([(ChainId(CHAIN), one.clone()), (ChainId(10), one)]),
            checks: vec![component.clone()],
            metrics: argus_metrics::Figures::default(),
            witness: None,
        };
        let (router, follow) = api(config.clone(), ports.clone()).unwrap();
        let mut background = tokio::task::JoinSet::new();
        background.spawn(follow);
        tokio::task::yield_now().await;
        Self {
            router,
            store,
            bus,
            content,
            archive,
            clock,
            chain,
            runner,
            nudge,
            component,
            egress,
            keys,
            ports,
            config,
            background,
        }
    }

    /// The same world with a faucet.
    pub fn giving(mut self, purse: Arc<dyn Signer>) -> Self {
        self.ports.faucet = Some(purse);
        self.again().1
    }

    /// The same world, behind a process with other settings.
    pub fn configured(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self.again().1
    }

    /// The same world behind another process, or after a restart.
    pub fn again(mut self) -> (Router, Self) {
        let metrics = argus_metrics::Figures::default();
        let (router, _) = api(self.config.clone(), Ports { metrics, ..self.ports.clone() }).unwrap();
        let before = std::mem::replace(&mut self.router, router);
        (before, self)
    }

    /// Has a second process do the same on the same stores.
    pub fn twice(&mut self) {
        let metrics = argus_metrics::Figures::default();
        let (_, follow) = api(self.config.clone(), Ports { metrics, ..self.ports.clone() }).unwrap();
        self.background.spawn(follow);
    }

    /// Sends a request; its answer is held to what is said of it.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let answer = Answer { status, headers, text: String::from_utf8(bytes.to_vec()).unwrap() };
        crate::described::check(&method, &uri, &answer);
        answer
    }

    /// A request with the key of this name; an empty name sends none.
    pub async fn call(&self, key: &str, method: &str, path: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if !key.is_empty() {
            request = request.header("X-API-KEY", &self.keys[key]);
        }
        let answer = self.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        if answer.status.is_success() {
            crate::described::check_taken(method, path, body);
        }
        answer
    }

    pub async fn get(&self, key: &str, path: &str) -> Answer {
        self.call(key, "GET", path, "").await
    }

    pub async fn create(&self, key: &str, jobs: &Value) -> Answer {
        self.call(key, "POST", "/api/jobs", &jobs.to_string()).await
    }

    /// Publishes a script and gives its URL.
    pub async fn script(&self, source: &str) -> String {
        use argus_ports::ContentStore;
        let cid = self.content.put(bytes::Bytes::from(source.to_owned())).await.unwrap();
        format!("https://gateway.example/ipfs/{cid}")
    }
}

/// A job of the user 0x11.. as the npm client sends it: kind 1, every minute for an hour.
pub fn job(id: &str) -> Value {
    serde_json::from_str(&format!(
        r#"{{"job_id":"{id}","user_address":"0x1111111111111111111111111111111111111111",
        "ether_balance":2.000786e+21,"token_balance":2.000786e+21,"job_title":"demo job","task_definition_id":1,
        "custom":true,"time_frame":3600,"recurring":false,"job_cost_prediction":1e-18,"timezone":"Asia/Calcutta",
        "created_chain_id":"{CHAIN}","schedule_type":"interval","time_interval":60,"target_chain_id":"{CHAIN}",
        "target_contract_address":"{TARGET}","target_function":"incrementBy","abi":{abi},"arg_type":1,
        "arguments":["3"],"dynamic_arguments_script_url":"","is_imua":true,"is_safe":false,"safe_name":"",
        "safe_address":"","language":""}}"#,
        abi = Value::String(ABI.to_owned())
    ))
    .unwrap()
}

/// The same with some fields replaced; null removes.
pub fn job_with(id: &str, changes: Value) -> Value {
    let mut job = job(id);
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            job.as_object_mut().unwrap().remove(name);
        } else {
            job[name] = value.clone();
        }
    }
    job
}

/// Opens the next task of a job, as the scheduler does.
pub async fn open_task(world: &World, id: &str) -> argus_domain::task::Task {
    use argus_domain::{ids::Occurrence, ids::TaskId, ids::TaskNumber, task::Task, task::TriggerFact};
    use argus_ports::{Change, ChangeKind, EventBus, JobStore, TaskStore};
    let record = world.store.job(id.parse().unwrap()).await.unwrap().expect("the job is there");
    let mut cursor = record.cursor.clone();
    cursor.revision += 1;
    cursor.opened = TaskNumber(cursor.opened.0 + 1);
    let due = Timestamp(NOW.0 + u64::from(cursor.opened.0) * 60_000);
    let occurrence = Occurrence::Time(due);
    let task = Task {
        id: TaskId::of(record.job.id, &occurrence),
        job: record.job.id,
        job_version: record.job.version,
        serial: record.job.serial,
        number: cursor.opened,
        occurrence,
        due,
        opened_at: due,
        trigger: TriggerFact::Due,
    };
    TaskStore::open(&world.store, vec![Opening::unfenced(task.clone(), cursor)]).await.unwrap();
    let change = Change {
        job: task.job,
        owner: record.job.owner,
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        at: due,
    };
    world.bus.publish(vec![change]).await.unwrap();
    task
}

/// Settles a task as failed, as the dispatcher does.
pub async fn fail_task(world: &World, task: &argus_domain::task::Task) {
    use argus_domain::task::{Fact, Settlement, Verdict};
    use argus_ports::{Change, ChangeKind, EventBus, JobStore, TaskStore};
    let verdict = Verdict::Failed("TypeError: fetch failed".to_owned());
    let settlement = Settlement { task: task.id, at: task.due, verdict };
    world.store.record(vec![Fact::Settled(settlement)]).await.unwrap();
    let owner = world.store.job(task.job).await.unwrap().expect("the job is there").job.owner;
    let change = Change {
        job: task.job,
        owner,
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Settled,
        seq: 0,
        at: task.due,
    };
    world.bus.publish(vec![change]).await.unwrap();
}

pub fn one(job: Value) -> Value {
    json!([job])
}
