//! Jobs that the chain's registry and the platform know differently.

use argus_domain::{U256, ids::JobId};
use argus_e2e::{Platform, Start, Topology, jobs, platform::Key, stays, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::everywhere;

#[test]
fn registry_and_platform_are_brought_together() {
    everywhere(reconciles);
}

/// What operators are told of a job's registration.
async fn listed(platform: &Platform, job: &str) -> Option<Value> {
    let reply =
        platform.call(Method::GET, "/admin/reconciliation", Key::Admin, None).await.expect("an answer");
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body["registrations"].as_array().expect("a list").iter().find(|one| one["job_id"] == job).cloned()
}

async fn listed_as(platform: &Platform, job: &str, reason: &str) -> Value {
    let found = async || listed(platform, job).await.filter(|one| one["reason"] == reason);
    until(&format!("{reason} for job {job}"), 20, found).await
}

async fn deleted(platform: &Platform, owner: &str, job: &str) -> Value {
    let path = format!("/jobs/user/{owner}/{job}");
    let found = async || Some(platform.get(&path).await).filter(|job| job["status"] == "deleted");
    until(&format!("job {job} is deleted"), 10, found).await
}

async fn reconciles(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology).set("timing.registration_grace_ms = 1000");
    let platform = start.run().await;
    let (chain, user) = (platform.chain(), platform.account(0));
    let registry = platform.said("/contracts/job_registry");
    let target = platform.said("/contracts/demo_target");

    // The POST is lost, and comes late.
    let (id, transaction) = chain.register(user, registry, target).await;
    let orphan = listed_as(&platform, &id, "orphan").await;
    assert_eq!(orphan["transaction_hash"], *transaction, "{orphan}");
    let fields = json!({ "job_id": id });
    platform.create(&jobs::with(jobs::interval(&platform, "late", 4, 2, 120), fields)).await;
    until("the orphan is none any more", 10, async || listed(&platform, &id).await.is_none().then_some(()))
        .await;

    // The job is deleted in the registry alone.
    until("its first call", 20, async || (chain.count("late").await > 0).then_some(())).await;
    let transaction = chain.unregister(user, registry, &id).await;
    let found = listed_as(&platform, &id, "deleted_on_chain").await;
    assert_eq!(found["transaction_hash"], *transaction, "{found}");
    let job = deleted(&platform, user, &id).await;
    let why = job["deleted_because"].as_str().unwrap_or_default().to_owned();
    assert_eq!(why, format!("deleted on chain, transaction {transaction}"));
    let (effects, tasks) = (chain.count("late").await, platform.tasks(&id).await.len());
    stays("nothing fires after that", 4500, async || {
        chain.count("late").await == effects && platform.tasks(&id).await.len() == tasks
    })
    .await;

    // Somebody else registers the id that a stored job has.
    let (id, owner) = taken(&platform, registry, target).await;
    let found = listed_as(&platform, &id, "owner_differs").await;
    let named = [&found["owner"], &found["stored_owner"]].map(|a| a.as_str().unwrap_or("-").to_lowercase());
    assert_eq!(named, [owner.to_lowercase(), user.to_lowercase()]);
    let job = deleted(&platform, user, &id).await;
    let why = job["deleted_because"].as_str().unwrap_or_default().to_owned();
    assert!(why.starts_with("registered on chain by another owner"), "{why}");

    // Whoever registered it brings the job, and it is theirs alone.
    let fields = json!({ "job_id": id, "user_address": owner });
    platform.create(&jobs::with(jobs::interval(&platform, "ours", 1, 2, 120), fields)).await;
    until("nothing is amiss any more", 10, async || listed(&platform, &id).await.is_none().then_some(()))
        .await;
    let shown = platform.get(&format!("/jobs/user/{owner}/{id}")).await;
    assert_eq!((&shown["is_active"], &shown["deleted_because"]), (&json!(true), &Value::Null), "{shown}");
    let first = until("its first task", 20, async || platform.tasks(&id).await.pop()).await;
    assert_eq!(first["task_number"], 1, "{first}");
    until("its first call", 20, async || (chain.count("ours").await > 0).then_some(())).await;
    platform.stop().await;
}

/// A job of the first account whose id the registry then gave to the second one.
async fn taken(platform: &Platform, registry: &str, target: &str) -> (String, String) {
    let (chain, owner) = (platform.chain(), platform.account(1).to_owned());
    let block = chain.request("eth_getBlockByNumber", json!(["latest", false])).await;
    let time: U256 = block["timestamp"].as_str().and_then(|text| text.parse().ok()).expect("a time");
    // The registry makes an id of chain, time and a count of its own, which is at its second.
    let number = JobId((U256::from(31_337) << 224) | ((time + U256::from(5)) << 160) | U256::from(2));
    let id = number.to_string();
    let fields = json!({ "job_id": id });
    platform.create(&jobs::with(jobs::interval(platform, "squat", 1, 60, 120), fields)).await;
    chain.request("evm_setNextBlockTimestamp", json!([format!("{:#x}", time + U256::from(5))])).await;
    let (given, _) = chain.register(&owner, registry, target).await;
    assert_eq!(given, id, "the registry gave the id that was foreseen");
    (id, owner)
}
