//! API keys and limits.

use argus_api::Config;
use argus_ports::KeyStore;
use axum::{body::Body, http::Request};
use serde_json::json;

use crate::world::{NOW, World, job, job_with, one, open_task};

const OWNER: &str = "0x5555555555555555555555555555555555555555";

#[tokio::test]
async fn a_key_is_shown_once_and_masked_ever_after() {
    let world = World::new().await;
    let body = json!({"owner": OWNER, "rate_limit": 3}).to_string();
    let made = world.call("admin", "POST", "/api/admin/api-keys", &body).await;
    assert!(made.status.is_success(), "{}", made.text);
    let made = made.json();
    let text = made["key"].as_str().unwrap().to_owned();
    assert_eq!((made["role"].as_str(), made["rate_limit"].as_u64()), (Some("user"), Some(3)));
    let listed = world.get("admin", &format!("/api/admin/api-keys/{OWNER}")).await;
    assert!(!listed.text.contains(&text));
    let masked = listed.json()[0]["key"].as_str().unwrap().to_owned();
    assert!(masked.contains("****"), "{masked}");

    let with_key = |header: &'static str, value: String| {
        Request::builder().uri("/api/jobs/by-apikey").header(header, value).body(Body::empty()).unwrap()
    };
    let first = world.send(with_key("x-api-key", text.clone())).await;
    assert_eq!((first.status.as_u16(), first.json()["jobs"].clone()), (200, json!([])));
    assert_eq!(first.headers["x-ratelimit-limit"], "3");
    assert_eq!(first.headers["x-ratelimit-remaining"], "2");
    assert_eq!(world.send(with_key("authorization", format!("Bearer {text}"))).await.status.as_u16(), 200);
    assert_eq!(world.send(with_key("x-api-key", text.clone())).await.status.as_u16(), 200);
    let fourth = world.send(with_key("x-api-key", text.clone())).await;
    assert_eq!((fourth.status.as_u16(), fourth.code().as_str()), (429, "RATE_LIMIT_EXCEEDED"));
    assert!(fourth.headers.contains_key("retry-after"));

    let gone =
        world.call("admin", "DELETE", &format!("/api/admin/api-keys/{masked}?owner={OWNER}"), "").await;
    assert_eq!(gone.status.as_u16(), 204);
    world.clock.set(argus_domain::time::Timestamp(NOW.0 + 600_000));
    let revoked = world.send(with_key("x-api-key", text)).await;
    assert_eq!((revoked.status.as_u16(), revoked.code().as_str()), (401, "API_KEY_INVALID"));
}

#[tokio::test]
async fn what_changes_of_a_key_counts_at_once_here_and_within_a_second_elsewhere() {
    let world = World::new().await;
    let made = |n: u8| {
        let body = json!({"owner": OWNER, "rate_limit": 100 + n}).to_string();
        let world = &world;
        async move {
            let made = world.call("admin", "POST", "/api/admin/api-keys", &body).await.json();
            made["key"].as_str().unwrap().to_owned()
        }
    };
    let status = |text: &str| {
        let request = Request::builder().uri("/api/jobs/by-apikey").header("x-api-key", text);
        let sent = world.send(request.body(Body::empty()).unwrap());
        async { sent.await.status.as_u16() }
    };
    let (here, elsewhere) = (made(1).await, made(2).await);
    assert_eq!((status(&here).await, status(&elsewhere).await), (200, 200));
    let masked = |text: &str| format!("{}****{}", &text[..9], &text[text.len() - 4..]);
    let path = format!("/api/admin/api-keys/{}?owner={OWNER}", masked(&here));
    assert_eq!(world.call("admin", "DELETE", &path, "").await.status.as_u16(), 204);
    assert_eq!(status(&here).await, 401);

    let hash = argus_api::key_hash(&elsewhere);
    let id = KeyStore::by_hash(&world.store, hash).await.unwrap().unwrap().id;
    KeyStore::update(&world.store, &id, None, Some(NOW)).await.unwrap();
    world.clock.set(argus_domain::time::Timestamp(NOW.0 + 1_001));
    assert_eq!(status(&elsewhere).await, 401);
}

#[tokio::test]
async fn bad_requests_for_keys_name_every_fault() {
    let world = World::new().await;
    let body = json!({"owner": "me", "role": "king", "rate_limit": 0}).to_string();
    let answer = world.call("admin", "POST", "/api/admin/api-keys", &body).await;
    assert_eq!(answer.status.as_u16(), 422);
    assert_eq!(answer.json()["details"].as_array().unwrap().len(), 3, "{}", answer.text);
}

#[tokio::test]
async fn defaults_by_role() {
    let world = World::new().await;
    for (role, rate) in [("user", 120), ("app", 6_000), ("keeper", 6_000), ("admin", 6_000)] {
        let body = json!({"owner": OWNER, "role": role}).to_string();
        let made = world.call("admin", "POST", "/api/admin/api-keys", &body).await.json();
        assert_eq!(made["rate_limit"], json!(rate), "{role}");
    }
}

