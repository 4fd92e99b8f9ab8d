//! API keys and limits.

use axum::{body::Body, http::Request};
use serde_json::json;

use crate::world::{NOW, World};

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
