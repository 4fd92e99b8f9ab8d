//! Jobs changed and ended.

use std::time::Duration;

use argus_domain::{
    B256, Bytes, U256,
    call::Call,
    ids::{AttemptNo, ChainId, Round},
    job::Trigger,
    task::{Agreed, AgreedHow, Fact, Settlement, Task, Verdict},
    time::Timestamp,
};
use argus_ports::{JobStore, TaskStore};
use serde_json::{Value, json};

use crate::{
    people::register,
    world::{CHAIN, NOW, World, address, fail_task, job, job_with, one, open_task},
};

async fn put(world: &World, path: &str, body: &str) -> (u16, Value) {
    let answer = world.call("user", "PUT", path, body).await;
    (answer.status.as_u16(), answer.json())
}

async fn record(world: &World, id: &str) -> argus_domain::job::JobRecord {
    world.store.job(id.parse().unwrap()).await.unwrap().expect("it is stored")
}

#[tokio::test]
async fn deleting_is_for_good_and_may_be_repeated() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    open_task(&world, "1").await;
    for body in ["{}", "", "{}"] {
        let (status, answer) = put(&world, "/api/jobs/delete/1", body).await;
        assert_eq!((status, &answer["status"]), (200, &json!("deleted")), "{answer}");
    }
    let (status, answer) = put(&world, "/api/jobs/1/status/running", "").await;
    assert_eq!((status, &answer["code"]), (409, &json!("JOB_ENDED")));
    assert_eq!(put(&world, "/api/jobs/delete/2", "").await.0, 404);
    assert_eq!(world.nudge.0.lock().unwrap().len(), 4);
}

fn agreement(task: &Task) -> Fact {
    let agreed = Agreed {
        attempt: AttemptNo(1),
        round: Round(1),
        call: Call {
            chain: ChainId(CHAIN),
            target: address(0xcc),
            value: U256::ZERO,
            calldata: Bytes::new(),
            arguments: Vec::new(),
        },
        how: AgreedHow::Equal,
        signatures: Vec::new(),
        valid_until: Timestamp(task.due.0 + 60_000),
        fee_cap: U256::ZERO,
        gas_limit: 100_000,
        performers: Vec::new(),
        transcript_root: None,
        state: None,
    };
    let verdict = Verdict::Agreed(agreed.into());
    Fact::Settled(Settlement { task: task.id, at: task.due, verdict })
}

#[tokio::test]
async fn deleting_names_the_tasks_whose_call_was_agreed_and_may_still_land() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    world.create("user", &one(job("2"))).await;
    let landed = open_task(&world, "1").await;
    let agreed = open_task(&world, "1").await;
    let failed = open_task(&world, "1").await;
    let open = open_task(&world, "1").await;
    let sent = open_task(&world, "1").await;
    let others = open_task(&world, "2").await;
    for task in [&landed, &agreed, &sent, &others] {
        world.store.record(vec![agreement(task)]).await.unwrap();
    }
    fail_task(&world, &failed).await;
    let at = NOW;
    world
        .store
        .record(vec![
            Fact::Announced { task: landed.id, at },
            Fact::Confirmed { task: landed.id, block_hash: B256::ZERO, at },
        ])
        .await
        .unwrap();
    for path in ["/api/jobs/delete/1", "/api/jobs/1/status/deleted", "/api/jobs/delete/1"] {
        let (status, answer) = put(&world, path, "").await;
        assert_eq!(status, 200, "{answer}");
        let expect = json!([sent.public_id(), agreed.public_id()]);
        assert_eq!(answer["tasks_that_may_still_land"], expect, "{path}: {answer}");
    }
    // One that was still open comes too late for its call.
    let refused = world.store.record(vec![agreement(&open)]).await.unwrap();
    assert_eq!(refused, [argus_ports::Recorded::Refused]);
}

#[tokio::test]
async fn a_pause_is_shown_and_not_made_up_for() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    assert_eq!(put(&world, "/api/jobs/1/status/paused", "").await.1["status"], json!("paused"));
    world.clock.advance(Duration::from_secs(600) + Duration::from_secs(7));
    for alias in ["active", "pending", "running"] {
        let (status, answer) = put(&world, &format!("/api/jobs/1/status/{alias}"), "").await;
        assert_eq!((status, &answer["status"]), (200, &json!("pending")), "{answer}");
    }
    let record = record(&world, "1").await;
    assert_eq!(record.paused_at, None);
    assert_eq!(record.cursor.next_due, Some(Timestamp(NOW.0 + 660_000)));
    assert_eq!(put(&world, "/api/jobs/1/status/frozen", "").await.0, 422);
}

