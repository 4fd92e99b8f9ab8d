//! Schedulers that share the jobs of one store: each does what is in its own shards, and stops when they are another's.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use argus_domain::{
    decimal::Decimal,
    ids::JobId,
    job::{Cursor, Position, Trigger},
    lease::{Fence, Live, MemberId, SHARDS, ServiceKind, Session, Shard},
    rule::{Comparison, Rule, SourceKind, ValueSource},
    schedule::Schedule,
};
use argus_ports::{CursorOutcome, JobStore, LeaseStore, Nudge};
use common::*;
use tokio::{sync::Semaphore, time::sleep};

const KIND: ServiceKind = ServiceKind::Scheduler;
const STRANGER: Session = Session { member: MemberId([0xee; 16]), no: 1 };

fn every(secs: u64) -> Trigger {
    Trigger::Time(Schedule::Interval { every_secs: secs })
}

/// Another process that takes the shards with these jobs, whoever holds them, as if their holder had been silent.
async fn take(world: &World, jobs: &[JobId]) {
    let ttl = Duration::from_secs(60);
    world.store.join(KIND, Live { session: STRANGER, beats: 0, ttl, shards: SHARDS }).await.unwrap();
    let leases = world.store.look(KIND).await.unwrap().leases;
    let of = |job: &JobId| {
        let shard = Shard::of_job(*job);
        Fence { shard, token: leases.iter().find(|l| l.shard == shard).map(|l| l.token).unwrap_or_default() }
    };
    let mut fences: Vec<Fence> = jobs.iter().map(of).collect();
    fences.dedup();
    assert!(world.store.claim(STRANGER, fences).await.unwrap().into_iter().all(|is_held| is_held));
}

#[tokio::test]
async fn a_scheduler_does_nothing_with_what_another_holds_and_takes_it_up_when_it_is_free() {
    let world = World::new();
    let id = world.create(job(1, every(10))).await;
    take(&world, &[id]).await;
    let (lease, member) = world.member();
    while lease.held().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    let running = world.start_with(lease.clone(), member);
    running.handle.jobs_changed(&[id]).await.unwrap();
    assert_eq!(running.handle.nudges().length, 0, "it is not told of what is not its own");
    world.pass(Duration::from_secs(11)).await;
    world.expect(id, 0).await;
    world.store.end(KIND, STRANGER, None).await.unwrap();
    // The clock of the jobs stands still: what comes now comes of the shard alone.
    world.expect(id, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_late_write_is_refused_and_the_rest_goes_on() {
    let world = World::new();
    let mine = world.create(job(1, every(10))).await;
    let theirs = world.create(job(2, every(10))).await;
    assert_ne!(Shard::of_job(mine), Shard::of_job(theirs));
    let running = world.start().await;
    world.pass(Duration::from_secs(5)).await;
    // Its member has not looked since.
    take(&world, &[theirs]).await;
    world.clock.advance(Duration::from_secs(6));
    world.expect(mine, 1).await;
    world.expect(theirs, 0).await;
    assert_eq!(running.handle.metrics().fenced.get(), 1, "it was tried once");
    running.stop().await;
}

#[tokio::test]
async fn sources_of_jobs_that_are_anothers_are_not_read() {
    let world = World::new();
    let source = |url: &str| ValueSource { url: url.to_owned(), ..source() };
    let jobs = 1..=16u64;
    let url = |n: u64| format!("https://{n}/");
    for n in jobs.clone() {
        let comparison = Comparison::GreaterThan("10".parse::<Decimal>().unwrap());
        let rule = Rule { source: source(&url(n)), comparison, cooldown_secs: 0 };
        world.create(job(n, Trigger::Condition(rule))).await;
    }
    let theirs = JobId(argus_domain::U256::from(2));
    take(&world, &[theirs]).await;
    let (lease, member) = world.member();
    while lease.held().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    // The stranger may take its part of the others.
    let is_own = |n: &u64| lease.fence(Shard::of_job(JobId(argus_domain::U256::from(*n))).no).is_some();
    let own: BTreeSet<String> = jobs.filter(is_own).map(url).collect();
    let running = world.start_with(lease.clone(), member);
    world.pass(Duration::from_secs(3)).await;
    let read: BTreeSet<String> = world.values.readings.lock().unwrap().iter().cloned().collect();
    assert_eq!(read, own);
    assert!(!own.is_empty() && !own.contains(&url(2)), "{own:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_value_that_was_on_its_way_when_a_job_came_in_is_not_believed_of_it() {
    let world = World::new();
    let rule = || Rule {
        source: ValueSource { url: "https://slow/".to_owned(), ..source() },
        comparison: Comparison::GreaterThan("10".parse::<Decimal>().unwrap()),
        cooldown_secs: 0,
    };
    let theirs = world.create(job(2, Trigger::Condition(rule()))).await;
    take(&world, &[theirs]).await;
    let (lease, member) = world.member();
    until(|| !lease.held().is_empty()).await;
    // The stranger may take its part of the shards.
    let is_own = |n: &u64| lease.fence(Shard::of_job(JobId(argus_domain::U256::from(*n))).no).is_some();
    let mine = world.create(job((3..).find(is_own).unwrap(), Trigger::Condition(rule()))).await;
    let gate = Arc::new(Semaphore::new(0));
    *world.values.gate.lock().unwrap() = Some(gate.clone());
    let show = |value| {
        world.values.values.lock().unwrap().insert("https://slow/".to_owned(), value);
    };
    let readings = || world.values.readings.lock().unwrap().len();
    show("5");
    let running = world.start_with(lease.clone(), member);
    until(|| readings() == 1).await;
    // Meanwhile the other one sees it cross, opens the task, and gives the job up.
    show("11");
    let record = world.store.job(theirs).await.unwrap().unwrap();
    let position = Position::Condition { crossings: 1, held: Some(true), last: None };
    let moved = Cursor { revision: record.cursor.revision + 1, position, ..record.cursor };
    assert_eq!(world.store.move_cursor(moved.clone(), None).await.unwrap(), CursorOutcome::Moved);
    world.store.end(KIND, STRANGER, None).await.unwrap();
    until(|| lease.fence(Shard::of_job(theirs).no).is_some()).await;
    sleep(Duration::from_millis(100)).await;
    gate.add_permits(1);
    // The clock of the jobs stands still: it is read again at once, and not in the next round.
    until(|| readings() == 2).await;
    gate.add_permits(10);
    world.expect(mine, 1).await;
    world.expect(theirs, 0).await;
    assert_eq!(world.store.job(theirs).await.unwrap().unwrap().cursor, moved, "it is above all along");
    running.stop().await;
}

async fn until(holds: impl Fn() -> bool) {
    let all = async {
        while !holds() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), all).await.expect("in time");
}

fn source() -> ValueSource {
    ValueSource { kind: SourceKind::Api, url: String::new(), route: None }
}
