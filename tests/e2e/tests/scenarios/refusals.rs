//! What cannot be right is refused in words, and costs nobody else anything.

use argus_e2e::{Platform, Source, Start, Topology, jobs, jobs::with, platform::Key, story, until};
use reqwest::Method;
use serde_json::{Value, json};

use crate::everywhere;

#[test]
fn bad_requests_are_refused_in_words_and_a_neighbour_goes_on() {
    everywhere(refuses);
}

async fn refuses(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let neighbour = platform.create(&jobs::interval(&platform, "neighbour", 1, 1, 4)).await;
    bodies(&platform).await;
    jobs_that_cannot_be(&platform).await;
    scripts(&platform).await;
    keys(&platform, &neighbour).await;
    let tasks = story::completed(&platform, &neighbour, 4, 20).await;
    story::on_chain(&platform, "neighbour", 1, &tasks).await;
    platform.stop().await;
}

async fn bodies(platform: &Platform) {
    let post = async |body: String| {
        platform.call(Method::POST, "/jobs", Key::App, Some(body)).await.expect("an answer")
    };
    for text in ["[{", "", "[{\"job_id\": 1e999}", "\u{0}", "nul"] {
        let reply = post(text.to_owned()).await;
        assert!((400..500).contains(&reply.status) && reply.body["error"].is_string(), "{text:?}: {reply:?}");
    }
    post("[".repeat(100_000)).await.refused(400, "INVALID_REQUEST");
    post(format!("[{}]", "\"aaaaaaaa\",".repeat(400_000))).await.refused(413, "BODY_TOO_LARGE");
    post("{}".to_owned()).await.refused(422, "BAD_BATCH");
}

async fn jobs_that_cannot_be(platform: &Platform) {
    let good = jobs::interval(platform, "never", 1, 1, 5);
    // All faults at once, each with its place in the array.
    let bad = with(good.clone(), json!({ "job_title": 5, "time_frame": "soon", "timezone": "Mars/Base" }));
    let worse = with(good.clone(), json!({ "user_address": "0x12", "time_interval": -1, "arguments": "x" }));
    let reply = platform.post("/jobs", &json!([bad, worse])).await;
    reply.refused(422, "VALIDATION_FAILED");
    for (index, field) in [
        (0, "job_title"),
        (0, "time_frame"),
        (0, "timezone"),
        (1, "user_address"),
        (1, "time_interval"),
        (1, "arguments"),
    ] {
        let there = reply.paths().iter().any(|p| p.contains(&index.to_string()) && p.contains(field));
        assert!(there, "{index} {field}: {reply:?}");
    }

    let refused = async |fields: Value, field: &str| {
        let job = with(jobs::interval(platform, "never", 1, 1, 5), fields);
        let reply = platform.post("/jobs", &json!([job])).await;
        reply.refused(422, "VALIDATION_FAILED");
        assert!(reply.paths().iter().any(|path| path.contains(field)), "{field}: {reply:?}");
    };
    refused(json!({ "target_chain_id": "424242", "created_chain_id": "424242" }), "chain_id").await;
    refused(json!({ "arguments": ["key", "-1"] }), "arguments").await;
    refused(json!({ "arguments": ["key", "1.5"] }), "arguments").await;
    refused(json!({ "arguments": ["key"] }), "arguments").await;
    refused(json!({ "target_function": "absent(uint256" }), "target_function").await;
    refused(json!({ "target_contract_address": platform.said("/contracts/executor") }), "target").await;

    // All or nothing: the good one of a refused pair does not exist.
    let good_id = good["job_id"].as_str().expect("an id").to_owned();
    let pair = json!([good, with(jobs::interval(platform, "never", 1, 1, 5), json!({ "time_frame": 0 }))]);
    platform.post("/jobs", &pair).await.refused(422, "VALIDATION_FAILED");
    let path = format!("/tasks/job/{good_id}");
    let reply = platform.call(Method::GET, &path, Key::App, None).await.expect("an answer");
    reply.refused(404, "NOT_FOUND");
    assert_eq!(platform.chain().count("never").await, 0);
}

