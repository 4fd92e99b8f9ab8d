//! A scheduler on stores in memory, with a clock turned by hand, a chain and values that the test decides.
#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, Log, LogQuery, TxReceipt},
    decimal::Decimal,
    ids::{ChainId, JobId, Serial, TaskId, TaskNumber},
    job::*,
    lease::{MemberId, SHARDS, ServiceKind},
    limits::Limits,
    rule::ValueSource,
    task::{Fact, Settlement, TaskRecord, Verdict},
    time::Timestamp,
};
use argus_machine::lease;
use argus_memory::{ManualClock, MemoryBus, MemoryStore};
use argus_ports::{
    ChainError, ChainReader, Dispatch, EgressError, JobStore, LinkError, TaskOf, TaskQuery, TaskStore,
    ValueError, ValueReader, chain::At,
};
use argus_scheduler::{Config, Handle, Ports, scheduler};
use async_trait::async_trait;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub const CHAIN: ChainId = ChainId(31337);
pub const START: Timestamp = Timestamp(1_750_000_000_000);

#[derive(Default)]
pub struct FakeChain {
    pub blocks: Mutex<Vec<(Block, Vec<Log>)>>,
    pub queries: Mutex<Vec<LogQuery>>,
}

impl FakeChain {
    /// Mines a block; `fork` makes its hash differ.
    pub fn mine(&self, fork: u8, logs: Vec<Log>) -> u64 {
        let mut blocks = self.blocks.lock().unwrap();
        let number = blocks.len() as u64;
        let mut hash = B256::from(U256::from(number + 1));
        hash[0] = fork;
        // The second block, which tests mine before they create a job, is as old as the job.
        let time = Timestamp(START.0 + number.saturating_sub(1) * 1000);
        let logs = logs
            .into_iter()
            .map(|log| Log { block_number: number, block_hash: hash, block_time: time, ..log })
            .collect();
        blocks.push((Block { number, hash, parent: B256::ZERO, time }, logs));
        number
    }

    pub fn cut(&self, height: u64) {
        self.blocks.lock().unwrap().truncate(height as usize + 1);
    }
}

#[async_trait]
impl ChainReader for FakeChain {
    fn chain(&self) -> ChainId {
        CHAIN
    }
    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        let blocks = self.blocks.lock().unwrap();
        Ok(match at {
            At::Head => blocks.last().map(|b| b.0),
            At::Number(n) => blocks.get(n as usize).map(|b| b.0),
            At::Hash(hash) => blocks.iter().map(|b| b.0).find(|b| b.hash == hash),
        })
    }
    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        self.queries.lock().unwrap().push(query.clone());
        let blocks = self.blocks.lock().unwrap();
        Ok(blocks
            .iter()
            .filter(|(b, _)| (query.from..=query.to).contains(&b.number))
            .flat_map(|(_, logs)| logs.clone())
            .filter(|l| query.addresses.contains(&l.address) && query.topic0.contains(&l.topics[0]))
            .collect())
    }
    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        let blocks = self.blocks.lock().unwrap();
        let found = blocks.iter().flat_map(|(_, logs)| logs).find(|l| l.transaction == transaction);
        Ok(found.map(|log| TxReceipt {
            transaction,
            block_number: log.block_number,
            block_hash: log.block_hash,
            success: true,
            gas_used: 0,
            gas_price: U256::ZERO,
            logs: vec![],
        }))
    }
    async fn call(&self, _: Option<Address>, _: Address, _: Bytes, _: At) -> Result<Bytes, ChainError> {
        unreachable!()
    }
    async fn balance(&self, _: Address, _: At) -> Result<U256, ChainError> {
        unreachable!()
    }
    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        unreachable!()
    }
}

#[derive(Default)]
pub struct FakeValues {
    pub values: Mutex<BTreeMap<String, &'static str>>,
    pub readings: Mutex<Vec<String>>,
    /// Where there is one, an answer takes a permit of it: until then it is on its way.
    pub gate: Mutex<Option<Arc<Semaphore>>>,
}

#[async_trait]
impl ValueReader for FakeValues {
    async fn read(&self, source: &ValueSource) -> Result<Decimal, ValueError> {
        self.readings.lock().unwrap().push(source.url.clone());
        let value = self.values.lock().unwrap().get(&source.url).copied();
        let gate = self.gate.lock().unwrap().clone();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        match value {
            Some(value) => Ok(value.parse().unwrap()),
            None => Err(ValueError::Fetch(EgressError::Transport("down".to_owned()))),
        }
    }
}

#[derive(Default)]
pub struct FakeDispatch {
    pub submitted: Mutex<Vec<TaskId>>,
    pub touched: Mutex<Vec<TaskId>>,
}

#[async_trait]
impl Dispatch for FakeDispatch {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.submitted.lock().unwrap().extend(tasks.iter().map(|of| of.task));
        Ok(())
    }
    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.touched.lock().unwrap().extend(tasks.iter().map(|of| of.task));
        Ok(())
    }
}

pub struct World {
    pub clock: ManualClock,
    pub store: MemoryStore,
    pub bus: Arc<MemoryBus>,
    pub chain: Arc<FakeChain>,
    pub values: Arc<FakeValues>,
    pub dispatch: Arc<FakeDispatch>,
    pub config: Config,
}

impl World {
    /// What an owner does to a job of theirs.
    pub async fn change(&self, id: JobId, change: JobChange) {
        let record = JobStore::job(&self.store, id).await.unwrap().unwrap();
        self.store.change(id, record.job.serial, change).await.unwrap().unwrap();
    }

