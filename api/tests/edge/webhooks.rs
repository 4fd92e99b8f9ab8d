//! Webhooks: who may have them, and what they are sent.

use std::time::Duration;

use argus_api::{Config, config::WebhookRules};
use argus_ports::{EgressRequest, WebhookStore};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::world::{NOW, World, fail_task, job, one, open_task};

const USER: &str = "0x1111111111111111111111111111111111111111";

async fn make(world: &World, key: &str, body: Value) -> Value {
    let made = world.call(key, "POST", "/api/webhooks", &body.to_string()).await;
    assert_eq!(made.status.as_u16(), 201, "{}", made.text);
    made.json()
}

/// Lets everything happen that can without the clock.
async fn settle() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

fn header<'a>(request: &'a EgressRequest, name: &str) -> &'a str {
    &request.headers.iter().find(|(known, _)| known == name).expect("the header").1
}

fn told(world: &World, path: &str) -> Vec<Value> {
    let taken = world.egress.taken.lock().unwrap();
    let of = taken.iter().filter(|request| request.url == format!("https://hook.example{path}"));
    of.map(|request| serde_json::from_slice(request.body.as_ref().unwrap()).unwrap()).collect()
}

fn answers(world: &World, path: &str, status: u16) {
    world.egress.statuses.lock().unwrap().insert(path.to_owned(), status);
}

fn later(world: &World, by: Duration) {
    use argus_ports::Clock;
    world.clock.set(world.clock.now() + by);
}

#[tokio::test]
async fn a_webhook_is_told_what_it_asked_for_signed_and_in_order() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    let before = open_task(&world, "1").await;
    let all = json!({"url": "https://hook.example/all", "events": ["task.created", "task.settled"]});
    let made = make(&world, "user", all).await;
    make(&world, "user", json!({"url": "https://hook.example/ends"})).await;
    make(&world, "other", json!({"url": "https://hook.example/others"})).await;
    settle().await;
    let task = open_task(&world, "1").await;
    fail_task(&world, &task).await;
    settle().await;
    let sent = told(&world, "/all");
    let kinds: Vec<_> = sent.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        ["task.created", "task.settled"],
        "what was before it was made is not told: {before:?}"
    );
    let last = &sent[1];
    assert_eq!((&last["id"], &last["job_id"]), (&json!("1-3"), &json!("1")));
    assert_eq!(
        (&last["task"]["task_hash"], &last["task"]["task_status"]),
        (&json!(task.id.0), &json!("failed"))
    );
    assert_eq!(told(&world, "/ends").len(), 1, "how tasks end, where nothing is said");
    assert_eq!(told(&world, "/others"), [json!(null); 0]);

    let taken = world.egress.taken.lock().unwrap().iter().find(|r| r.url.ends_with("/all")).cloned().unwrap();
    let (at, signature) =
        header(&taken, "argus-signature").strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    assert_eq!((at, header(&taken, "argus-event")), (NOW.as_secs().to_string().as_str(), "1-2"));
    let mut mac = Hmac::<Sha256>::new_from_slice(made["secret"].as_str().unwrap().as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(taken.body.as_ref().unwrap());
    let expected: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(signature, expected);
    let shown = world.get("user", &format!("/api/webhooks/{}", made["id"].as_str().unwrap())).await;
    assert!(shown.status.is_success() && !shown.text.contains("whsec_"), "shown once: {}", shown.text);
    let listed = world.get("app", &format!("/api/webhooks/user/{USER}")).await;
    assert_eq!(listed.json()["webhooks"].as_array().unwrap().len(), 2);
    assert!(!listed.text.contains("whsec_"));
}

