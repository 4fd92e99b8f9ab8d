//! A backup of a platform that runs, and what the platform makes of it when it is put back.

use std::collections::BTreeSet;

use argus_domain::time::Timestamp;
use argus_e2e::{
    Platform, Start, Topology,
    command::argus,
    jobs,
    story::{has_ended, instant},
    until,
};
use serde_json::Value;

use crate::on;

/// Seconds between two: in between nothing is under way.
const EVERY: u64 = 2;
const OCCURRENCES: u64 = 12;
/// Done after the copy was made: of what was missed, a job runs the latest alone.
const SINCE: usize = 3;

#[test]
fn a_platform_that_is_put_back_to_a_backup_calls_nothing_twice() {
    on(&[Topology::OneProcess], put_back);
}

async fn put_back(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology);
    let platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "kept", 3, EVERY, EVERY * OCCURRENCES)).await;
    some_ended(&platform, &job, 2).await;

    let data = folder.path().to_str().expect("UTF-8");
    let (copy, set) = (folder.path().join("backup/argus.db"), format!("data_dir = {data:?}"));
    let words = ["store", "backup", "--json", "--set", &set, "--to", copy.to_str().expect("UTF-8")];
    let made = argus(folder.path(), &[], &words).await;
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(made.json()["bytes"], copy.metadata().expect("the copy").len());
    let again = argus(folder.path(), &[], &words).await;
    assert!(again.code != 0 && again.err.contains("is there already"), "{again:?}");

    // More is done that the backup does not know.
    let copied = platform.tasks(&job).await.len();
    let known = some_ended(&platform, &job, copied + SINCE).await;
    platform.stop().await;
    for end in ["", "-wal", "-shm"] {
        let file = folder.path().join(format!("argus.db{end}"));
        if file.exists() {
            std::fs::rename(&file, folder.path().join(format!("old.db{end}"))).expect("moved away");
        }
    }
    std::fs::copy(&copy, folder.path().join("argus.db")).expect("put back");

    let platform = start.run().await;
    let last = until("the last occurrence", 40, async || {
        let tasks = platform.tasks(&job).await;
        let flat = platform.get(&format!("/jobs/user/{}/{job}", platform.account(0))).await;
        let last = Timestamp(instant(&flat["created_at"]).0 + EVERY * OCCURRENCES * 1000);
        let is_done = tasks.iter().map(due).max() >= Some(last) && tasks.iter().all(has_ended);
        is_done.then_some(tasks)
    })
    .await;
    for task in &last {
        assert_eq!(task["task_status"], "completed", "{task:#}");
    }
    // Each occurrence that ran, before or after, has one effect, though some ran in both lives.
    let ran: BTreeSet<_> = known.iter().chain(&last).map(due).collect();
    assert_eq!(platform.chain().count("kept").await, ran.len() as u64, "{known:#?} {last:#?}");
    assert!(ran.len() > last.len(), "something was done that the backup did not know: {last:#?}");
    platform.stop().await;
}

fn due(task: &Value) -> Timestamp {
    instant(&task["scheduled_at"])
}

/// All tasks, once there are so many and all have ended.
async fn some_ended(platform: &Platform, job: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} tasks that have ended"), 30, async || {
        let tasks = platform.tasks(job).await;
        (tasks.len() >= count && tasks.iter().all(has_ended)).then_some(tasks)
    })
    .await
}
