//! Values that cross become tasks, once per crossing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::time::Duration;

use argus_domain::{
    job::{Crossing, Cursor, Position, Trigger},
    rule::{Comparison, Rule, SourceKind, ValueSource},
    time::Timestamp,
};
use argus_ports::JobStore;
use common::*;

fn above(limit: &str, url: &str, cooldown_secs: u64) -> Trigger {
    Trigger::Condition(Rule {
        comparison: Comparison::GreaterThan(limit.parse().unwrap()),
        source: ValueSource { kind: SourceKind::Api, url: url.to_owned(), route: None },
        cooldown_secs,
    })
}

impl World {
    async fn show(&self, url: &str, value: &'static str) {
        self.values.values.lock().unwrap().insert(url.to_owned(), value);
        self.pass(Duration::from_millis(2500)).await;
    }
}

#[tokio::test]
async fn crossings_are_edges() {
    let world = World::new();
    let id = world.create(job(1, above("10", "a", 0))).await;
    let running = world.start().await;
    world.show("a", "10.5").await;
    let tasks = world.expect(id, 1).await;
    assert_eq!(tasks[0].task.occurrence, argus_domain::ids::Occurrence::Condition(1));
    world.show("a", "11").await;
    world.expect(id, 1).await;
    world.show("a", "10").await;
    world.expect(id, 1).await;
    world.show("a", "10.00000000000000000001").await;
    world.expect(id, 2).await;
    running.stop().await;
    // A restart is no crossing.
    let running = world.start().await;
    world.show("a", "12").await;
    world.expect(id, 2).await;
    running.stop().await;
}

#[tokio::test]
async fn one_reading_serves_all_jobs_of_a_source() {
    let world = World::new();
    let ids =
        [world.create(job(1, above("10", "a", 0))).await, world.create(job(2, above("20", "a", 0))).await];
    let running = world.start().await;
    world.values.values.lock().unwrap().insert("a".to_owned(), "15");
    world.pass(Duration::from_secs(5)).await;
    world.expect(ids[0], 1).await;
    world.expect(ids[1], 0).await;
    let readings = world.values.readings.lock().unwrap().len();
    assert!((3..=7).contains(&readings), "{readings} readings in five seconds");
    running.stop().await;
}

#[tokio::test]
async fn a_source_that_fails_is_no_value() {
    let world = World::new();
    let id = world.create(job(1, above("10", "down", 0))).await;
    let fine = world.create(job(2, above("10", "up", 0))).await;
    let running = world.start().await;
    world.show("up", "11").await;
    world.expect(fine, 1).await;
    world.expect(id, 0).await;
    assert!(running.handle.metrics().failed_readings.get() > 0);
    running.stop().await;
}

#[tokio::test]
async fn cooldown_and_the_single_run() {
    let world = World::new();
    let cooling = world.create(job(1, above("10", "a", 60))).await;
    let mut once = job(2, above("10", "a", 0));
    once.recurring = false;
    let once = world.create(once).await;
    let running = world.start().await;
    for value in ["11", "9", "11", "9"] {
        world.show("a", value).await;
    }
    world.expect(cooling, 1).await;
    world.expect(once, 1).await;
    world.pass(Duration::from_secs(60)).await;
    world.show("a", "11").await;
    world.expect(cooling, 2).await;
    world.expect(once, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_crossing_that_a_crash_left_unopened_is_opened() {
    let world = World::new();
    let id = world.create(job(1, above("10", "down", 0))).await;
    let record = world.store.job(id).await.unwrap().unwrap();
    let crossing =
        Crossing { ordinal: 1, value: "11".parse().unwrap(), at: Timestamp(START.0 + 5), opened: false };
    let position = Position::Condition { crossings: 1, held: Some(true), last: Some(crossing) };
    let cursor = Cursor { revision: record.cursor.revision + 1, position, ..record.cursor };
    world.store.move_cursor(cursor, None).await.unwrap();
    let running = world.start().await;
    world.pass(Duration::from_secs(1)).await;
    let tasks = world.expect(id, 1).await;
    assert_eq!(tasks[0].task.due, Timestamp(START.0 + 5));
    running.stop().await;
}
