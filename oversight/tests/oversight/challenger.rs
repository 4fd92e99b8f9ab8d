//! A sample is replayed, and what disagrees is recorded and counted once.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_domain::{
    B256, Value,
    answer::outcome_of_run,
    attempt::{Observation, Output, run_input},
    call::Signature,
    difference::{CallDifference, MadeCall},
    ids::{AttemptNo, TaskId},
    job::{Args, Job, Mode},
    limits::Limits,
    module::{Admitted, EngineId, Language, ModuleRef, WasmHash},
    run::{FailureKind, HostCall, RunEnd, RunFailure, RunInput, RunReport, Transcript},
    seal::Seal,
    secret::RunSecrets,
    task::{Challenge, Fact, Task, TriggerFact},
};
use argus_memory::{ManualClock, MemoryArchive, MemoryBus, MemoryContent, MemoryStore};
use argus_oversight::challenger::{Config, Ports, check_task, run};
use argus_ports::{
    Archive, Change, ChangeKind, Clock, ContentStore, EventBus, KeeperStore, ModuleRunner, RunnerError,
    TaskStore,
};
use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::fake::{CHAIN, ENGINE, FakeChain, OWNER, START, attempt, job, keeper, open, record, settle};

/// What ports carry bytes in; this crate has no name for it.
type Bytes = <argus_domain::Bytes as std::ops::Deref>::Target;

type Replay = fn() -> Result<RunReport, RunnerError>;

/// A sandbox whose replays come to what the test says.
#[derive(Clone)]
struct Replays {
    says: Replay,
    inputs: Arc<Mutex<Vec<RunInput>>>,
}

impl Replays {
    fn tasks(&self) -> Vec<TaskId> {
        self.inputs.lock().expect("no test panics while it holds this").iter().map(|i| i.task).collect()
    }
}

#[async_trait]
impl ModuleRunner for Replays {
    fn engine(&self) -> EngineId {
        ENGINE
    }

    async fn admit(
        &self,
        _source: Bytes,
        _language: Language,
        _limits: Limits,
    ) -> Result<Admitted, RunnerError> {
        Err(RunnerError::Host("a challenger admits nothing".to_owned()))
    }

    async fn run(
        &self,
        _source: Bytes,
        _language: Language,
        _input: Arc<RunInput>,
        _limits: Limits,
        _secrets: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError> {
        Err(RunnerError::Host("a challenger has no network".to_owned()))
    }

    async fn replay(
        &self,
        source: Bytes,
        _language: Language,
        input: Arc<RunInput>,
        _limits: Limits,
        given: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        assert_eq!((source.as_ref(), given.as_ref()), (SOURCE, &transcript()));
        self.inputs.lock().expect("no test panics while it holds this").push((*input).clone());
        (self.says)()
    }
}

const SOURCE: &[u8] = b"console.log([5])";
const FUEL: u64 = 42;

fn transcript() -> Transcript {
    let call = HostCall {
        sequence: 0,
        import: "http_fetch".to_owned(),
        request_hash: B256::ZERO,
        request: "{}".to_owned(),
        reply: "5".to_owned(),
        fuel: 10,
        elapsed_ms: 1,
    };
    Transcript { calls: vec![call] }
}

fn report(fuel: u64, end: RunEnd) -> RunReport {
    RunReport {
        wasm_hash: WasmHash(B256::ZERO),
        engine: ENGINE,
        end,
        log: String::new(),
        fuel,
        memory_bytes: 65_536,
        host_calls: 1,
        transcript: transcript(),
        state: None,
    }
}

fn prints(value: u64) -> RunEnd {
    RunEnd::Value(Value::from(vec![value]))
}

fn honest() -> Result<RunReport, RunnerError> {
    Ok(report(FUEL, prints(5)))
}

struct World {
    store: MemoryStore,
    archive: MemoryArchive,
    bus: MemoryBus,
    clock: ManualClock,
    runner: Replays,
    ports: Ports,
    source: argus_domain::module::Cid,
}

async fn world(says: Replay) -> World {
    let (store, archive, bus) = (MemoryStore::new(), MemoryArchive::new(), MemoryBus::new());
    let (content, clock) = (MemoryContent::new(), ManualClock::new(START));
    let source = content.put(Bytes::from_static(SOURCE)).await.expect("kept");
    let runner = Replays { says, inputs: Arc::default() };
    let ports = Ports {
        tasks: Arc::new(store.clone()),
        jobs: Arc::new(store.clone()),
        keepers: Arc::new(store.clone()),
        archive: Arc::new(archive.clone()),
        content: Arc::new(content),
        runner: Arc::new(runner.clone()),
        bus: Arc::new(bus.clone()),
        clock: Arc::new(clock.clone()),
    };
    let rows = [1, 2].map(|n| argus_domain::keeper::KeeperRecord {
        keeper: keeper(n),
        name: String::new(),
        stake: 1,
        chains: [].into(),
        faults: 0,
        registered_at: START,
    });
    KeeperStore::put(&store, rows.to_vec()).await.expect("stored");
    World { store, archive, bus, clock, runner, ports, source }
}

impl World {
    fn job(&self, id: u64) -> Job {
        let mut job = job(id, CHAIN, Mode::Quorum { keepers: 3, threshold: 2 });
        job.args = Args::Computed {
            module: ModuleRef { source: self.source.clone(), language: Language::JavaScript },
            url: "ipfs://script".to_owned(),
            allow_hosts: Vec::new(),
            given: Vec::new(),
            storage: false,
            secrets: [].into(),
        };
        let argus_domain::job::Action::Call(target) = &mut job.action else { panic!("a call") };
        target.abi = r#"[{"type":"function","name":"set","stateMutability":"nonpayable","inputs":[{"name":"v","type":"uint256"}],"outputs":[]}]"#.to_owned();
        job
    }

