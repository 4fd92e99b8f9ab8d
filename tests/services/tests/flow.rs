//! From an open task to a call on chain, and what a liar, a silent performer and a restart change: nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, U256,
    job::Agreement,
    run::RunEnd,
    status::TaskState,
    task::{AgreedHow, Verdict},
};
use argus_ports::ContentStore;
use argus_services_tests::{
    jobs::{job, open, with_script},
    runner::TestRunner,
    world::{World, last_word, now},
};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);

fn minute_ago() -> argus_domain::time::Timestamp {
    argus_domain::time::Timestamp(now().0 - 60_000)
}

fn honest() -> TestRunner {
    TestRunner::printing(json!([5]))
}

fn left(state: &TaskState) -> bool {
    !state.broadcasts.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_agreed_handed_off_and_carried_out_once() {
    let mut world = World::start(&[(1, honest()), (2, honest()), (3, honest())]).await;
    let ids = open(&world.store, &job(1, minute_ago()), 20, now()).await;
    world.submit(&ids).await;
    for id in &ids {
        let state = world.until(*id, WITHIN, "broadcast", left).await;
        let agreed = state.agreed().expect("agreed");
        assert_eq!(agreed.how, AgreedHow::Equal);
        assert!(agreed.signatures.len() >= 2, "{agreed:?}");
        assert_eq!(last_word(&agreed.call.calldata), U256::from(5));
        assert!(state.announced);
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_submission_is_found_by_the_rescan() {
    let mut world = World::start(&[(1, honest()), (2, honest()), (3, honest())]).await;
    let ids = open(&world.store, &job(1, minute_ago()), 1, now()).await;
    world.until(ids[0], WITHIN, "broadcast", left).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_liar_of_three_changes_nothing() {
    let liar = TestRunner::printing(json!([666]));
    let mut world = World::start(&[(1, liar), (2, honest()), (3, honest())]).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let ids = open(&world.store, &with_script(job(1, minute_ago()), source), 5, now()).await;
    world.submit(&ids).await;
    for id in &ids {
        let state = world.until(*id, WITHIN, "broadcast", left).await;
        let agreed = state.agreed().expect("agreed");
        assert_eq!(last_word(&agreed.call.calldata), U256::from(5));
        assert!(agreed.signatures.iter().all(|(k, _)| k.0 != Address::repeat_byte(1)));
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn live_values_that_differ_are_settled_by_the_run_in_the_middle() {
    let printing = |n: u64| TestRunner::printing(json!([n]));
    let mut world = World::start(&[(1, printing(100)), (2, printing(103)), (3, printing(101))]).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let ids = open(&world.store, &with_script(job(1, minute_ago()), source), 3, now()).await;
    world.submit(&ids).await;
    for id in &ids {
        let state = world.until(*id, WITHIN, "broadcast", left).await;
        let agreed = state.agreed().expect("agreed");
        assert_eq!(agreed.how, AgreedHow::Median);
        assert_eq!(last_word(&agreed.call.calldata), U256::from(101));
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_trust_in_the_performer_one_runs_and_the_others_replay() {
    let runs = Arc::new(AtomicU32::new(0));
    let counting = runs.clone();
    let runner =
        TestRunner(Arc::new(move |_| RunEnd::Value(json!([counting.fetch_add(1, Ordering::SeqCst)]))));
    let keepers: Vec<_> = (1..=3).map(|key| (key, runner.clone())).collect();
    let mut world = World::start(&keepers).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let mut job = with_script(job(1, minute_ago()), source);
    job.policy.agreement = Agreement::TrustPerformer;
    let ids = open(&world.store, &job, 1, now()).await;
    let state = world.until(ids[0], WITHIN, "broadcast", left).await;
    assert_eq!(state.agreed().expect("agreed").how, AgreedHow::Performer);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(world.chain.executions(ids[0]).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_script_that_says_not_now_makes_no_call() {
    let skipping = TestRunner(Arc::new(|_| RunEnd::Skipped("not yet".to_owned())));
    let keepers: Vec<_> = (1..=3).map(|key| (key, skipping.clone())).collect();
    let mut world = World::start(&keepers).await;
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let ids = open(&world.store, &with_script(job(1, minute_ago()), source), 1, now()).await;
    let state = world.until(ids[0], WITHIN, "finished", TaskState::is_finished).await;
    assert!(matches!(state.verdict, Some((Verdict::Skipped(reason), _)) if reason == "not yet"));
    assert!(world.chain.executions(ids[0]).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_performer_is_silent_the_next_one_acts() {
    let mut world = World::start(&[(1, honest()), (2, honest()), (3, honest())]).await;
    let ids = open(&world.store, &job(1, minute_ago()), 1, now()).await;
    // Whoever is first is struck dumb as soon as it has been told: its transaction never arrives.
    let agreed = world.until(ids[0], WITHIN, "handed off", |s| s.handoff.is_some()).await;
    let first = agreed.handoff.expect("handed off").keeper;
    if world.chain.executions(ids[0]).is_empty() {
        world.chain.mute(first.0);
        world.stop_keeper(first.0.0[0]);
    }
    let executed = async {
        while world.chain.executions(ids[0]).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(WITHIN, executed).await.expect("somebody acted");
    assert_eq!(world.chain.executions(ids[0]).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_in_the_middle_lose_and_repeat_nothing() {
    let keepers: Vec<_> = (1..=3).map(|key| (key, honest())).collect();
    let mut world = World::start(&keepers).await;
    let ids = open(&world.store, &job(1, minute_ago()), 40, now()).await;
    world.submit(&ids).await;
    for round in 0..6u8 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        match round % 3 {
            0 => world.start_dispatcher(Duration::from_secs(2)).await,
            1 => world.start_aggregator().await,
            _ => world.start_keeper(1 + round / 3, honest()).await,
        }
    }
    for id in &ids {
        world.until(*id, WITHIN, "broadcast", left).await;
        assert_eq!(world.chain.executions(*id).len(), 1, "{id}");
    }
}
