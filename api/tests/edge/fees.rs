//! The quote that clients ask for before they move money.

use std::time::Duration;

use argus_domain::U256;
use axum::{body::Body, http::Request};
use serde_json::json;

use crate::world::{ABI, SAFE, SAFE_ABI, TARGET, World, job, job_with, one};

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
    let gas_wei = (50_000u128 + 76_000 + 2 * 6_500 + 16 * (36 + 2 * 65)) * 1_000_000_001;
    let current = 2_000_000_000_000u128 + gas_wei;
    assert_eq!(body["current_total_fee"].to_string(), current.to_string());
    assert_eq!(body["current_total_fee_wei"], json!(current.to_string()));
    assert_eq!(body["total_fee_wei"], json!((current * 120).div_ceil(100).to_string()));
    *world.chain.reverts.lock().unwrap() = true;
    let reverting = world.get("", &query(&usual("1", "", "[\"3\"]"))).await.json();
    assert!(reverting["breakdown"]["simulation"].as_str().unwrap().contains("reverts now"));
}

#[tokio::test]
async fn the_cap_that_is_quoted_is_the_cap_of_the_job() {
    let world = World::new().await;
    let quoted = async |said: &[(&str, &str)]| {
        let pairs = [usual("1", "", "[\"3\"]"), said.to_vec()].concat();
        world.get("", &query(&pairs)).await.json()["fee_cap_wei"].clone()
    };
    let shown = async |id: &str| {
        let path = format!("/api/jobs/user/0x1111111111111111111111111111111111111111/{id}");
        world.get("user", &path).await.json()["fee_cap"].clone()
    };
    let by_gas = |gas: u64, signatures: u64| {
        let gas = gas + 76_000 + signatures * (6_500 + 16 * 65);
        json!((u128::from(gas) * 50_000_000_000).to_string())
    };
    let cases = [
        (vec![], json!({}), by_gas(1_000_000, 2)),
        (vec![("gas_limit", "200000")], json!({"gas_limit": 200_000}), by_gas(200_000, 2)),
        (
            vec![("keepers", "5"), ("threshold", "4")],
            json!({"keepers": 5, "threshold": 4}),
            by_gas(1_000_000, 4),
        ),
        (vec![("fee_cap", "77")], json!({"fee_cap": "77"}), json!("77")),
        (vec![("fee_cap_wei", "78")], json!({"fee_cap_wei": 78}), json!("78")),
    ];
    for (n, (asked, fields, cap)) in (1..).zip(cases) {
        let id = n.to_string();
        assert_eq!(quoted(&asked).await, cap, "{asked:?}");
        // The price of gas moves, and the same job is sent again.
        for base_fee in [1_000_000_000, 900_000_000_000] {
            *world.chain.base_fee.lock().unwrap() = Some(base_fee);
            world.clock.advance(Duration::from_millis(3_001));
            let answer = world.create("user", &one(job_with(&id, fields.clone()))).await;
            assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
            assert_eq!(shown(&id).await, cap, "{fields}");
        }
    }
    let limit = "1000000000000000001";
    for fields in [json!({"fee_cap": limit}), json!({"fee_cap_wei": limit}), json!({"fee_cap_wei": "1.5"})] {
        let answer = world.create("user", &one(job_with("9", fields))).await;
        assert_eq!(answer.status.as_u16(), 422, "{}", answer.text);
        assert!(
            answer.text.contains("is a whole number of wei from 1 to 1000000000000000000"),
            "{}",
            answer.text
        );
    }
    let above = [usual("1", "", "[\"3\"]"), vec![("fee_cap", limit)]].concat();
    assert_eq!(world.get("", &query(&above)).await.status.as_u16(), 422);
    for name in ["fee_cap", "fee_cap_wei"] {
        for digits in [limit.to_owned(), "9".repeat(100), String::new()] {
            let asked = [usual("1", "", "[\"3\"]"), vec![(name, digits.as_str())]].concat();
            let answer = world.get("", &query(&asked)).await;
            assert_eq!(answer.status.as_u16(), 422, "{}", answer.text);
            assert_eq!(answer.json()["details"][0]["path"], json!(name), "{}", answer.text);
        }
    }
    for value in [format!("\"{limit}\""), "9".repeat(100), "1e400".to_owned(), "-1".to_owned()] {
        let change = format!("{{\"fee_cap\": {value}}}");
        let answer = world.call("user", "PUT", "/api/jobs/update/4", &change).await;
        assert_eq!(answer.status.as_u16(), 422, "{change}: {}", answer.text);
        assert_eq!(answer.json()["details"][0]["path"], json!("fee_cap"), "{change}: {}", answer.text);
    }
    // A change of what it follows from changes it, unless somebody named it.
    for (id, change, cap) in [
        ("1", json!({"gas_limit": 300_000}), by_gas(300_000, 2)),
        ("4", json!({"gas_limit": 300_000}), json!("77")),
        ("4", json!({"fee_cap": "80"}), json!("80")),
        ("5", json!({"job_title": "another title"}), json!("78")),
    ] {
        let answer = world.call("user", "PUT", &format!("/api/jobs/update/{id}"), &change.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        assert_eq!(shown(id).await, cap, "{id} {change}");
    }
}

#[tokio::test]
async fn a_cap_below_what_a_task_costs_is_said_where_a_job_is_stored() {
    let world = World::new().await;
    let gas_wei = (50_000u128 + 76_000 + 2 * 6_500 + 16 * (36 + 2 * 65)) * 1_000_000_001;
    let cost = 2_000_000_000_000u128 + gas_wei;
    let words = |cap: u128| {
        format!("a task costs {cost} wei now, more than its fee_cap of {cap}: it would not be called")
    };
    let cap = |wei: u128| json!({"fee_cap": wei.to_string()});
    let create = async |id: &str, changes: serde_json::Value| {
        let answer = world.create("user", &one(job_with(id, changes))).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.json()["warnings"].to_string()
    };
    let put = async |id: &str, change: serde_json::Value| {
        let answer = world.call("user", "PUT", &format!("/api/jobs/update/{id}"), &change.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.json()["warnings"].to_string()
    };
    assert!(create("1", cap(cost - 1)).await.contains(&words(cost - 1)));
    assert!(!create("2", cap(cost)).await.contains("fee_cap"));
    assert!(put("2", cap(7)).await.contains(&words(7)));
    assert!(!put("2", cap(cost)).await.contains("fee_cap"));
    // A script that is not tried again may come to a call that uses all that it may.
    let script = world.script("print [\"3\"]").await;
    let scripted = json!({"task_definition_id": 2, "arg_type": 2, "dynamic_arguments_script_url": script,
        "language": "ts", "arguments": null});
    create("3", scripted).await;
    let said = put("3", cap(7)).await;
    assert!(said.contains("uses all of its gas_limit") && said.contains("its fee_cap of 7"), "{said}");
    assert!(!put("3", cap(1_000_000_000_000_000_000)).await.contains("fee_cap"));
    // Nobody knows what gas costs, and the job is stored.
    *world.chain.base_fee.lock().unwrap() = None;
    world.clock.advance(Duration::from_secs(3_600));
    assert!(!create("4", cap(7)).await.contains("fee_cap"));
}

#[tokio::test]
async fn a_job_that_was_taken_keeps_its_cap_when_the_operator_changes_the_rule() {
    let world = World::new().await;
    let cap = async |world: &World| {
        let path = "/api/jobs/user/0x1111111111111111111111111111111111111111/1";
        let quoted = world.get("", &query(&usual("1", "", "[\"3\"]"))).await.json();
        (quoted["fee_cap_wei"].clone(), world.get("user", path).await.json()["fee_cap"].clone())
    };
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    let (quoted, taken) = cap(&world).await;
    assert_eq!(quoted, taken);
    let world = world.configured(|config| config.tariff.gas_price_max = U256::from(60_000_000_000u64));
    let again = world.create("user", &one(job("1"))).await;
    assert_eq!(again.status.as_u16(), 200, "{}", again.text);
    let (quoted, kept) = cap(&world).await;
    assert_eq!(kept, taken);
    assert_ne!(quoted, taken);
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
    assert_eq!(answer["breakdown"]["gas"], json!(1_000_000), "all that it may use");
    let much = query(&[usual("4", &url, "[]"), vec![("gas_limit", "15000000")]].concat());
    assert_eq!(world.get("", &much).await.json()["breakdown"]["gas"], json!(15_000_000));
    let misfit = world.script("print [\"seven\"]").await;
    assert_eq!(world.get("", &query(&usual("4", &misfit, "[]"))).await.status.as_u16(), 422);
}