#[tokio::test]
async fn a_failure_is_tried_again_with_the_same_id_and_given_up_in_the_end() {
    let rules = WebhookRules { failures_max: 4, ..WebhookRules::default() };
    let world = World::with(Config { webhooks: rules, ..Config::default() }).await;
    world.create("user", &one(job("1"))).await;
    let made =
        make(&world, "user", json!({"url": "https://hook.example/a", "events": ["task.created"]})).await;
    let id = made["id"].as_str().unwrap();
    settle().await;
    answers(&world, "/a", 500);
    open_task(&world, "1").await;
    open_task(&world, "1").await;
    settle().await;
    assert_eq!(told(&world, "/a").len(), 1, "no second try at once");
    let shown = world.get("user", &format!("/api/webhooks/{id}")).await.json();
    assert_eq!((&shown["failures_in_a_row"], shown["next_try_at"].is_null()), (&json!(1), false));
    assert_eq!(
        shown["last_failure"],
        json!({"at": NOW.to_rfc3339(), "reason": "it answered with status 500"})
    );
    later(&world, Duration::from_millis(499));
    settle().await;
    assert_eq!(told(&world, "/a").len(), 1);
    // Waits of a second, two and four, from their halves up.
    for (secs, tries) in [(1, 2), (2, 3), (4, 4)] {
        later(&world, Duration::from_secs(secs));
        settle().await;
        assert!(told(&world, "/a").len() >= tries, "{secs}: {}", told(&world, "/a").len());
    }
    let sent = told(&world, "/a");
    assert!(sent[..4].iter().all(|event| event["id"] == json!("1-1")), "{sent:?}");
    let letters = world.get("user", &format!("/api/webhooks/{id}/dead-letters")).await.json();
    let letter = &letters["dead_letters"][0];
    assert_eq!((&letter["event"], &letter["type"]), (&json!("1-1"), &json!("task.created")));
    assert!(letter["reason"].as_str().unwrap().contains("500"), "{letter}");
    // The next change has tries of its own, the first of them at once where the webhook leads elsewhere.
    assert_eq!(told(&world, "/a").last().unwrap()["id"], json!("1-2"));
    let elsewhere = json!({"url": "https://hook.example/well"}).to_string();
    let path = format!("/api/webhooks/{id}");
    assert_eq!(world.call("other", "PUT", &path, &elsewhere).await.status.as_u16(), 404);
    let bad = json!({"url": "http://hook.example", "events": ["?"]}).to_string();
    assert_eq!(world.call("user", "PUT", &path, &bad).await.json()["details"].as_array().unwrap().len(), 2);
    let changed = world.call("user", "PUT", &path, &elsewhere).await.json();
    assert_eq!((&changed["url"], &changed["events"]), (&json!("https://hook.example/well"), &made["events"]));
    settle().await;
    assert_eq!(told(&world, "/well")[0]["id"], json!("1-2"));
    let shown = world.get("user", &format!("/api/webhooks/{id}")).await.json();
    assert_eq!((&shown["failures_in_a_row"], &shown["next_try_at"]), (&json!(0), &Value::Null));
    assert!(shown["last_failure"]["reason"].is_string(), "it stays: {shown}");
}

#[tokio::test]
async fn a_slow_receiver_holds_nobody_else() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    for path in ["slow", "quick"] {
        let url = format!("https://hook.example/{path}");
        make(&world, "user", json!({"url": url, "events": ["task.created"]})).await;
    }
    answers(&world, "/slow", 0);
    settle().await;
    for _ in 0..5 {
        open_task(&world, "1").await;
    }
    settle().await;
    assert_eq!((told(&world, "/slow").len(), told(&world, "/quick").len()), (1, 5));
}

#[tokio::test]
async fn of_two_processes_one_tells_and_the_other_stands_in() {
    let mut world = World::new().await;
    world.twice();
    world.create("user", &one(job("1"))).await;
    for path in ["slow", "quick"] {
        let url = format!("https://hook.example/{path}");
        make(&world, "user", json!({"url": url, "events": ["task.created"]})).await;
    }
    answers(&world, "/slow", 0);
    // What the second one learns of webhooks it learns by reading them again.
    later(&world, Duration::from_secs(31));
    settle().await;
    for _ in 0..5 {
        open_task(&world, "1").await;
    }
    settle().await;
    let quick: Vec<_> = told(&world, "/quick").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(
        (told(&world, "/slow").len(), quick),
        (1, ["1-1", "1-2", "1-3", "1-4", "1-5"].map(Value::from).to_vec())
    );
    // A try that comes to nothing, not even an answer that it failed, is made by the other.
    later(&world, Duration::from_secs(19));
    settle().await;
    assert_eq!(told(&world, "/slow").len(), 1);
    later(&world, Duration::from_secs(1));
    settle().await;
    let slow: Vec<_> = told(&world, "/slow").iter().map(|event| event["id"].clone()).collect();
    assert_eq!(slow, ["1-1", "1-1"].map(Value::from));
}

