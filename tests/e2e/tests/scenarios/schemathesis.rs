//! The running API held against its own description: requests that the description allows and such that it forbids,
//! made up by schemathesis, which checks every answer. What is let through stands in tests/e2e/schemathesis, with the
//! reasons. `ARGUS_SCHEMATHESIS=200` asks for as many examples of each route.

use std::path::PathBuf;

use argus_e2e::{
    Platform, Start, Topology,
    command::{Output, schemathesis},
    jobs,
    platform::Key,
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

/// Examples of each route, beside those that its description's bounds give.
const EXAMPLES: u32 = 10;

#[test]
fn answers_are_what_the_description_says() {
    let Some(program) = argus_e2e::schemathesis() else { return };
    // What answers is the same in every topology.
    crate::on(&[Topology::OneProcess], |topology| answers(program.clone(), topology));
}

async fn answers(program: PathBuf, topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(&folder.path().join("dev"), topology).set("api.behind_proxy = true");
    let platform = start.run().await;
    let things = things(&platform).await;
    let names: Vec<_> = things.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let examples = std::env::var("ARGUS_SCHEMATHESIS").map_or(Ok(EXAMPLES), |text| text.parse());
    let examples = examples.expect("ARGUS_SCHEMATHESIS is a number");
    let description = format!("{}/openapi.json", platform.said("/api"));
    let Output { code, out, err } =
        schemathesis(&program, folder.path(), &names, &description, examples).await;
    eprintln!("{out}");
    assert_eq!(code, 0, "{out}{err}");
    platform.stop().await;
}

/// What is there to be asked for, by its name in schemathesis.toml.
async fn things(platform: &Platform) -> Vec<(&'static str, String)> {
    let owner = platform.account(0);
    let job = platform.create(&jobs::interval(platform, "described", 7, 1, 3600)).await;
    let other = async || platform.create(&jobs::interval(platform, "changed", 8, 60, 3600)).await;
    let cid = platform.publish(r#"console.log(JSON.stringify(["described", "9"]))"#).await;
    // Nothing is ever sent: none of these jobs lapses.
    let webhook = json!({"user_address": owner, "url": "https://hook.example/", "events": ["task.lapsed"]});
    let webhook = async || made(platform, Key::App, "/webhooks", &webhook).await;
    let key = made(platform, Key::Admin, "/admin/api-keys", &json!({"owner": owner})).await;
    let keepers = platform.get("/keepers/performers").await;
    let task = until("a task is completed", 30, async || {
        let tasks = platform.tasks(&job).await;
        tasks.into_iter().find(|task| task["task_status"] == "completed")
    });
    let task = task.await["task_id"].to_string();
    platform.put(&format!("/jobs/{job}/status/paused")).await;
    vec![
        ("APP_KEY", platform.said("/keys/app").to_owned()),
        ("ADMIN_KEY", platform.said("/keys/admin").to_owned()),
        ("OWNER", owner.to_owned()),
        ("JOB", job),
        ("SPARE_JOB", other().await),
        ("DOOMED_JOB", other().await),
        ("TASK", task),
        ("CID", cid.trim_start_matches("ipfs://").to_owned()),
        ("KEEPER", keepers[0]["keeper_id"].to_string()),
        ("WEBHOOK", webhook().await),
        ("SPARE_WEBHOOK", webhook().await),
        ("SPARE_KEY", key),
    ]
}

/// The id of what a request makes.
async fn made(platform: &Platform, key: Key<'_>, path: &str, body: &Value) -> String {
    let reply = platform.call(Method::POST, path, key, Some(body.to_string())).await.expect("an answer");
    let id = reply.body["id"].as_str();
    id.unwrap_or_else(|| panic!("{path}: {reply:?}")).to_owned()
}
