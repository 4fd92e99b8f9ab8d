//! What a seed plays with: keepers and their natures, jobs and what honest keepers make of them.

use std::collections::{BTreeMap, BTreeSet};

use argus_domain::{
    Address, B256, Bytes, U256, Value,
    attempt::Output,
    call::{Call, Signature},
    digest::digest_of,
    event::EventFilter,
    ids::{ChainId, JobId, KeeperId, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Target, Trigger},
    keeper::{KeeperHello, KeeperRecord},
    limits::Limits,
    module::{Cid, EngineId, Language, ModuleRef},
    rule::{Comparison, Rule, SourceKind, ValueSource},
    run::{HostCall, Transcript},
    schedule::Schedule,
    state::State,
    task::Task,
    time::Timestamp,
};

use crate::{plant::Plant, rng::Rng};

/// The one chain.
pub const CHAIN: ChainId = ChainId(1);
/// Where time begins.
pub const START: Timestamp = Timestamp(1_700_000_000_000);
/// Until then there are faults, milliseconds after the start.
pub const QUIET_MS: u64 = 120_000;
/// Until then jobs open tasks.
pub const OPEN_MS: u64 = 170_000;
/// By then every task must have ended.
pub const END_MS: u64 = 1_500_000;
/// Honest live values lie within this of each other.
const NOISE: u64 = 4_000;

/// What a keeper is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    Honest,
    /// Signs what suits it, together with the other liars.
    Liar,
    /// Signs the truth and a lie.
    Equivocator,
    /// Signs, and never acts.
    Mute,
    /// Is registered and says nothing.
    Dead,
}

impl Nature {
    pub fn lies(self) -> bool {
        matches!(self, Self::Liar | Self::Equivocator)
    }

    pub fn acts(self) -> bool {
        matches!(self, Self::Honest | Self::Liar | Self::Equivocator)
    }
}

/// What a job's script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Fixed,
    Live,
    Skip,
    /// Reads a number from its storage, writes the next one, and calls with that.
    Count,
}

/// A seed's cast.
pub struct Scenario {
    pub keepers: BTreeMap<KeeperId, Nature>,
    pub jobs: Vec<(Job, Kind)>,
    pub threshold: u8,
}

pub fn executor() -> Address {
    Address::repeat_byte(0xee)
}

/// What an observation's signature is over. The network of this world alters nothing, so what tells two outputs of
/// one keeper apart suffices.
pub fn fingerprint(root: B256, output: &Output) -> B256 {
    match output {
        Output::Call(call) => root ^ B256::right_padding_from(&call.calldata[4..]),
        Output::Skip(_) | Output::Fail(_) => root,
    }
}

/// A signature that only its maker makes, as far as this world is concerned.
pub fn sign(keeper: KeeperId, digest: B256) -> Signature {
    let mut bytes = [0u8; 65];
    bytes[..32].copy_from_slice(digest.as_slice());
    bytes[32..52].copy_from_slice(keeper.0.as_slice());
    Signature(bytes)
}

pub fn engine() -> EngineId {
    EngineId(B256::repeat_byte(7))
}

pub fn hello(keeper: KeeperId) -> KeeperHello {
    KeeperHello {
        keeper,
        engines: BTreeSet::from([engine()]),
        chains: BTreeSet::from([CHAIN]),
        capacity: 10,
        version: String::new(),
        box_key: None,
    }
}

pub fn row(keeper: KeeperId) -> KeeperRecord {
    KeeperRecord {
        keeper,
        name: String::new(),
        stake: 1,
        chains: BTreeSet::from([CHAIN]),
        faults: 0,
        registered_at: START,
    }
}

impl Scenario {
    /// The cast of a seed. Liars stay below the threshold unless a bug lets them in.
    pub fn new(rng: &mut Rng, plant: Option<Plant>) -> Self {
        let large = plant == Some(Plant::MedianOfLiars) || rng.permille(400);
        let (count, needed) = if large { (7, 3) } else { (5, 2) };
        let mut natures = vec![Nature::Honest; count];
        let mut place = |nature, rng: &mut Rng| {
            let at = rng.below(count as u64) as usize;
            if natures[at] == Nature::Honest {
                natures[at] = nature;
            }
        };
        for _ in 1..needed {
            let nature = if rng.permille(500) { Nature::Liar } else { Nature::Equivocator };
            place(nature, rng);
        }
        for nature in [Nature::Mute, Nature::Dead] {
            if rng.permille(500) {
                place(nature, rng);
            }
        }
        let id = |n: usize| KeeperId(Address::repeat_byte(n as u8 + 1));
        let keepers = natures.into_iter().enumerate().map(|(n, nature)| (id(n), nature)).collect();
        let believed = if plant == Some(Plant::MedianOfLiars) { 2 } else { needed };
        Self { keepers, jobs: jobs(rng, 2 * needed - 1, believed), threshold: needed }
    }
}

