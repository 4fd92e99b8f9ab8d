//! What is kept of looks at a trigger that opened no task.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod common;

use std::time::Duration;

use argus_domain::{
    B256, Bytes,
    chain::Log,
    decision::{Decision, Outcome},
    event::{EventFilter, EventRequest},
    ids::{JobId, TaskNumber},
    job::{JobChange, Link, Misfire, Trigger},
    rule::{Comparison, Rule, SourceKind, ValueSource},
    schedule::Schedule,
    time::Timestamp,
};
use argus_ports::{DecisionStore, Nudge, StoreError};
use common::*;

fn above(limit: &str, url: &str, cooldown_secs: u64) -> Trigger {
    Trigger::Condition(Rule {
        comparison: Comparison::GreaterThan(limit.parse().unwrap()),
        source: ValueSource { kind: SourceKind::Api, url: url.to_owned(), route: None },
        cooldown_secs,
    })
}

fn every(secs: u64) -> Trigger {
    Trigger::Time(Schedule::Interval { every_secs: secs })
}

impl World {
    /// The rows of a job once `is_there` finds what it looks for.
    async fn rows(&self, job: JobId, is_there: impl Fn(&[Decision]) -> bool) -> Vec<Decision> {
        let mut rows = Vec::new();
        for _ in 0..100 {
            rows = DecisionStore::of_job(&self.store, job, 100).await.unwrap();
            if is_there(&rows) {
                return rows;
            }
            self.pass(Duration::from_secs(1)).await;
        }
        panic!("{rows:#?}");
    }

    async fn show(&self, url: &str, value: &'static str) {
        self.values.values.lock().unwrap().insert(url.to_owned(), value);
        self.pass(Duration::from_millis(2500)).await;
    }
}

/// Task, a word for the outcome, and the value, where one was compared.
fn told(row: &Decision) -> (u32, &'static str, String) {
    let (word, value) = match &row.outcome {
        Outcome::Unfulfilled(c) => ("unfulfilled", c.value.to_string()),
        Outcome::StillFulfilled(c) => ("still", c.value.to_string()),
        Outcome::Cooling { compared, .. } => ("cooling", compared.value.to_string()),
        Outcome::Unread { .. } => ("unread", String::new()),
        Outcome::Held { .. } => ("held", String::new()),
        Outcome::PassedOver { .. } => ("passed over", String::new()),
        Outcome::Paused { .. } => ("paused", String::new()),
        Outcome::Expired => ("expired", String::new()),
        Outcome::Unmatched(log) => ("unmatched", log.found.clone()),
    };
    (row.task.0, word, value)
}

