//! Instants become tasks: on time, once, and as the misfire policy says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::time::Duration;

use argus_domain::{
    ids::JobId,
    job::{JobChange, Link, Misfire, Trigger},
    lease::SHARDS,
    schedule::Schedule,
    time::Timestamp,
};
use argus_ports::{EventBus, JobStore, Nudge, Room, StoreError};
use common::*;

fn every(secs: u64) -> Trigger {
    Trigger::Time(Schedule::Interval { every_secs: secs })
}

fn due(tasks: &[argus_domain::task::TaskRecord]) -> Vec<u64> {
    tasks.iter().map(|t| (t.task.due.0 - START.0) / 1000).collect()
}

#[tokio::test]
async fn instants_open_tasks_and_never_early() {
    let world = World::new();
    let running = world.start().await;
    let id = world.create(job(1, every(10))).await;
    running.handle.jobs_changed(&[id]).await.unwrap();
    world.pass(Duration::from_millis(9_990)).await;
    world.expect(id, 0).await;
    world.pass(Duration::from_millis(10)).await;
    let tasks = world.expect(id, 1).await;
    assert_eq!(due(&tasks), [10]);
    assert_eq!(*world.dispatch.submitted.lock().unwrap(), [tasks[0].task.id]);
    assert_eq!(world.bus.since(Room::Job(id), 0, 10).await.unwrap().len(), 1);
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(due(&world.expect(id, 3).await), [10, 20, 30]);
    running.stop().await;
}

#[tokio::test]
async fn a_lost_nudge_costs_no_run() {
    let world = World::new();
    let running = world.start().await;
    let id = world.create(job(1, every(5))).await;
    world.pass(Duration::from_secs(6)).await;
    world.expect(id, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn missed_instants_follow_the_policy() {
    for (misfire, expect) in [
        (Misfire::RunOnce, vec![1000]),
        (Misfire::Skip, vec![1000]),
        (Misfire::CatchUp, (1..=100).map(|n| n * 10).collect()),
    ] {
        let world = World::new();
        let mut late = job(1, every(10));
        late.policy.misfire = misfire;
        let id = world.create(late).await;
        world.clock.advance(Duration::from_secs(1004));
        let running = world.start().await;
        assert_eq!(due(&world.expect(id, expect.len()).await), expect, "{misfire:?}");
        running.stop().await;
    }
    // Later than on time: skipped, and the next one comes.
    let world = World::new();
    let mut late = job(1, every(100));
    late.policy.misfire = Misfire::Skip;
    let id = world.create(late).await;
    world.clock.advance(Duration::from_secs(250));
    let running = world.start().await;
    world.expect(id, 0).await;
    world.pass(Duration::from_secs(50)).await;
    assert_eq!(due(&world.expect(id, 1).await), [300]);
    running.stop().await;
}

#[tokio::test]
async fn the_last_instant_is_the_end_itself() {
    let world = World::new();
    let mut short = job(1, every(10));
    short.expires_at = Timestamp(START.0 + 20_000);
    let id = world.create(short).await;
    let running = world.start().await;
    world.pass(Duration::from_secs(10)).await;
    world.expect(id, 1).await;
    world.pass(Duration::from_secs(10)).await;
    assert_eq!(due(&world.expect(id, 2).await), [10, 20]);
    assert!(world.store.job(id).await.unwrap().unwrap().cursor.finished);
    running.stop().await;
}

#[tokio::test]
async fn paused_and_deleted_jobs_open_nothing() {
    let world = World::new();
    let running = world.start().await;
    let id = world.create(job(1, every(10))).await;
    world.change(id, JobChange::Paused(START)).await;
    world.pass(Duration::from_secs(30)).await;
    world.expect(id, 0).await;
    let other = world.create(job(2, every(10))).await;
    world.change(other, JobChange::Deleted(START)).await;
    world.pass(Duration::from_secs(30)).await;
    world.expect(other, 0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_comes_back_loses_nothing() {
    let world = World::new();
    let running = world.start().await;
    let id = world.create(job(1, every(10))).await;
    world.store.refuse_writes(Some(StoreError::Unavailable("down".to_owned())));
    world.pass(Duration::from_secs(12)).await;
    world.expect(id, 0).await;
    world.store.refuse_writes(None);
    world.pass(Duration::from_secs(3)).await;
    assert_eq!(due(&world.expect(id, 1).await), [10]);
    running.stop().await;
}

#[tokio::test]
async fn many_due_at_once_all_run_once_with_two_schedulers() {
    let world = World::new();
    let mut ids = Vec::new();
    for n in 0..1200 {
        ids.push(world.create(job(n + 1, every(10))).await);
    }
    let ((first, one), (second, two)) = (world.member(), world.member());
    while first.held().len() + second.held().len() < usize::from(SHARDS.get())
        || first.held().is_empty()
        || second.held().is_empty()
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (one, two) = (world.start_with(first, one), world.start_with(second, two));
    world.pass(Duration::from_secs(11)).await;
    for id in ids {
        world.expect_now(id, 1).await;
    }
    for running in [&one, &two] {
        let metrics = running.handle.metrics();
        assert!(metrics.opened.get() > 0, "each has its part");
        assert_eq!((metrics.repeated.get(), metrics.stale.get()), (0, 0), "and meets nobody there");
    }
    one.stop().await;
    two.stop().await;
}

#[tokio::test]
async fn linked_jobs_run_in_their_order() {
    let world = World::new();
    let (first, second) = (JobId(argus_domain::U256::from(1)), JobId(argus_domain::U256::from(2)));
    let mut head = job(1, every(20));
    head.link = Some(Link { position: 0, previous: None, next: Some(second) });
    let mut tail = job(2, every(10));
    tail.link = Some(Link { position: 1, previous: Some(first), next: None });
    world.create(head).await;
    world.create(tail).await;
    let running = world.start().await;
    world.pass(Duration::from_secs(11)).await;
    world.expect(second, 0).await;
    world.pass(Duration::from_secs(10)).await;
    let tasks = world.expect(first, 1).await;
    world.expect(second, 0).await;
    world.settle(&tasks[0]).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(due(&world.expect(second, 1).await), [20], "what was missed is one run");
    world.pass(Duration::from_secs(10)).await;
    world.expect(second, 1).await;
    // A predecessor that opens no more holds nobody back.
    world.change(first, JobChange::Deleted(START)).await;
    world.pass(Duration::from_secs(1)).await;
    world.expect(second, 2).await;
    running.stop().await;
}
