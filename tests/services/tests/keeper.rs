//! One keeper and a platform that is the test: what it declines, what it signs, and what it sends after a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, U256,
    answer::outcome_of_run,
    attempt::{
        Assignment, Attempt, Observation, Priority, SecondRound, SignedAssignment, TraceId, run_input,
    },
    call::{Call, ExecutorDomain, Signature},
    chain::Pin,
    ids::{AttemptNo, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{Args, Mode},
    limits::Limits,
    module::{Cid, EngineId, Language},
    run::{RunEnd, Transcript},
    seal::Seal,
    state::{State, StateRef},
    task::{Agreed, AgreedHow, Handoff, Task, TriggerFact},
    time::Timestamp,
};
use argus_memory::{MemoryContent, MemoryJournal, MemorySession, SystemClock, session};
use argus_ports::{
    ChainReader, ChainWriter, ContentStore, FromKeeper, HandoffOrder, KeeperLink, KeeperSession, LinkError,
    ModuleRunner, PerformEvent, SignedHello, Signer, ToKeeper, chain::At,
};
use argus_services_tests::{
    chain::{CHAIN, EXECUTOR, GAS_REGISTRY, TestChain},
    jobs::{job, with_script},
    links::Spoken,
    runner::{ENGINE, TestRunner},
    signer::TestSigner,
    store::{Stores, WitnessedJournal},
    witness::Witness,
    world::{PLATFORM, keeper, now},
};
use async_trait::async_trait;
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

const KEEPER: u8 = 1;
type PlatformEnd = MemorySession<ToKeeper, FromKeeper>;

/// Hands the platform's ends of streams to the test.
struct Link(mpsc::Sender<PlatformEnd>);

#[async_trait]
impl KeeperLink for Link {
    async fn nonce(&self) -> Result<B256, LinkError> {
        Ok(B256::ZERO)
    }

    async fn connect(
        &self,
        _hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (ours, theirs) = session(16, Duration::from_secs(1));
        self.0.send(theirs).await.map_err(|e| LinkError::Gone(e.to_string()))?;
        Ok(Box::new(ours))
    }
}

/// A journal takes so long at most: what does not wait for it is seen to.
const JOURNAL_MS: u64 = 10;

#[derive(Default)]
struct Bench {
    chain: TestChain,
    journal: MemoryJournal,
    content: MemoryContent,
    witness: Witness,
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.witness.assert_unbroken();
        }
    }
}

struct Running {
    witness: Witness,
    stream: PlatformEnd,
    _tasks: JoinSet<()>,
}

impl Bench {
    async fn new() -> Self {
        let bench = Self::default();
        for n in 1..=3 {
            bench.chain.emit(B256::repeat_byte(n), Vec::new());
        }
        bench
    }