#[tokio::test]
async fn values_that_do_not_cross_are_kept_with_the_last_of_them() {
    let world = World::new();
    let id = world.create(job(1, above("10", "a", 60))).await;
    let running = world.start().await;
    for value in ["9", "9.5", "11", "12", "8", "13"] {
        world.show("a", value).await;
    }
    let rows = world.rows(id, |rows| rows.iter().any(|row| told(row).1 == "cooling")).await;
    world.expect(id, 1).await;
    let mut all: Vec<_> = rows.iter().map(told).collect();
    all.sort();
    // Before the test showed the first value there was none, if the scheduler was quick.
    all.retain(|row| row.1 != "unread");
    let expected =
        [(1, "unfulfilled", "9.5"), (2, "cooling", "13"), (2, "still", "13"), (2, "unfulfilled", "8")];
    assert_eq!(all, expected.map(|(task, word, value)| (task, word, value.to_owned())));
    let first = rows.iter().find(|row| told(row).0 == 1 && told(row).1 == "unfulfilled").unwrap();
    assert!(first.count >= 3 && first.first_at < first.last_at, "one row for all of them: {first:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_source_that_gives_no_value_is_named_with_its_error() {
    let world = World::new();
    let id = world.create(job(1, above("10", "down", 0))).await;
    let running = world.start().await;
    let rows = world.rows(id, |rows| rows.first().is_some_and(|row| row.count > 1)).await;
    assert!(
        matches!(&rows[..], [Decision { outcome: Outcome::Unread { reason }, .. }] if reason.contains("down"))
    );
    running.stop().await;
}

#[tokio::test]
async fn instants_that_have_no_run_are_kept_with_the_policy() {
    let world = World::new();
    for (id, misfire) in [(1, Misfire::RunOnce), (2, Misfire::Skip), (3, Misfire::CatchUp)] {
        let mut late = job(id, every(60));
        late.policy.misfire = misfire;
        world.create(late).await;
    }
    let on_time = world.create(job(4, every(600))).await;
    world.clock.advance(Duration::from_secs(225));
    let running = world.start().await;
    let from = Timestamp(START.0 + 60_000);
    for (id, misfire) in [(1, Misfire::RunOnce), (2, Misfire::Skip)] {
        let id = JobId(argus_domain::U256::from(id));
        let rows = world.rows(id, |rows| !rows.is_empty()).await;
        assert_eq!(rows[0].outcome, Outcome::PassedOver { from, misfire });
        assert_eq!(rows[0].task, TaskNumber(1));
    }
    world.pass(Duration::from_secs(400)).await;
    world.expect(on_time, 1).await;
    for id in [JobId(argus_domain::U256::from(3)), on_time] {
        assert_eq!(DecisionStore::of_job(&world.store, id, 9).await, Ok(vec![]), "it passed nothing over");
    }
    running.stop().await;
}

#[tokio::test]
async fn who_is_held_paused_or_over_is_told_so() {
    let world = World::new();
    let (mut head, mut tail) = (job(1, every(10)), job(2, every(10)));
    head.link = Some(Link { position: 0, previous: None, next: Some(tail.id) });
    tail.link = Some(Link { position: 1, previous: Some(head.id), next: None });
    tail.expires_at = Timestamp(START.0 + 3_600_000);
    let mut short = job(3, above("10", "a", 0));
    short.expires_at = Timestamp(START.0 + 5_000);
    let (head, tail, short) = (world.create(head).await, world.create(tail).await, world.create(short).await);
    world.values.values.lock().unwrap().insert("a".to_owned(), "1");
    let running = world.start().await;
    let rows = world.rows(tail, |rows| !rows.is_empty()).await;
    assert_eq!((rows[0].task, &rows[0].outcome), (TaskNumber(1), &Outcome::Held { by: head }));
    let rows = world.rows(short, |rows| rows.iter().any(|row| row.outcome == Outcome::Expired)).await;
    assert_eq!(rows.iter().filter(|row| row.outcome == Outcome::Expired).count(), 1);
    let since = argus_ports::Clock::now(&world.clock);
    world.change(head, JobChange::Paused(since)).await;
    running.handle.jobs_changed(&[head]).await.unwrap();
    let rows = world.rows(head, |rows| !rows.is_empty()).await;
    assert_eq!(rows[0].outcome, Outcome::Paused { since });
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_the_filter_leaves_out_is_kept_with_what_differs() {
    let world = World::new();
    let filter = EventFilter::compile(&EventRequest {
        chain: CHAIN,
        contract: argus_domain::Address::repeat_byte(7),
        event: "Moved(address indexed who, uint256 amount)",
        abi: "",
        parameter: "amount",
        value: "5",
        confirmations: 0,
    })
    .unwrap();
    let topic0 = filter.topic0;
    world.chain.mine(0, vec![]);
    let id = world.create(job(1, Trigger::Event(filter))).await;
    let running = world.start().await;
    world.pass(Duration::from_secs(1)).await;
    let log = |n: u8, amount: u8| Log {
        chain: CHAIN,
        address: argus_domain::Address::repeat_byte(7),
        topics: vec![topic0, B256::repeat_byte(1)],
        data: Bytes::from(B256::with_last_byte(amount).0),
        block_number: 0,
        block_hash: B256::ZERO,
        block_time: START,
        transaction: B256::repeat_byte(n),
        index_in_block: 0,
        index_in_transaction: 0,
    };
    world.chain.mine(0, vec![log(1, 4), log(2, 6)]);
    let rows = world.rows(id, |rows| !rows.is_empty()).await;
    let [row] = &rows[..] else { panic!("{rows:?}") };
    let Outcome::Unmatched(unmatched) = &row.outcome else { panic!("{row:?}") };
    assert_eq!((unmatched.parameter.as_str(), unmatched.expected.as_str()), ("amount", "5"));
    assert!(unmatched.found.ends_with('6') && row.count == 2, "both, with the last one's value: {row:?}");
    world.chain.mine(0, vec![log(3, 5)]);
    world.pass(Duration::from_secs(1)).await;
    world.expect(id, 1).await;
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_refuses_costs_decisions_and_nothing_else() {
    let world = World::new();
    let id = world.create(job(1, above("10", "a", 0))).await;
    let running = world.start().await;
    world.show("a", "1").await;
    world.store.refuse_writes(Some(StoreError::ReadOnly("full".to_owned())));
    world.show("a", "2").await;
    assert!(running.handle.metrics().decisions_dropped.get() > 0);
    world.store.refuse_writes(None);
    world.show("a", "11").await;
    world.expect(id, 1).await;
    running.stop().await;
    let rows = DecisionStore::of_job(&world.store, id, 9).await.unwrap();
    assert!(!rows.is_empty(), "what waited is written at the end");
}
