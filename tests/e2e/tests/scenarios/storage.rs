//! A job that counts: its script remembers a number and calls with the next one.

use argus_domain::{
    Bytes,
    abi::{Function, encode_call},
};
use argus_e2e::{Keeper, Platform, Start, Topology, jobs, story, until};
use serde_json::{Value, json};

use crate::everywhere;

const KEY: &str = "count";

/// `record("count", n)`, where the second word after the selector is the number. At every third second the call is one
/// that the contract does not have, and fails.
const SCRIPT: &str = r#"
const before = Number(argus.storage.get("n") ?? "0");
const word = (before + 1).toString(16).padStart(64, "0");
const fails = Math.floor(Date.now() / 1000) % 3 === 0;
console.log(JSON.stringify({
  shouldExecute: true,
  targetContract: "__TARGET__",
  calldata: fails ? "0xdeadbeef" : "__HEAD__" + word + "__TAIL__",
  storageUpdates: { n: String(before + 1) },
  metadata: { reason: "counting" },
}));
"#;

fn script(platform: &Platform) -> String {
    let function = Function::parse("record(string,uint256)").expect("a signature");
    let (calldata, _): (Bytes, _) = encode_call(&function, &[json!(KEY), json!("0")]).expect("encoded");
    let text = calldata.to_string();
    let (head, rest) = text.split_at(2 + 8 + 64);
    SCRIPT
        .replace("__TARGET__", platform.said("/contracts/demo_target"))
        .replace("__HEAD__", head)
        .replace("__TAIL__", &rest[64..])
}

/// Creates a job of this many occurrences, a second apart.
async fn counting(platform: &Platform, occurrences: u64) -> String {
    let script = platform.publish(&script(platform)).await;
    let job = jobs::scripted(platform, &script, 1, occurrences);
    platform.create(&jobs::with(job, json!({ "task_definition_id": 7 }))).await
}

/// Waits until all tasks have ended, and demands that the calls that ran through counted from one on, in the order of
/// their tasks, and that the last of them is remembered.
async fn judge(platform: &Platform, job: &str, occurrences: usize) -> Vec<Value> {
    let tasks = until("all tasks end", 90, async || {
        let tasks = platform.tasks(job).await;
        assert!(tasks.len() <= occurrences, "{tasks:#?}");
        Some(tasks).filter(|tasks| tasks.len() == occurrences && tasks.iter().all(story::has_ended))
    })
    .await;
    let done: Vec<_> = tasks.iter().filter(|task| task["task_status"] == "completed").collect();
    let expected: Vec<_> = done.iter().copied().zip(1..).map(|(task, n)| (task, KEY, n)).collect();
    story::only_effects(platform, &expected).await;
    // A call that failed is told before it is final.
    let storage = until("the last call is final", 20, async || {
        let storage = platform.get(&format!("/jobs/{job}/storage")).await;
        Some(storage).filter(|storage| storage["in_flight"] == false)
    })
    .await;
    let last = done.last().unwrap_or_else(|| panic!("no call ran through: {tasks:#?}"));
    assert_eq!(storage["version"], last["task_number"], "{storage}");
    assert_eq!(storage["entries"][0]["key"], "n", "{storage}");
    assert_eq!(storage["entries"][0]["text"], done.len().to_string(), "{storage}");
    tasks
}

#[test]
fn a_number_is_remembered_from_one_confirmed_call_to_the_next() {
    everywhere(counts);
}

async fn counts(topology: Topology) {
    const OCCURRENCES: usize = 6;
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let job = counting(&platform, OCCURRENCES as u64).await;
    let tasks = judge(&platform, &job, OCCURRENCES).await;
    // Of six seconds in a row two are such.
    let failed: Vec<_> = tasks.iter().filter(|task| task["task_status"] == "failed").collect();
    assert_eq!(failed.len(), 2, "{tasks:#?}");
    for task in failed {
        let hash = task["execution_tx_hash"].as_str().unwrap_or_default();
        assert_eq!(
            platform.chain().succeeded(hash).await,
            Some(true),
            "its call failed, not its transaction"
        );
    }
    platform.stop().await;
}

#[test]
fn a_keeper_that_dies_makes_nobody_count_twice() {
    everywhere(counts_on);
}

async fn counts_on(topology: Topology) {
    const OCCURRENCES: usize = 8;
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology).set("timing.patience_ms = 1500");
    let platform = start.keepers(&[1, 2]).run().await;
    let victim = Keeper::honest(&platform, 3, &[]).await;
    let job = counting(&platform, OCCURRENCES as u64).await;
    until("it has counted", 30, async || (platform.chain().count(KEY).await > 0).then_some(())).await;
    victim.kill().await;
    judge(&platform, &job, OCCURRENCES).await;
    platform.stop().await;
}
