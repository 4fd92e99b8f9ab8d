//! A chain that can be reorganised, and what else the watchers talk to.

use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, U256, Value,
    attempt::{Attempt, Priority, TraceId},
    call::{Call, Signature},
    chain::{Block, Contracts, Log, LogQuery, Pin, TxReceipt},
    contracts,
    ids::{AttemptNo, ChainId, JobId, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Target, Trigger},
    keccak256,
    lease::{Fence, MemberId, ServiceKind, Session, Shard},
    limits::Limits,
    module::EngineId,
    schedule::Schedule,
    task::{Agreed, AgreedHow, Fact, Settlement, Task, TaskRecord, TriggerFact, Verdict},
    time::Timestamp,
};
use argus_memory::{MemoryBus, MemoryStore};
use argus_oversight::Term;
use argus_ports::{
    ChainError, ChainReader, Change, Dispatch, EventBus, JobStore, LeaseStore, LinkError, OpenOutcome,
    Opening, Room, StoreError, TaskOf, TaskStore, chain::At, store::watch::Receiver,
};
use async_trait::async_trait;

/// The chain of all tests that need but one.
pub const CHAIN: ChainId = ChainId(31_337);
/// Time of the first block, and what the clock shows when a test begins.
pub const START: Timestamp = Timestamp(1_700_000_000_000);
/// Between two blocks.
pub const BLOCK: Duration = Duration::from_secs(12);
pub const ENGINE: EngineId = EngineId(B256::repeat_byte(7));
pub const OWNER: Address = Address::repeat_byte(0x0a);
pub const CONTRACTS: Contracts = Contracts {
    executor: Address::repeat_byte(0xe0),
    keeper_registry: Address::repeat_byte(0xe1),
    job_registry: Address::repeat_byte(0xe2),
    gas_registry: Address::repeat_byte(0xe3),
};

pub fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(n))
}

/// The lease under which whoever watches does so, taken from whoever had it.
pub async fn term(store: &MemoryStore) -> Term {
    let shard = Shard { kind: ServiceKind::Monitor, no: 0 };
    let view = store.look(shard.kind).await.expect("look");
    let token = view.leases.first().map(|lease| lease.token).unwrap_or_default();
    let session = Session { member: MemberId([1; 16]), no: 1 };
    let taken = store.claim(session, vec![Fence { shard, token }]).await;
    assert_eq!(taken, Ok(vec![true]), "taken");
    Term::new(Arc::new(store.clone()), Fence { shard, token: token.next() })
}

/// Lets everything run that can: nothing in these tests waits for anything but the clock and the bus.
pub async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// A transaction, in whatever block it is mined.
#[derive(Clone)]
pub struct Tx {
    pub hash: B256,
    pub success: bool,
    pub logs: Vec<(Address, Vec<B256>, Bytes)>,
}

/// A transaction that does nothing anyone looks for.
pub fn plain(seed: u8) -> Tx {
    Tx { hash: B256::repeat_byte(seed), success: true, logs: Vec::new() }
}

/// What the executor was paid for the calls of these tests.
pub const CHARGED: u64 = 5_000;

/// A transaction by which `by` brought a task to the executor.
pub fn executes(task: TaskId, job: JobId, by: KeeperId) -> Tx {
    executes_for(task, job, by, CHARGED)
}

/// The same at another price.
pub fn executes_for(task: TaskId, job: JobId, by: KeeperId, wei: u64) -> Tx {
    let words = [U256::from(1), U256::from(70_000), U256::from(wei), U256::from(0x80), U256::ZERO];
    let data = words.into_iter().flat_map(|w| w.to_be_bytes::<32>()).collect::<Vec<_>>();
    let topics =
        vec![contracts::TASK_EXECUTED, task.0, B256::from(job.0.to_be_bytes::<32>()), by.0.into_word()];
    Tx {
        hash: keccak256([task.0.as_slice(), b"tx"].concat()),
        success: true,
        logs: vec![(CONTRACTS.executor, topics, data.into())],
    }
}

/// A chain. Clones are one chain.
#[derive(Clone)]
pub struct FakeChain {
    id: ChainId,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    blocks: Vec<(Block, Vec<Tx>)>,
    forks: u64,
    hidden: usize,
    down: bool,
    queries: Vec<LogQuery>,
    keepers: Vec<(KeeperId, u128, bool)>,
    /// Jobs in the registry: whose, and from which block on they are deleted.
    jobs: Vec<(JobId, Address, u64)>,
    list_answer: Option<Bytes>,
    keeper_answer: Option<Bytes>,
}