/// An `app` key may act for anyone; what it lists as its own is its owner's, whoever's key made it.
#[tokio::test]
async fn a_key_lists_what_is_its_owners_whatever_its_role() {
    let mut world = World::new().await;
    let owner = "0x1111111111111111111111111111111111111111";
    let body = json!({"owner": owner, "role": "app"}).to_string();
    let made = world.call("admin", "POST", "/api/admin/api-keys", &body).await.json();
    world.keys.insert("front", made["key"].as_str().unwrap().to_owned());
    let others = job_with("3", json!({"user_address": "0x2222222222222222222222222222222222222222"}));
    for (key, job) in [("user", job("1")), ("front", job("2")), ("front", others)] {
        let created = world.create(key, &one(job)).await;
        assert!(created.status.is_success(), "{}", created.text);
    }
    for id in ["1", "2", "3"] {
        open_task(&world, id).await;
    }
    let listed = |jobs: &serde_json::Value| -> Vec<String> {
        jobs.as_array()
            .unwrap()
            .iter()
            .map(|j| j["job_data"]["job_id"].as_str().unwrap().to_owned())
            .collect()
    };
    for (key, expect) in [("user", vec!["2", "1"]), ("front", vec!["2", "1"]), ("other", vec!["3"])] {
        let jobs = world.get(key, "/api/jobs/by-apikey").await.json();
        assert_eq!(listed(&jobs["jobs"]), expect, "{key}");
        let groups = world.get(key, &format!("/api/tasks/by-apikey/{}", world.keys[key])).await.json();
        let mut of: Vec<_> =
            groups["task_groups"].as_array().unwrap().iter().map(|g| g["job_id"].as_str().unwrap()).collect();
        of.sort_unstable_by(|a, b| b.cmp(a));
        assert_eq!(of, expect, "{key}");
    }
}

#[tokio::test]
async fn guessing_keys_ends_in_429() {
    let mut world = World::new().await;
    world.keys.insert("bad", "guess".to_owned());
    let mut statuses = Vec::new();
    for _ in 0..61 {
        statuses.push(world.get("bad", "/api/jobs/by-apikey").await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[60]), (401, 429));
}

#[tokio::test]
async fn browsers_are_told_what_they_may_send() {
    let world = World::new().await;
    let request = Request::builder()
        .method("OPTIONS")
        .uri("/api/jobs/by-apikey")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "DELETE")
        .header("Access-Control-Request-Headers", "content-type,x-api-key,x-trace-id")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert!(answer.status.is_success());
    let header = |name: &str| answer.headers[name].to_str().unwrap().to_lowercase();
    assert!(header("access-control-allow-methods").contains("delete"));
    for name in ["content-type", "x-api-key", "x-trace-id", "authorization"] {
        assert!(header("access-control-allow-headers").contains(name), "{name}");
    }
}

#[tokio::test]
async fn one_address_asks_so_often_whatever_keys_it_has() {
    let config = Config { keyed_per_minute: 3, ..Config::default() };
    let world = World::with(config).await;
    let mut statuses = Vec::new();
    for key in ["user", "other", "app", "admin", "keeper"] {
        statuses.push(world.get(key, "/api/jobs/by-apikey").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    let refused = world.get("user", "/api/jobs/by-apikey").await;
    assert!(refused.headers.contains_key("retry-after"), "{}", refused.text);
}

#[tokio::test]
async fn a_request_keeps_the_name_that_its_client_gave_it() {
    let world = World::new().await;
    let traced = async |name: &str| {
        let request = Request::builder().uri("/api/jobs/by-apikey").header("x-trace-id", name);
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), 401);
        answer.headers["x-trace-id"].to_str().unwrap().to_owned()
    };
    assert_eq!(traced("get-jobs-abcdef-a1b2c3d4").await, "get-jobs-abcdef-a1b2c3d4");
    for (method, path) in [("GET", "/api/absent"), ("PATCH", "/api/jobs")] {
        let request = Request::builder().method(method).uri(path).header("x-trace-id", "named");
        let answer = world.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.headers["x-trace-id"], "named", "{method} {path}");
    }
    let long = "a".repeat(129);
    for other in ["", long.as_str()] {
        let own = traced(other).await;
        assert!(own.len() == 36 && own != traced(other).await, "{own}");
    }
    let crowded = (0..101).fold(Request::builder().uri("/ready"), |r, n| r.header(format!("x-{n}"), "a"));
    let crowded = world.send(crowded.body(Body::empty()).unwrap()).await;
    assert_eq!((crowded.status.as_u16(), crowded.code().as_str()), (431, "HEADERS_TOO_LARGE"));
}
