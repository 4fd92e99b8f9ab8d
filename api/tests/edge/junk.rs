//! Junk is answered, never a panic, never a 5xx.

use axum::{body::Body, http::Request};
use proptest::{
    collection::vec,
    prelude::{any, prop_oneof},
    strategy::{Just, Strategy},
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::world::{World, job};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn post(world: &World, path: &str, method: &str, body: Vec<u8>) -> u16 {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("X-Api-Key", &world.keys["admin"])
        .body(Body::from(body))
        .unwrap();
    world.send(request).await.status.as_u16()
}

#[test]
fn a_megabyte_of_anything() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let mega = 1_000_000;
    let bodies = [
        vec![0xff; mega],
        b"[".repeat(mega),
        b"{\"a\":".repeat(mega / 5),
        format!("[{}]", "1,".repeat(mega / 2)).into_bytes(),
        format!("[{}1]", "1,".repeat(mega / 2 - 1)).into_bytes(),
        format!("[{{\"job_id\":{}}}]", "9".repeat(mega)).into_bytes(),
        format!("[{{\"upper_limit\":1e{}}}]", "9".repeat(mega)).into_bytes(),
        format!("[{{{}\"a\":1}}]", "\"job_id\":\"1\",".repeat(mega / 14)).into_bytes(),
        format!("[{{\"arguments\":[{}1]}}]", "[],".repeat(mega / 3)).into_bytes(),
        vec![b' '; mega],
    ];
    for (index, body) in bodies.into_iter().enumerate() {
        for (method, path) in [
            ("POST", "/api/jobs"),
            ("POST", "/api/code/validate"),
            ("POST", "/api/admin/api-keys"),
            ("POST", "/api/modules"),
        ] {
            let status = runtime.block_on(post(&world, path, method, body.clone()));
            assert!((400..500).contains(&status), "{path} {index}: {status}");
        }
    }
    assert_eq!(runtime.block_on(post(&world, "/api/jobs", "POST", vec![b'['; 3_000_000])), 413);
    let long = format!("/api/fees?abi={}", "a".repeat(65_100));
    assert_eq!(runtime.block_on(world.get("", &long)).status.as_u16(), 414);
    let fits = format!("/api/fees?abi={}", "a".repeat(60_000));
    assert_eq!(runtime.block_on(world.get("", &fits)).status.as_u16(), 422);
}

#[test]
fn a_body_that_never_ends_times_out() {
    let config = argus_api::Config {
        body_timeout: std::time::Duration::from_millis(50),
        ..argus_api::Config::default()
    };
    let runtime = runtime();
    let status = runtime.block_on(async {
        let world = World::with(config).await;
        let endless = futures::stream::pending::<Result<bytes::Bytes, std::io::Error>>();
        let request = Request::builder()
            .method("POST")
            .uri("/api/jobs")
            .header("X-Api-Key", &world.keys["user"])
            .body(Body::from_stream(endless))
            .unwrap();
        world.send(request).await.status.as_u16()
    });
    assert_eq!(status, 408);
}

/// Values that stand in for a field's.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|f| serde_json::Number::from_f64(f).map_or(Value::Null, Value::Number)),
        ".{0,40}".prop_map(Value::from),
        Just(json!("9".repeat(400))),
        Just(json!(["", {}, [[]]])),
        Just(json!({"a": {"b": 1}})),
        Just(json!("0x")),
        Just(json!("ipfs://")),
        Just(json!("(((")),
        Just(json!("f(uint256[99999999][99999999])")),
    ]
}

#[test]
fn odd_values_in_odd_fields() {
    let runtime = runtime();
    let world = runtime.block_on(World::new());
    let mut names: Vec<String> = job("1").as_object().unwrap().keys().cloned().collect();
    names.retain(|name| name != "user_address");
    for name in [
        "trigger_event",
        "trigger_chain_id",
        "trigger_contract_address",
        "event_filter_value",
        "event_filter_para_name",
        "condition_type",
        "upper_limit",
        "lower_limit",
        "value_source_type",
        "value_source_url",
        "selected_key_route",
        "cron_expression",
        "specific_schedule",
        "limits",
        "allow_hosts",
        "storage",
        "fee_cap",
        "keepers",
        "tolerance",
        "cooldown",
    ] {
        names.push(name.to_owned());
    }
    let count = names.len();
    let changes = vec((0..count, odd_value()), 1..6);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&(1u8..8, changes), |(kind, changes)| {
        let mut body = job("1");
        body["task_definition_id"] = json!(kind);
        for (index, value) in changes {
            body[names[index].as_str()] = value;
        }
        let answer = runtime.block_on(world.create("user", &json!([body])));
        let status = answer.status.as_u16();
        assert!([200, 400, 409, 422].contains(&status), "{body}: {status} {}", answer.text);
        Ok(())
    });
    outcome.unwrap_or_else(|e| panic!("{e}"));
}