impl FakeChain {
    /// A chain with its first block, number 0.
    pub fn new(id: ChainId) -> Self {
        let chain = Self { id, state: Arc::default() };
        chain.mine(Vec::new());
        chain
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    /// Mines one block, twelve seconds after the one before.
    pub fn mine(&self, txs: Vec<Tx>) -> Block {
        let mut state = self.state();
        let (number, parent, time) = match state.blocks.last() {
            Some((last, _)) => (last.number + 1, last.hash, last.time + BLOCK),
            None => (0, B256::ZERO, START),
        };
        let hash = keccak256(format!("{}/{number}/{}", self.id, state.forks));
        let block = Block { number, hash, parent, time };
        state.blocks.push((block, txs));
        block
    }

    /// Mines so many empty blocks.
    pub fn grow(&self, count: u32) {
        for _ in 0..count {
            self.mine(Vec::new());
        }
    }

    /// Takes the newest `depth` blocks away; what is mined now has other hashes.
    pub fn drop_newest(&self, depth: usize) {
        let mut state = self.state();
        state.forks += 1;
        let keep = state.blocks.len() - depth;
        state.blocks.truncate(keep);
    }

    /// A node that is so many blocks behind.
    pub fn lag(&self, blocks: usize) {
        self.state().hidden = blocks;
    }

    pub fn down(&self, down: bool) {
        self.state().down = down;
    }

    /// Who is in the registry: keeper, stake, whether it is active.
    pub fn register(&self, keepers: &[(KeeperId, u128, bool)]) {
        self.state().keepers = keepers.to_vec();
    }

    /// A job in the registry, that is deleted from this block on.
    pub fn delete_job(&self, job: JobId, owner: Address, from: u64) {
        self.state().jobs.push((job, owner, from));
    }

    /// The registry answers these bytes to `keepers()` or to `keeper(address)`.
    pub fn answer(&self, list: Option<&[u8]>, keeper: Option<&[u8]>) {
        let mut state = self.state();
        state.list_answer = list.map(Bytes::copy_from_slice);
        state.keeper_answer = keeper.map(Bytes::copy_from_slice);
    }

    /// All that was asked for logs.
    pub fn queries(&self) -> Vec<LogQuery> {
        self.state().queries.clone()
    }

    /// The log of a transaction, as the chain has it now.
    pub fn log_of(&self, tx: B256) -> Log {
        let state = self.state();
        let found = state.blocks.iter().flat_map(|(b, txs)| logs_of(self.id, b, txs));
        found.into_iter().find(|l| l.transaction == tx).expect("it was mined with a log")
    }

    fn seen<T>(&self, look: impl FnOnce(&[(Block, Vec<Tx>)]) -> T) -> Result<T, ChainError> {
        let state = self.state();
        if state.down {
            return Err(ChainError::Unreachable { chain: self.id, reason: "it is down".to_owned() });
        }
        Ok(look(&state.blocks[..state.blocks.len().saturating_sub(state.hidden)]))
    }
}

fn logs_of(chain: ChainId, block: &Block, txs: &[Tx]) -> Vec<Log> {
    let all = txs.iter().flat_map(|tx| (0..).zip(&tx.logs).map(move |(index, log)| (tx, index, log)));
    (0..)
        .zip(all)
        .map(|(index_in_block, (tx, index_in_transaction, (address, topics, data)))| Log {
            chain,
            address: *address,
            topics: topics.clone(),
            data: data.clone(),
            block_number: block.number,
            block_hash: block.hash,
            block_time: block.time,
            transaction: tx.hash,
            index_in_block,
            index_in_transaction,
        })
        .collect()
}

#[async_trait]
impl ChainReader for FakeChain {
    fn chain(&self) -> ChainId {
        self.id
    }

    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        self.seen(|blocks| {
            let mut all = blocks.iter().map(|(b, _)| *b);
            match at {
                At::Head => all.next_back(),
                At::Number(number) => all.find(|b| b.number == number),
                At::Hash(hash) => all.find(|b| b.hash == hash),
            }
        })
    }

