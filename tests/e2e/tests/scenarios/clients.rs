//! What our own clients promise: no request twice that must not be, no call without an end, no gap in live changes.

use std::{
    collections::BTreeSet,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_client::{ApiKey, Client, Error, Event, NewJob, Room};
use argus_e2e::{Start, Topology, TypeScript, jobs, source::serve};
use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::on;

/// Answers in their order, the last one again and again, and the names under which was asked.
#[derive(Default)]
struct Script {
    answers: Vec<(u16, Value)>,
    names: Vec<Option<String>>,
    paths: Vec<String>,
}

type Shared = Arc<Mutex<Script>>;

async fn answer(State(script): State<Shared>, request: Request) -> Response {
    let mut script = script.lock().expect("nobody failed");
    let name = request.headers().get("idempotency-key").map(|name| name.to_str().expect("text").to_owned());
    script.names.push(name);
    script.paths.push(request.uri().to_string());
    let (status, body) = script.answers[(script.names.len() - 1).min(script.answers.len() - 1)].clone();
    let status = StatusCode::from_u16(status).expect("a status");
    let elsewhere = script.paths.join("/elsewhere");
    (status, [("retry-after", "0"), ("location", &elsewhere)], body.to_string()).into_response()
}

/// A platform that answers so.
async fn platform(answers: &[(u16, Value)]) -> (Client, Shared, JoinSet<()>) {
    let script: Shared = Arc::new(Mutex::new(Script { answers: answers.to_vec(), ..Script::default() }));
    let (address, serving) = serve(Router::new().fallback(answer).with_state(script.clone())).await;
    let client = Client::builder(format!("http://{address}")).key("TGRX-hidden").build().expect("a client");
    (client, script, serving)
}

#[tokio::test]
async fn what_is_safe_to_send_again_is_and_under_one_name() {
    let later = (503, json!({"error": "later", "code": "BUSY"}));
    let created =
        json!({"job_ids": ["1"], "task_definition_ids": [1], "time_frames": [60], "account_balance": 0});

    let (client, script, _serving) = platform(&[later.clone(), later.clone(), (200, json!([]))]).await;
    let found: Vec<ApiKey> = client.keys_of("0x1").await.expect("the third answer");
    assert_eq!((found.len(), script.lock().expect("it").names.clone()), (0, vec![None; 3]));

    let (client, script, _serving) = platform(&[later.clone(), (200, created)]).await;
    let made = client.create_jobs(&[] as &[NewJob]).await.expect("the second answer");
    assert_eq!(made.job_ids, ["1"]);
    let names = script.lock().expect("it").names.clone();
    assert!(names.len() == 2 && names[0].is_some() && names[0] == names[1], "{names:?}");

    for answers in [vec![later.clone()], vec![(422, json!({"error": "no", "code": "NO"}))]] {
        let (client, script, _serving) = platform(&answers).await;
        client.create_key("0x1", "user", None).await.expect_err("refused");
        assert_eq!(script.lock().expect("it").names, [None], "a key is made once at most");
    }

    let (client, script, _serving) = platform(std::slice::from_ref(&later)).await;
    let refused = client.task(7).await.expect_err("always busy");
    assert_eq!((refused.refusal().map(|r| r.status), script.lock().expect("it").names.len()), (Some(503), 3));
}

#[tokio::test]
async fn a_secret_goes_to_its_place_and_comes_back_as_a_name() {
    let listed = json!({"job_id": "7", "secrets": [{"name": "TOKEN", "set_at": null}, {"name": "KEY", "set_at": "t"}]});
    let (client, script, _serving) = platform(&[(200, listed)]).await;
    let secrets = client.secrets("7").await.expect("listed");
    let shown: Vec<_> = secrets.iter().map(|one| (one.name.as_str(), one.set_at.as_deref())).collect();
    assert_eq!(shown, [("TOKEN", None), ("KEY", Some("t"))]);
    client.set_secret("7", "TOKEN", "value").await.expect("set");
    client.unset_secret("7", "TOKEN").await.expect("unset");
    let paths = script.lock().expect("it").paths.clone();
    assert_eq!(paths, ["/api/jobs/7/secrets", "/api/jobs/7/secrets/TOKEN", "/api/jobs/7/secrets/TOKEN"]);
}

#[tokio::test]
async fn a_call_ends_at_its_deadline_and_a_list_with_its_last_page() {
    let (address, _serving) = serve(Router::new().fallback(async || {
        sleep(Duration::from_secs(600)).await;
    }))
    .await;
    let client = Client::builder(format!("http://{address}/api/")).deadline(Duration::from_millis(50));
    let over = client.build().expect("a client").task(1).await.expect_err("it says nothing");
    assert!(matches!(over, Error::Deadline(_)), "{over:?}");

    // One that leads to itself for ever.
    let (address, _serving) = serve(Router::new().fallback(async || {
        let next = [("link", r#"</api/jobs/1/task-fees?before=4&limit=1>; rel="next""#)];
        (next, json!({"task_fees": [{"task_id": 4, "task_opx_cost_wei": "7"}]}).to_string())
    }))
    .await;
    let client = Client::builder(format!("http://{address}")).build().expect("a client");
    let fees: Vec<_> = client.task_fees("1", Some(1)).try_collect().await.expect("they end");
    assert_eq!(fees.len(), 2);
}

#[tokio::test]
async fn a_refusal_says_all_and_a_key_is_shown_nowhere() {
    let details = json!([{"path": "[0].timezone", "code": "ZONE", "message": "no such zone"}]);
    let body = json!({"error": "a sentence", "code": "VALIDATION_FAILED", "details": details});
    let (client, script, _serving) = platform(&[(422, body)]).await;
    let refused = client.delete_job("../../x?y#z").await.expect_err("refused");
    let refusal = refused.refusal().expect("a refusal");
    assert_eq!((refusal.status, refusal.code.as_str()), (422, "VALIDATION_FAILED"));
    assert_eq!(refusal.faults()[0].path, "[0].timezone");
    assert_eq!(script.lock().expect("it").paths, ["/api/jobs/delete/..%2F..%2Fx%3Fy%23z"]);
    assert!(matches!(client.delete_job("..").await, Err(Error::Input(_))));

    let no_key = (401, json!({"error": "no such key", "code": "INVALID_API_KEY"}));
    let (stranger, _script, _serving) = platform(&[no_key]).await;
    let refused_room = stranger.live(Room::Task(1), None).next().await.expect_err("no such key");
    assert_eq!(refused_room.refusal().map(|refusal| refusal.status), Some(401), "{refused_room:?}");

    let (client, script, _serving) = platform(&[(307, json!({}))]).await;
    let elsewhere = client.task(1).await.expect_err("a key goes to the platform alone");
    let asked = script.lock().expect("it").paths.len();
    assert_eq!((elsewhere.refusal().map(|refusal| refusal.status), asked), (Some(307), 1));

    let gone = Client::builder("http://127.0.0.1:1").key("TGRX-hidden").tries(1);
    let shown = format!("{gone:?}");
    let gone = gone.build().expect("a client");
    let lost = gone.task(1).await.expect_err("nobody is there");
    assert!(matches!(lost, Error::Connection { .. }), "{lost:?}");
    let live = client.live(Room::Task(1), None);
    for shown in [shown, format!("{client:?} {gone:?} {live:?}"), format!("{refused:?}"), format!("{lost:?}")]
    {
        assert!(!shown.contains("hidden"), "{shown}");
    }
    for url in ["", "platform:9002", "ftp://platform", "/api"] {
        assert!(Client::builder(url).build().is_err(), "{url:?}");
    }
}

#[test]
fn live_changes_go_on_without_a_gap_when_the_platform_comes_back() {
    on(&[Topology::OneProcess], live_changes);
}

/// Prints the place of every change.
const LISTENER: &str = r#"
import { Client } from "argus-client";
const { API, KEY, JOB, SINCE } = process.env;
// @ts-expect-error What lacks a job's fields is no job.
export const none = (client: Client) => client.createJobs([{ nonsense: true }]);
for await (const event of new Client(API, { key: KEY }).live(`job:${JOB}`, SINCE ? Number(SINCE) : undefined)) {
  console.log(event.kind === "change" ? event.seq : event.kind);
}
"#;

async fn live_changes(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let start = Start::on(folder.path(), topology);
    let platform = start.run().await;
    let job = platform.create(&jobs::interval(&platform, "live", 7, 1, 600)).await;
    let (api, key) = (platform.said("/api").to_owned(), platform.said("/keys/app").to_owned());

    let client = Client::builder(&api).key(&key).build().expect("a client");
    let mut live = client.live(Room::Job(job.clone()), None);
    let mut listener = listener(&[("API", &api), ("KEY", &key), ("JOB", &job)]).await;

    let mut seen = Seen::default();
    seen.listen(&mut live, 5).await;
    platform.kill().await;
    let port = api.rsplit_once(':').expect("a port").1.parse().expect("a port");
    let platform = start.port(port).run().await;
    seen.listen(&mut live, 10).await;
    assert_eq!(seen.snapshots, 1, "a room that is joined again needs none");
    seen.has_no_gap();
    // As after a restore: the platform is behind what the client was told, and says how things are.
    let first = client.live(Room::Job(job.clone()), Some(1_000_000)).next().await.expect("it goes on");
    assert!(matches!(first, Event::Snapshot(_)), "{first:?}");

    if let Some((_, lines, typescript)) = &mut listener {
        let mut stranger = typescript.program("listener");
        let stranger = stranger.env("API", &api).env("KEY", "TGRX-wrong").env("JOB", &job).output();
        let stranger = stranger.expect("it runs");
        let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
        assert!(!stranger.status.success() && said.contains("Refusal") && said.contains("401"), "{said}");

        let mut seen = Seen::default();
        let heard = timeout(Duration::from_secs(60), async {
            while seen.changes.len() < 10 {
                let line = lines.next_line().await.expect("text").expect("it goes on");
                match line.parse() {
                    Ok(seq) => seen.changes.push(seq),
                    Err(_) => seen.snapshots += 1,
                }
            }
        });
        heard.await.expect("changes in time");
        assert_eq!(seen.snapshots, 1, "{:?}", seen.changes);
        seen.has_no_gap();

        let ahead = [("API", api.as_str()), ("KEY", &key), ("JOB", &job), ("SINCE", "1000000")];
        let (_child, mut lines) = listening(typescript, &ahead);
        let first = timeout(Duration::from_secs(60), lines.next_line()).await.expect("in time");
        assert_eq!(first.expect("text").as_deref(), Some("snapshot"));
    }
    platform.stop().await;
}

#[test]
fn a_jobs_secrets_are_set_shown_and_taken_away() {
    on(&[Topology::OneProcess], secrets);
}

/// Prints whether each secret has a value: at first, once it is set, and once it is taken away.
const SECRETS: &str = r#"
import { Client, Refusal } from "argus-client";
const { API, KEY, JOB } = process.env;
const client = new Client(API, { key: KEY });
const shown = async () => (await client.secrets(JOB)).map(({ name, set_at }) => [name, set_at !== null]);
const said = [await shown()];
await client.setSecret(JOB, "API_KEY", "some value");
said.push(await shown());
for (let times = 0; times < 2; times++) await client.unsetSecret(JOB, "API_KEY");
said.push(await shown());
const refused = await client.setSecret(JOB, "OTHER", "some value").catch((error) => error);
console.log(JSON.stringify([said, refused instanceof Refusal && refused.code]));
"#;

async fn secrets(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let script = platform.publish("export default () => [argus.secret(\"API_KEY\"), 1n];").await;
    let granted = json!({ "secrets": ["API_KEY"], "allow_hosts": ["api.example"] });
    let job = platform.create(&jobs::with(jobs::scripted(&platform, &script, 3_000, 3_600), granted)).await;
    let (api, key) = (platform.said("/api").to_owned(), platform.said("/keys/app").to_owned());
    let expect = json!([[["API_KEY", false]], [["API_KEY", true]], [["API_KEY", false]]]);

    let client = Client::builder(&api).key(&key).build().expect("a client");
    let shown = async || {
        let secrets = client.secrets(&job).await.expect("the names");
        Value::from_iter(secrets.into_iter().map(|secret| json!([secret.name, secret.set_at.is_some()])))
    };
    let mut said = vec![shown().await];
    client.set_secret(&job, "API_KEY", "some value").await.expect("set");
    said.push(shown().await);
    for _ in 0..2 {
        client.unset_secret(&job, "API_KEY").await.expect("taken away, again without effect");
    }
    said.push(shown().await);
    assert_eq!(Value::from(said), expect);
    let refused = client.set_secret(&job, "OTHER", "some value").await;
    let code = refused.as_ref().err().and_then(Error::refusal).map(|refusal| refusal.code.as_str());
    assert_eq!(code, Some("SECRET_NOT_GRANTED"), "{refused:?}");

    if let Some(compiler) = argus_e2e::typescript() {
        let typescript = TypeScript::package(compiler).await;
        typescript.compile([("secrets", SECRETS)]).await;
        let mut program = tokio::process::Command::from(typescript.program("secrets"));
        program.env("API", &api).env("KEY", &key).env("JOB", &job);
        let ended =
            timeout(Duration::from_secs(60), program.output()).await.expect("in time").expect("it runs");
        let said: Value = serde_json::from_slice(&ended.stdout).unwrap_or_else(|e| panic!("{e}: {ended:?}"));
        assert_eq!(said, json!([expect, "SECRET_NOT_GRANTED"]));
    }
    platform.stop().await;
}

#[derive(Default)]
struct Seen {
    snapshots: u32,
    changes: Vec<u64>,
}

impl Seen {
    async fn listen(&mut self, live: &mut argus_client::Live, count: usize) {
        let heard = timeout(Duration::from_secs(90), async {
            while self.changes.len() < count {
                match live.next().await.expect("it goes on") {
                    Event::Snapshot(_) => self.snapshots += 1,
                    Event::Changed(change) => self.changes.push(change.seq),
                }
            }
        });
        heard.await.expect("changes in time");
    }

    fn has_no_gap(&self) {
        let distinct: BTreeSet<u64> = self.changes.iter().copied().collect();
        let (first, last) = (self.changes[0], self.changes[self.changes.len() - 1]);
        assert!(self.changes.is_sorted() && distinct.len() == self.changes.len(), "{:?}", self.changes);
        assert_eq!(distinct.len() as u64, last - first + 1, "{:?}", self.changes);
    }
}

type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStdout>>;

/// The TypeScript client, listening; its process ends with it.
async fn listener(names: &[(&str, &str)]) -> Option<(tokio::process::Child, Lines, TypeScript)> {
    let typescript = TypeScript::package(argus_e2e::typescript()?).await;
    typescript.compile([("listener", LISTENER)]).await;
    let (child, lines) = listening(&typescript, names);
    Some((child, lines, typescript))
}

fn listening(typescript: &TypeScript, names: &[(&str, &str)]) -> (tokio::process::Child, Lines) {
    let mut command = tokio::process::Command::from(typescript.program("listener"));
    command.envs(names.iter().copied()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
    (child, lines)
}