    pub fn new() -> Self {
        let chain = FakeChain::default();
        chain.mine(0, vec![]);
        Self {
            clock: ManualClock::new(START),
            store: MemoryStore::new(),
            bus: Arc::new(MemoryBus::new()),
            chain: Arc::new(chain),
            values: Arc::default(),
            dispatch: Arc::default(),
            config: Config { retry: Duration::from_millis(10), ..Config::dev() },
        }
    }

    /// The only scheduler: with all shards.
    pub async fn start(&self) -> Running {
        let (lease, lives) = self.member();
        while lease.held().len() < usize::from(SHARDS.get()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.start_with(lease, lives)
    }

    /// A member of its own, with what keeps it alive.
    pub fn member(&self) -> (argus_lease::Handle, Member) {
        static MEMBERS: AtomicU8 = AtomicU8::new(1);
        let id = MemberId([MEMBERS.fetch_add(1, Ordering::Relaxed); 16]);
        let (store, stop) = (Arc::new(self.store.clone()), CancellationToken::new());
        let config = lease::Config { batch: 64, pause: Duration::from_millis(1), ..lease::Config::default() };
        let (handle, life) = argus_lease::member(config, ServiceKind::Scheduler, id, store, stop.clone());
        let mut set = tokio::task::JoinSet::new();
        set.spawn(life);
        (handle, Member { stop, set })
    }

    /// One with the shards of a member.
    pub fn start_with(&self, lease: argus_lease::Handle, member: Member) -> Running {
        let ports = Ports {
            clock: Arc::new(self.clock.clone()),
            jobs: Arc::new(self.store.clone()),
            tasks: Arc::new(self.store.clone()),
            decisions: Arc::new(self.store.clone()),
            bus: self.bus.clone(),
            dispatch: self.dispatch.clone(),
            chains: BTreeMap::from([(CHAIN, self.chain.clone() as Arc<dyn ChainReader>)]),
            values: self.values.clone(),
            lease,
        };
        let stop = CancellationToken::new();
        let (handle, life) = scheduler(self.config, ports, stop.clone());
        let mut set = tokio::task::JoinSet::new();
        set.spawn(life);
        Running { handle, stop, set, member }
    }

    pub async fn create(&self, job: Job) -> JobId {
        let id = job.id;
        let (next_due, position) = match &job.trigger {
            Trigger::Time(schedule) => {
                (schedule.next_after(job.accepted_at, job.accepted_at), Position::Time)
            }
            Trigger::Event(_) => {
                let block = self.chain.blocks.lock().unwrap().len() as u64 - 1;
                (Some(job.accepted_at), Position::Event { block })
            }
            Trigger::Condition(_) => {
                (Some(job.accepted_at), Position::Condition { crossings: 0, held: None, last: None })
            }
        };
        let cursor =
            Cursor { job: id, revision: 0, next_due, opened: TaskNumber(0), position, finished: false };
        self.store.create(vec![(job, cursor)]).await.unwrap();
        id
    }

    pub async fn tasks(&self, job: JobId) -> Vec<TaskRecord> {
        let mut tasks = TaskStore::list(&self.store, TaskQuery::Job(job), None, 1000).await.unwrap();
        tasks.reverse();
        tasks
    }

    /// Waits in real time until the job has so many tasks, then a little longer to see that no more come.
    pub async fn expect(&self, job: JobId, count: usize) -> Vec<TaskRecord> {
        for _ in 0..300 {
            if self.tasks(job).await.len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
        let tasks = self.tasks(job).await;
        assert_eq!(tasks.len(), count, "{:?}", tasks.iter().map(|t| t.task.due).collect::<Vec<_>>());
        tasks
    }

    /// Without the waiting: for many jobs after one wait.
    pub async fn expect_now(&self, job: JobId, count: usize) {
        for _ in 0..300 {
            if self.tasks(job).await.len() == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("{} tasks", self.tasks(job).await.len());
    }

    /// Turns the clock in small steps, so that every loop gets its turns.
    pub async fn pass(&self, time: Duration) {
        let steps = 10;
        for _ in 0..steps {
            self.clock.advance(time / steps);
            tokio::time::sleep(Duration::from_millis(8)).await;
        }
    }

    pub async fn settle(&self, task: &TaskRecord) {
        let fact = Fact::Settled(Settlement {
            task: task.task.id,
            at: START,
            verdict: Verdict::Skipped("done".to_owned()),
        });
        let announced = Fact::Announced { task: task.task.id, at: START };
        self.store.record(vec![fact, announced]).await.unwrap();
    }
}

pub struct Member {
    stop: CancellationToken,
    set: tokio::task::JoinSet<()>,
}

impl Member {
    /// Gives its shards up; whoever drops it instead has it die.
    pub async fn leave(mut self) {
        self.stop.cancel();
        while self.set.join_next().await.is_some() {}
    }
}

pub struct Running {
    pub handle: Handle,
    stop: CancellationToken,
    set: tokio::task::JoinSet<()>,
    member: Member,
}

impl Running {
    pub async fn stop(mut self) {
        self.stop.cancel();
        let joined = tokio::time::timeout(Duration::from_secs(2), self.set.join_next()).await;
        assert!(matches!(joined, Ok(Some(Ok(())))), "it ends when told");
        self.member.leave().await;
    }
}

pub fn job(id: u64, trigger: Trigger) -> Job {
    Job {
        id: JobId(U256::from(id)),
        version: 1,
        serial: Serial(0),
        owner: Address::ZERO,
        title: "a job".to_owned(),
        trigger,
        args: Args::Fixed(vec![]),
        action: Action::Script { chain: CHAIN },
        policy: Policy {
            mode: Mode::Solo,
            agreement: Agreement::Exact,
            misfire: Misfire::RunOnce,
            fee_cap: U256::ZERO,
            gas_limit: 0,
        },
        limits: Limits::DEFAULT,
        accepted_at: START,
        expires_at: Timestamp(START.0 + 3_600_000),
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}