async fn scripts(platform: &Platform) {
    for (source, word) in [
        ("export default function () { while (true) {} }", "fuel"),
        ("console.log(\"no list\");", "JSON"),
        ("throw new Error(\"closed today\");", "closed today"),
    ] {
        let script = platform.publish(source).await;
        // A small budget, so that the endless one meets it soon.
        let job =
            with(jobs::scripted(platform, &script, 1, 5), json!({ "limits": { "fuel_max": 200_000_000 } }));
        let reply = platform.post("/jobs", &json!([job])).await;
        assert_eq!((reply.status, &reply.body["status"]), (200, &json!("validation_failed")), "{reply:?}");
        assert_eq!(reply.body["validation_executable"], false, "{reply:?}");
        let told = reply.body.to_string();
        assert!(told.contains(word), "{word}: {told}");
        let path = format!("/tasks/job/{}", job["job_id"].as_str().expect("an id"));
        let stored = platform.call(Method::GET, &path, Key::App, None).await.expect("an answer");
        stored.refused(404, "NOT_FOUND");
    }
    // A language that is not run yet is told so where it is published, and where a job names it.
    let told = "Python is not run yet: use ts, js or wasm";
    let python = json!({ "source": "import json\nprint(json.dumps([1]))", "language": "py" });
    let reply = platform.post("/modules", &python).await;
    reply.refused(422, "SCRIPT_REFUSED");
    assert!(reply.body.to_string().contains(told), "{reply:?}");
    let script = platform.publish("console.log('[]');").await;
    let job = with(jobs::scripted(platform, &script, 1, 5), json!({ "language": "python" }));
    let reply = platform.post("/jobs", &json!([job])).await;
    assert_eq!((reply.status, &reply.body["status"]), (200, &json!("validation_failed")), "{reply:?}");
    assert_eq!(reply.body["message"], told, "{reply:?}");
    // Another fault beside the script's wins: it is told as a refusal.
    let script = platform.publish("throw 1;").await;
    let job = with(jobs::scripted(platform, &script, 1, 5), json!({ "time_frame": 0 }));
    platform.post("/jobs", &json!([job])).await.refused(422, "VALIDATION_FAILED");
}

async fn keys(platform: &Platform, neighbour: &str) {
    let get = async |path: &str, key: Key<'_>| {
        platform.call(Method::GET, path, key, None).await.expect("an answer")
    };
    let none = get("/jobs/by-apikey", Key::None).await;
    let unknown = get("/jobs/by-apikey", Key::Text("TGRX-nobody")).await;
    assert_eq!((none.status, unknown.status), (401, 401), "{none:?} {unknown:?}");
    assert_ne!(none.body["code"], unknown.body["code"], "no key and an unknown one are told apart");
    // A user may neither act for another nor learn whether the other's job exists.
    let own = get(&format!("/tasks/job/{neighbour}"), Key::User).await;
    assert_eq!(own.status, 200, "{own:?}");
    let theirs =
        with(jobs::interval(platform, "theirs", 1, 60, 120), json!({ "user_address": platform.account(1) }));
    let body = Some(json!([theirs]).to_string());
    let reply = platform.call(Method::POST, "/jobs", Key::User, body).await.expect("an answer");
    assert!(matches!(reply.status, 403 | 422), "{reply:?}");
    let id = platform.create(&theirs).await;
    let another = get(&format!("/tasks/job/{id}"), Key::User).await;
    let absent = get(&format!("/tasks/job/{}", jobs::fresh_id()), Key::User).await;
    another.refused(404, "NOT_FOUND");
    assert_eq!(another.body, absent.body, "another's job looks like none");
    let path = format!("/jobs/delete/{id}");
    let reply = platform.call(Method::PUT, &path, Key::User, Some("{}".to_owned())).await.expect("an answer");
    reply.refused(404, "NOT_FOUND");
    let reply = get(&format!("/jobs/user/{}", platform.account(1)), Key::User).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    let reply = platform.call(Method::POST, "/admin/api-keys", Key::App, Some("{}".to_owned())).await;
    assert_eq!(reply.expect("an answer").status, 403);
    assert_eq!(platform.tasks(&id).await.len(), 0, "it is still there");
}

const READS: &str = r#"
const reply = await (await fetch("__SOURCE__")).json();
console.log(JSON.stringify(["reads", String(reply.price)]));
"#;

#[test]
fn a_script_that_fails_later_fails_its_task_with_the_reason() {
    everywhere(fails_later);
}

async fn fails_later(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let source = Source::serve(r#"{"price": 5}"#).await;
    let platform = Start::on(folder.path(), topology).allow(source.address).run().await;
    let script = platform.publish(&READS.replace("__SOURCE__", &source.url())).await;
    let job = platform.create(&jobs::scripted(&platform, &script, 1, 60)).await;
    let neighbour = platform.create(&jobs::interval(&platform, "neighbour", 1, 1, 8)).await;
    until("a completed task", 20, async || {
        platform.tasks(&job).await.iter().any(|task| task["task_status"] == "completed").then_some(())
    })
    .await;
    source.set("<html>down for maintenance</html>");
    let failed = until("a failed task", 20, async || {
        platform.tasks(&job).await.into_iter().find(|task| task["task_status"] == "failed")
    })
    .await;
    assert!(failed["error"].as_str().is_some_and(|reason| reason.len() > 10), "{failed:#}");
    assert_eq!(failed["execution_tx_hash"], "", "{failed:#}");
    // And it recovers with its source.
    source.set(r#"{"price": 6}"#);
    until("the chain shows what the source says", 20, async || {
        (platform.chain().value("reads").await == 6).then_some(())
    })
    .await;
    let tasks = story::completed(&platform, &neighbour, 8, 20).await;
    story::on_chain(&platform, "neighbour", 1, &tasks).await;
    platform.stop().await;
}
