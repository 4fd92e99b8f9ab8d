//! Creation: what clients send, every fault at once, all or nothing, repeats.

use argus_api::{Config, RegistryRule};
use argus_domain::{
    ids::ChainId,
    job::{Action, Args, Mode, Position, Trigger},
    rule::Comparison,
    schedule::Schedule,
};
use argus_ports::JobStore;
use serde_json::{Value, json};

use crate::world::{ABI, CHAIN, NOW, SAFE, SAFE_ABI, TARGET, World, address, job, job_with, one, open_task};

const OWN: &str = "0x1111111111111111111111111111111111111111";

async fn stored(world: &World, id: &str) -> argus_domain::job::JobRecord {
    world.store.job(id.parse().unwrap()).await.unwrap().expect("it is stored")
}

#[tokio::test]
async fn what_the_npm_client_sends_is_stored_and_answered_in_its_shape() {
    let world = World::new().await;
    let id = "11366690954124052425908729553885862415639944108284051931960112487359053866";
    let answer = world.create("user", &one(job(id))).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let body = answer.json();
    assert_eq!(body["job_ids"], json!([id]));
    assert_eq!((&body["task_definition_ids"], &body["time_frames"]), (&json!([1]), &json!([3600])));
    assert!(body["user_id"].is_u64());
    assert_eq!(body["account_balance"].to_string(), "10000000000000000000");
    let record = stored(&world, id).await;
    assert_eq!(record.job.trigger, Trigger::Time(Schedule::Interval { every_secs: 60 }));
    assert_eq!((record.job.accepted_at, record.job.expires_at.0), (NOW, NOW.0 + 3_600_000));
    assert_eq!(record.cursor.next_due.map(|at| at.0), Some(NOW.0 + 60_000));
    assert_eq!(record.job.policy.mode, Mode::Quorum { keepers: 3, threshold: 2 });
    assert!(record.job.remarks.is_imua);
    assert_eq!(*world.nudge.0.lock().unwrap(), vec![id.parse().unwrap()]);
}

