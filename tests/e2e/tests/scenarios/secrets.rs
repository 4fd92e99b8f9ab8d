//! A secret goes to the server that it is for, and is found nowhere else: no file, log, answer or message holds it.

use std::path::Path;

use argus_e2e::{Echo, Jaeger, Keeper, Platform, Start, Topology, Wire, jobs, platform::Key, until};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::json;

use crate::everywhere;

const CANARY: &str = "Canary-4f1d-Q9z7-Xk2w";
/// What each form of it has, whatever stands around it: plain, hexadecimal, percent, and Base64 in each alignment.
fn traces() -> Vec<String> {
    let inner = |shift: usize| {
        let encoded = STANDARD.encode(format!("{}{CANARY}", "x".repeat(shift)));
        encoded[4..encoded.len() - 4].to_owned()
    };
    vec![
        CANARY.to_owned(),
        CANARY.to_uppercase(),
        CANARY.bytes().map(|b| format!("{b:02x}")).collect(),
        CANARY.bytes().map(|b| format!("%{b:02X}")).collect(),
        inner(0),
        inner(1),
        inner(2),
    ]
}

const SCRIPT: &str = r#"
export default async function (): Promise<[string, bigint]> {
  const key = process.env.API_KEY!;
  const reply = await fetch("__ECHO__/price?key=" + key, {
    method: "POST",
    headers: { "x-api-key": key, authorization: "Bearer " + key },
    body: JSON.stringify({ key, at: argus.secret("API_KEY") }),
  });
  const text = await reply.text();
  console.error(text, JSON.stringify([...reply.headers]), reply.url);
  if (!text.includes(key)) throw new Error("no echo: " + text);
  try { await fetch("__ECHO__/again/" + key, { redirect: "error" }); } catch (e) { console.error(String(e)); }
  return ["secret", 9n];
}
"#;

#[test]
fn a_secret_reaches_its_server_and_nothing_else() {
    everywhere(reaches_its_server);
}

async fn reaches_its_server(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = Echo::serve().await;
    // At this level libraries say what they do with requests and frames.
    let mut start = Start::on(folder.path(), topology).allow(echo.address).logging("trace");
    let collector = Jaeger::start().await;
    if let Some(collector) = &collector {
        start = start.set(format!("traces.endpoint = {:?}", collector.endpoint));
    }
    let platform = start.run().await;
    let script = platform.publish(&SCRIPT.replace("__ECHO__", &echo.url())).await;
    let job = jobs::with(
        jobs::scripted(&platform, &script, 2, 60),
        json!({ "secrets": ["API_KEY"], "allow_hosts": [echo.address.to_string()], "agreement": "exact" }),
    );
    let id = platform.create(&job).await;
    let path = format!("/jobs/{id}/secrets/API_KEY");
    let said = until("a task says what is missing", 30, async || {
        platform
            .tasks(&id)
            .await
            .into_iter()
            .find_map(|t| t["error"].as_str().map(str::to_owned))
            .filter(|e| !e.is_empty())
    })
    .await;
    assert!(said.contains("the secret API_KEY has no value"), "{said}");
    let body = json!({ "value": CANARY }).to_string();
    let set = platform.call(Method::PUT, &path, Key::App, Some(body)).await.expect("an answer");
    assert_eq!(set.status, 200, "{set:?}");

    let task = until("a completed task", 40, async || {
        platform.tasks(&id).await.into_iter().find(|task| task["task_status"] == "completed")
    })
    .await;
    assert!(task["task_attesters"].as_array().is_some_and(|a| a.len() >= 2), "a quorum: {task}");
    let got = echo.seen().iter().filter(|request| request.matches(CANARY).count() >= 4).count();
    assert!(got >= 3, "three keepers sent it in URL, headers and body: {:?}", echo.seen());

    let bundle = platform.get(&format!("/tasks/{}/bundle", task["task_id"])).await.to_string();
    let answers = [
        bundle.clone(),
        serde_json::to_string(&platform.tasks(&id).await).expect("JSON"),
        platform.get(&format!("/jobs/{id}/secrets")).await.to_string(),
        platform.get("/jobs/by-apikey").await.to_string(),
        platform.metrics().await,
    ];
    assert!(bundle.contains("argussecret"), "the bundle holds the placeholder: {bundle}");
    for answer in &answers {
        clean("an answer", answer.as_bytes());
    }
    clean_words(&platform);
    if let Some(collector) = &collector {
        let spans = until("the spans of the runs", 20, async || {
            let spans = collector.everything().await;
            (spans.matches("\"second run\"").count() + spans.matches("\"run\"").count() >= 3).then_some(spans)
        })
        .await;
        clean("a span", spans.as_bytes());
    }
    // The files as they are while it runs, with their write-ahead logs, and as it leaves them.
    let looked = clean_files(folder.path());
    assert!(looked.iter().any(|name| name.ends_with("argus.db")), "{looked:?}");
    assert!(looked.iter().filter(|name| name.ends_with("journal.db")).count() == 3, "{looked:?}");
    assert_eq!(platform.chain().value("secret").await, 9);
    platform.stop().await;
    clean_files(folder.path());
}

