//! The platform on a store that many processes reach over the network: what its operator does before it runs, and what
//! becomes of its work while the store is away.

use std::{path::Path, time::Duration};

use argus_conformance::cassandra::Cassandra;
use argus_e2e::{
    Platform, Start, Topology,
    command::{Output, argus},
    jobs,
    platform::{Key, Reply},
    story::{Interval, has_ended, instant, now, stretch},
    until,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::on;

/// How long the store is away at least: longer than an attempt's deadline and the patience with a performer.
const AWAY: Duration = Duration::from_secs(15);

#[test]
fn its_store_dies_and_comes_back() {
    on(&[Topology::Processes], dies);
}

async fn dies(topology: Topology) {
    const OCCURRENCES: u64 = 40;
    let Some(mut node) = blocking(Cassandra::start_durable).await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        "store.kind = \"scylla\"".to_owned(),
        format!("store.nodes = [{:?}]", node.address),
        "store.copies = 1".to_owned(),
        "store.deadline_ms = 10000".to_owned(),
    ];
    migrates(folder.path(), &settings).await;

    let start = Start::on(folder.path(), topology);
    let platform = settings.iter().fold(start, |start, setting| start.set(setting)).run().await;
    let job = platform.create(&jobs::interval(&platform, "steady", 3, 2, 2 * OCCURRENCES)).await;
    until("two tasks have completed", 60, async || {
        let tasks = platform.tasks(&job).await;
        (tasks.iter().filter(|task| task["task_status"] == "completed").count() >= 2).then_some(())
    })
    .await;
    let (code, findings) = examined(&platform, &settings).await;
    assert_eq!(code, 0, "{findings:#?}");
    assert_eq!(of(&findings, "store")["state"], "ok");
    let nodes = of(&findings, "nodes of the store");
    assert!(nodes["state"] == "look" && says(nodes, "found", "1 of 1 are up"), "{nodes}");
    assert!(says(nodes, "remedy", "fewer than 3 copies"), "{nodes}");

    let died = now();
    node.kill();
    let refused = jobs::interval(&platform, "late", 4, 1, 3);
    let body = json!([refused]).to_string();
    let post = async || -> Reply {
        platform.call(Method::POST, "/jobs", Key::App, Some(body.clone())).await.expect("an answer")
    };
    let away = post().await;
    assert!(away.refused(503, "STORE_UNAVAILABLE").retry_after.is_some_and(|secs| secs > 0), "{away:?}");
    assert_eq!(ready(&platform).await, 503);
    let (code, findings) = examined(&platform, &settings).await;
    let nodes = of(&findings, "nodes of the store");
    assert!(code == 1 && nodes["state"] == "FAILS" && says(nodes, "remedy", "start them"), "{findings:#?}");
    tokio::time::sleep(AWAY).await;
    assert_eq!(post().await.refused(503, "STORE_UNAVAILABLE").status, 503);

    let node = blocking(move || {
        node.restart();
        node
    })
    .await;
    let back = now();
    // Nobody does anything.
    until("what becomes due has its tasks again", 60, async || {
        let tasks = platform.call(Method::GET, &format!("/tasks/job/{job}"), Key::App, None).await;
        let tasks = tasks.expect("an answer").body;
        let newest = tasks.as_array()?.first()?.clone();
        (instant(&newest["scheduled_at"]) > back && has_ended(&newest)).then_some(())
    })
    .await;
    let down = [stretch(died, now())];
    assert_eq!(ready(&platform).await, 200);
    // What was refused was not done by half: sent again it is a new job, and is done once.
    let late = platform.create(&refused).await;
    let late = Interval { job: late, key: "late".to_owned(), value: 4, every: 1, occurrences: 3 };
    late.judge(&platform, &[], 60).await;
    let steady = Interval { job, key: "steady".to_owned(), value: 3, every: 2, occurrences: OCCURRENCES };
    steady.judge(&platform, &down, 120).await;
    let words = platform.words();
    assert!(!words.contains("starting it again"), "a process ended with its store:\n{words}");
    platform.stop().await;
    drop(node);
}

/// What the operator does with the tables, and what works without them.
async fn migrates(place: &Path, settings: &[String]) {
    let run = async |args: &[&str]| -> Output {
        let sets = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
        argus(place, &[], &args.iter().copied().chain(sets).collect::<Vec<_>>()).await
    };
    let rows = |told: &Output| told.json()["migrations"].as_array().cloned().expect("migrations");
    let before = run(&["migrate", "status", "--json"]).await;
    assert!(before.code == 1 && rows(&before).iter().all(|row| row["applied_at"].is_null()), "{before:?}");
    for early in [&["migrate", "verify"][..], &["api-key", "create", "--role", "admin"]] {
        let told = run(early).await;
        assert!(told.code == 1 && told.err.contains("run `argus migrate up`"), "{told:?}");
    }
    for _ in 0..2 {
        let up = run(&["migrate", "up", "--json"]).await;
        assert!(up.code == 0 && rows(&up).iter().all(|row| row["applied_at"].is_string()), "{up:?}");
    }
    let table = run(&["migrate", "status"]).await;
    assert!(
        table.code == 0 && table.out.contains("001_platform") && !table.out.contains("missing"),
        "{table:?}"
    );
    let verified = run(&["migrate", "verify", "--json"]).await;
    assert_eq!(verified.code, 0, "{verified:?}");
}

async fn examined(platform: &Platform, settings: &[String]) -> (i32, Vec<Value>) {
    let sets = settings.iter().flat_map(|setting| ["--set", setting.as_str()]);
    let args = ["doctor", "--json", "--config", "argus.toml"];
    let told = argus(platform.folder(), &[], &args.into_iter().chain(sets).collect::<Vec<_>>()).await;
    (told.code, told.json()["findings"].as_array().cloned().expect("findings"))
}

#[track_caller]
fn of<'a>(findings: &'a [Value], what: &str) -> &'a Value {
    findings.iter().find(|finding| finding["what"] == what).unwrap_or_else(|| panic!("{what}: {findings:#?}"))
}

fn says(finding: &Value, field: &str, part: &str) -> bool {
    finding[field].as_str().is_some_and(|text| text.contains(part))
}

async fn ready(platform: &Platform) -> u16 {
    platform.call(Method::GET, "/ready", Key::None, None).await.expect("an answer").status
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("done")
}
