//! Secrets of jobs: granted with the job, set apart from it, and never shown.

use argus_ports::SecretStore;
use serde_json::{Value, json};

use crate::world::{World, job_with, one};

const CANARY: &str = "canary-value-1";

async fn scripted(world: &World, id: &str, changes: Value) -> Value {
    let url = world.script(r#"send A ["3"]"#).await;
    let mut job = job_with(id, json!({"task_definition_id": 2, "arg_type": 2, "arguments": []}));
    job["dynamic_arguments_script_url"] = url.into();
    job["language"] = "js".into();
    for (name, value) in changes.as_object().unwrap() {
        job[name] = value.clone();
    }
    job
}

#[tokio::test]
async fn a_job_names_its_secrets_and_says_who_may_get_them() {
    let world = World::new().await;
    let hosts = json!(["api.example"]);
    for (changes, path) in [
        (json!({"secrets": ["A"]}), "[0].allow_hosts"),
        (json!({"secrets": ["A-B"], "allow_hosts": hosts}), "[0].secrets[0]"),
        (json!({"secrets": ["ARGUS_X"], "allow_hosts": hosts}), "[0].secrets[0]"),
        (json!({"secrets": [{"A": CANARY}], "allow_hosts": hosts}), "[0].secrets[0]"),
        (json!({"secrets": vec!["A"; 33], "allow_hosts": hosts}), "[0].secrets"),
    ] {
        let answer = world.create("user", &one(scripted(&world, "1", changes.clone()).await)).await;
        let faults = answer.json()["details"].clone();
        assert_eq!(answer.status, 422, "{changes}: {faults}");
        assert!(faults.as_array().unwrap().iter().any(|f| f["path"] == path), "{changes}: {faults}");
        assert!(!answer.text.contains(CANARY), "{}", answer.text);
    }
    let fixed = job_with("1", json!({"secrets": ["A"], "allow_hosts": hosts}));
    assert_eq!(world.create("user", &one(fixed)).await.status, 422, "nothing in it could use one");
}

#[tokio::test]
async fn values_are_set_listed_by_name_and_removed() {
    let world = World::new().await;
    let job = scripted(&world, "1", json!({"secrets": ["B", "A"], "allow_hosts": ["api.example"]})).await;
    let created = world.create("user", &one(job)).await;
    assert_eq!(
        (created.status.as_u16(), &created.json()["job_ids"]),
        (200, &json!(["1"])),
        "{}",
        created.text
    );
    let id: argus_domain::ids::JobId = "1".parse().unwrap();
    let stored = async || world.store.of_job(id).await.unwrap();
    let body = json!({ "value": CANARY }).to_string();
    for (key, name, body, expect) in [
        ("user", "A", body.as_str(), (200, Value::Null)),
        ("user", "C", &body, (422, json!("SECRET_NOT_GRANTED"))),
        ("user", "A-B", &body, (422, json!("SECRET_NAME"))),
        ("user", "A", r#"{"value": "short"}"#, (422, json!("SECRET_VALUE"))),
        ("user", "A", r#"{"value": 12345678}"#, (422, json!("SECRET_VALUE"))),
        ("user", "A", r#"{"value": "canary-value-1"#, (400, json!("INVALID_REQUEST"))),
        ("", "A", &body, (401, Value::Null)),
    ] {
        let answer = world.call(key, "PUT", &format!("/api/jobs/1/secrets/{name}"), body).await;
        assert_eq!(answer.status.as_u16(), expect.0, "{name} {body}: {}", answer.text);
        assert!(expect.1.is_null() || answer.json()["code"] == expect.1, "{name} {body}: {}", answer.text);
        assert!(!answer.text.contains("canary"), "{}", answer.text);
    }
    let kept = stored().await;
    assert_eq!(kept.len(), 1);
    assert!(!format!("{kept:?}").contains("canary") && !kept[0].1.bytes.windows(6).any(|w| w == b"canary"));
    let listed = world.get("user", "/api/jobs/1/secrets").await.json();
    assert_eq!(listed["secrets"][0]["name"], "A");
    assert!(
        listed["secrets"][0]["set_at"].is_string() && listed["secrets"][1]["set_at"].is_null(),
        "{listed}"
    );

    for removed in [true, false] {
        let answer = world.call("user", "DELETE", "/api/jobs/1/secrets/A", "").await.json();
        assert_eq!(answer["removed"], removed, "{answer}");
    }
    assert!(stored().await.is_empty());

    // What is not granted any more, and what belongs to a deleted job, is not kept.
    for name in ["A", "B"] {
        world.call("user", "PUT", &format!("/api/jobs/1/secrets/{name}"), &body).await;
    }
    let changes = json!({"job_id": "1", "secrets": ["B"]}).to_string();
    let changed = world.call("user", "PUT", "/api/jobs/update/1", &changes).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
    assert_eq!(stored().await.iter().map(|(n, _)| n.to_string()).collect::<Vec<_>>(), ["B"]);
    world.call("user", "PUT", "/api/jobs/delete/1", "{}").await;
    assert!(stored().await.is_empty());
    assert_eq!(world.call("user", "PUT", "/api/jobs/1/secrets/B", &body).await.status, 409);
}

#[tokio::test]
async fn a_script_is_tried_as_far_as_its_secrets_have_values() {
    let world = World::new().await;
    let granted = json!({"secrets": ["A"], "allow_hosts": ["api.example"]});
    let created = world.create("user", &one(scripted(&world, "1", granted.clone()).await)).await.json();
    assert_eq!(created["job_ids"], json!(["1"]), "{created}");
    let warning = created["warnings"][0].as_str().unwrap_or_default().to_owned();
    assert!(warning.contains("as far as the secret A") && warning.contains("/secrets/A"), "{created}");

    // What is wrong with it beside is said as of any other script.
    let mut broken = scripted(&world, "2", granted).await;
    broken["dynamic_arguments_script_url"] = world.script("fail no price today").await.into();
    let refused = world.create("user", &one(broken)).await.json();
    assert!(refused.to_string().contains("no price today") && refused["job_ids"].is_null(), "{refused}");

    // A new script of a job whose secrets are set is tried with them, and by its owner alone.
    let body = json!({ "value": CANARY }).to_string();
    assert_eq!(world.call("user", "PUT", "/api/jobs/1/secrets/A", &body).await.status, 200);
    for (script, fits) in [(r#"send A ["4"]"#, true), (r#"send A ["four"]"#, false)] {
        let url = world.script(script).await;
        let change = json!({"job_id": "1", "dynamic_arguments_script_url": url}).to_string();
        let answer = world.call("user", "PUT", "/api/jobs/update/1", &change).await;
        let is_refused = answer.text.contains("does not fit the function");
        assert_eq!(is_refused, !fits, "{script}: {}", answer.text);
        assert!(!answer.text.contains("as far as the secret"), "{script}: {}", answer.text);
    }
    let mut again = scripted(&world, "1", json!({"secrets": ["A"], "allow_hosts": ["evil.example"]})).await;
    again["dynamic_arguments_script_url"] = world.script(r#"send A ["5"]"#).await.into();
    let answer = world.call("user", "POST", "/api/jobs/dry-run", &one(again).to_string()).await;
    assert!(answer.text.contains("as far as the secret A"), "a creation never has values: {}", answer.text);
}