    /// Starts the keeper; dropping what is returned ends it as abruptly as its process would.
    async fn start(&self, runner: TestRunner) -> Running {
        let (sender, mut sessions) = mpsc::channel(4);
        let (witness, stores) = (self.witness.clone(), Stores::slow(7, JOURNAL_MS));
        let journal =
            WitnessedJournal::new(Arc::new(self.journal.clone()), witness.clone(), keeper(KEEPER), &stores);
        let writer = Spoken { link: self.chain.clone(), witness: witness.clone(), keeper: keeper(KEEPER) };
        let ports = argus_keeper::Ports {
            clock: Arc::new(SystemClock),
            link: Arc::new(Link(sender)),
            signer: Arc::new(TestSigner(KEEPER)),
            letterbox: None,
            journal: Arc::new(journal),
            content: Arc::new(self.content.clone()),
            runner: Arc::new(runner),
            readers: [(CHAIN, Arc::new(self.chain.clone()) as Arc<dyn ChainReader>)].into(),
            writers: [(CHAIN, Arc::new(writer) as Arc<dyn ChainWriter>)].into(),
        };
        let config = argus_keeper::Config {
            executors: [(CHAIN, EXECUTOR)].into(),
            gas_registries: [(CHAIN, GAS_REGISTRY)].into(),
            limits_max: Limits { fuel_max: Limits::DEFAULT.fuel_max, ..Limits::CEILING },
            check_timeout: Duration::from_millis(300),
            fees: argus_keeper::Fees {
                look: Duration::from_millis(50),
                resend_after: Duration::from_millis(200),
                ..argus_keeper::Fees::default()
            },
            ..argus_keeper::Config::new(PLATFORM.address())
        };
        let (_, future) = argus_keeper::new(config, ports);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { future.await.expect("the keeper") });
        let stream =
            timeout(Duration::from_secs(5), sessions.recv()).await.expect("dialled").expect("a stream");
        // The link lives on: a keeper whose stream ends would dial again.
        tasks.spawn(async move { while sessions.recv().await.is_some() {} });
        Running { witness, stream, _tasks: tasks }
    }

    async fn assignment(&self) -> Assignment {
        let head = self.chain.block(At::Head).await.expect("read").expect("a head");
        let source = self.content.put(bytes::Bytes::from_static(b"script")).await.expect("put");
        let job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
        let due = Timestamp(job.accepted_at.0 + 1000);
        let occurrence = Occurrence::Time(due);
        let task = Task {
            id: TaskId::of(job.id, &occurrence),
            job: job.id,
            job_version: 1,
            serial: Serial(1),
            number: TaskNumber(1),
            occurrence,
            due,
            opened_at: now(),
            trigger: TriggerFact::Due,
        };
        let deadline = now() + Duration::from_secs(10);
        let attempt = Attempt {
            task: task.id,
            no: AttemptNo(1),
            keepers: (1..=3).map(|key| KeeperId(Address::repeat_byte(key))).collect(),
            mode: job.policy.mode,
            agreement: job.policy.agreement.clone(),
            pins: [(CHAIN, Pin { number: head.number, hash: head.hash })].into(),
            engine: ENGINE,
            limits: Limits::effective(&job.limits),
            begun_at: now(),
            deadline,
            valid_until: Timestamp::from_secs(deadline.as_secs() + 60),
            fee_cap: job.policy.fee_cap,
            gas_limit: job.policy.gas_limit,
            trace: TraceId(0),
            priority: Priority::OnTime,
            state: None,
        };
        Assignment { job: job.into(), task: task.into(), attempt: attempt.into() }
    }
}

impl Running {
    async fn ask(&self, message: ToKeeper) -> FromKeeper {
        self.stream.send(message).await.expect("sent");
        let answer = async {
            loop {
                match self.stream.receive().await.expect("the stream is up") {
                    FromKeeper::Heartbeat { .. } => {}
                    answer => {
                        self.witness.says(keeper(KEEPER), &answer);
                        self.witness.assert_unbroken();
                        return answer;
                    }
                }
            }
        };
        timeout(Duration::from_secs(10), answer).await.expect("an answer")
    }

