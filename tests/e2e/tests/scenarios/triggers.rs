//! Jobs that follow events and values.

use argus_e2e::{Platform, Source, Start, Topology, jobs, stays, story, until};
use serde_json::{Value, json};

use crate::everywhere;

/// Why a job fired or did not, newest first.
async fn decisions(platform: &Platform, job: &str) -> Vec<Value> {
    let reply = platform.get(&format!("/jobs/{job}/decisions")).await;
    reply["decisions"].as_array().cloned().unwrap_or_default()
}

#[test]
fn an_event_job_runs_for_what_its_filter_lets_through() {
    everywhere(follows_events);
}

async fn follows_events(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let (chain, user) = (platform.chain(), platform.account(1));
    // What happened before the job was made is none of its business.
    chain.ping(user, 7).await;
    let job = platform.create(&jobs::pinged(&platform, "ping", 5, 7)).await;
    let first = chain.ping(user, 7).await;
    chain.ping(user, 8).await;
    let second = chain.ping(user, 7).await;
    let tasks = story::completed(&platform, &job, 2, 20).await;
    story::on_chain(&platform, "ping", 5, &tasks).await;
    let logs: Vec<_> =
        tasks.iter().map(|t| t["trigger"]["transaction_hash"].as_str().unwrap_or("-")).collect();
    assert_eq!(logs, [first.as_str(), second.as_str()], "the triggers, in the chain's order");
    stays("two tasks", 1500, async || platform.tasks(&job).await.len() == 2).await;
    let filtered = until("why the log in between was none", 10, async || {
        decisions(&platform, &job).await.into_iter().find(|row| row["outcome"] == "filtered")
    })
    .await;
    let said = ["event_filter_para_name", "event_filter_value", "found"].map(|name| filtered[name].clone());
    assert_eq!(said, [json!("topic2"), json!(format!("{:#066x}", 7)), json!(format!("{:#066x}", 8))]);
    platform.stop().await;
}

#[test]
fn a_condition_job_runs_when_the_value_crosses_and_not_while_it_stays() {
    everywhere(follows_values);
}

async fn follows_values(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let price = |price: &str| format!(r#"{{"market":{{"price":"{price}"}}}}"#);
    let source = Source::serve(&price("1999.99")).await;
    let platform = Start::on(folder.path(), topology).allow(source.address).run().await;
    let job = platform.create(&jobs::above(&platform, "alarm", 9, &source.url(), 2000)).await;
    let tasks = async || platform.tasks(&job).await.len();
    stays("no task below the limit", 1500, async || tasks().await == 0).await;
    let below = until("why it did not fire", 10, async || decisions(&platform, &job).await.pop()).await;
    let said = ["outcome", "value", "condition_type"].map(|name| below[name].as_str().unwrap_or("-"));
    assert_eq!(said, ["not_crossed", "1999.99", "greater_than"], "{below}");
    assert!(below["says"].as_str().is_some_and(|says| says == "1999.99 is not greater than 2000"), "{below}");
    source.set(&price("2000.01"));
    until("a task for the first crossing", 10, async || (tasks().await == 1).then_some(())).await;
    source.set(&price("2500"));
    stays("one task while it stays above", 2500, async || tasks().await == 1).await;
    // The source is asked every second: below for long enough to be seen, then above again.
    source.set(&price("1500"));
    stays("one task while it is below", 2500, async || tasks().await == 1).await;
    source.set(&price("2001"));
    let tasks = story::completed(&platform, &job, 2, 15).await;
    story::on_chain(&platform, "alarm", 9, &tasks).await;
    let values: Vec<_> = tasks.iter().map(|t| t["trigger"]["value"].to_string()).collect();
    assert!(values[0].contains("2000.01") && values[1].contains("2001"), "{values:?}");
    platform.stop().await;
}