    async fn call(
        &self,
        _from: Option<Address>,
        to: Address,
        data: Bytes,
        at: At,
    ) -> Result<Bytes, ChainError> {
        let there = self.block(at).await?.expect("a block that there is");
        assert!(matches!(at, At::Hash(_)), "all answers come from one block");
        let state = self.state();
        let words = |words: Vec<U256>| -> Bytes {
            words.into_iter().flat_map(|w| w.to_be_bytes::<32>()).collect::<Vec<_>>().into()
        };
        if to == CONTRACTS.job_registry {
            let job = state.jobs.iter().find(|(job, ..)| data == contracts::encode_job(*job));
            let (owner, active) =
                job.map_or((Address::ZERO, false), |(_, owner, from)| (*owner, there.number < *from));
            let owner = U256::from_be_slice(owner.as_slice());
            return Ok(words(vec![owner, U256::ZERO, U256::from(1), U256::from(u8::from(active))]));
        }
        assert_eq!(to, CONTRACTS.keeper_registry, "nobody here calls anything else");
        if data == contracts::encode_keepers() {
            let listed = state.keepers.iter().map(|(k, _, _)| U256::from_be_slice(k.0.as_slice()));
            let head = [U256::from(32), U256::from(state.keepers.len())];
            return Ok(state
                .list_answer
                .clone()
                .unwrap_or_else(|| words(head.into_iter().chain(listed).collect())));
        }
        let asked = state.keepers.iter().find(|(k, _, _)| data == contracts::encode_keeper(*k));
        let (stake, active) = asked.map_or((0, false), |(_, stake, active)| (*stake, *active));
        let answer = words(vec![U256::from(stake), U256::from(u8::from(active))]);
        Ok(state.keeper_answer.clone().unwrap_or(answer))
    }

    async fn balance(&self, _account: Address, _at: At) -> Result<U256, ChainError> {
        Err(ChainError::Refused("nobody here asks for a balance".to_owned()))
    }

    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        let found = self.seen(|blocks| {
            let inside = blocks.iter().filter(|(b, _)| (query.from..=query.to).contains(&b.number));
            let mut logs: Vec<Log> = inside.flat_map(|(b, txs)| logs_of(self.id, b, txs)).collect();
            logs.retain(|l| query.addresses.is_empty() || query.addresses.contains(&l.address));
            logs.retain(|l| l.topics.first().is_some_and(|t| query.topic0.contains(t)));
            logs
        });
        self.state().queries.push(query);
        found
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        self.seen(|blocks| {
            blocks.iter().find_map(|(block, txs)| {
                let tx = txs.iter().find(|tx| tx.hash == transaction)?;
                let mut logs = logs_of(self.id, block, txs);
                logs.retain(|l| l.transaction == transaction);
                Some(TxReceipt {
                    transaction,
                    block_number: block.number,
                    block_hash: block.hash,
                    success: tx.success,
                    gas_used: 90_000,
                    gas_price: U256::from(1),
                    logs,
                })
            })
        })
    }

    async fn code(&self, _account: Address) -> Result<Bytes, ChainError> {
        Err(ChainError::Refused("nobody here asks for code".to_owned()))
    }
}

/// A dispatcher that keeps what it is told.
#[derive(Clone, Default)]
pub struct Told(Arc<Mutex<Vec<TaskId>>>);

impl Told {
    pub fn tasks(&self) -> Vec<TaskId> {
        self.0.lock().expect("no test panics while it holds this").clone()
    }
}

#[async_trait]
impl Dispatch for Told {
    async fn submit(&self, _tasks: &[TaskOf]) -> Result<(), LinkError> {
        Err(LinkError::Refused("a watcher opens nothing".to_owned()))
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.0.lock().expect("no test panics while it holds this").extend(tasks.iter().map(|of| of.task));
        Ok(())
    }
}

/// A bus that can be made to fail.
#[derive(Clone, Default)]
pub struct FlakyBus {
    pub bus: MemoryBus,
    pub fails: Arc<AtomicBool>,
}

#[async_trait]
impl EventBus for FlakyBus {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the bus is down".to_owned()));
        }
        self.bus.publish(changes).await
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        self.bus.since(room, after, limit).await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.bus.newest(room).await
    }

    fn subscribe(&self) -> Receiver {
        self.bus.subscribe()
    }
}