    /// A task of which keeper 1 reported a run, after `change`.
    async fn observed(&self, job: &Job, change: fn(&mut Observation)) -> Task {
        let task = open(&self.store, job, TriggerFact::Due).await;
        let pin = FakeChain::new(CHAIN).mine(Vec::new());
        let attempt = attempt(job, &task, &pin);
        let (module, input) = match &job.args {
            Args::Computed { module, .. } => {
                (module.digest(), run_input(job, &task, &attempt, None).digest(&attempt.limits))
            }
            Args::Fixed(_) => (B256::ZERO, B256::ZERO),
        };
        let output = outcome_of_run(job, prints(5), None, None).expect("conclusive").output;
        let mut observation = Observation {
            task: task.id,
            attempt: AttemptNo(1),
            keeper: keeper(1),
            module,
            engine: ENGINE,
            input,
            transcript_root: transcript().root(),
            fuel: FUEL,
            output,
            state: None,
            seal: Seal::alone(Signature([0; 65])),
        };
        change(&mut observation);
        let facts = vec![Fact::Attempted(attempt.into()), Fact::Observed(observation.into())];
        self.store.record(facts).await.expect("recorded");
        task
    }

    async fn archived(&self, bytes: Vec<u8>) {
        self.archive.put(transcript().root(), bytes.into()).await.expect("kept");
    }

    async fn challenges(&self, task: &Task) -> Vec<Challenge> {
        record(&self.store, task.id).await.state().challenges
    }

    async fn faults(&self, n: u8) -> u32 {
        let all = self.store.all().await.expect("read");
        all.iter().find(|k| k.keeper == keeper(n)).expect("registered").faults
    }

