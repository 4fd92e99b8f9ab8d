//! What bodies are described to say is what is read of them. That nothing else is read follows from the table: handlers
//! see no other field.

use std::path::Path;

use argus_api::routes::{self, Kind, Route};
use argus_domain::access::Role;
use serde_json::{Value, json};

use crate::{
    described,
    world::{SAFE, SAFE_ABI, TARGET, World, job_with},
};

const OWN: &str = "0x1111111111111111111111111111111111111111";
const JOB: &str = "1001";
const SCRIPT: &str = "print [\"7\"]";

/// A value that no field of this kind takes.
fn wrong(kind: Kind) -> Value {
    match kind {
        Kind::List(..) | Kind::Some(_) | Kind::Object(_) => json!(7),
        Kind::Json => json!("no ABI"),
        Kind::Text(..)
        | Kind::Loose(..)
        | Kind::Word(_)
        | Kind::Flag
        | Kind::Whole(..)
        | Kind::Integer
        | Kind::Decimal
        | Kind::Digits
        | Kind::Address
        | Kind::Any => json!({"a": [true]}),
    }
}

/// Jobs that together have each field of a job read.
fn jobs(script: &str) -> [Value; 5] {
    [
        json!({"task_definition_id": 2, "dynamic_arguments_script_url": script, "language": "ts",
            "allow_hosts": ["a.example"], "secrets": ["TOKEN"]}),
        json!({}),
        json!({"task_definition_id": 3, "trigger_chain_id": 31337, "trigger_contract_address": TARGET,
            "trigger_event": "Moved(address,uint256)"}),
        json!({"task_definition_id": 5, "condition_type": "greater_than", "upper_limit": 1,
            "value_source_type": "static", "value_source_url": "7"}),
        json!({"is_safe": true, "safe_address": SAFE, "target_function": "execJobFromHub", "abi": SAFE_ABI,
            "arguments": [SAFE, OWN, "0", "0x", 0, OWN]}),
    ]
}

/// Bodies of a route, which together have it read each of its fields.
fn bodies(route: &Route, script: &str) -> Vec<Value> {
    match route.path {
        "/api/jobs" => jobs(script).map(|with| json!([job_with("5001", with)])).to_vec(),
        "/api/jobs/dry-run" => jobs(script).map(|with| job_with("5001", with)).to_vec(),
        // Of each of the jobs above.
        "/api/jobs/update/{id}" => vec![json!({}); 5],
        "/api/jobs/{id}/secrets/{name}" => vec![json!({"value": "a value that is long enough"})],
        "/api/admin/api-keys" => vec![json!({"owner": OWN})],
        "/api/webhooks" => vec![json!({"url": "https://hook.example/a"})],
        "/api/users/email" => vec![json!({"user_address": OWN, "email_id": "a@b.example"})],
        "/api/keepers" | "/api/keepers/form" | "/api/keepers/update-chat-id" => {
            vec![json!({"keeper_address": OWN,
            "rewards_address": OWN, "keeper_name": "keeper", "chat_id": 7})]
        }
        "/api/auth/sign-in" => vec![json!({"message": "no message", "signature": "0x"})],
        "/api/code/validate" => {
            vec![json!({"code": "print [1]", "is_safe": true, "selected_safe": OWN, "language": "ts"})]
        }
        "/api/modules" => {
            vec![json!({"source": "print [1]", "language": "ts"}), json!({"wasm_base64": "AGFzbQEAAAA="})]
        }
        _ => vec![json!({})],
    }
}

/// A world in which a route's path names something, and that path.
async fn peopled(route: &Route, job: Value) -> (World, String) {
    let world = World::with(argus_api::Config {
        sign_in_domains: vec!["argus.example".to_owned()],
        ..Default::default()
    })
    .await;
    world.script(SCRIPT).await;
    let created = world.create("user", &json!([job_with(JOB, job)])).await;
    assert_eq!(created.status, 200, "{}", created.text);
    let named = match route.path {
        "/api/webhooks/{id}" => {
            let made =
                world.call("user", "POST", "/api/webhooks", r#"{"url":"https://hook.example/a"}"#).await;
            made.json()["id"].as_str().unwrap().to_owned()
        }
        "/api/admin/api-keys/{id}" => {
            let made =
                world.call("admin", "POST", "/api/admin/api-keys", &json!({"owner": OWN}).to_string()).await;
            made.json()["id"].as_str().unwrap().to_owned()
        }
        "/api/modules/{cid}/run" => world.script("print [1]").await.rsplit('/').next().unwrap().to_owned(),
        _ => JOB.to_owned(),
    };
    let path = route.path.replace("{name}", "TOKEN").replace("{id}", &named).replace("{cid}", &named);
    (world, path)
}

/// What a route says to a body, in a world of its own.
async fn said(route: &Route, number: usize, change: impl Fn(&mut Value)) -> Option<(u16, String)> {
    // A script has the same name wherever it is published.
    let script = World::new().await.script(SCRIPT).await;
    let mut body = bodies(route, &script).into_iter().nth(number)?;
    let (world, path) = peopled(route, jobs(&script).into_iter().nth(number)?).await;
    change(if body.is_array() { &mut body[0] } else { &mut body });
    let key = match route.access {
        routes::Access::Keyed(roles) if roles.contains(&Role::Admin) => "admin",
        routes::Access::Keyed(_) => "user",
        routes::Access::Open | routes::Access::Limited => "",
    };
    let answer = world.call(key, route.method.as_str(), &path, &body.to_string()).await;
    Some((answer.status.as_u16(), answer.text))
}

#[tokio::test]
async fn what_is_described_is_read() {
    let mut unread = Vec::new();
    // The faucet is off here, and reads nothing then.
    for route in routes::all().filter(|route| route.path != "/api/claim-fund") {
        let Some(object) = route.body.object() else { continue };
        let mut good = Vec::new();
        while let Some(answer) = said(route, good.len(), |_| ()).await {
            good.push(answer);
        }
        for field in object.all() {
            let mut is_read = false;
            for (number, before) in good.iter().enumerate() {
                let told = said(route, number, |body| body[field.name] = wrong(field.kind)).await;
                let told = told.expect("the same body");
                is_read = told != *before && (told.0 == 422 || route.path.ends_with("/dry-run"));
                if is_read {
                    break;
                }
            }
            if !is_read {
                unread.push(format!("{} {}: {}", route.method, route.path, field.name));
            }
        }
    }
    assert_eq!(unread, Vec::<String>::new());
}

/// The bodies of the original clients, as tests/e2e sends them.
#[test]
fn what_clients_send_is_described() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/e2e/corpus");
    let mut checked = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let text = text.replace("${owner}", OWN).replace("${other}", OWN).replace("${target}", TARGET);
        let corpus: Value = serde_json::from_str(&text.replace("${chain}", "31337")).unwrap();
        for step in corpus["steps"].as_array().unwrap() {
            let is_taken = step["status"].as_u64().is_none_or(|status| status < 300);
            let (Some(body), true) = (step.get("body"), is_taken) else { continue };
            let (method, path) = step["request"].as_str().unwrap().split_once(' ').unwrap();
            described::check_taken(method, path, &filled(body.clone()).to_string());
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} bodies only");
}

/// Names of what earlier steps made are numbers.
fn filled(value: Value) -> Value {
    match value {
        Value::String(text) if text.starts_with("${new:") => json!("7"),
        Value::Array(elements) => elements.into_iter().map(filled).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, filled(value))).collect(),
        other => other,
    }
}
