//! Bodies of POST /api/jobs as clients write them.

use argus_domain::U256;
use serde_json::{Map, Value, json};

use crate::Platform;

/// The demo contract's function that jobs call.
pub const RECORD: &str = r#"[{"type":"function","name":"record","stateMutability":"nonpayable","inputs":[{"name":"key","type":"string"},{"name":"value","type":"uint256"}],"outputs":[]}]"#;

/// A job id that nobody has.
pub fn fresh_id() -> String {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("randomness");
    // Ids of the chain's registry have its number in front.
    bytes[0] &= 0x7f;
    U256::from_be_bytes(bytes).to_string()
}

fn base(platform: &Platform, kind: u8) -> Map<String, Value> {
    let body = json!({
        "job_id": fresh_id(),
        "user_address": platform.account(0),
        "ether_balance": 0,
        "token_balance": 0,
        "job_title": "end to end",
        "task_definition_id": kind,
        "custom": true,
        "language": "ts",
        "time_frame": 120,
        "recurring": true,
        "job_cost_prediction": 0.001,
        "timezone": "UTC",
        "created_chain_id": platform.chain_id(),
        "target_chain_id": platform.chain_id(),
        "target_contract_address": platform.said("/contracts/demo_target"),
        "target_function": "record(string,uint256)",
        "abi": RECORD,
        "is_imua": false,
        "is_safe": false,
    });
    match body {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Lays fields over a job.
#[must_use]
pub fn with(mut job: Value, fields: Value) -> Value {
    if let (Some(job), Value::Object(fields)) = (job.as_object_mut(), fields) {
        job.extend(fields);
    }
    job
}

fn fixed(platform: &Platform, kind: u8, key: &str, value: u64) -> Value {
    let mut job = base(platform, kind);
    job.insert("arg_type".to_owned(), json!(1));
    job.insert("arguments".to_owned(), json!([key, value.to_string()]));
    Value::Object(job)
}

/// Calls with the same arguments every so many seconds.
pub fn interval(platform: &Platform, key: &str, value: u64, every: u64, time_frame: u64) -> Value {
    let time = json!({ "schedule_type": "interval", "time_interval": every, "time_frame": time_frame });
    with(fixed(platform, 1, key, value), time)
}

/// As [`interval`], with arguments that a script gives.
pub fn scripted(platform: &Platform, script: &str, every: u64, time_frame: u64) -> Value {
    let fields = json!({
        "task_definition_id": 2,
        "arg_type": 2,
        "arguments": [],
        "dynamic_arguments_script_url": script,
    });
    with(interval(platform, "", 0, every, time_frame), fields)
}

/// Calls for every `Pinged` about a topic.
pub fn pinged(platform: &Platform, key: &str, value: u64, topic: u64) -> Value {
    let event = json!({
        "trigger_chain_id": platform.chain_id(),
        "trigger_contract_address": platform.said("/contracts/demo_target"),
        "trigger_event": "Pinged(address,uint256,uint256)",
        "event_filter_para_name": "topic2",
        "event_filter_value": format!("{topic:#066x}"),
    });
    with(fixed(platform, 3, key, value), event)
}

/// Calls whenever the value at a URL comes to be above a limit.
pub fn above(platform: &Platform, key: &str, value: u64, url: &str, limit: u64) -> Value {
    let condition = json!({
        "condition_type": "greater_than",
        "upper_limit": limit,
        "lower_limit": 0,
        "value_source_type": "api",
        "value_source_url": url,
        "selected_key_route": "market.price",
    });
    with(fixed(platform, 5, key, value), condition)
}