pub fn job(id: u64, chain: ChainId, mode: Mode) -> Job {
    Job {
        id: JobId(U256::from(id)),
        version: 1,
        serial: Serial(1),
        owner: OWNER,
        title: "a test".to_owned(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Fixed(vec![Value::from(5)]),
        action: Action::Call(Target {
            chain,
            contract: Address::repeat_byte(0xcc),
            signature: "set(uint256)".to_owned(),
            function: "set".to_owned(),
            abi: String::new(),
        }),
        policy: Policy {
            mode,
            agreement: Agreement::Exact,
            misfire: Misfire::CatchUp,
            fee_cap: U256::from(10).pow(U256::from(16)),
            gas_limit: 200_000,
        },
        limits: Limits::DEFAULT,
        accepted_at: START,
        expires_at: Timestamp::MAX,
        recurring: true,
        link: None,
        created_chain: chain,
        safe: None,
        remarks: Remarks::default(),
    }
}

/// Stores a job and opens its first task.
pub async fn open(store: &MemoryStore, job: &Job, trigger: TriggerFact) -> Task {
    let cursor = |revision| Cursor {
        job: job.id,
        revision,
        next_due: None,
        opened: TaskNumber(u32::try_from(revision).expect("small")),
        position: Position::Time,
        finished: false,
    };
    JobStore::create(store, vec![(job.clone(), cursor(0))]).await.expect("created");
    let stored = store.job(job.id).await.expect("read").expect("there");
    let occurrence = Occurrence::Time(START);
    let task = Task {
        id: TaskId::of(job.id, &occurrence),
        job: job.id,
        job_version: 1,
        serial: stored.job.serial,
        number: TaskNumber(1),
        occurrence,
        due: START,
        opened_at: START,
        trigger,
    };
    let opened =
        TaskStore::open(store, vec![Opening::unfenced(task.clone(), cursor(1))]).await.expect("opened");
    assert_eq!(opened, [OpenOutcome::Opened]);
    task
}

/// The attempt at which a task is agreed, pinned to `pin`.
pub fn attempt(job: &Job, task: &Task, pin: &Block) -> Attempt {
    Attempt {
        task: task.id,
        no: AttemptNo(1),
        keepers: vec![keeper(1), keeper(2), keeper(3)],
        mode: job.policy.mode,
        agreement: job.policy.agreement.clone(),
        pins: [(job.target_chain(), Pin { number: pin.number, hash: pin.hash })].into(),
        engine: ENGINE,
        limits: job.limits,
        begun_at: START,
        deadline: START,
        valid_until: VALID_UNTIL,
        fee_cap: job.policy.fee_cap,
        gas_limit: job.policy.gas_limit,
        trace: TraceId(1),
        priority: Priority::OnTime,
        state: None,
    }
}

/// Until when the chain takes an agreed call: the time of block 10.
pub const VALID_UNTIL: Timestamp = Timestamp(START.0 + 120_000);

pub fn call(job: &Job) -> Call {
    Call {
        chain: job.target_chain(),
        target: Address::repeat_byte(0xcc),
        value: U256::ZERO,
        calldata: Bytes::from_static(b"call"),
        arguments: Vec::new(),
    }
}

/// The facts of an agreement.
pub fn agreement(job: &Job, task: &Task, pin: &Block) -> Vec<Fact> {
    let agreed = Agreed {
        attempt: AttemptNo(1),
        round: Round(1),
        call: call(job),
        how: AgreedHow::Equal,
        signatures: [1, 2].map(|n| (keeper(n), Signature([n; 65]))).into(),
        valid_until: VALID_UNTIL,
        fee_cap: job.policy.fee_cap,
        gas_limit: job.policy.gas_limit,
        performers: vec![keeper(1), keeper(2)],
        transcript_root: None,
        state: None,
    };
    vec![Fact::Attempted(attempt(job, task, pin).into()), settled(task, Verdict::Agreed(agreed.into()))]
}

pub fn settled(task: &Task, verdict: Verdict) -> Fact {
    Fact::Settled(Settlement { task: task.id, at: START, verdict })
}

pub fn announced(task: &Task) -> Fact {
    Fact::Announced { task: task.id, at: START }
}

/// What the store has of a task.
pub async fn record(store: &MemoryStore, task: TaskId) -> TaskRecord {
    store.tasks(&[task]).await.expect("read").pop().expect("there")
}