/// A module that wants two bytes signed, and makes its call if it gets an answer: `{"ok":...}`.
const SIGNING: &str = r#"(module
  (import "host" "env_hmac" (func $hmac (param i32 i32) (result i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "{\22name\22:\22API_KEY\22,\22data\22:\220x6869\22}")
  (data (i32.const 64) "[\22signed\22,\224\22]")
  (func (export "abi_alloc") (param i32) (result i32) i32.const 4096)
  (func (export "run") (param i32 i32) (result i64)
    (if (i32.ne (i32.load8_u offset=2 (i32.wrap_i64 (i64.shr_u (call $hmac (i32.const 0) (i32.const 34)) (i64.const 32)))) (i32.const 111))
      (then unreachable))
    (i64.or (i64.shl (i64.const 64) (i64.const 32)) (i64.const 14))))"#;
/// HMAC-SHA256 of "hi" under the canary, as Python's `hmac` has it.
const SIGNED: &str = "e67dfa1fdb5d5b6673160cc62bfa7d527395a8b373c26ccbe5324ff5c98e0e3c";

#[test]
fn what_one_keeper_signed_with_a_secret_the_others_have_from_its_record() {
    everywhere(is_signed_once);
}

async fn is_signed_once(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let reply = platform.post("/modules", &json!({ "source": SIGNING, "language": "wasm" })).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let script = format!("ipfs://{}", reply.body["cid"].as_str().expect("a CID"));
    let with = |agreement: &str| {
        let granted = json!({ "secrets": ["API_KEY"], "allow_hosts": ["a.example"], "agreement": agreement, "language": "wasm" });
        jobs::with(jobs::scripted(&platform, &script, 2, 60), granted)
    };
    // Under another rule it gets no answer, which shows where the job is made.
    let refused = platform.post("/jobs", &json!([with("exact")])).await;
    assert!(refused.body.to_string().contains("the module broke off"), "{refused:?}");

    let id = platform.create(&with("trust-performer")).await;
    let path = format!("/jobs/{id}/secrets/API_KEY");
    let body = json!({ "value": CANARY }).to_string();
    let set = platform.call(Method::PUT, &path, Key::App, Some(body)).await.expect("an answer");
    assert_eq!(set.status, 200, "{set:?}");
    let task = until("a completed task", 60, async || {
        platform.tasks(&id).await.into_iter().find(|task| task["task_status"] == "completed")
    })
    .await;
    assert_eq!(task["agreement"], "performer", "{task}");
    assert!(task["task_attesters"].as_array().is_some_and(|a| a.len() >= 2), "a quorum: {task}");
    let bundle = platform.get(&format!("/tasks/{}/bundle", task["task_id"])).await.to_string();
    assert!(bundle.contains(SIGNED), "the result is recorded: {bundle}");
    clean("the bundle", bundle.as_bytes());
    assert_eq!(platform.chain().value("signed").await, 4);
    let words = platform.words();
    platform.stop().await;
    clean("the log", words.as_bytes());
    clean_files(folder.path());
}

#[test]
fn what_is_said_between_platform_and_keepers_holds_none() {
    everywhere(is_sealed_on_the_wire);
}

/// All keepers reach the platform through somebody who listens.
async fn is_sealed_on_the_wire(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let echo = Echo::serve().await;
    let platform = Start::on(folder.path(), topology).allow(echo.address).keepers(&[]).run().await;
    let gate = platform.gate().trim_start_matches("http://").parse().expect("an address");
    let wire = Wire::to(gate).await;
    let through = format!("links.aggregator = \"http://{}\"", wire.address);
    let mut keepers = Vec::new();
    for number in 1..=3 {
        keepers.push(Keeper::honest(&platform, number, &[&through]).await);
    }
    let script = platform.publish(&SCRIPT.replace("__ECHO__", &echo.url())).await;
    let granted = json!({ "secrets": ["API_KEY"], "allow_hosts": [echo.address.to_string()] });
    let id = platform.create(&jobs::with(jobs::scripted(&platform, &script, 2, 60), granted)).await;
    let body = json!({ "value": CANARY }).to_string();
    let path = format!("/jobs/{id}/secrets/API_KEY");
    let set = platform.call(Method::PUT, &path, Key::App, Some(body)).await.expect("an answer");
    assert_eq!(set.status, 200, "{set:?}");
    until("a completed task", 60, async || {
        platform.tasks(&id).await.into_iter().find(|task| task["task_status"] == "completed")
    })
    .await;
    assert!(echo.seen().iter().any(|request| request.contains(CANARY)), "it was sent: {:?}", echo.seen());
    let heard = wire.heard();
    assert!(heard.len() >= 6, "three keepers speak and hear: {}", heard.len());
    let told = |word: &str| heard.iter().filter(|one| contains(one, word.as_bytes())).count();
    assert!(told(&script["ipfs://".len()..]) >= 3, "what is sent in the clear is heard");
    assert!(told("argussecret") >= 3, "transcripts with the placeholder are heard");
    heard.iter().for_each(|one| clean("the wire", one));
    drop(keepers);
    platform.stop().await;
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Bodies stand in transcripts as hexadecimal texts: these are looked for, too.
fn clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    for trace in traces() {
        let hex: String = trace.bytes().map(|b| format!("{b:02x}")).collect();
        assert!(!text.contains(&trace.to_lowercase()), "{what} holds {trace}");
        assert!(!text.contains(&hex), "{what} holds {trace} as hexadecimal");
    }
}

fn clean_words(platform: &Platform) {
    let words = platform.words();
    assert!(words.contains("TRACE"), "libraries were asked to speak");
    clean("the log", words.as_bytes());
}

fn clean_files(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            names.extend(clean_files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            let name = path.display().to_string();
            clean(&name, &bytes);
            names.push(name);
        }
    }
    names
}