    async fn publish(&self, task: &Task, kind: ChangeKind) {
        let (job, public_id) = (task.job, task.public_id());
        let change = Change { job, owner: OWNER, task: task.id, public_id, kind, seq: 0, at: START };
        self.bus.publish(vec![change]).await.expect("published");
    }
}

fn json(transcript: &Transcript) -> Vec<u8> {
    serde_json::to_vec(transcript).expect("JSON")
}

#[tokio::test]
async fn a_replay_that_disagrees_is_recorded_and_counted_once() {
    fn inconclusive() -> RunEnd {
        RunEnd::Failed(RunFailure { kind: FailureKind::Inconclusive, message: "too slow".to_owned() })
    }
    fn diverged() -> RunnerError {
        let made = MadeCall::asked("http_fetch", "{}", 1);
        RunnerError::Diverged(Box::new(CallDifference { sequence: 0, one: Some(made), other: None }))
    }
    type Change = fn(&mut Observation);
    let as_it_was: Change = |_| ();
    // What the replay comes to, what was signed, and what the finding says; `None`: nothing is recorded.
    let cases: [(&str, Replay, Change, Option<&str>); 12] = [
        ("equal", honest, as_it_was, None),
        ("other fuel", || Ok(report(FUEL + 1, prints(5))), as_it_was, Some("fuel 43")),
        ("other output", || Ok(report(FUEL, prints(6))), as_it_was, Some("the replay gives")),
        ("a skip", || Ok(report(FUEL, RunEnd::Skipped("no".into()))), as_it_was, Some("the replay gives")),
        ("divergence", || Err(diverged()), as_it_was, Some("call 0 differs")),
        ("another module", honest, |o| o.module = B256::ZERO, Some("the module")),
        ("another input", honest, |o| o.input = B256::ZERO, Some("the input")),
        ("a lie about the output", honest, |o| o.output = Output::Skip("x".into()), Some("signed was")),
        ("another engine", || Err(diverged()), |o| o.engine = EngineId(B256::ZERO), None),
        ("no transcript", || Err(diverged()), |o| o.transcript_root = B256::ZERO, None),
        ("inconclusive", || Ok(report(FUEL, inconclusive())), as_it_was, None),
        ("a sandbox that fails", || Err(RunnerError::Busy { what: "run slots", places: 1 }), as_it_was, None),
    ];
    for (what, says, signed, finding) in cases {
        let w = world(says).await;
        w.archived(json(&transcript())).await;
        let task = w.observed(&w.job(1), signed).await;
        for pass in ["first", "again"] {
            check_task(&w.ports, task.id).await;
            let found = w.challenges(&task).await;
            assert_eq!(found.len(), finding.iter().count(), "{what}, {pass}: {found:?}");
            if let (Some(says), Some(challenge)) = (finding, found.first()) {
                assert!(challenge.finding.contains(says), "{what}: {}", challenge.finding);
                assert_eq!((challenge.keeper, challenge.at), (keeper(1), START), "{what}");
            }
            let faults = [w.faults(1).await, w.faults(2).await];
            assert_eq!(faults, [u32::from(finding.is_some()), 0], "{what}, {pass}");
        }
    }
}

#[tokio::test]
async fn what_is_not_the_signed_transcript_tells_nothing() {
    let other = Transcript { calls: Vec::new() };
    for (what, bytes) in [("garbage", b"{".to_vec()), ("another transcript", json(&other))] {
        let w = world(|| Ok(report(0, prints(0)))).await;
        w.archived(bytes).await;
        let task = w.observed(&w.job(1), |_| ()).await;
        check_task(&w.ports, task.id).await;
        assert_eq!((w.challenges(&task).await, w.faults(1).await), (vec![], 0), "{what}");
        assert_eq!(w.runner.tasks(), [], "{what}");
    }
}

#[tokio::test]
async fn a_job_without_a_script_has_nothing_to_replay() {
    let w = world(|| Ok(report(0, prints(0)))).await;
    let task = w.observed(&job(1, CHAIN, Mode::Solo), |_| ()).await;
    check_task(&w.ports, task.id).await;
    assert_eq!((w.challenges(&task).await, w.runner.tasks()), (vec![], vec![]));
}

#[tokio::test]
async fn faults_of_two_tasks_are_two() {
    let w = world(|| Ok(report(FUEL + 1, prints(5)))).await;
    w.archived(json(&transcript())).await;
    for id in [1, 2] {
        let task = w.observed(&w.job(id), |_| ()).await;
        check_task(&w.ports, task.id).await;
    }
    assert_eq!(w.faults(1).await, 2);
}

/// Which of forty settled tasks one challenger replays.
async fn sample(one_in: u64) -> Vec<TaskId> {
    let w = world(honest).await;
    w.archived(json(&transcript())).await;
    let config = Config { one_in, ..Config::default() };
    let mut tasks = JoinSet::new();
    tasks.spawn(run(config.clone(), w.ports.clone()));
    settle().await;
    for id in 1..=40 {
        let task = w.observed(&w.job(id), |_| ()).await;
        w.publish(&task, ChangeKind::Created).await;
        w.publish(&task, ChangeKind::Settled).await;
    }
    for _ in 0..50 {
        w.clock.set(w.clock.now() + config.pause);
        settle().await;
    }
    let mut replayed = w.runner.tasks();
    replayed.sort();
    replayed
}

#[tokio::test]
async fn the_sample_is_chosen_by_the_ids_alone() {
    let all = sample(1).await;
    assert_eq!(all.len(), 40, "one in one is all, once each");
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(sample(0).await, all, "one in none is not a division by zero");
    let some = sample(4).await;
    let fourth = |id: &&TaskId| id.0[31].is_multiple_of(4);
    assert_eq!(some, all.iter().filter(fourth).copied().collect::<Vec<_>>());
    assert!((1..40).contains(&some.len()), "{} of 40", some.len());
}

#[tokio::test]
async fn what_waits_is_bounded_and_a_busy_bus_does_not_put_it_off() {
    let w = world(honest).await;
    w.archived(json(&transcript())).await;
    let config = Config { one_in: 1, waiting_max: 2, pause: Duration::from_millis(50) };
    let mut tasks = JoinSet::new();
    tasks.spawn(run(config.clone(), w.ports.clone()));
    settle().await;
    let mut opened = Vec::new();
    for id in 1..=4 {
        opened.push(w.observed(&w.job(id), |_| ()).await);
    }
    for task in &opened {
        w.publish(task, ChangeKind::Settled).await;
    }
    settle().await;
    assert_eq!(w.runner.tasks(), [], "not before the pause");
    // A change every 20 ms, none of which is to be replayed.
    for id in 100..115 {
        let task = open(&w.store, &w.job(id), TriggerFact::Due).await;
        w.clock.set(w.clock.now() + Duration::from_millis(20));
        w.publish(&task, ChangeKind::Created).await;
        settle().await;
    }
    let mut expected: Vec<_> = opened.iter().take(2).map(|t| t.id).collect();
    expected.sort();
    assert_eq!(w.runner.tasks(), expected, "two had room and were replayed");
}
