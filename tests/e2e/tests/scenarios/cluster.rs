//! The platform on a store that many processes reach over the network: what its operator does before it runs, and what
//! becomes of its work while the store is away.

use std::{path::Path, time::Duration};

use argus_conformance::cassandra::Cassandra;
use argus_domain::time::Timestamp;
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

/// How often the job comes due whose tasks are looked at, in seconds, and a time frame that outlasts it all.
const EVERY: u64 = 2;
const LONGER: u64 = 3600;

#[test]
fn its_store_dies_and_comes_back() {
    on(&[Topology::Processes], async |topology| dies(topology, Cassandra::start_durable).await);
}

#[test]
#[ignore = "run by make test-cluster"]
fn its_store_loses_its_quorum_and_comes_back() {
    on(&[Topology::Processes], async |topology| dies(topology, Cassandra::start_three).await);
}

async fn dies(topology: Topology, store: fn() -> Option<Cassandra>) {
    let Some(mut cluster) = blocking(store).await else { return };
    let addresses = cluster.addresses();
    let copies = addresses.len();
    let folder = tempfile::tempdir().expect("a folder");
    let settings = [
        "store.kind = \"scylla\"".to_owned(),
        format!("store.nodes = {addresses:?}"),
        format!("store.copies = {copies}"),
        "store.deadline_ms = 10000".to_owned(),
    ];
    migrates(folder.path(), &settings).await;

    let start = Start::on(folder.path(), topology);
    let platform = settings.iter().fold(start, |start, setting| start.set(setting)).run().await;
    let job = platform.create(&jobs::interval(&platform, "steady", 3, EVERY, LONGER)).await;
    until("two tasks have completed", 60, async || {
        let tasks = platform.tasks(&job).await;
        (tasks.iter().filter(|task| task["task_status"] == "completed").count() >= 2).then_some(())
    })
    .await;
    let (code, findings) = examined(&platform, &settings).await;
    assert_eq!(code, 0, "{findings:#?}");
    assert_eq!(of(&findings, "store")["state"], "ok");
    let nodes = of(&findings, "nodes of the store");
    assert!(says(nodes, "found", &format!("{copies} of {copies} are up")), "{nodes}");
    if copies == 1 {
        assert!(nodes["state"] == "look" && says(nodes, "remedy", "fewer than 3 copies"), "{nodes}");
    }

    let died = now();
    // Those without which there still is a quorum, and then one more.
    for node in 0..copies / 2 {
        cluster.kill(node);
        misses_no_node(&platform, &settings, &job).await;
    }
    cluster.kill(copies / 2);
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

    let cluster = blocking(move || {
        (0..=copies / 2).for_each(|node| cluster.restart(node));
        cluster
    })
    .await;
    let back = now();
    // Nobody does anything.
    until("what becomes due has its tasks again", 60, async || {
        newest(&platform, &job).await.filter(|at| *at > back)
    })
    .await;
    let down = [stretch(died, now())];
    assert_eq!(ready(&platform).await, 200);
    // What was refused was not done by half: sent again it is a new job, and is done once.
    let late = platform.create(&refused).await;
    let late = Interval { job: late, key: "late".to_owned(), value: 4, every: 1, occurrences: 3 };
    late.judge(&platform, &[], 60).await;
    let occurrences = pauses(&platform, &job).await;
    let steady = Interval { job, key: "steady".to_owned(), value: 3, every: EVERY, occurrences };
    steady.judge(&platform, &down, 120).await;
    let words = platform.words();
    assert!(!words.contains("starting it again"), "a process ended with its store:\n{words}");
    platform.stop().await;
    drop(cluster);
}

/// A node was killed, and the others have a quorum: creations are taken and tasks go on, and the doctor says so.
async fn misses_no_node(platform: &Platform, settings: &[String], job: &str) {
    let died = now();
    let body = json!([jobs::interval(platform, "meanwhile", 5, 1, 1)]).to_string();
    until("a job is created without a node", 30, async || {
        let reply =
            platform.call(Method::POST, "/jobs", Key::App, Some(body.clone())).await.expect("an answer");
        (reply.status == 200).then_some(())
    })
    .await;
    until("tasks end without a node", 60, async || newest(platform, job).await.filter(|at| *at > died)).await;
    assert_eq!(ready(platform).await, 200);
    let (_, findings) = examined(platform, settings).await;
    let nodes = of(&findings, "nodes of the store");
    assert!(nodes["state"] == "look" && says(nodes, "remedy", "start the others"), "{nodes}");
}

/// Pauses the job, and gives which of its occurrences is the last that has a task, when all its tasks have ended.
pub async fn pauses(platform: &Platform, job: &str) -> u64 {
    platform.put(&format!("/jobs/{job}/status/paused")).await;
    let tasks = until("all its tasks have ended", 60, async || {
        let tasks = platform.tasks(job).await;
        tasks.iter().all(has_ended).then_some(tasks)
    })
    .await;
    let flat = platform.get(&format!("/jobs/user/{}/{job}", platform.account(0))).await;
    let last = tasks.last().map(|task| instant(&task["scheduled_at"]).0).expect("tasks");
    (last - instant(&flat["created_at"]).0) / (EVERY * 1000)
}

/// For when the newest task of a job was that has ended, if the store can be read.
async fn newest(platform: &Platform, job: &str) -> Option<Timestamp> {
    let tasks = platform.call(Method::GET, &format!("/tasks/job/{job}"), Key::App, None).await;
    let tasks = tasks.expect("an answer").body;
    tasks.as_array()?.iter().find(|task| has_ended(task)).map(|task| instant(&task["scheduled_at"]))
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

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("done")
}
