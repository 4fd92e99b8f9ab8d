//! The WebSocket over a restart, and with as many clients as a platform is to hold.

use std::time::Duration;

use argus_e2e::{Platform, Socket, Start, Topology, jobs, platform::Key, until};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::{Client, Method};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::everywhere;

/// Rooms of the crowd.
const ROOMS: usize = 1_000;
/// Its sockets.
const SOCKETS: usize = 10_000;
/// Clients that do something at once.
const AT_ONCE: usize = 32;

#[test]
fn frames_go_on_over_a_restart_without_a_gap() {
    everywhere(goes_on);
}

async fn goes_on(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let job = platform.create(&jobs::interval(&platform, "over", 1, 1, 120)).await;
    let mut heard = Vec::new();
    listen(&platform, &job, &mut heard, 6).await;
    platform.stop().await;

    let platform = Start::on(folder.path(), topology).run().await;
    let more = heard.len() + 6;
    listen(&platform, &job, &mut heard, more).await;
    let numbers: Vec<_> = heard.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(numbers, Vec::from_iter(1..=heard.len() as u64), "{heard:?}");
    // Who listens from the beginning now hears of the same changes.
    let mut again = Vec::new();
    listen(&platform, &job, &mut again, heard.len()).await;
    assert_eq!(again[..heard.len()], heard);
    platform.stop().await;
}

/// Joins a job's room behind what was heard, and listens until so much was: positions and tasks. What a frame says of
/// its task is as of its sending.
pub async fn listen(platform: &Platform, job: &str, heard: &mut Vec<(u64, u64)>, until: usize) {
    let mut socket = platform.socket().await;
    let since = heard.last().map_or(0, |(seq, _)| *seq);
    socket
        .send(&json!({ "type": "SUBSCRIBE", "data": { "room": format!("job:{job}"), "since": since } }))
        .await;
    assert_eq!(socket.next(5).await["type"], "SUCCESS");
    assert_eq!(socket.next(5).await["type"], "JOB_TASKS_SNAPSHOT");
    while heard.len() < until {
        let frame = socket.next(15).await;
        let number = |name: &str| frame["data"][name].as_u64().unwrap_or_else(|| panic!("{name}: {frame}"));
        heard.push((number("seq"), number("task_id")));
    }
}

#[test]
fn a_crowd_is_told_of_every_change() {
    if !argus_e2e::has_anvil() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(crowd());
}

async fn crowd() {
    let folder = tempfile::tempdir().expect("a folder");
    // No keeper: what is measured is the telling.
    let platform = Start::on(folder.path(), Topology::OneProcess).keepers(&[]).run().await;
    let key = json!({ "owner": platform.account(0), "role": "app", "rate_limit": 1_000_000 });
    let key = platform.call(Method::POST, "/admin/api-keys", Key::Admin, Some(key.to_string()));
    let key = key.await.expect("an answer").body["key"].as_str().expect("a key").to_owned();
    let began = std::time::Instant::now();
    let jobs = rooms(&platform, &key).await;
    eprintln!("{} rooms: {:.1} s", jobs.len(), began.elapsed().as_secs_f64());

    let before = platform.resident_kb();
    let sockets = files(SOCKETS);
    let joined = stream::iter((0..sockets).map(|n| join(&platform, &key, &jobs[n % ROOMS])));
    let mut joined: Vec<_> = joined.buffer_unordered(AT_ONCE).collect().await;
    eprintln!("{} sockets: {:.1} s", joined.len(), began.elapsed().as_secs_f64());
    let each = (platform.resident_kb() - before) as f64 / sockets as f64;
    let counted = stats(&platform).await;
    assert_eq!((&counted["total_clients"], &counted["total_rooms"]), (&json!(sockets), &json!(ROOMS)));

    platform.chain().ping(platform.account(1), 7).await;
    let told = stream::iter(joined.iter_mut()).map(async |(job, socket)| {
        let frame = socket.next(60).await;
        assert_eq!(
            (&frame["type"], &frame["data"]["job_id"]),
            (&json!("TASK_CREATED"), &json!(job)),
            "{frame}"
        );
        assert_eq!(frame["data"]["seq"], 1, "{frame}");
    });
    assert_eq!(told.buffer_unordered(sockets).count().await, sockets);
    eprintln!("{sockets} told: {:.1} s; {each:.1} kB a socket", began.elapsed().as_secs_f64());
    // Half of what the library's own buffer for reading would hold of each.
    assert!(each < 64.0, "{each:.1} kB a socket");
    drop(joined);
    until("all are gone", 30, async || (stats(&platform).await["total_clients"] == 0).then_some(())).await;
    assert!(platform.metrics().await.contains("argus_api_slow_readers_total 0"));
    platform.stop().await;
}

/// How many sockets and rooms there are.
async fn stats(platform: &Platform) -> Value {
    let reply = platform.call(Method::GET, "/ws/stats", Key::Admin, None).await.expect("an answer");
    reply.body["data"].clone()
}

/// Jobs that all wait for one event.
async fn rooms(platform: &Platform, key: &str) -> Vec<String> {
    let client = Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().expect("a client");
    let url = format!("{}/api/jobs", platform.said("/api"));
    let create = async |n: usize| {
        let job = json!([jobs::pinged(platform, &format!("crowd {n}"), 1, 7)]);
        let request = client.post(&url).header("X-Api-Key", key).body(job.to_string());
        let answer = request.send().await?.error_for_status()?.text().await?;
        let answer: Value = serde_json::from_str(&answer)?;
        anyhow::Ok(answer["job_ids"][0].as_str().unwrap_or_default().to_owned())
    };
    let created = stream::iter((0..ROOMS).map(create)).buffer_unordered(AT_ONCE);
    created.try_collect().await.expect("jobs")
}

/// A socket in a job's room.
async fn join(platform: &Platform, key: &str, job: &str) -> (String, Socket) {
    let mut socket = Socket::open(platform.said("/ws"), key).await;
    socket.join(job).await;
    assert_eq!(socket.next(60).await["type"], "SUCCESS");
    let snapshot = socket.next(60).await;
    assert_eq!((&snapshot["type"], &snapshot["data"]["tasks"]), (&json!("JOB_TASKS_SNAPSHOT"), &json!([])));
    (job.to_owned(), socket)
}

/// So many sockets, or as many as this process, and with it the platform, may have files for.
fn files(wanted: usize) -> usize {
    // Besides sockets.
    const OTHERS: usize = 1_000;
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("what is allowed");
    let most = maximum.map_or(wanted, |most| usize::try_from(most).unwrap_or(wanted).saturating_sub(OTHERS));
    if most < wanted {
        eprintln!("\n*** ONLY {most} OF {wanted} SOCKETS: `ulimit -Hn` allows no more files ***\n");
    }
    most.min(wanted)
}
