//! Jobs of one array run one after the other.

use argus_e2e::{Start, Topology, jobs, stays, until};
use serde_json::{Value, json};

use crate::everywhere;

#[test]
fn linked_jobs_run_in_their_order() {
    everywhere(keeps_the_order);
}

const KEYS: [&str; 3] = ["first", "second", "third"];

async fn keeps_the_order(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let chain = platform.chain();
    let bodies = KEYS.map(|key| jobs::interval(&platform, key, 1, 1, 120));
    let reply = platform.post("/jobs", &json!(bodies)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let ids: Vec<String> = reply.body["job_ids"]
        .as_array()
        .expect("ids")
        .iter()
        .map(|id| id.as_str().expect("an id").to_owned())
        .collect();
    assert_eq!(ids.len(), 3);

    // While the first one's call is not final the others wait, and say for what.
    until("the first call", 20, async || (chain.count(KEYS[0]).await > 0).then_some(())).await;
    assert_eq!((chain.count(KEYS[1]).await, chain.count(KEYS[2]).await), (0, 0));
    for (held, by) in [(1, 0), (2, 1)] {
        let why = until("why it waits", 10, async || {
            let reply = platform.get(&format!("/jobs/{}/decisions", ids[held])).await;
            reply["decisions"].as_array().expect("rows").iter().find(|row| row["outcome"] == "held").cloned()
        })
        .await;
        assert_eq!((&why["by_job_id"], &why["task_number"]), (&json!(ids[by]), &json!(1)), "{why}");
    }

    until("two calls of the last one", 60, async || (chain.count(KEYS[2]).await >= 2).then_some(())).await;
    for id in &ids {
        platform.put(&format!("/jobs/delete/{id}")).await;
    }
    // The n-th call of a job comes after the n-th one of the job before it, as the chain orders them.
    let mut counts = [0u64; 3];
    for effect in chain.recorded().await {
        let at = KEYS.iter().position(|key| *key == effect.key).expect("one of the three");
        counts[at] += 1;
        assert!(at == 0 || counts[at] <= counts[at - 1], "{} was called too early: {counts:?}", KEYS[at]);
    }
    assert!(counts[2] >= 2, "{counts:?}");

    // One that is deleted holds nobody back: a chain whose head is gone goes on.
    let bodies = ["gone", "left"].map(|key| jobs::interval(&platform, key, 1, 1, 120));
    let reply = platform.post("/jobs", &json!(bodies)).await;
    let id = |at: usize| reply.body["job_ids"][at].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    platform.put(&format!("/jobs/delete/{}", id(0))).await;
    let tasks = async || -> Vec<Value> { platform.tasks(&id(1)).await };
    until("the other one goes on", 20, async || (!tasks().await.is_empty()).then_some(())).await;
    platform.put(&format!("/jobs/delete/{}", id(1))).await;
    let count = tasks().await.len();
    stays("no task of a deleted job", 1500, async || tasks().await.len() == count).await;
    platform.stop().await;
}
