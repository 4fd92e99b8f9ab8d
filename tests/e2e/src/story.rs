//! What must be true of a job's tasks, as the API and the chain tell them.

use std::{collections::BTreeSet, time::Duration};

use argus_domain::time::Timestamp;
use serde_json::Value;

use crate::{Platform, chain::Recorded, until};

/// An instant of the API.
///
/// # Panics
/// If the field is none.
pub fn instant(value: &Value) -> Timestamp {
    value.as_str().and_then(Timestamp::parse_rfc3339).unwrap_or_else(|| panic!("no instant: {value}"))
}

/// This moment, as the API would tell it.
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Timestamp(u64::try_from(since.as_millis()).expect("a moment"))
}

/// Whether a task is over.
pub fn has_ended(task: &Value) -> bool {
    task["task_status"] != "processing"
}

/// Waits until a job has exactly so many tasks and all have completed.
pub async fn completed(platform: &Platform, job: &str, count: usize, secs: u64) -> Vec<Value> {
    let mut seen = Vec::new();
    let tasks = until(&format!("{count} completed tasks of job {job}"), secs, async || {
        seen = platform.tasks(job).await;
        assert!(seen.len() <= count, "{} tasks for {count} occurrences: {seen:#?}", seen.len());
        Some(seen.clone()).filter(|t| t.len() == count && t.iter().all(has_ended))
    })
    .await;
    for task in &tasks {
        assert_eq!(task["task_status"], "completed", "{task:#}");
    }
    tasks
}

/// Demands that the chain shows one effect per task, and the value.
pub async fn on_chain(platform: &Platform, key: &str, value: u64, tasks: &[Value]) {
    let chain = platform.chain();
    let (count, stored) = (chain.count(key).await, chain.value(key).await);
    assert_eq!(count, tasks.len() as u64, "{count} effects for {} tasks: {tasks:#?}", tasks.len());
    assert_eq!(stored, value, "the value of {key}");
    let transactions = distinct(tasks, "execution_tx_hash");
    assert_eq!(transactions, tasks.len(), "a transaction per task: {tasks:#?}");
}

/// Demands that the chain shows exactly one effect per task, in the transaction that the task names, with the value
/// that belongs to it, and nothing else: not for these tasks, not for any other, ever.
pub async fn only_effects(platform: &Platform, expected: &[(&Value, &str, u64)]) {
    let mut wanted: Vec<Recorded> = expected
        .iter()
        .map(|(task, key, value)| Recorded {
            transaction: task["execution_tx_hash"].as_str().expect("a hash").to_owned(),
            key: (*key).to_owned(),
            value: *value,
        })
        .collect();
    let mut found = platform.chain().recorded().await;
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted, "the chain's effects, and those of the tasks");
}

/// How many different texts a field has.
pub fn distinct(tasks: &[Value], field: &str) -> usize {
    tasks
        .iter()
        .filter_map(|task| task[field].as_str())
        .filter(|t| !t.is_empty())
        .collect::<BTreeSet<_>>()
        .len()
}

/// An interval job that ran while its platform came and went.
#[derive(Debug, Clone)]
pub struct Interval {
    /// Its id.
    pub job: String,
    /// The key under which it stores.
    pub key: String,
    /// What it stores.
    pub value: u64,
    /// Between two occurrences, seconds.
    pub every: u64,
    /// How many occurrences it has.
    pub occurrences: u64,
}

impl Interval {
    /// Waits until its last occurrence has a task and all tasks have ended, then judges:
    /// - no two tasks for one occurrence, and every task for one;
    /// - a missing occurrence lies in a stretch during which the platform was down (between the two instants of an
    ///   element of `down`), and that stretch has one task, for the latest of its instants;
    /// - every task completed, and the chain shows one effect for each.
    pub async fn judge(&self, platform: &Platform, down: &[(Timestamp, Timestamp)], secs: u64) -> Vec<Value> {
        let owner = platform.account(0);
        let flat = platform.get(&format!("/jobs/user/{owner}/{}", self.job)).await;
        let anchor = instant(&flat["created_at"]).0;
        let due = |n: u64| Timestamp(anchor + n * self.every * 1000);
        let last = due(self.occurrences);
        let tasks = until(&format!("the last occurrence of job {}", self.job), secs, async || {
            let tasks = platform.tasks(&self.job).await;
            let is_done = tasks.last().is_some_and(|task| instant(&task["scheduled_at"]) >= last)
                && tasks.iter().all(has_ended);
            is_done.then_some(tasks)
        })
        .await;
        let ran: BTreeSet<Timestamp> = tasks.iter().map(|task| instant(&task["scheduled_at"])).collect();
        assert_eq!(ran.len(), tasks.len(), "two tasks for one occurrence: {tasks:#?}");
        let all: BTreeSet<Timestamp> = (1..=self.occurrences).map(due).collect();
        assert!(ran.is_subset(&all), "a task for no occurrence: {tasks:#?}");
        for missing in all.difference(&ran) {
            let stretch = down.iter().find(|(from, to)| from <= missing && missing <= to);
            let (from, to) =
                stretch.unwrap_or_else(|| panic!("{missing:?} is missing; down: {down:?}: {tasks:#?}"));
            // Its stretch is told by a later instant, which was missed too, or was the next one in time.
            let until = Timestamp(to.0 + self.every * 1000);
            assert!(
                ran.iter().any(|at| at > missing && *at <= until),
                "nothing ran for the stretch {from:?} to {to:?}: {tasks:#?}"
            );
        }
        for task in &tasks {
            assert_eq!(task["task_status"], "completed", "{task:#}");
        }
        on_chain(platform, &self.key, self.value, &tasks).await;
        tasks
    }
}

/// A stretch of time with some room for what was due just before it and had not been seen.
pub fn stretch(from: Timestamp, to: Timestamp) -> (Timestamp, Timestamp) {
    let slack = Duration::from_millis(500).as_millis() as u64;
    (Timestamp(from.0.saturating_sub(slack)), to)
}
