//! What running services leave behind proves itself: signatures, claims and verdict hold by the record alone, and
//! where keepers differ both sides are kept.

use std::time::Duration;

use argus_domain::{
    Address, B256, U256,
    attempt::{log_name, run_input, seal_name},
    bundle::{Account, AssignmentSeal, Bundle, CameTo, Check, Finding, Run, Script, Tools, check},
    call::ExecutorDomain,
    difference::Remedy,
    ids::TaskId,
    job::{Action, Agreement, Args, Job},
    module::Language,
    run::Transcript,
    state::State,
    task::{AgreedHow, Fact, Receipt, Verdict},
    time::Timestamp,
};
use argus_ports::{Archive, ContentStore, Signer};
use argus_services_tests::{
    chain::{CHAIN, EXECUTOR},
    jobs::{job, open, with_script},
    runner::TestRunner,
    world::{PLATFORM, World, keeper, now},
};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);
const SCRIPT: &[u8] = b"script";

/// Keepers 1 to 3, each with what its source shows, and a job with a script.
async fn world(values: [u64; 3]) -> (World, Job) {
    let [a, b, c] = values.map(|n| TestRunner::printing(json!([n])));
    let world = World::start(&[(1, a), (2, b), (3, c)]).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(SCRIPT)).await.expect("put");
    let job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
    (world, job)
}

/// The task's bundle, the taken run first, as far as store and archive have it.
async fn bundle(world: &World, job: &Job, task: TaskId) -> Bundle {
    let record = world.store.tasks(&[task]).await.expect("read").pop().expect("the task");
    let state = record.state();
    let attempt = state.attempts.first().expect("an attempt").clone();
    let before = match attempt.state {
        Some(named) => Some(world.archive.state(named.root).await.expect("archived").into()),
        None => None,
    };
    let mut runs = Vec::new();
    for fact in &record.facts {
        let Fact::Observed(o) = fact else { continue };
        let transcript = world.archive.get(o.transcript_root).await.expect("read").expect("archived");
        let log =
            world.archive.get(log_name(task, o.attempt, o.keeper)).await.expect("read").expect("archived");
        let run = Run {
            by: Some((o.attempt, o.keeper)),
            engine: o.engine,
            input: run_input(job, &record.task, &attempt, before.clone()),
            limits: attempt.limits,
            transcript: serde_json::from_slice::<Transcript>(&transcript).expect("a transcript"),
            root: o.transcript_root,
            fuel: o.fuel,
            log: String::from_utf8_lossy(&log).into_owned(),
            came_to: CameTo::Output(o.output.clone()),
            state: o.state,
        };
        let is_taken = state.agreed().and_then(|a| a.transcript_root) == Some(o.transcript_root);
        runs.insert(if is_taken { 0 } else { runs.len() }, run);
    }
    let sealed = world.archive.get(seal_name(task, attempt.no)).await.expect("read").expect("archived");
    let seals = vec![serde_json::from_slice::<AssignmentSeal>(&sealed).expect("a seal")];
    let script = Script { source: SCRIPT.to_vec().into(), language: Language::JavaScript, wasm_hash: None };
    let domain = Some(ExecutorDomain { chain: CHAIN, executor: EXECUTOR });
    Bundle::new(
        Some(script),
        runs,
        Some(Account { job: job.clone(), record, domain, seals, inclusion: None }),
        Vec::new(),
    )
}