#[tokio::test]
async fn every_kind_in_the_shapes_that_clients_send() {
    let world = World::new().await;
    let numbers = world.script("print [\"7\"]").await;
    let choice = world.script(r#"print {"shouldExecute":false,"metadata":{"reason":"calm"}}"#).await;
    let event = json!({
        "recurring": true, "trigger_chain_id": CHAIN.to_string(), "trigger_contract_address": TARGET,
        "trigger_event": "Transfer(address,address,uint256)", "event_filter_para_name": "topic2",
        "event_filter_value": "0x0000000000000000000000003333333333333333333333333333333333333333",
        "schedule_type": null, "time_interval": 0, "condition_type": "",
    });
    let condition = json!({
        "condition_type": "less_than", "upper_limit": 92, "lower_limit": 89.5, "value_source_type": "api",
        "value_source_url": "https://api.example/price", "selected_key_route": "ethereum.usd",
        "schedule_type": null, "time_interval": 0, "trigger_event": "NULL",
    });
    let script = |kind: u8, url: &str| {
        json!({"task_definition_id": kind, "arg_type": 2, "arguments": [], "language": "ts",
               "dynamic_arguments_script_url": url})
    };
    let merge = |a: &Value, b: Value| {
        let mut merged = a.as_object().unwrap().clone();
        merged.extend(b.as_object().unwrap().clone());
        Value::Object(merged)
    };
    let none = json!({});
    let custom = json!({"target_contract_address": "0x0000000000000000000000000000000000000000",
        "target_function": "", "abi": "[]", "arguments": null, "time_interval": 37, "schedule_type": null});
    for (kind, changes) in [
        (2, merge(&none, script(2, &numbers))),
        (3, merge(&event, json!({"task_definition_id": 3}))),
        (4, merge(&event, script(4, &numbers))),
        (5, merge(&condition, json!({"task_definition_id": 5}))),
        (6, merge(&condition, script(6, &numbers))),
        (7, merge(&script(7, &choice), custom)),
    ] {
        let id = format!("70{kind}");
        let answer = world.create("user", &one(job_with(&id, changes))).await;
        assert_eq!(answer.status.as_u16(), 200, "{kind}: {}", answer.text);
        assert_eq!(answer.json()["job_ids"], json!([id]), "{kind}: {}", answer.text);
        let record = stored(&world, &id).await;
        match (kind, &record.job.trigger) {
            (3 | 4, Trigger::Event(filter)) => {
                assert_eq!(filter.chain, ChainId(CHAIN));
                assert_eq!(record.cursor.position, Position::Event { block: 100 });
            }
            (5 | 6, Trigger::Condition(rule)) => {
                assert_eq!(rule.comparison, Comparison::LessThan("92".parse().unwrap()));
            }
            (2 | 7, Trigger::Time(_)) => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(kind % 2 == 0 || kind == 7, matches!(record.job.args, Args::Computed { .. }));
        assert_eq!(kind == 7, matches!(record.job.action, Action::Script { .. }));
    }
    let listed = world.get("user", &format!("/api/jobs/user/{OWN}")).await.json();
    let kinds: Vec<_> = listed["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["job_data"]["task_definition_id"].clone())
        .collect();
    assert_eq!(kinds, [7, 6, 5, 4, 3, 2].map(|k| json!(k)));
}

#[tokio::test]
async fn numbers_in_every_form() {
    let world = World::new().await;
    for (n, changes) in [
        json!({"task_definition_id": "1", "time_frame": "3600", "time_interval": 60.0}),
        json!({"target_chain_id": CHAIN, "created_chain_id": CHAIN, "job_cost_prediction": "0.0012"}),
        json!({"job_cost_prediction": 0, "ether_balance": null, "token_balance": "x"}),
        json!({"arguments": [3]}),
        json!({"arguments": ["0x03"]}),
        serde_json::from_str(r#"{"arguments": [340282366920938463463374607431768211456]}"#).unwrap(),
        json!({"arguments": "[\"3\"]"}),
        json!({"abi": [{"type":"function","name":"incrementBy","inputs":[{"name":"a","type":"uint256"}],"outputs":[]}]}),
        json!({"target_function": "incrementBy(uint256)", "abi": "[]"}),
        json!({"job_type": "sdk", "execution_script_hash": "x", "email_id": "a@b.c", "is_imua": null}),
        json!({"safe_transactions": [], "operation": "1", "linked": {"deep": [1]}}),
        json!({"schedule_type": null}),
        json!({"schedule_type": "cron", "cron_expression": "*/5 * * * *", "time_interval": null}),
        json!({"schedule_type": "specific", "specific_schedule": "2030-01-01 00:00:00", "time_interval": null}),
        json!({"schedule_type": "specific", "specific_schedule": "2030-01-01T00:00", "timezone": "UTC"}),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("{}", 9_000 + n);
        let answer = world.create("user", &one(job_with(&id, changes.clone()))).await;
        assert_eq!(answer.status.as_u16(), 200, "{changes}: {}", answer.text);
    }
}

#[tokio::test]
async fn faults_by_path() {
    let world = World::new().await;
    for (changes, paths) in [
        (json!({"job_id": 1.5}), vec!["job_id"]),
        (json!({"job_id": ""}), vec!["job_id"]),
        (json!({"job_title": "ab"}), vec!["job_title"]),
        (json!({"task_definition_id": 8}), vec!["task_definition_id"]),
        (json!({"task_definition_id": 9}), vec!["task_definition_id"]),
        (json!({"time_frame": 0}), vec!["time_frame"]),
        (json!({"time_interval": 0}), vec!["time_interval"]),
        (json!({"time_interval": 1.5}), vec!["time_interval"]),
        (json!({"time_interval": null}), vec!["time_interval"]),
        (json!({"timezone": "Mars/Olympus"}), vec!["timezone"]),
        (json!({"target_chain_id": "5"}), vec!["target_chain_id", "target_chain_id"]),
        (json!({"target_chain_id": "10"}), vec!["target_chain_id"]),
        (json!({"created_chain_id": "x"}), vec!["created_chain_id"]),
        (json!({"schedule_type": "weekly"}), vec!["schedule_type"]),
        (json!({"schedule_type": "cron", "cron_expression": "61 * * * *"}), vec!["cron_expression"]),
        (
            json!({"schedule_type": "specific", "specific_schedule": "2020-01-01 00:00:00"}),
            vec!["specific_schedule"],
        ),
        (json!({"target_contract_address": "0x12"}), vec!["target_contract_address"]),
        (json!({"target_contract_address": address(0xe1).to_string()}), vec!["target_contract_address"]),
        (json!({"target_function": ""}), vec!["target_function"]),
        (json!({"target_function": "absent"}), vec!["target_function"]),
        (json!({"abi": "{"}), vec!["abi"]),
        (json!({"arguments": []}), vec!["arguments"]),
        (json!({"arguments": ["-1"]}), vec!["arguments[0]"]),
        (json!({"arguments": [1.5]}), vec!["arguments[0]"]),
        (json!({"is_safe": true}), vec!["safe_address"]),
        (json!({"is_safe": true, "safe_address": SAFE}), vec!["arguments[0]"]),
        (json!({"misfire": "never"}), vec!["misfire"]),
        (json!({"keepers": 3, "threshold": 1}), vec!["threshold"]),
        (json!({"limits": {"fuel_max": 99_999_999_999u64}}), vec!["limits.fuel_max"]),
        (json!({"allow_hosts": ["127.0.0.1"]}), vec!["allow_hosts[0]"]),
        (json!({"task_definition_id": 2}), vec!["dynamic_arguments_script_url"]),
        (
            json!({"task_definition_id": 2, "dynamic_arguments_script_url": "ftp://x"}),
            vec!["dynamic_arguments_script_url"],
        ),
        (
            json!({"task_definition_id": 2, "dynamic_arguments_script_url": "http://127.0.0.1/a.ts"}),
            vec!["dynamic_arguments_script_url"],
        ),
        (
            json!({"task_definition_id": 3}),
            vec!["trigger_chain_id", "trigger_contract_address", "trigger_event"],
        ),
        (
            json!({"task_definition_id": 3, "trigger_chain_id": "10", "trigger_contract_address": TARGET, "trigger_event": "Absent"}),
            vec!["trigger_event"],
        ),
        (
            json!({"task_definition_id": 3, "trigger_chain_id": "10", "trigger_contract_address": TARGET, "trigger_event": "Moved", "event_filter_para_name": "whom", "event_filter_value": "1"}),
            vec!["event_filter_para_name"],
        ),
        (
            json!({"task_definition_id": 5}),
            vec!["condition_type", "upper_limit", "value_source_type", "value_source_url"],
        ),
        (
            json!({"task_definition_id": 5, "condition_type": "between", "upper_limit": 1, "lower_limit": 2, "value_source_type": "static", "value_source_url": "3"}),
            vec!["upper_limit"],
        ),
        (
            json!({"task_definition_id": 5, "condition_type": "equals", "upper_limit": 1, "value_source_type": "api", "value_source_url": "http://169.254.169.254/"}),
            vec!["value_source_url"],
        ),
        (
            json!({"task_definition_id": 5, "condition_type": "equals", "upper_limit": 1, "value_source_type": "websocket", "value_source_url": "https://x.example/"}),
            vec!["value_source_url"],
        ),
    ] {
        let answer = world.create("user", &one(job_with("42", changes.clone()))).await;
        assert_eq!(answer.status.as_u16(), 422, "{changes}: {}", answer.text);
        let body = answer.json();
        let found: Vec<&str> = body["details"]
            .as_array()
            .unwrap_or_else(|| panic!("{changes}: {body}"))
            .iter()
            .map(|f| f["path"].as_str().unwrap().trim_start_matches("[0]."))
            .collect();
        assert_eq!(found, paths, "{changes}: {}", answer.text);
    }
    assert!(world.store.job("42".parse().unwrap()).await.unwrap().is_none());
}

#[tokio::test]
async fn all_faults_of_all_jobs_at_once_and_nothing_is_stored() {
    let world = World::new().await;
    let batch = json!([
        job("1"),
        job_with("2", json!({"job_title": "x", "time_frame": 0, "timezone": "Mars", "arguments": ["a"]})),
        job_with("x", json!({"target_function": "absent", "user_address": "0x12"})),
        "no job",
        job("1"),
    ]);
    let answer = world.create("user", &batch).await;
    assert_eq!(answer.status.as_u16(), 422);
    let body = answer.json();
    let mut found: Vec<&str> =
        body["details"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
    found.sort_unstable();
    let expect = [
        "[1].arguments[0]",
        "[1].job_title",
        "[1].time_frame",
        "[1].timezone",
        "[2].job_id",
        "[2].target_function",
        "[2].user_address",
        "[3]",
        "[4].job_id",
    ];
    assert_eq!(found, expect, "{}", answer.text);
    for id in ["1", "2"] {
        assert!(world.store.job(id.parse().unwrap()).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn repeats_are_equal_and_other_content_is_a_conflict() {
    let world = World::new().await;
    let url = world.script("print [\"7\"]").await;
    let computed = json!({"task_definition_id": 2, "language": "ts", "dynamic_arguments_script_url": url});
    let batch = json!([job("1"), job_with("2", computed)]);
    let first = world.create("user", &batch).await;
    assert_eq!(first.status.as_u16(), 200, "{}", first.text);
    world.clock.advance(std::time::Duration::from_secs(1_000));
    let again = world.create("user", &batch).await;
    assert_eq!((again.status.as_u16(), &again.text), (200, &first.text));
    let changed = world.create("user", &json!([job_with("1", json!({"time_interval": 61}))])).await;
    assert_eq!((changed.status.as_u16(), changed.code().as_str()), (409, "JOB_EXISTS"));
    // To somebody else the same is said, whatever the job is and has come to.
    let other = job_with("1", json!({"user_address": "0x2222222222222222222222222222222222222222"}));
    for change in ["running", "paused", "deleted"] {
        let path = format!("/api/jobs/1/status/{change}");
        assert_eq!(world.call("user", "PUT", &path, "").await.status.as_u16(), 200);
        let told = world.create("other", &one(other.clone())).await;
        assert_eq!((told.status.as_u16(), &told.text), (409, &changed.text), "{change}");
    }
    let links = stored(&world, "1").await.job.link.expect("it heads a chain");
    assert_eq!((links.position, links.next), (0, Some("2".parse().unwrap())));
}

#[tokio::test]
async fn who_creates_again_what_has_ended_is_told_so() {
    let world = World::new().await;
    let batch = json!([job("1"), job("2")]);
    let first = world.create("user", &batch).await.json();
    assert_eq!(
        world.call("user", "PUT", "/api/jobs/update/2", r#"{"job_title": "other"}"#).await.status.as_u16(),
        200
    );
    assert_eq!(world.call("user", "PUT", "/api/jobs/delete/1", "").await.status.as_u16(), 200);
    let again = world.create("user", &batch).await.json();
    let said = |answer: &Value| answer["warnings"].as_array().map_or(0, Vec::len);
    assert_eq!((said(&again), &again["job_ids"]), (said(&first) + 2, &first["job_ids"]), "{again}");
    let words = again["warnings"].to_string();
    assert!(
        words.contains("job 1 was created before and is deleted") && words.contains("version 2"),
        "{words}"
    );
}

#[tokio::test]
async fn a_change_keeps_the_limits_that_it_does_not_name_and_tries_the_script_under_them() {
    let world = World::new().await;
    let script = world.script("print [\"3\"]").await;
    let limits = json!({"fuel_max": 5_000_000, "wall_ms": 9_999});
    let scripted = json!({"task_definition_id": 2, "arg_type": 2, "dynamic_arguments_script_url": script,
        "language": "ts", "arguments": null, "limits": limits});
    let created = world.create("user", &one(job_with("1", scripted))).await;
    assert_eq!(created.status.as_u16(), 200, "{}", created.text);
    let put = async |change: Value| {
        let answer = world.call("user", "PUT", "/api/jobs/update/1", &change.to_string()).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        answer.json()
    };
    let shown = async || {
        let path = "/api/jobs/user/0x1111111111111111111111111111111111111111/1";
        let limits = world.get("user", path).await.json()["limits"].clone();
        (limits["fuel_max"].clone(), limits["wall_ms"].clone())
    };
    let runs = || *world.runner.runs.lock().unwrap();
    let before = runs();
    put(json!({"job_title": "another title"})).await;
    assert_eq!(runs(), before, "what the script may do is as before");
    put(json!({"limits": {"wall_ms": 8_888}})).await;
    assert_eq!(shown().await, (json!(5_000_000), json!(8_888)), "the fuel is as it was");
    assert_eq!(runs(), before + 1);
    put(json!({"limits": {}})).await;
    assert_eq!(shown().await, (json!(5_000_000), json!(8_888)));
    let refused = put(json!({"limits": {"fuel_max": 1_000}})).await;
    assert_eq!(
        (&refused["status"], &refused["validation_executable"]),
        (&json!("validation_failed"), &json!(false))
    );
    assert!(refused["message"].as_str().unwrap().contains("1000 of fuel"), "{refused}");
    assert_eq!(shown().await, (json!(5_000_000), json!(8_888)), "nothing was changed");
    let broken = world.script("fail closed").await;
    let refused = put(json!({"dynamic_arguments_script_url": broken})).await;
    assert_eq!(refused["status"], json!("validation_failed"), "{refused}");
}

#[tokio::test]
async fn what_a_job_may_do_is_shown_as_it_was_given() {
    let world = World::new().await;
    let given = json!({
        "fee_cap": "777777777777777", "gas_limit": 200_000, "misfire": "skip", "agreement": "median", "tolerance": 0.5,
        "limits": {"fuel_max": 123_456_789, "wall_ms": 9_999},
    });
    let created = world.create("user", &one(job_with("1", given))).await;
    assert_eq!(created.status.as_u16(), 200, "{}", created.text);
    let owner = "0x1111111111111111111111111111111111111111";
    let flat = world.get("user", &format!("/api/jobs/user/{owner}/1")).await.json();
    let listed = world.get("user", &format!("/api/jobs/user/{owner}")).await.json();
    for shown in [&flat, &listed["jobs"][0]["job_data"]] {
        assert_eq!(
            (&shown["fee_cap"], &shown["gas_limit"]),
            (&json!("777777777777777"), &json!(200_000)),
            "{shown}"
        );
        assert_eq!((&shown["misfire"], &shown["agreement"]), (&json!("skip"), &json!("median")), "{shown}");
        assert_eq!(
            (&shown["tolerance"], &shown["limits"]["wall_ms"]),
            (&json!(0.5), &json!(9_999)),
            "{shown}"
        );
        assert_eq!(shown["limits"]["fuel_max"], 123_456_789, "{shown}");
    }
}

#[tokio::test]
async fn a_change_takes_either_name_of_a_field() {
    let world = World::new().await;
    let (before, after) = (world.script("print [\"7\"]").await, world.script("print [\"8\"]").await);
    let computed = json!({"task_definition_id": 2, "language": "ts", "dynamic_arguments_script_url": before});
    assert_eq!(world.create("user", &one(job_with("1", computed))).await.status.as_u16(), 200);
    for (version, (name, url)) in
        (2..).zip([("execution_script_url", &after), ("dynamic_arguments_script_url", &before)])
    {
        let change = json!({name: url}).to_string();
        let changed = world.call("user", "PUT", "/api/jobs/update/1", &change).await;
        assert_eq!((changed.status.as_u16(), &changed.json()["version"]), (200, &json!(version)), "{name}");
        let shown = world.get("user", &format!("/api/jobs/user/{OWN}/1")).await.json();
        assert_eq!(&shown["dynamic_arguments_script_url"], url, "{name}");
    }
}

#[tokio::test]
async fn a_refused_script_is_a_200_unless_something_else_is_wrong() {
    let world = World::new().await;
    let with = |url: &str, more: Value| {
        let mut changes =
            json!({"task_definition_id": 2, "language": "ts", "dynamic_arguments_script_url": url});
        changes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        one(job_with("5", changes))
    };
    for (source, executable, word) in [
        ("nonsense", false, "no script"),
        ("fail TypeError: x is undefined", false, "TypeError"),
        ("print {\"a\":1}", true, "array"),
        ("print [\"-1\"]", true, "arguments[0]"),
        ("print [1, 2]", true, "2 were given"),
    ] {
        let url = world.script(source).await;
        let answer = world.create("user", &with(&url, json!({}))).await;
        let body = answer.json();
        assert_eq!(answer.status.as_u16(), 200, "{source}: {body}");
        assert_eq!(body["status"], json!("validation_failed"), "{source}: {body}");
        assert_eq!(body["validation_executable"], json!(executable), "{source}: {body}");
        assert_eq!(body["validation_safe_match"], json!(true));
        assert!(body["message"].as_str().unwrap().contains(word), "{source}: {body}");
        assert!(body["validation_output"].is_string());
        // What was refused before it ran has logged nothing.
        let log = if source == "nonsense" { "" } else { "a line" };
        assert_eq!(body["validation_log"], json!(log), "{source}: {body}");
        let both = world.create("user", &with(&url, json!({"job_title": "x"}))).await;
        assert_eq!(both.status.as_u16(), 422, "{source}");
        let details = both.json()["details"].as_array().unwrap().clone();
        assert_eq!(details.len(), 2, "{}", both.text);
        assert_eq!(
            (&details[1]["code"], &details[1]["log"]),
            (&json!("SCRIPT"), &json!(log)),
            "{}",
            both.text
        );
    }
    // As long as anything is at fault, nothing of the script is published.
    let fits = world.script("print [\"7\"]").await;
    let published = async || {
        let cid = argus_domain::module::Cid(fits.rsplit('/').next().unwrap().to_owned());
        argus_ports::ModuleStore::by_cid(&world.store, &cid).await.unwrap().len()
    };
    assert_eq!(world.create("user", &with(&fits, json!({"job_title": "x"}))).await.status.as_u16(), 422);
    assert_eq!(published().await, 0);
    assert_eq!(world.create("user", &with(&fits, json!({"job_id": "6"}))).await.status.as_u16(), 200);
    assert_eq!(published().await, 1);
    let url = world.script("fail TypeError: x is undefined\n    at main (script.ts:20:23)").await;
    assert_eq!(world.create("user", &with(&url, json!({}))).await.json()["validation_line"], json!(20));
    let skips = world.script("skip not now").await;
    assert_eq!(world.create("user", &with(&skips, json!({}))).await.json()["job_ids"], json!(["5"]));
}

#[tokio::test]
async fn safe_jobs_want_their_safe_first_and_get_their_owner_last() {
    let world = World::new().await;
    let safe = |url: &str| {
        json!({"task_definition_id": 2, "language": "ts", "is_safe": true, "safe_address": SAFE.to_uppercase().replace("0X", "0x"),
               "safe_name": "till", "target_function": "execJobFromHub", "abi": SAFE_ABI,
               "dynamic_arguments_script_url": url})
    };
    let five = world.script(&format!("print [\"{SAFE}\",\"{OWN}\",\"0\",\"0x\",0]")).await;
    let answer = world.create("user", &one(job_with("61", safe(&five)))).await;
    assert_eq!(answer.json()["job_ids"], json!(["61"]), "{}", answer.text);
    let wrong = world.script(&format!("print [\"{OWN}\",\"{OWN}\",\"0\",\"0x\",0]")).await;
    let body = world.create("user", &one(job_with("62", safe(&wrong)))).await.json();
    assert_eq!(
        (&body["status"], &body["validation_safe_match"]),
        (&json!("validation_failed"), &json!(false))
    );
    let fixed = json!({"is_safe": true, "safe_address": SAFE, "target_function": "execJobFromHub",
        "abi": SAFE_ABI, "arguments": [SAFE, TARGET, "1", "0x", 1]});
    let answer = world.create("user", &one(job_with("63", fixed))).await;
    assert_eq!(answer.json()["job_ids"], json!(["63"]), "{}", answer.text);
}

#[tokio::test]
async fn the_registry_has_the_last_word_on_whose_a_job_is() {
    let own = address(0x11);
    let target = TARGET.parse().unwrap();
    for (rule, entry, code) in [
        (RegistryRule::Optional, None, None),
        (RegistryRule::Required, None, Some("NOT_REGISTERED")),
        (RegistryRule::Required, Some((own, target, true)), None),
        (RegistryRule::Optional, Some((address(0x22), target, true)), Some("REGISTERED_BY_ANOTHER")),
        (RegistryRule::Optional, Some((own, target, false)), Some("DELETED_ON_CHAIN")),
        (RegistryRule::Optional, Some((own, address(0x77), true)), Some("REGISTERED_TARGET")),
    ] {
        let world = World::with(Config { job_registry: rule, ..Config::default() }).await;
        if let Some(entry) = entry {
            world.chain.registered.lock().unwrap().insert("5".parse().unwrap(), entry);
        }
        let answer = world.create("user", &one(job("5"))).await;
        match code {
            None => assert_eq!(answer.status.as_u16(), 200, "{}", answer.text),
            Some(code) => assert_eq!(answer.json()["details"][0]["code"], json!(code), "{}", answer.text),
        }
    }
}

#[tokio::test]
async fn a_store_that_refuses_writes_is_a_503_and_reads_go_on() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    world.store.refuse_writes(Some(argus_ports::StoreError::ReadOnly("disk full".to_owned())));
    let refused = world.create("user", &one(job("2"))).await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "STORE_READ_ONLY"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(world.get("user", &format!("/api/jobs/user/{OWN}/1")).await.status.as_u16(), 200);
    world.store.refuse_writes(None);
    assert_eq!(world.create("user", &one(job("2"))).await.status.as_u16(), 200);
}

#[tokio::test]
async fn json_is_read_whatever_the_content_type() {
    use axum::{body::Body, http::Request};
    let world = World::new().await;
    for (kind, id) in [("text/plain;charset=UTF-8", "1"), ("application/x-www-form-urlencoded", "2")] {
        let request = Request::builder()
            .method("POST")
            .uri("/api/jobs")
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", world.keys["user"]))
            .body(Body::from(one(job(id)).to_string()))
            .unwrap();
        assert_eq!(world.send(request).await.status.as_u16(), 200, "{kind}");
    }
    assert!(ABI.contains("incrementBy"));
}

#[tokio::test]
async fn a_job_has_storage_if_it_says_so_or_was_seen_to_use_it() {
    let world = World::new().await;
    let choice = |updates: Value| {
        let answer = json!({"shouldExecute": true, "targetContract": TARGET, "calldata": "0x", "storageUpdates": updates});
        format!("print {answer}")
    };
    let quiet = world.script(&choice(json!({}))).await;
    let remembers = world.script(&choice(json!({"n": "1"}))).await;
    let custom = |url: &str, storage: Value| json!({"task_definition_id": 7, "dynamic_arguments_script_url": url, "storage": storage, "language": "ts"});
    for (n, (url, says, expect)) in [
        (&quiet, Value::Null, false),
        (&quiet, json!(true), true),
        (&remembers, Value::Null, true),
        (&remembers, json!(false), false),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("{}", 880 + n);
        let answer = world.create("user", &one(job_with(&id, custom(url, says)))).await;
        assert_eq!(answer.status.as_u16(), 200, "{n}: {}", answer.text);
        assert_eq!(stored(&world, &id).await.job.has_storage(), expect, "{n}");
        let shown = world.get("user", &format!("/api/jobs/user/{OWN}/{id}")).await.json();
        assert_eq!(shown["storage"], expect, "{shown}");
    }
    let answer = world.create("user", &one(job_with("889", json!({"storage": true})))).await;
    assert_eq!(
        (answer.status.as_u16(), answer.text.contains("storage is for scripts")),
        (422, true),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn what_a_script_remembers_is_its_owners_to_read() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    let path = "/api/jobs/1/storage";
    let shown = world.get("user", path).await.json();
    assert_eq!((&shown["version"], &shown["bytes"], &shown["entries"]), (&json!(0), &json!(0), &json!([])));
    assert_eq!(shown["root"], json!(argus_domain::state::State::default().root()));
    assert_eq!(world.get("other", path).await.status.as_u16(), 404);
    assert_eq!(world.get("", path).await.status.as_u16(), 401);
    open_task(&world, "1").await;
    assert_eq!(world.get("user", path).await.json()["in_flight"], json!(true));
}

/// Fields that contradict each other are no fault, and are told.
#[tokio::test]
async fn what_counts_for_nothing_is_told_beside_the_answer() {
    let world = World::new().await;
    let script = world.script("print [\"7\"]").await;
    let computed = |fields: Value| {
        let mut all = json!({"task_definition_id": 2, "arg_type": 2, "arguments": [], "dynamic_arguments_script_url": script});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        all
    };
    for (id, (changes, expect)) in [
        // What clients send for what their job does not have.
        (
            json!({"recurring": null, "trigger_chain_id": "", "trigger_event": "NULL", "upper_limit": 0,
                "condition_type": "", "cron_expression": "", "allow_hosts": [], "limits": {}, "cooldown": "0"}),
            &[][..],
        ),
        (json!({}), &["recurring is ignored: the job runs by its time_interval until its time frame ends"]),
        (json!({"recurring": true, "cron_expression": "* * * * *"}), &["cron_expression is ignored"]),
        (
            json!({"recurring": true, "condition_type": "less_than", "trigger_event": "Transfer(address)"}),
            &["trigger_event is ignored: no event triggers a job of this kind", "condition_type is ignored"],
        ),
        (
            json!({"recurring": true, "limits": {"fuel_max": 5}, "dynamic_arguments_script_url": script}),
            &["dynamic_arguments_script_url is ignored: a job of this kind has no script", "limits is ignored"],
        ),
        (json!({"recurring": true, "arg_type": 2}), &["arg_type is ignored: the arguments of a job of this kind are static"]),
        (computed(json!({"recurring": true, "arg_type": 1})), &["arg_type is ignored: the arguments of a job of this kind are a"]),
        (json!({"recurring": true, "arg_type": 0, "safe_address": SAFE}), &["safe_address is ignored: is_safe is not true"]),
        (
            computed(json!({"recurring": true, "limits": {"fuel_max": 5000000, "http_calls": 50}})),
            &["limits.http_calls is ignored: a job may set fuel_max, memory_bytes, wall_ms, command_bytes"],
        ),
        (
            computed(json!({"recurring": true, "task_definition_id": 7, "abi": "[]",
                "dynamic_arguments_script_url": world.script(r#"print {"shouldExecute":false}"#).await})),
            &["target_contract_address is ignored: the script", "target_function is ignored"],
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = world.create("user", &one(job_with(&format!("80{id}"), changes.clone()))).await;
        let body = answer.json();
        assert_eq!(body["job_ids"], json!([format!("80{id}")]), "{changes}: {}", answer.text);
        let warnings: Vec<&str> =
            body["warnings"].as_array().into_iter().flatten().map(|w| w.as_str().unwrap()).collect();
        assert_eq!(warnings.len(), expect.len(), "{changes}: {warnings:?}");
        for (warning, part) in warnings.iter().zip(expect) {
            assert!(warning.starts_with("[0].") && warning.contains(part), "{changes}: {warning}");
        }
    }
    // A change says nothing of what was said at the creation.
    let body = json!({"job_id": "801", "job_title": "renamed"}).to_string();
    let changed = world.call("user", "PUT", "/api/jobs/update/801", &body).await;
    assert!(changed.status == 200 && !changed.text.contains("is ignored"), "{}", changed.text);
    // But what a change does not have is told: the creation's second name of the cap, or a slip.
    let body = json!({"fee_cap_wei": "5", "job_title": "again", "recuring": true}).to_string();
    let changed = world.call("user", "PUT", "/api/jobs/update/801", &body).await.json();
    let ignored =
        ["fee_cap_wei", "recuring"].map(|name| format!("{name} is ignored: a change has no such field"));
    assert_eq!(changed["warnings"], json!(ignored));
}

#[tokio::test]
async fn a_target_without_code_is_worth_a_word() {
    let world = World::new().await;
    let job = job_with("1", json!({"target_contract_address": crate::fakes::CODELESS}));
    let tried = world.call("user", "POST", "/api/jobs/dry-run", &job.to_string()).await.json();
    assert_eq!(tried["ok"], json!(true));
    let created = world.create("user", &one(job)).await.json();
    for (warnings, place) in [(&tried["warnings"], ""), (&created["warnings"], "[0].")] {
        let warnings: Vec<&str> = warnings.as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
        let expected = format!("{place}target_contract_address has no code");
        assert!(warnings.iter().any(|warning| warning.starts_with(&expected)), "{warnings:?}");
    }
}

#[tokio::test]
async fn of_a_field_that_occurs_twice_the_last_one_counts() {
    let world = World::new().await;
    let twice = job("1").to_string().replacen('{', r#"{"job_title":"the first","#, 1);
    let answer = world.call("user", "POST", "/api/jobs", &format!("[{twice}]")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let shown = world.get("user", "/api/jobs/user/0x1111111111111111111111111111111111111111/1").await.json();
    assert_eq!(shown["job_title"], json!("demo job"));
}