fn jobs(rng: &mut Rng, keepers: u8, threshold: u8) -> Vec<(Job, Kind)> {
    let quorum = Mode::Quorum { keepers, threshold };
    let median = || Agreement::Median { tolerance: "0.01".parse().unwrap_or_else(|_| unreachable!()) };
    let every = |secs| Trigger::Time(Schedule::Interval { every_secs: secs });
    let rule = Rule {
        comparison: Comparison::GreaterThan("500".parse().unwrap_or_else(|_| unreachable!())),
        source: ValueSource { kind: SourceKind::Api, url: String::new(), route: None },
        cooldown_secs: 0,
    };
    let filter = EventFilter {
        chain: CHAIN,
        contract: Address::repeat_byte(0xcc),
        signature: "E()".to_owned(),
        topic0: B256::ZERO,
        test: None,
        confirmations: rng.below(2),
    };
    let list = [
        (every(rng.between(10, 18)), Kind::Fixed, quorum, median(), Misfire::RunOnce),
        (every(rng.between(15, 25)), Kind::Live, quorum, median(), Misfire::CatchUp),
        (every(rng.between(25, 40)), Kind::Live, quorum, Agreement::TrustPerformer, Misfire::CatchUp),
        (every(rng.between(50, 60)), Kind::Live, quorum, Agreement::Exact, Misfire::Skip),
        (every(rng.between(30, 40)), Kind::Skip, quorum, median(), Misfire::CatchUp),
        (every(rng.between(25, 40)), Kind::Fixed, Mode::Solo, Agreement::Exact, Misfire::CatchUp),
        (Trigger::Event(filter), Kind::Fixed, quorum, median(), Misfire::RunOnce),
        (Trigger::Condition(rule), Kind::Live, quorum, median(), Misfire::RunOnce),
        (every(rng.between(12, 24)), Kind::Count, quorum, Agreement::Exact, Misfire::CatchUp),
    ];
    let numbered = (1u64..).zip(list);
    numbered
        .map(|(n, (trigger, kind, mode, agreement, misfire))| {
            let policy =
                Policy { mode, agreement, misfire, fee_cap: U256::from(1_000_000u64), gas_limit: 100_000 };
            (job(n, trigger, kind, policy), kind)
        })
        .collect()
}

fn job(n: u64, trigger: Trigger, kind: Kind, policy: Policy) -> Job {
    let args = match kind {
        Kind::Fixed => Args::Fixed(vec![Value::from("42")]),
        Kind::Live | Kind::Skip | Kind::Count => Args::Computed {
            module: ModuleRef { source: Cid("module".to_owned()), language: Language::JavaScript },
            url: String::new(),
            allow_hosts: Vec::new(),
            given: Vec::new(),
            storage: kind == Kind::Count,
            secrets: [].into(),
        },
    };
    Job {
        id: JobId(U256::from(n)),
        version: 1,
        serial: Serial(n as u32),
        owner: Address::repeat_byte(0xaa),
        title: String::new(),
        trigger,
        args,
        action: Action::Call(Target {
            chain: CHAIN,
            contract: Address::repeat_byte(0xcc),
            signature: "f(uint256)".to_owned(),
            function: "f".to_owned(),
            abi: String::new(),
        }),
        policy,
        limits: Limits { wall_ms: 1_000, ..Limits::DEFAULT },
        accepted_at: START,
        expires_at: Timestamp(START.0 + OPEN_MS),
        recurring: true,
        link: None,
        created_chain: CHAIN,
        safe: None,
        remarks: Remarks::default(),
    }
}

/// A new job's cursor.
pub fn cursor(job: &Job) -> Cursor {
    let (next_due, position) = match &job.trigger {
        Trigger::Time(schedule) => (schedule.next_after(job.accepted_at, job.accepted_at), Position::Time),
        Trigger::Event(_) => (None, Position::Event { block: 0 }),
        Trigger::Condition(_) => (None, Position::Condition { crossings: 0, held: None, last: None }),
    };
    Cursor { job: job.id, revision: 1, next_due, opened: TaskNumber(0), position, finished: false }
}

/// What a live source shows at the least for a task.
fn base(task: &Task) -> u64 {
    1_000_000 + u64::from(task.number.0) * 10_000
}

/// A run on a state: its transcript and what it came to.
pub fn run(kind: Kind, task: &Task, state: Option<&State>, rng: &mut Rng) -> (Transcript, Output) {
    let reply = match kind {
        Kind::Fixed => return (Transcript::default(), Output::Call(call("42"))),
        // Even: an odd one is a guess.
        Kind::Live => (base(task) + 2 * rng.below(NOISE / 2 + 1)).to_string(),
        Kind::Skip => String::new(),
        Kind::Count => counted(state).to_string(),
    };
    let transcript = transcript(reply);
    let output = replay(kind, &transcript);
    (transcript, output)
}