#[tokio::test]
async fn a_webhook_goes_on_where_it_was() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    let made =
        make(&world, "user", json!({"url": "https://hook.example/a", "events": ["task.created"]})).await;
    settle().await;
    open_task(&world, "1").await;
    settle().await;
    let kept = world.store.webhook(made["id"].as_str().unwrap()).await.unwrap().unwrap();
    assert_eq!(kept.progress.position, 1, "its place is in the store, and not in the process");
    // Another process's webhook is found in time, and told what came since it was made.
    let mut elsewhere = kept.clone();
    elsewhere.id = "elsewhere".to_owned();
    elsewhere.url = "https://hook.example/b".to_owned();
    world.store.add_webhook(elsewhere, 20).await.unwrap();
    open_task(&world, "1").await;
    later(&world, Duration::from_secs(31));
    settle().await;
    let reasons = world.store.webhook("elsewhere").await.unwrap().unwrap().progress;
    assert_eq!((told(&world, "/a").len(), reasons.failures), (2, 1), "it has no secret to sign with");
}

#[tokio::test]
async fn what_cannot_be_a_webhook_is_refused() {
    let world = World::new().await;
    for (body, path) in [
        (json!({}), "url"),
        (json!({"url": "http://hook.example/a"}), "url"),
        (json!({"url": "ftp://hook.example/a"}), "url"),
        (json!({"url": "https://127.0.0.1/a"}), "url"),
        (json!({"url": "https://169.254.169.254/latest"}), "url"),
        (json!({"url": format!("https://hook.example/{}", "a".repeat(2_000))}), "url"),
        (json!({"url": "https://hook.example/a", "events": []}), "events"),
        (json!({"url": "https://hook.example/a", "events": ["task.created", "everything"]}), "events"),
        (json!({"url": "https://hook.example/a", "user_address": "me"}), "user_address"),
    ] {
        let answer = world.call("user", "POST", "/api/webhooks", &body.to_string()).await;
        assert_eq!(answer.status.as_u16(), 422, "{body}: {}", answer.text);
        assert_eq!(answer.json()["details"][0]["path"], json!(path), "{body}");
    }
    let others = json!({"url": "https://hook.example/a", "user_address": USER});
    assert_eq!(world.call("other", "POST", "/api/webhooks", &others.to_string()).await.status.as_u16(), 403);
    make(&world, "app", others).await;
    let own = json!({"url": "https://hook.example/a"});
    for _ in 0..19 {
        make(&world, "user", own.clone()).await;
    }
    let one_more = world.call("user", "POST", "/api/webhooks", &own.to_string()).await;
    assert_eq!((one_more.status.as_u16(), one_more.code().as_str()), (409, "TOO_MANY_WEBHOOKS"));
    let listed = world.get("user", &format!("/api/webhooks/user/{USER}")).await.json();
    let id = listed["webhooks"][0]["id"].as_str().unwrap();
    assert_eq!(world.call("user", "DELETE", &format!("/api/webhooks/{id}"), "").await.status.as_u16(), 204);
    assert_eq!(world.get("user", &format!("/api/webhooks/{id}")).await.status.as_u16(), 404);
    make(&world, "user", own).await;
}

/// An operator's own network is reached over http, where it is listed.
#[tokio::test]
async fn http_is_for_hosts_that_the_operator_lists() {
    let config = Config { operator_reach: vec!["127.0.0.1:9999".to_owned()], ..Config::default() };
    let world = World::with(config).await;
    make(&world, "user", json!({"url": "http://127.0.0.1:9999/a"})).await;
}