fn checked(bundle: &Bundle) -> Vec<Check> {
    let recover = |digest, signature: &_| PLATFORM.recover(digest, signature);
    check(
        bundle,
        &Tools { recover: &recover, names: &|_, bytes| bytes == SCRIPT, included: &|_| unreachable!() },
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_claims_and_verdict_hold_by_the_record_alone() {
    for (values, how) in [([5, 5, 5], AgreedHow::Equal), ([100, 103, 101], AgreedHow::Median)] {
        let (mut world, job) = world(values).await;
        let task = open(&world.store, &job, 1, now()).await[0];
        let state = world.until(task, WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
        assert_eq!(state.agreed().expect("agreed").how, how);
        let bundle = bundle(&world, &job, task).await;
        for Check { what, finding } in checked(&bundle) {
            // No monitor runs here, so nobody has seen a receipt.
            let holds = matches!(finding, Finding::Holds(_)) || what == "receipt";
            assert!(holds, "{how:?}: {what}: {finding:?}");
        }
        let sealed_by = bundle.task.expect("the task").seals[0].by;
        assert_eq!(sealed_by, Signer::address(&PLATFORM));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_is_proved_from_the_one_before_to_the_one_agreed() {
    let answer = json!({"shouldExecute": true, "targetContract": Address::repeat_byte(0xcc), "calldata": "0x01",
        "storageUpdates": {"last": "5"}});
    let mut world = World::start(&[1, 2, 3].map(|n| (n, TestRunner::printing(answer.clone())))).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(SCRIPT)).await.expect("put");
    let mut job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
    job.action = Action::Script { chain: CHAIN };
    if let Args::Computed { storage, .. } = &mut job.args {
        *storage = true;
    }
    let task = open(&world.store, &job, 1, now()).await[0];
    let state = world.until(task, WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
    let mut after = State::default();
    after.set("last", "5".into()).expect("room");
    assert_eq!(state.agreed().expect("agreed").state, Some(after.root()));
    let bundle = bundle(&world, &job, task).await;
    let failed = |bundle: &Bundle| {
        let checks = checked(bundle).into_iter();
        checks.filter(|c| matches!(c.finding, Finding::Fails(_))).map(|c| c.what).collect::<Vec<_>>()
    };
    assert_eq!(failed(&bundle), Vec::<&str>::new());
    let mut other_before = bundle.clone();
    other_before.runs[0].input.state = Some(after.into());
    assert_eq!(failed(&other_before), ["runs"]);
    let mut other_after = bundle;
    other_after.runs[0].state = Some(State::default().root());
    assert_eq!(failed(&other_after), ["runs"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_lost_is_named_by_the_task_that_needs_it() {
    let answer = json!({"shouldExecute": true, "targetContract": Address::repeat_byte(0xcc), "calldata": "0x01",
        "storageUpdates": {"last": "5"}});
    let mut world = World::start(&[1, 2, 3].map(|n| (n, TestRunner::printing(answer.clone())))).await;
    let mut after = State::default();
    after.set("last", "5".into()).expect("room");
    // The first bytes under a name stay: what is kept after the first task is not what its name says.
    world.archive.put(after.root(), bytes::Bytes::from_static(b"{}")).await.expect("put");
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(SCRIPT)).await.expect("put");
    let mut job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
    job.action = Action::Script { chain: CHAIN };
    if let Args::Computed { storage, .. } = &mut job.args {
        *storage = true;
    }
    let tasks = open(&world.store, &job, 2, now()).await;
    let state = world.until(tasks[0], WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
    let sent = &state.broadcasts[0];
    let receipt = Receipt {
        task: tasks[0],
        sighting: 1,
        chain: CHAIN,
        transaction: sent.transaction,
        block_number: 2,
        block_hash: B256::repeat_byte(2),
        block_time: now(),
        keeper: sent.keeper,
        success: true,
        gas_used: 1,
        charged: U256::ZERO,
    };
    let confirmed = Fact::Confirmed { task: tasks[0], block_hash: receipt.block_hash, at: now() };
    world.store.record(vec![Fact::Received(receipt), confirmed]).await.expect("recorded");
    let state = world.until(tasks[1], 3 * WITHIN, "an end", |s| s.verdict.is_some()).await;
    let Some((Verdict::Exhausted(why), _)) = &state.verdict else { panic!("{:?}", state.verdict) };
    assert!(why.contains(&format!("something else as the state {}", after.root())), "{why}");
    assert!(why.contains("restore the platform's store"), "{why}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keepers_differ_both_sides_and_what_would_help_are_kept() {
    let (mut world, mut job) = world([100, 300, 200]).await;
    job.policy.agreement = Agreement::Exact;
    let task = open(&world.store, &job, 1, now()).await[0];
    let state = world.until(task, WITHIN, "at odds", |s| !s.disagreements.is_empty()).await;
    let report = &state.disagreements[0];
    let first = state.attempts[0].keepers[0];
    assert_eq!(report.one.keeper, first);
    assert_ne!(report.other.as_ref().expect("two runs").keeper, first);
    assert!((1..=3).any(|n| keeper(n) == first));
    let call = report.call.as_ref().expect("their answers differ");
    let reply =
        |side: &Option<argus_domain::difference::MadeCall>| side.as_ref().and_then(|made| made.reply.clone());
    assert_eq!(call.sequence, 0);
    assert_ne!(reply(&call.one), reply(&call.other), "both sides are shown");
    assert_eq!(report.argument.as_ref().map(|a| a.path.as_str()), Some("$[0]"));
    assert_eq!(report.remedies, [Remedy::Median, Remedy::TrustPerformer]);
}
