//! A whole job, tried: what creation would say, when it would run, what it would call and cost; and nothing is stored.

use std::time::Duration;

use argus_domain::U256;
use argus_ports::{JobStore, Ledger, ModuleStore, StoreError};
use serde_json::{Value, json};

use crate::{
    people::register,
    world::{ABI, CHAIN, SAFE, SAFE_ABI, TARGET, World, address, job, job_with, one},
};

const OWN: &str = "0x1111111111111111111111111111111111111111";
const OTHERS: &str = "0x2222222222222222222222222222222222222222";

async fn tried(world: &World, key: &str, body: &Value) -> Value {
    let answer = world.call(key, "POST", "/api/jobs/dry-run", &body.to_string()).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

/// A world whose store takes no write: one would be answered with 503.
async fn read_only() -> World {
    let world = World::new().await;
    world.store.refuse_writes(Some(StoreError::ReadOnly("a dry run writes nothing".to_owned())));
    world
}

fn computed(kind: u8, url: &str) -> Value {
    json!({"task_definition_id": kind, "arguments": [], "language": "ts", "dynamic_arguments_script_url": url})
}

#[tokio::test]
async fn a_job_is_shown_as_it_would_run() {
    let world = read_only().await;
    let told = tried(&world, "user", &job("1")).await;
    let minutes = [1, 2, 3, 4, 5].map(|n| json!(format!("2027-01-15T08:0{n}:00.000Z")));
    assert_eq!((&told["ok"], &told["faults"]), (&json!(true), &json!([])), "{told}");
    assert_eq!(told["next_runs"], json!(minutes));
    assert_eq!(told["arguments"], json!(["3"]));
    assert_eq!(told["target"].as_str().unwrap().to_lowercase(), TARGET.to_lowercase());
    let word = format!("{:064x}", 3);
    assert!(
        told["calldata"].as_str().is_some_and(|data| data.len() == 74 && data.ends_with(&word)),
        "{told}"
    );
    assert_eq!((&told["would_revert"], &told["revert_reason"]), (&json!(false), &Value::Null));
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("task_definition_id", "1"),
            ("target_chain_id", &CHAIN.to_string()),
            ("target_contract_address", TARGET),
            ("target_function", "incrementBy"),
            ("abi", ABI),
            ("args", "[3]"),
        ])
        .finish();
    let quote = world.get("", &format!("/api/fees?{query}")).await.json();
    assert_eq!(told["gas"], quote["breakdown"]["gas"]);
    assert_eq!(told["cost_wei"], quote["current_total_fee_wei"], "{quote}");
    assert_eq!(told["warnings"].as_array().unwrap().len(), 1, "recurring is ignored: {told}");
    assert!(world.store.job("1".parse().unwrap()).await.unwrap().is_none());
    assert_eq!(world.store.of_account(address(0x11), 9).await, Ok(vec![]), "no points");
    assert_eq!(world.nudge.0.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_would_not_be_paid_for_or_agreed_on_is_said() {
    let mut config = argus_api::Config::default();
    config.policy.fee_cap_max = U256::MAX;
    let world = World::with(config).await;
    world.store.refuse_writes(Some(StoreError::ReadOnly("a dry run writes nothing".to_owned())));
    let said = async |changes: Value| {
        let told = tried(&world, "user", &job_with("1", changes)).await;
        assert_eq!(told["ok"], true, "{told}");
        told["warnings"].to_string()
    };
    let nothing = said(json!({})).await;
    assert!(said(json!({"fee_cap": "1"})).await.contains("more than its fee_cap of 1"));
    // A node estimates 50,000 with a transaction's 21,000 and 16 for each byte.
    assert!(said(json!({"gas_limit": 27_000})).await.contains("gas now, and its gas_limit is 27000"));
    assert_eq!(said(json!({"gas_limit": 29_000})).await, nothing);
    // More keepers than others ask for, before any is registered, and beside too few and enough.
    let wide = json!({"keepers": 4, "threshold": 3});
    assert_eq!(said(wide.clone()).await, nothing);
    world.store.refuse_writes(None);
    for (registered, is_said) in [(1, true), (2, true), (3, false)] {
        register(&world, registered).await;
        let words = format!("3 keepers have to agree and {registered} are registered");
        assert_eq!(said(wide.clone()).await.contains(&words), is_said, "{registered}");
    }
    // Two of three are what jobs have that say nothing of it.
    assert_eq!(said(json!({})).await, nothing);
    *world.chain.base_fee.lock().unwrap() = Some(1_000_000_000_000_000);
    // A price is asked for again once it is a minute old.
    world.clock.advance(Duration::from_secs(61));
    let dear = said(json!({"fee_cap": "1000000000000000000000"})).await;
    assert!(
        dear.contains("the owner's deposit is 10000000000000000000") && !dear.contains("fee_cap of"),
        "{dear}"
    );
}

#[tokio::test]
async fn a_safe_that_would_not_act_is_said() {
    let world = read_only().await;
    let said = async |changes: Value| {
        let safe = json!({"is_safe": true, "safe_address": SAFE, "target_function": "execJobFromHub",
            "abi": SAFE_ABI, "arguments": [SAFE, TARGET, "1", "0x", 0]});
        let mut job = job_with("1", safe);
        job.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let told = tried(&world, "user", &job).await;
        assert_eq!(told["ok"], true, "{told}");
        told["warnings"].as_array().unwrap().clone()
    };
    *world.chain.safes.lock().unwrap() = (Some(true), Some(true));
    let nothing = said(json!({})).await;
    let chain = format!("on chain {CHAIN}");
    for (safes, words) in [
        ((Some(true), Some(false)), vec!["is not enabled in the Safe"]),
        ((Some(false), Some(true)), vec!["user_address does not own the Safe"]),
        (
            (Some(false), Some(false)),
            vec!["user_address does not own the Safe", "is not enabled in the Safe"],
        ),
        ((None, Some(true)), vec!["safe_address is no Safe"]),
        ((Some(true), None), vec!["safe_address is no Safe"]),
    ] {
        *world.chain.safes.lock().unwrap() = safes;
        let warnings = said(json!({})).await;
        assert_eq!(warnings.len(), nothing.len() + words.len(), "{warnings:?}");
        for words in words {
            let words = format!("{words} {chain}");
            assert!(
                warnings.iter().any(|told| told.as_str().unwrap().contains(&words)),
                "{warnings:?}: {words}"
            );
        }
    }
    *world.chain.safes.lock().unwrap() = (Some(true), Some(true));
    *world.chain.threshold.lock().unwrap() = 2;
    let told = said(json!({})).await;
    let words = format!("2 owners of the Safe {chain} have to agree");
    assert!(told.iter().any(|told| told.as_str().unwrap().contains(&words)), "{told:?}");
    let codeless = crate::fakes::CODELESS.to_string();
    let told = said(json!({"safe_address": codeless, "arguments": [codeless, TARGET, "1", "0x", 0]})).await;
    assert!(
        told.iter().any(|told| told
            == &json!(format!("safe_address has no code {chain}: create the Safe before the job is due"))),
        "{told:?}"
    );
}

#[tokio::test]
async fn runs_follow_the_schedule_and_its_zone() {
    let world = read_only().await;
    let event = json!({"task_definition_id": 3, "trigger_chain_id": CHAIN, "trigger_contract_address": TARGET,
        "trigger_event": "Moved", "schedule_type": null, "time_interval": null});
    for (changes, runs) in [
        (
            json!({"schedule_type": "cron", "cron_expression": "0 18 * * *", "time_interval": null, "time_frame": 150_000}),
            vec!["2027-01-15T12:30:00.000Z", "2027-01-16T12:30:00.000Z"],
        ),
        (
            json!({"schedule_type": "specific", "specific_schedule": "2027-01-15 14:00:00", "time_interval": null}),
            vec!["2027-01-15T08:30:00.000Z"],
        ),
        (json!({"time_interval": 1_800}), vec!["2027-01-15T08:30:00.000Z", "2027-01-15T09:00:00.000Z"]),
        (event, vec![]),
    ] {
        let told = tried(&world, "user", &job_with("1", changes.clone())).await;
        assert_eq!((&told["ok"], &told["next_runs"]), (&json!(true), &json!(runs)), "{changes}: {told}");
    }
}

#[tokio::test]
async fn a_scripts_answer_is_what_would_be_called() {
    let world = read_only().await;
    let large = U256::MAX.to_string();
    let url = world.script(&format!("print [{large}]")).await;
    let told = tried(&world, "user", &job_with("1", computed(2, &url))).await;
    assert_eq!((&told["ok"], &told["arguments"]), (&json!(true), &json!([large])), "{told}");
    assert!(told["calldata"].as_str().unwrap().ends_with(&"f".repeat(64)));
    assert_eq!((&told["log"], &told["fuel"]), (&json!("a line"), &json!(1_234_567)));
    let cid = argus_domain::module::Cid(url.rsplit('/').next().unwrap().to_owned());
    assert_eq!(world.store.by_cid(&cid).await, Ok(vec![]), "the script is not published");

    let choice =
        format!(r#"print {{"shouldExecute":true,"targetContract":"{OTHERS}","calldata":"0x01020304"}}"#);
    let url = world.script(&choice).await;
    let told = tried(&world, "user", &job_with("1", computed(7, &url))).await;
    assert_eq!((&told["target"], &told["calldata"]), (&json!(OTHERS), &json!("0x01020304")), "{told}");
    assert_eq!(told["arguments"], Value::Null);

    for (kind, script) in [
        (2, "skip market closed"),
        (7, r#"print {"shouldExecute":false,"metadata":{"reason":"market closed"}}"#),
    ] {
        let url = world.script(script).await;
        let told = tried(&world, "user", &job_with("1", computed(kind, &url))).await;
        assert_eq!((&told["ok"], &told["skip_reason"]), (&json!(true), &json!("market closed")), "{told}");
        assert_eq!((&told["target"], &told["would_revert"]), (&Value::Null, &Value::Null), "{told}");
        assert!(told["cost_wei"].is_string(), "{told}");
    }
}

#[tokio::test]
async fn a_call_that_reverts_is_told_with_its_reason_where_that_can_be_known() {
    let world = read_only().await;
    *world.chain.reverts.lock().unwrap() = true;
    let told = tried(&world, "user", &job("1")).await;
    assert_eq!((&told["ok"], &told["would_revert"]), (&json!(true), &json!(true)), "{told}");
    assert_eq!(told["revert_reason"], json!("no"));
    // A Safe's module asks the executor whose job is running, and none is.
    let safe = json!({"is_safe": true, "safe_address": SAFE, "target_function": "execJobFromHub",
        "abi": SAFE_ABI, "arguments": [SAFE, TARGET, "1", "0x", 1]});
    let told = tried(&world, "user", &job_with("1", safe)).await;
    assert_eq!((&told["ok"], &told["would_revert"]), (&json!(true), &Value::Null), "{told}");
    assert!(told["revert_reason"].as_str().unwrap().contains("Safe's module"), "{told}");
    assert_eq!(told["arguments"][5].as_str().unwrap().to_lowercase(), OWN, "the owner is appended");
}

#[tokio::test]
async fn faults_of_every_kind_come_at_once() {
    let world = read_only().await;
    let url = world.script("fail TypeError: x is undefined\n    at main (script.ts:20:23)").await;
    let mut bad = job_with("x", computed(2, &url));
    for (name, value) in [
        ("job_title", json!("x")),
        ("time_interval", json!(1.5)),
        ("timezone", json!("Mars/Olympus")),
        ("misfire", json!("never")),
        ("target_contract_address", json!("0x12")),
        ("limits", json!({"fuel_max": 99_999_999_999u64})),
    ] {
        bad[name] = value;
    }
    let told = tried(&world, "user", &bad).await;
    assert_eq!(told["ok"], json!(false));
    let faults = told["faults"].as_array().unwrap();
    let mut paths: Vec<_> = faults.iter().map(|fault| fault["path"].as_str().unwrap()).collect();
    paths.sort_unstable();
    let expect = [
        "dynamic_arguments_script_url",
        "job_id",
        "job_title",
        "limits.fuel_max",
        "misfire",
        "target_contract_address",
        "time_interval",
        "timezone",
    ];
    assert_eq!(paths, expect, "{told}");
    assert!(
        faults.iter().all(|fault| fault["message"].as_str().is_some_and(|text| text.len() > 10)),
        "{told}"
    );
    for (kind, expect) in [
        (3, vec!["trigger_chain_id", "trigger_contract_address", "trigger_event"]),
        (5, vec!["condition_type", "upper_limit", "value_source_type", "value_source_url"]),
    ] {
        let told = tried(&world, "user", &job_with("1", json!({"task_definition_id": kind}))).await;
        let faults = told["faults"].as_array().unwrap();
        let mut paths: Vec<_> = faults.iter().map(|fault| fault["path"].as_str().unwrap()).collect();
        paths.sort_unstable();
        assert_eq!(paths, expect, "{told}");
    }
    let script = faults.iter().find(|fault| fault["code"] == "SCRIPT").expect("the script's fault");
    assert_eq!((&script["log"], &script["line"]), (&json!("a line"), &json!(20)), "{told}");
    assert_eq!(told["log"], json!("a line"));
    // What is not at fault is shown all the same.
    let told = tried(&world, "user", &job_with("1", json!({"job_title": "x"}))).await;
    assert_eq!(
        (&told["ok"], &told["arguments"], &told["gas"]),
        (&json!(false), &json!(["3"]), &json!(50_000))
    );
    assert_eq!(told["next_runs"].as_array().unwrap().len(), 5, "{told}");
}

#[tokio::test]
async fn linked_jobs_get_an_answer_each_and_what_is_no_job_is_refused() {
    let world = read_only().await;
    let others = job_with("3", json!({"user_address": OTHERS}));
    let told = tried(&world, "app", &json!([job("1"), job("1"), others.clone(), "no job"])).await;
    let faults = |n: usize| told[n]["faults"].as_array().unwrap().clone();
    assert_eq!((told.as_array().unwrap().len(), &told[0]["ok"]), (4, &json!(true)), "{told}");
    assert_eq!((faults(1).len(), &faults(1)[0]["code"]), (1, &json!("DUPLICATE")), "{told}");
    assert_eq!((faults(2).len(), &faults(2)[0]["path"]), (1, &json!("user_address")), "{told}");
    assert_eq!((faults(3).len(), &told[3]["next_runs"]), (1, &json!([])), "{told}");
    for (body, status) in [("{\"job_id\":", 400), ("", 400), ("7", 422), ("[]", 422)] {
        let answer = world.call("user", "POST", "/api/jobs/dry-run", body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
    }
    let answer = world.call("user", "POST", "/api/jobs/dry-run", &others.to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "FORBIDDEN_ADDRESS"));
}

#[tokio::test]
async fn nothing_shows_of_a_job_of_somebody_else() {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    world.clock.advance(Duration::from_secs(7));
    let as_other = async |id: &str| {
        let told = tried(&world, "other", &job_with(id, json!({"user_address": OTHERS}))).await;
        told.to_string().replace(&format!("\"{id}\""), "ID")
    };
    assert_eq!(as_other("1").await, as_other("9").await);
    // Its own owner sees when it really runs, and that it is another one.
    let own = tried(&world, "user", &job("1")).await;
    assert_eq!(
        (&own["ok"], &own["next_runs"][0]),
        (&json!(true), &json!("2027-01-15T08:01:00.000Z")),
        "{own}"
    );
    let changed = tried(&world, "user", &job_with("1", json!({"time_interval": 61}))).await;
    assert_eq!(
        (&changed["ok"], &changed["faults"][0]["code"]),
        (&json!(false), &json!("JOB_EXISTS")),
        "{changed}"
    );
}