/// A liar's run. Fixed arguments are lied about alike by all liars, live ones each by its own number: far off, with a
/// transcript that says so, or at every second task between what honest keepers come to, with another's transcript.
pub fn lie(kind: Kind, task: &Task, keeper: KeeperId) -> (Transcript, Output) {
    let own = u64::from(keeper.0.as_slice()[0]);
    let is_guess = task.number.0.is_multiple_of(2);
    match kind {
        Kind::Fixed => (Transcript::default(), Output::Call(call("666"))),
        Kind::Count => {
            let transcript = transcript("665".to_owned());
            let output = replay(kind, &transcript);
            (transcript, output)
        }
        Kind::Live if is_guess => {
            let transcript = transcript((base(task) + NOISE / 2).to_string());
            let guess = base(task) + NOISE / 2 + 2 * own + 1;
            (transcript, Output::Call(live(&guess.to_string())))
        }
        Kind::Live | Kind::Skip => {
            let transcript = transcript((base(task) + 900_000 + own).to_string());
            let output = replay(Kind::Live, &transcript);
            (transcript, output)
        }
    }
}

fn transcript(reply: String) -> Transcript {
    let call = HostCall {
        sequence: 0,
        import: "http_fetch".to_owned(),
        request_hash: B256::ZERO,
        request: String::new(),
        reply,
        fuel: 1,
        elapsed_ms: 1,
    };
    Transcript { calls: vec![call] }
}

/// What the same script makes of a transcript.
pub fn replay(kind: Kind, transcript: &Transcript) -> Output {
    let reply = transcript.calls.first().map(|c| c.reply.as_str()).unwrap_or_default();
    match kind {
        Kind::Fixed => Output::Call(call("42")),
        Kind::Live => Output::Call(live(reply)),
        Kind::Count => Output::Call(call(&(reply.parse::<u64>().unwrap_or_default() + 1).to_string())),
        Kind::Skip => Output::Skip("not now".to_owned()),
    }
}

fn call(argument: &str) -> Call {
    with_arguments(vec![Value::from(argument)])
}

/// A live value among others that follow from it, in a tuple, a tuple in that, and an array of arrays.
fn live(value: &str) -> Call {
    let half = (value.parse::<u64>().unwrap_or_default() / 2).to_string();
    let (value, half) = (Value::from(value), Value::from(half));
    let of = |parts: [&Value; 2]| Value::from(parts.map(Clone::clone).to_vec());
    let (one, seven) = (Value::from("1"), Value::from("7"));
    let (tuple, array) =
        (of([&value, &of([&half, &seven])]), of([&of([&value, &one]), &of([&seven, &half])]));
    with_arguments(vec![tuple, array, Value::from("0xab")])
}

fn with_arguments(arguments: Vec<Value>) -> Call {
    let mut calldata = vec![1, 2, 3, 4];
    calldata.extend_from_slice(digest_of("args", &arguments).as_slice());
    Call {
        chain: CHAIN,
        target: Address::repeat_byte(0xcc),
        value: U256::ZERO,
        calldata: Bytes::from(calldata),
        arguments,
    }
}

/// The number in a state.
pub fn counted(state: Option<&State>) -> u64 {
    let text = state.and_then(|state| state.get("n")).and_then(|n| std::str::from_utf8(n).ok());
    text.and_then(|n| n.parse().ok()).unwrap_or_default()
}

/// The number that a call makes known.
pub fn made_known(call: &Call) -> Option<u64> {
    call.arguments.first().and_then(Value::as_str).and_then(|n| n.parse().ok())
}

/// The state that goes with a counting script's output: the number that it calls with.
pub fn state_after(output: &Output) -> Option<State> {
    let Output::Call(call) = output else { return None };
    let mut state = State::default();
    state.set("n", made_known(call)?.to_string().into_bytes().into()).ok()?;
    Some(state)
}

/// Whether a task's call fails on the chain: some of those that count do.
pub fn call_fails(kind: Kind, task: TaskId) -> bool {
    kind == Kind::Count && task.0[0].is_multiple_of(4)
}

/// Whether an honest keeper could have come to this call.
pub fn is_honest(kind: Kind, task: &Task, agreed: &Call) -> bool {
    let first = match agreed.arguments.first() {
        Some(Value::Array(tuple)) => tuple.first(),
        argument => argument,
    };
    let value = first.and_then(Value::as_str).and_then(|v| v.parse::<u64>().ok());
    match (kind, value) {
        (Kind::Fixed, Some(value)) => value == 42,
        (Kind::Live, Some(value)) => {
            (base(task)..=base(task) + NOISE).contains(&value)
                && value.is_multiple_of(2)
                && *agreed == live(&value.to_string())
        }
        // That it is the next number, and not only no liar's, is checked when all is over.
        (Kind::Count, Some(value)) => value < 666,
        (Kind::Skip, _) | (Kind::Fixed | Kind::Live | Kind::Count, None) => false,
    }
}
