//! Why a job fired, or did not, as its owner is told.

use argus_domain::{
    decision::{Compared, Decision, Outcome},
    ids::{JobId, Serial, TaskNumber},
    rule::Comparison,
    time::Timestamp,
};
use argus_ports::{DecisionStore, Look};
use axum::http::StatusCode;
use serde_json::json;

use crate::world::{NOW, World, job, one, open_task};

const ID: &str = "1001";

async fn world() -> World {
    let world = World::new().await;
    assert_eq!(world.create("user", &one(job(ID))).await.status, StatusCode::OK);
    world
}

async fn note(world: &World, task: u32, outcome: Outcome, ms: u64) {
    let id: JobId = ID.parse().unwrap();
    let decision = Decision::once(TaskNumber(task), outcome, Timestamp(NOW.0 + ms));
    world.store.note(vec![Look { job: id, serial: Serial(1), fence: None, decision }], 100).await.unwrap();
}

#[tokio::test]
async fn looks_and_tasks_are_one_story_newest_first() {
    let world = world().await;
    let comparison = Comparison::Between(
        "-1.5".parse().unwrap(),
        "12345678901234567890.000000000000000001".parse().unwrap(),
    );
    let compared = Compared { value: "-1.50000000000000000001".parse().unwrap(), comparison };
    note(&world, 1, Outcome::unread("HTTP 503"), 5).await;
    note(&world, 1, Outcome::unread("HTTP 500"), 10).await;
    open_task(&world, ID).await;
    note(&world, 2, Outcome::Unfulfilled(compared), 20).await;
    let path = format!("/api/jobs/{ID}/decisions");
    let reply = world.get("user", &path).await.json();
    assert_eq!(reply["job_id"], ID);
    let rows = reply["decisions"].as_array().unwrap();
    let seen: Vec<_> =
        rows.iter().map(|r| (r["task_number"].as_u64().unwrap(), r["outcome"].as_str().unwrap())).collect();
    assert_eq!(seen, [(2, "not_crossed"), (1, "opened"), (1, "source_error")]);
    assert_eq!(
        (&rows[0]["value"], &rows[0]["condition_type"], &rows[0]["says"]),
        (
            &json!("-1.50000000000000000001"),
            &json!("between"),
            &json!("-1.50000000000000000001 is not between -1.5 and 12345678901234567890.000000000000000001")
        )
    );
    assert_eq!((&rows[2]["count"], &rows[2]["reason"]), (&json!(2), &json!("HTTP 500")));
    assert!(rows[2]["first_at"].as_str().unwrap() < rows[2]["last_at"].as_str().unwrap());
    assert!(rows[1]["task_id"].is_u64(), "{}", rows[1]);
    let page = world.get("user", &format!("{path}?limit=1")).await.json();
    assert_eq!(page["decisions"], json!([rows[0]]));
}

#[tokio::test]
async fn what_it_waits_for_now_follows_from_the_job() {
    let world = world().await;
    let now = async || world.get("user", &format!("/api/jobs/{ID}/decisions")).await.json()["now"].clone();
    let waits = now().await;
    assert_eq!(waits["status"], "pending");
    assert!(waits["says"].as_str().unwrap().starts_with("task 1 is not due before "), "{waits}");
    assert!(waits["next_due"].is_string());
    for (change, says) in [("paused", "the job is paused since "), ("deleted", "the job is deleted since ")] {
        let path = format!("/api/jobs/{ID}/status/{change}");
        assert_eq!(world.call("user", "PUT", &path, "").await.status, StatusCode::OK);
        let waits = now().await;
        assert!(waits["says"].as_str().unwrap().starts_with(says), "{waits}");
    }
}

#[tokio::test]
async fn anothers_decisions_look_like_absent_ones() {
    let world = world().await;
    note(&world, 1, Outcome::Expired, 5).await;
    let others = world.get("other", &format!("/api/jobs/{ID}/decisions")).await;
    let absent = world.get("other", "/api/jobs/3003/decisions").await;
    assert_eq!(others.status, StatusCode::NOT_FOUND);
    assert_eq!((others.status, others.text), (absent.status, absent.text));
}