#[tokio::test]
async fn an_update_is_laid_over_the_job_and_reaches_the_schedule() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    let (status, answer) = put(&world, "/api/jobs/update/1", r#"{"job_title":"other title"}"#).await;
    assert_eq!((status, &answer["version"]), (200, &json!(2)), "{answer}");
    let (_, same) = put(&world, "/api/jobs/update/1", r#"{"job_title":"other title"}"#).await;
    assert_eq!(same["version"], json!(2));
    world.clock.advance(Duration::from_secs(100));
    let full = job_with("1", json!({"time_interval": 45, "schedule_type": null, "time_frame": 7200}));
    let (status, answer) = put(&world, "/api/jobs/update/1", &full.to_string()).await;
    assert_eq!((status, &answer["version"]), (200, &json!(3)), "{answer}");
    let record = record(&world, "1").await;
    assert_eq!(record.job.accepted_at, NOW);
    assert_eq!(record.cursor.next_due, Some(Timestamp(NOW.0 + 135_000)));
    assert_eq!(record.job.expires_at, Timestamp(NOW.0 + 7_200_000));
    for (body, path) in [
        (json!({"job_id": "2"}), "job_id"),
        (json!({"user_address": "0x2222222222222222222222222222222222222222"}), "user_address"),
        (json!({"task_definition_id": 5}), "task_definition_id"),
        (json!({"arguments": ["x"]}), "arguments[0]"),
        (json!({"job_title": "x"}), "job_title"),
    ] {
        let (status, answer) = put(&world, "/api/jobs/update/1", &body.to_string()).await;
        assert_eq!(status, 422, "{body}: {answer}");
        let paths: Vec<&str> =
            answer["details"].as_array().unwrap().iter().map(|f| f["path"].as_str().unwrap()).collect();
        assert!(paths.contains(&path), "{body}: {answer}");
    }
    assert_eq!(put(&world, "/api/jobs/update/1", "[1]").await.0, 400);
}

#[tokio::test]
async fn a_change_of_nothing_says_so() {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    let said = async |body: &str| put(&world, "/api/jobs/update/1", body).await.1["message"].clone();
    assert_eq!(said(r#"{"job_titel": "other"}"#).await, "The job is as it was");
    assert_eq!(said(r#"{"job_title": "other"}"#).await, "Job updated successfully");
    assert_eq!(said(r#"{"job_title": "other"}"#).await, "The job is as it was");
}

#[tokio::test]
async fn a_change_warns_as_a_creation_does() {
    let world = World::new().await;
    register(&world, 1).await;
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    let (status, told) = put(&world, "/api/jobs/update/1", r#"{"keepers": 4, "threshold": 3}"#).await;
    let says = "3 keepers have to agree and 1 are registered: until there are more, nothing is called";
    assert_eq!((status, &told["warnings"]), (200, &json!([says])), "{told}");
}

#[tokio::test]
async fn a_time_frame_that_is_over_is_refused() {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    world.clock.advance(Duration::from_secs(100));
    let (status, told) = put(&world, "/api/jobs/update/1", r#"{"time_frame": 1}"#).await;
    assert_eq!((status, &told["details"][0]["path"]), (422, &json!("time_frame")), "{told}");
    assert_eq!(put(&world, "/api/jobs/update/1", r#"{"time_frame": 7200}"#).await.1["warnings"], json!(null));
    // It goes on until then, and comes to nothing more.
    let (status, told) = put(&world, "/api/jobs/update/1", r#"{"time_frame": 110}"#).await;
    let end = Timestamp(NOW.0 + 110_000).to_rfc3339();
    let says = format!("it is not due any more before its time frame ends at {end}: nothing more is called");
    assert_eq!((status, &told["warnings"]), (200, &json!([says])), "{told}");
    assert_eq!(put(&world, "/api/jobs/update/1", r#"{"time_frame": 7200}"#).await.1["warnings"], json!(null));
}

#[tokio::test]
async fn an_event_job_keeps_its_filter_when_its_title_changes() {
    let world = World::new().await;
    let event = json!({
        "task_definition_id": 3, "recurring": true, "trigger_chain_id": "31337",
        "trigger_contract_address": "0x6666666666666666666666666666666666666666",
        "trigger_event": "Moved(address indexed who, uint256 amount)",
        "event_filter_para_name": "amount", "event_filter_value": "5",
    });
    let created = world.create("user", &one(job_with("1", event))).await;
    assert_eq!(created.status.as_u16(), 200, "{}", created.text);
    let before = record(&world, "1").await;
    let (status, answer) = put(&world, "/api/jobs/update/1", r#"{"job_title":"other title"}"#).await;
    assert_eq!(status, 200, "{answer}");
    let after = record(&world, "1").await;
    assert_eq!(after.job.trigger, before.job.trigger);
    assert_eq!((after.job.version, after.cursor), (2, before.cursor));
}

#[tokio::test]
async fn how_deep_an_event_has_to_lie_can_be_changed_and_stays() {
    let world = World::new().await;
    let event = json!({
        "task_definition_id": 3, "trigger_chain_id": "31337", "trigger_event": "Moved(address,uint256)",
        "trigger_contract_address": "0x6666666666666666666666666666666666666666",
    });
    assert_eq!(world.create("user", &one(job_with("1", event))).await.status.as_u16(), 200);
    for change in [
        r#"{"confirmations":5}"#,
        r#"{"trigger_contract_address":"0x7777777777777777777777777777777777777777"}"#,
        r#"{"job_title":"other title"}"#,
    ] {
        let (status, answer) = put(&world, "/api/jobs/update/1", change).await;
        assert_eq!(status, 200, "{answer}");
        let Trigger::Event(filter) = record(&world, "1").await.job.trigger else { panic!("an event") };
        assert_eq!(filter.confirmations, 5, "{change}");
    }
}

#[tokio::test]
async fn a_change_has_its_own_instant() {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job("1"))).await.status.as_u16(), 200);
    world.clock.advance(Duration::from_secs(60));
    let changed = world.call("user", "PUT", "/api/jobs/update/1", r#"{"job_title":"renamed"}"#).await.json();
    let now = Timestamp(NOW.0 + 60_000).to_rfc3339();
    assert_eq!(changed["updated_at"], now);
    let shown = world.get("user", "/api/jobs/user/0x1111111111111111111111111111111111111111/1").await.json();
    assert_eq!((&shown["updated_at"], &shown["created_at"]), (&now.into(), &NOW.to_rfc3339().into()));
}
