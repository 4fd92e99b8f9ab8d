//! Logs become tasks, once each, whatever reorganises.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::time::Duration;

use argus_domain::{
    Address, B256, U256,
    chain::Log,
    event::{EventFilter, EventRequest},
    job::{Link, Position, Trigger},
    time::Timestamp,
};
use argus_ports::{JobStore, Nudge};
use common::*;

const CONTRACT: Address = Address::repeat_byte(7);

fn filter(confirmations: u64) -> EventFilter {
    EventFilter::compile(&EventRequest {
        chain: CHAIN,
        contract: CONTRACT,
        event: "Set(uint256 indexed x)",
        abi: "",
        parameter: "",
        value: "",
        confirmations,
    })
    .unwrap()
}

fn log(transaction: u64, position: u32) -> Log {
    Log {
        chain: CHAIN,
        address: CONTRACT,
        topics: vec![filter(0).topic0, B256::from(U256::from(transaction))],
        data: Default::default(),
        block_number: 0,
        block_hash: B256::ZERO,
        block_time: Timestamp(0),
        transaction: B256::from(U256::from(transaction)),
        index_in_block: position,
        index_in_transaction: position,
    }
}

fn numbers(tasks: &[argus_domain::task::TaskRecord]) -> Vec<u32> {
    tasks.iter().map(|t| t.task.number.0).collect()
}

#[tokio::test]
async fn each_log_after_creation_opens_one_task() {
    let mut world = World::new();
    world.config.look_back = 16;
    world.chain.mine(0, vec![log(1, 0)]);
    let id = world.create(job(1, Trigger::Event(filter(0)))).await;
    let other = world.create(job(2, Trigger::Event(filter(0)))).await;
    let running = world.start().await;
    running.handle.jobs_changed(&[id, other]).await.unwrap();
    world.pass(Duration::from_secs(1)).await;
    world.expect(id, 0).await;
    world.chain.mine(0, vec![log(2, 0), log(2, 1)]);
    world.chain.mine(0, vec![]);
    world.pass(Duration::from_secs(1)).await;
    let tasks = world.expect(id, 2).await;
    assert_eq!(numbers(&tasks), [1, 2]);
    assert_eq!(tasks[0].task.due, Timestamp(START.0 + 1000), "the log's block time");
    world.expect(other, 2).await;
    running.stop().await;
    // Another start reads some blocks again and opens nothing twice.
    let running = world.start().await;
    world.chain.mine(0, vec![log(3, 0)]);
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(numbers(&world.expect(id, 3).await), [1, 2, 3]);
    running.stop().await;
}

#[tokio::test]
async fn logs_wait_for_their_confirmations() {
    let world = World::new();
    let id = world.create(job(1, Trigger::Event(filter(2)))).await;
    let running = world.start().await;
    world.chain.mine(0, vec![log(1, 0)]);
    world.chain.mine(0, vec![]);
    world.pass(Duration::from_secs(2)).await;
    world.expect(id, 0).await;
    world.chain.mine(0, vec![]);
    world.pass(Duration::from_secs(1)).await;
    world.expect(id, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_job_that_does_not_recur_finishes_with_its_first() {
    let world = World::new();
    let mut once = job(1, Trigger::Event(filter(0)));
    once.recurring = false;
    let id = world.create(once).await;
    let running = world.start().await;
    world.chain.mine(0, vec![log(1, 0), log(1, 1)]);
    world.chain.mine(0, vec![log(2, 0)]);
    world.pass(Duration::from_secs(2)).await;
    world.expect(id, 1).await;
    assert!(world.store.job(id).await.unwrap().unwrap().cursor.finished);
    running.stop().await;
}

#[tokio::test]
async fn a_reorg_is_followed_and_what_vanished_is_told() {
    let world = World::new();
    let id = world.create(job(1, Trigger::Event(filter(0)))).await;
    let running = world.start().await;
    world.pass(Duration::from_secs(1)).await;
    world.chain.mine(0, vec![]);
    world.pass(Duration::from_secs(1)).await;
    world.chain.mine(0, vec![log(1, 0), log(2, 0)]);
    world.pass(Duration::from_secs(1)).await;
    let tasks = world.expect(id, 2).await;
    world.chain.cut(1);
    // One transaction moves to another block, one is gone, one is new at a height that was seen.
    world.chain.mine(9, vec![log(3, 0)]);
    world.chain.mine(9, vec![log(1, 0)]);
    world.pass(Duration::from_secs(2)).await;
    let after = world.expect(id, 3).await;
    assert_eq!(numbers(&after), [1, 2, 3]);
    assert_eq!(*world.dispatch.touched.lock().unwrap(), [tasks[1].task.id]);
    assert_eq!(running.handle.metrics().reorgs.get(), 1);
    running.stop().await;
}

#[tokio::test]
async fn far_behind_is_read_in_ranges_and_the_cursor_follows() {
    let mut world = World::new();
    world.config.log_range = 10;
    world.config.cursor_every_blocks = 5;
    let id = world.create(job(1, Trigger::Event(filter(0)))).await;
    for n in 1..=100 {
        world.chain.mine(0, if n % 30 == 0 { vec![log(n, 0)] } else { vec![] });
    }
    let running = world.start().await;
    world.pass(Duration::from_secs(2)).await;
    world.expect(id, 3).await;
    let record = world.store.job(id).await.unwrap().unwrap();
    assert_eq!(record.cursor.position, Position::Event { block: 100 });
    assert!(world.chain.queries.lock().unwrap().iter().all(|q| q.to - q.from < 10));
    running.stop().await;
}

#[tokio::test]
async fn a_follower_takes_one_log_for_each_finished_predecessor() {
    let world = World::new();
    let mut tail = job(2, Trigger::Event(filter(0)));
    tail.link = Some(Link { position: 1, previous: Some(job(1, tail.trigger.clone()).id), next: None });
    let first = world.create(job(1, Trigger::Event(filter(0)))).await;
    let second = world.create(tail).await;
    let running = world.start().await;
    world.chain.mine(0, vec![log(1, 0), log(1, 1)]);
    world.pass(Duration::from_secs(1)).await;
    let tasks = world.expect(first, 2).await;
    world.expect(second, 0).await;
    world.settle(&tasks[0]).await;
    world.pass(Duration::from_secs(1)).await;
    world.expect(second, 1).await;
    world.settle(&tasks[1]).await;
    world.pass(Duration::from_secs(1)).await;
    assert_eq!(numbers(&world.expect(second, 2).await), [1, 2]);
    running.stop().await;
}