    async fn assign(&self, assignment: Assignment, by: TestSigner) -> FromKeeper {
        let seal = Seal::alone(by.over(assignment.digest(assignment.job.digest())));
        let assignment = SignedAssignment { assignment: assignment.into(), seal, state: None };
        self.ask(ToKeeper::Assign { assignment, secrets: None }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_hold_is_declined_with_its_reason() {
    let bench = Bench::new().await;
    for n in 4..=80 {
        bench.chain.emit(B256::repeat_byte(n), Vec::new());
    }
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    type Change = fn(&mut Assignment);
    let cases: [(&str, Change); 12] = [
        ("task of another job", |a| Arc::make_mut(&mut a.task).job_version = 2),
        ("not its occurrence's", |a| Arc::make_mut(&mut a.task).id = TaskId(B256::ZERO)),
        ("was not chosen", |a| {
            Arc::make_mut(&mut a.attempt).keepers.retain(|k| k.0 != Address::repeat_byte(KEEPER))
        }),
        ("mode", |a| Arc::make_mut(&mut a.attempt).mode = Mode::Solo),
        ("limits", |a| Arc::make_mut(&mut a.attempt).limits.wall_ms += 1),
        ("fee cap", |a| Arc::make_mut(&mut a.attempt).fee_cap += U256::from(1)),
        ("deadline has passed", |a| Arc::make_mut(&mut a.attempt).deadline = now()),
        ("another engine", |a| Arc::make_mut(&mut a.attempt).engine = EngineId(B256::ZERO)),
        ("less fuel", |a| {
            Arc::make_mut(&mut a.job).limits.fuel_max = Limits::CEILING.fuel_max;
            Arc::make_mut(&mut a.attempt).limits = Limits::effective(&a.job.limits);
        }),
        ("block 3 is", |a| {
            Arc::make_mut(&mut a.attempt).pins.insert(CHAIN, Pin { number: 3, hash: B256::ZERO });
        }),
        ("blocks old", |a| {
            let genesis = argus_domain::keccak256(1u64.to_be_bytes());
            Arc::make_mut(&mut a.attempt).pins.insert(CHAIN, Pin { number: 1, hash: genesis });
        }),
        ("could not be fetched", |a| {
            a.job = Arc::new(with_script(
                (*a.job).clone(),
                Cid("bafkreiaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
            ));
        }),
    ];
    for (part, change) in cases {
        let mut assignment = bench.assignment().await;
        change(&mut assignment);
        match keeper.assign(assignment, PLATFORM).await {
            FromKeeper::Declined { reason, transient, .. } => {
                assert!(reason.contains(part), "{reason}, not {part}");
                assert_eq!(transient, part == "could not be fetched", "{reason}");
            }
            other => panic!("{other:?}, not declined for {part}"),
        }
    }
    let forged = keeper.assign(bench.assignment().await, TestSigner(9)).await;
    assert!(matches!(forged, FromKeeper::Declined { reason, .. } if reason.contains("did not sign")));
}

/// The platform hands a job's state out beside what it seals: each keeper compares it with the sealed root.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_not_the_named_one_is_run_on_by_nobody() {
    let bench = Bench::new().await;
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let [mut named, mut other] = [State::default(), State::default()];
    named.set("n", vec![1].into()).expect("room");
    other.set("n", vec![2].into()).expect("room");
    let asked = async |has_storage: bool, root: Option<&State>, beside: Option<&State>| {
        let mut assignment = bench.assignment().await;
        if let Args::Computed { storage, .. } = &mut Arc::make_mut(&mut assignment.job).args {
            *storage = has_storage;
        }
        let state = root.map(|state| StateRef { root: state.root(), version: TaskNumber(0) });
        Arc::make_mut(&mut assignment.attempt).state = state;
        let seal = PLATFORM.over(assignment.digest(assignment.job.digest()));
        let state = beside.map(|state| Arc::new(state.clone()));
        let signed = SignedAssignment { assignment: assignment.into(), seal: Seal::alone(seal), state };
        keeper.ask(ToKeeper::Assign { assignment: signed, secrets: None }).await
    };
    for (has_storage, root, beside, part) in [
        (true, Some(&named), Some(&other), "not the"),
        (true, Some(&named), None, "not the"),
        (true, None, None, "exactly where the job has storage"),
        (false, Some(&named), Some(&named), "exactly where the job has storage"),
        (false, None, Some(&named), "no attempt names"),
    ] {
        match asked(has_storage, root, beside).await {
            FromKeeper::Declined { reason, .. } => assert!(reason.contains(part), "{reason}, not {part}"),
            other => panic!("{other:?}, not declined for {part}"),
        }
    }
    match asked(true, Some(&named), Some(&named)).await {
        FromKeeper::Answer(answer) => {
            assert_eq!(answer.observation.state, Some(named.root()), "nothing was written");
            assert_eq!(answer.state, None);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_keeper_repeats_its_claim_and_signs_no_other() {
    let bench = Bench::new().await;
    let assignment = bench.assignment().await;
    let mut claims = Vec::new();
    for printed in [5, 5, 6] {
        let keeper = bench.start(TestRunner::printing(json!([printed]))).await;
        match keeper.assign(assignment.clone(), PLATFORM).await {
            FromKeeper::Answer(answer) => claims.push(answer.claim.expect("a call")),
            FromKeeper::Declined { reason, .. } => {
                assert!(printed == 6 && reason.contains("another call was signed"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(claims.len(), 2);
    assert_eq!(claims[0], claims[1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_assignment_that_comes_again_is_answered_with_the_same_answer() {
    let bench = Bench::new().await;
    let runs = Arc::new(AtomicU64::new(0));
    let count = runs.clone();
    let moving = TestRunner(Arc::new(move |_| RunEnd::Value(json!([count.fetch_add(1, Ordering::SeqCst)]))));
    let keeper = bench.start(moving).await;
    let assignment = bench.assignment().await;
    let mut digests = Vec::new();
    for _ in 0..2 {
        match keeper.assign(assignment.clone(), PLATFORM).await {
            FromKeeper::Answer(answer) => digests.push(answer.observation.digest()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(digests[0], digests[1]);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "it ran once");
}

/// What a keeper signed, whose script printed `says` after it was told what makes it print `told`.
async fn observed(assignment: &Assignment, key: u8, told: u64, says: u64) -> (Arc<Observation>, Transcript) {
    let Assignment { job, task, attempt } = assignment;
    let input = Arc::new(run_input(job, task, attempt, None));
    let runner = TestRunner::printing(json!([told]));
    let run =
        runner.run(bytes::Bytes::new(), Language::JavaScript, input, attempt.limits, Arc::default()).await;
    let run = run.expect("a run");
    let mut observation = Observation {
        task: task.id,
        attempt: attempt.no,
        keeper: KeeperId(Address::repeat_byte(key)),
        module: B256::ZERO,
        engine: ENGINE,
        input: B256::ZERO,
        transcript_root: run.transcript.root(),
        fuel: run.fuel,
        output: outcome_of_run(job, RunEnd::Value(json!([says])), None, None).expect("an outcome").output,
        state: None,
        seal: Seal::alone(Signature([0; 65])),
    };
    observation.seal = Seal::alone(TestSigner(key).over(observation.digest()));
    (observation.into(), run.transcript)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_does_not_hold_is_refuted_and_only_then_another_one_is_signed() {
    let bench = Bench::new().await;
    let assignment = bench.assignment().await;
    // Keeper 3 signed a value between the others', which nobody told it.
    let said = [(1, 12, 12), (2, 10, 10), (3, 666, 11)];
    let mut all = Vec::new();
    for (key, told, says) in said {
        all.push(observed(&assignment, key, told, says).await);
    }
    let observations: Vec<_> = all.iter().map(|(observation, _)| observation.clone()).collect();
    let seal = Seal::alone(PLATFORM.over(assignment.digest(assignment.job.digest())));
    let second = |chosen: usize, refuted: &[usize]| ToKeeper::Second {
        assignment: SignedAssignment {
            assignment: assignment.clone().into(),
            seal: seal.clone(),
            state: None,
        },
        round: Box::new(SecondRound {
            task: assignment.task.id,
            attempt: assignment.attempt.no,
            observations: observations.clone(),
            chosen: observations[chosen].keeper,
            transcript: all[chosen].1.clone(),
            refuted: refuted.iter().map(|n| observations[*n].keeper).collect(),
        }),
    };
    let keeper = bench.start(TestRunner::printing(json!([12]))).await;
    let declined = |answer: FromKeeper, part: &str| match answer {
        FromKeeper::Declined { reason, .. } => assert!(reason.contains(part), "{reason}, not {part}"),
        other => panic!("{other:?}, not declined for {part}"),
    };
    declined(keeper.ask(second(1, &[2])).await, "did not find so");
    declined(keeper.ask(second(1, &[])).await, "another run is taken");
    match keeper.ask(second(2, &[])).await {
        FromKeeper::Refuted { keeper, found, .. } => {
            assert_eq!(keeper, observations[2].keeper);
            let argument = found.argument.as_ref().expect("two calls");
            let values = (argument.path.as_str(), argument.one.as_deref(), argument.other.as_deref());
            assert_eq!(values, ("$[0]", Some("\"11\""), Some("\"666\"")), "{found:?}");
        }
        other => panic!("{other:?}, not refuted"),
    }
    declined(keeper.ask(second(0, &[2])).await, "another run is taken");
    match keeper.ask(second(1, &[2])).await {
        FromKeeper::Signed(claim) => assert_eq!(claim.round, Round(2)),
        other => panic!("{other:?}, not signed"),
    }
}

fn order(assignment: &Assignment, signers: &[u8]) -> HandoffOrder {
    let Assignment { job, task, attempt } = assignment;
    let mut agreed = Agreed {
        attempt: attempt.no,
        round: Round(1),
        call: Call {
            chain: CHAIN,
            target: Address::repeat_byte(0xcc),
            value: U256::ZERO,
            calldata: Bytes::from_static(&[1; 36]),
            arguments: Vec::new(),
        },
        how: AgreedHow::Equal,
        signatures: Vec::new(),
        valid_until: attempt.valid_until,
        fee_cap: attempt.fee_cap,
        gas_limit: attempt.gas_limit,
        performers: attempt.keepers.clone(),
        transcript_root: None,
        state: None,
    };
    let digest = agreed.claim(job, task.id).digest(&ExecutorDomain { chain: CHAIN, executor: EXECUTOR });
    agreed.signatures = signers
        .iter()
        .map(|key| (KeeperId(Address::repeat_byte(*key)), TestSigner(*key).over(digest)))
        .collect();
    let handoff = Handoff {
        task: task.id,
        number: 1,
        keeper: KeeperId(Address::repeat_byte(KEEPER)),
        patience_until: now() + Duration::from_secs(5),
        at: now(),
        declined: None,
    };
    HandoffOrder { handoff, job: job.clone(), task: task.clone(), agreed: agreed.into() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_without_a_quorum_is_refused_and_a_good_one_carried_out_once() {
    let bench = Bench::new().await;
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let assignment = bench.assignment().await;
    let good = order(&assignment, &[2, 3]);
    let mut altered = good.clone();
    Arc::make_mut(&mut altered.agreed).call.calldata = Bytes::from_static(&[2; 36]);
    let mut others = good.clone();
    others.handoff.keeper = KeeperId(Address::repeat_byte(2));
    for (part, order) in [
        ("1 valid signatures", order(&assignment, &[2])),
        ("ascending", order(&assignment, &[2, 2])),
        ("ascending", order(&assignment, &[3, 2])),
        ("0 valid signatures", altered),
        ("another keeper", others),
    ] {
        match keeper.ask(ToKeeper::Perform(Box::new(order))).await {
            FromKeeper::Performed(PerformEvent::Declined { reason, .. }) => {
                assert!(reason.contains(part), "{reason}, not {part}");
            }
            other => panic!("{other:?}, not declined for {part}"),
        }
    }
    let mut transactions = Vec::new();
    for _ in 0..2 {
        match keeper.ask(ToKeeper::Perform(Box::new(good.clone()))).await {
            FromKeeper::Performed(PerformEvent::Broadcast { transaction, .. }) => {
                transactions.push(transaction)
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(transactions[0], transactions[1]);
    assert_eq!(bench.chain.executions(assignment.task.id), [Address::repeat_byte(KEEPER)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_deleted_on_the_chain_is_a_reason_of_its_own() {
    let bench = Bench::new().await;
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let assignment = bench.assignment().await;
    bench.chain.delete_jobs();
    match keeper.ask(ToKeeper::Perform(Box::new(order(&assignment, &[2, 3])))).await {
        FromKeeper::Performed(PerformEvent::Declined { reason, .. }) => {
            assert_eq!(
                reason,
                format!(
                    "the job was deleted in the registry of chain {CHAIN}, so the executor refuses its calls"
                )
            );
        }
        other => panic!("{other:?}, not declined"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_owner_cannot_pay_for_is_neither_signed_nor_brought_to_the_chain() {
    // The call is likely to use 192,000 gas at 1,010 wei.
    let (little, enough) = (190_000_000, 200_000_000);
    let says_how = |reason: &str, has: u64| {
        for part in
            [format!("is {has} wei"), "needs about 19".to_owned(), format!("depositETH at {GAS_REGISTRY}")]
        {
            assert!(reason.contains(&part), "{reason}, without {part}");
        }
    };
    for deposit in [0, little] {
        let bench = Bench::new().await;
        bench.chain.set_deposits(deposit);
        let keeper = bench.start(TestRunner::printing(json!([5]))).await;
        match keeper.assign(bench.assignment().await, PLATFORM).await {
            FromKeeper::Declined { reason, .. } => says_how(&reason, deposit),
            other => panic!("{other:?}, not declined with {deposit} wei"),
        }
    }
    let bench = Bench::new().await;
    bench.chain.set_deposits(enough);
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let assignment = bench.assignment().await;
    let answer = keeper.assign(assignment.clone(), PLATFORM).await;
    assert!(matches!(answer, FromKeeper::Answer(_)), "{answer:?}");
    // The money goes between the agreement and the call.
    let order = order(&assignment, &[2, 3]);
    bench.chain.set_deposits(little);
    match keeper.ask(ToKeeper::Perform(Box::new(order.clone()))).await {
        FromKeeper::Performed(PerformEvent::Declined { reason, .. }) => says_how(&reason, little),
        other => panic!("{other:?}, not declined"),
    }
    bench.chain.set_deposits(enough);
    let sent = keeper.ask(ToKeeper::Perform(Box::new(order))).await;
    assert!(matches!(sent, FromKeeper::Performed(PerformEvent::Broadcast { .. })), "{sent:?}");
    // No more per gas than the deposit pays back.
    assert!((1_010..1_060).contains(&bench.chain.offered()), "{}", bench.chain.offered());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_its_job_does_not_let_it_cost_is_neither_signed_nor_brought_to_the_chain() {
    let says_how = |reason: &str, cap: u64| {
        for part in [format!("fee_cap is {cap} wei"), "needs about 19".to_owned()] {
            assert!(reason.contains(&part), "{reason}, without {part}");
        }
    };
    let capped = |mut assignment: Assignment, cap: u64| {
        Arc::make_mut(&mut assignment.job).policy.fee_cap = U256::from(cap);
        Arc::make_mut(&mut assignment.attempt).fee_cap = U256::from(cap);
        assignment
    };
    let (little, enough) = (190_000_000, 200_000_000);
    for cap in [1, little] {
        let bench = Bench::new().await;
        let keeper = bench.start(TestRunner::printing(json!([5]))).await;
        let assignment = capped(bench.assignment().await, cap);
        match keeper.assign(assignment.clone(), PLATFORM).await {
            FromKeeper::Declined { reason, .. } => says_how(&reason, cap),
            other => panic!("{other:?}, not declined with a cap of {cap} wei"),
        }
        match keeper.ask(ToKeeper::Perform(Box::new(order(&assignment, &[2, 3])))).await {
            FromKeeper::Performed(PerformEvent::Declined { reason, .. }) => says_how(&reason, cap),
            other => panic!("{other:?}, not declined"),
        }
    }
    let bench = Bench::new().await;
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let assignment = capped(bench.assignment().await, enough);
    let answer = keeper.assign(assignment.clone(), PLATFORM).await;
    assert!(matches!(answer, FromKeeper::Answer(_)), "{answer:?}");
    let sent = keeper.ask(ToKeeper::Perform(Box::new(order(&assignment, &[2, 3])))).await;
    assert!(matches!(sent, FromKeeper::Performed(PerformEvent::Broadcast { .. })), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_the_same_bytes_are_sent_again() {
    let bench = Bench::new().await;
    let assignment = bench.assignment().await;
    let account = Address::repeat_byte(KEEPER);
    bench.chain.mute(account);
    let keeper = bench.start(TestRunner::printing(json!([5]))).await;
    let told = keeper.ask(ToKeeper::Perform(Box::new(order(&assignment, &[2, 3])))).await;
    let FromKeeper::Performed(PerformEvent::Broadcast { transaction, .. }) = told else { panic!("{told:?}") };
    drop(keeper);
    bench.chain.unmute(account);
    let _again = bench.start(TestRunner::printing(json!([5]))).await;
    let mined = async {
        while bench.chain.receipt(transaction).await.expect("read").is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), mined).await.expect("the same transaction is mined");
    assert_eq!(bench.chain.executions(assignment.task.id), [account]);
}
