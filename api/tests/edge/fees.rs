//! The quote that clients ask for before they move money.

use std::time::Duration;

use axum::{body::Body, http::Request};
use serde_json::json;

use crate::world::{ABI, SAFE, SAFE_ABI, TARGET, World};

fn query(pairs: &[(&str, &str)]) -> String {
    let text: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("/api/fees?{text}")
}

fn usual<'a>(kind: &'a str, url: &'a str, args: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("ipfs_url", url),
        ("task_definition_id", kind),
        ("target_chain_id", "31337"),
        ("target_contract_address", TARGET),
        ("target_function", "incrementBy"),
        ("abi", ABI),
        ("args", args),
    ]
}

#[tokio::test]
async fn a_quote_needs_no_key_and_is_above_zero() {
    let world = World::new().await;
    let request = Request::builder()
        .uri(query(&usual("1", "", "[\"3\"]")))
        .header("authorization", "Bearer whatever")
        .body(Body::empty())
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let body = answer.json();
    let gas_wei = (50_000u128 + 180_000) * 1_000_000_001;
    let current = 2_000_000_000_000u128 + gas_wei;
    assert_eq!(body["current_total_fee"].to_string(), current.to_string());
    assert_eq!(body["current_total_fee_wei"], json!(current.to_string()));
    assert_eq!(body["total_fee_wei"], json!((current * 120).div_ceil(100).to_string()));
    *world.chain.reverts.lock().unwrap() = true;
    let reverting = world.get("", &query(&usual("1", "", "[\"3\"]"))).await.json();
    assert!(reverting["breakdown"]["simulation"].as_str().unwrap().contains("reverts now"));
}

#[tokio::test]
async fn what_could_not_work_is_no_2xx() {
    let world = World::new().await;
    let good = world.script("print [\"7\"]").await;
    let bad = world.script("fail no").await;
    let swap = |mut pairs: Vec<(&'static str, &'static str)>, name: &str, value: &'static str| {
        for pair in &mut pairs {
            if pair.0 == name {
                pair.1 = value;
            }
        }
        query(&pairs)
    };
    let plain = || usual("1", "", "[\"3\"]");
    for path in [
        swap(plain(), "task_definition_id", "8"),
        swap(plain(), "target_chain_id", "1"),
        swap(plain(), "target_contract_address", "0x"),
        swap(plain(), "target_function", "absent"),
        swap(plain(), "abi", "{"),
        swap(plain(), "args", "[\"x\"]"),
        swap(plain(), "args", "no json"),
        query(&usual("2", "", "")),
        query(&usual("2", &bad, "")),
        query(&usual("2", "https://host.example/a.ts", "")),
        query(&usual("7", &good, "")),
        "/api/fees".to_owned(),
    ] {
        let answer = world.get("", &path).await;
        assert_eq!(answer.status.as_u16(), 422, "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn scripts_run_once_for_many_quotes() {
    let world = World::new().await;
    let url = world.script("print [\"7\"]").await;
    for _ in 0..3 {
        let answer = world.get("", &query(&usual("2", &url, "[]"))).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(answer.json()["breakdown"]["fuel_wei"], json!("2000000000"));
    }
    assert_eq!(*world.runner.runs.lock().unwrap(), 1);
    let choice = world.script(r#"print {"shouldExecute":false}"#).await;
    let seven = world.get("", &query(&usual("7", &choice, ""))).await;
    assert_eq!(seven.status.as_u16(), 200, "{}", seven.text);
}

#[tokio::test]
async fn a_safe_call_with_five_or_six_arguments() {
    let world = World::new().await;
    let url = world.script(&format!("print [\"{SAFE}\",\"{TARGET}\",\"0\",\"0x\",0]")).await;
    let mut scripted = usual("2", &url, "");
    scripted.retain(|(name, _)| !matches!(*name, "target_function" | "abi"));
    scripted.extend([("target_function", "execJobFromHub"), ("abi", SAFE_ABI)]);
    let answer = world.get("", &query(&scripted)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    for args in [json!([SAFE, TARGET, "0", "0x", 0]), json!([SAFE, TARGET, "0", "0x", 0, TARGET])] {
        let args = args.to_string();
        let mut pairs = usual("1", "", &args);
        for pair in &mut pairs {
            match pair.0 {
                "target_function" => pair.1 = "execJobFromHub",
                "abi" => pair.1 = SAFE_ABI,
                _ => {}
            }
        }
        let answer = world.get("", &query(&pairs)).await;
        assert_eq!(answer.status.as_u16(), 200, "{args}: {}", answer.text);
    }
}

#[tokio::test]
async fn one_address_asks_so_often_and_no_oftener() {
    let config = argus_api::Config { open_per_minute: 2, ..argus_api::Config::default() };
    let world = World::with(config).await;
    let statuses = [
        world.get("", "/api/fees").await.status.as_u16(),
        world.get("", "/api/fees").await.status.as_u16(),
        world.get("", "/api/fees").await.status.as_u16(),
    ];
    assert_eq!(statuses, [422, 422, 429]);
}

#[tokio::test]
async fn a_price_is_asked_for_once_in_a_while_and_believed_for_no_longer_than_it_may_be() {
    let world = World::new().await;
    let ask = || async { world.get("", &query(&usual("1", "", "[\"3\"]"))).await };
    let price = |answer: &crate::world::Answer| answer.json()["breakdown"]["gas_price_wei"].clone();
    assert_eq!(price(&ask().await), json!("1000000001"));
    *world.chain.base_fee.lock().unwrap() = Some(2_000_000_000);
    assert_eq!(price(&ask().await), json!("1000000001"), "it is still fresh");
    world.clock.advance(Duration::from_millis(3_001));
    assert_eq!(price(&ask().await), json!("2000000001"));
    *world.chain.base_fee.lock().unwrap() = None;
    world.clock.advance(Duration::from_millis(60_000));
    assert_eq!(price(&ask().await), json!("2000000001"), "the node is silent");
    world.clock.advance(Duration::from_millis(1));
    let answer = ask().await;
    assert_eq!(answer.status.as_u16(), 503, "{}", answer.text);
}

#[tokio::test]
async fn a_script_that_needs_its_trigger_is_no_reason_to_refuse() {
    let world = World::new().await;
    let url = world.script("fail TypeError: no log").await;
    for (kind, status) in [("2", 422), ("4", 200), ("6", 200)] {
        let answer = world.get("", &query(&usual(kind, &url, "[]"))).await;
        assert_eq!(answer.status.as_u16(), status, "{kind}: {}", answer.text);
    }
    let answer = world.get("", &query(&usual("4", &url, "[]"))).await.json();
    let said = answer["breakdown"]["simulation"].as_str().unwrap();
    assert_eq!(said, "the script, tried without its trigger, failed: TypeError: no log");
    assert_eq!(answer["breakdown"]["gas"], json!(500_000));
    let misfit = world.script("print [\"seven\"]").await;
    assert_eq!(world.get("", &query(&usual("4", &misfit, "[]"))).await.status.as_u16(), 422);
}
