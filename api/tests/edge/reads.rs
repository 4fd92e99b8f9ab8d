//! Reads of jobs, tasks and users, in the shapes that clients depend on.

use argus_domain::{bundle::Bundle, task::Fact};
use axum::http::StatusCode;
use serde_json::json;

use crate::world::{World, fail_task, job, one, open_task};

const OWN: &str = "0x1111111111111111111111111111111111111111";

#[tokio::test]
async fn jobs_of_nobody_are_an_empty_list() {
    let world = World::new().await;
    for path in [
        "/api/jobs/by-apikey".to_owned(),
        format!("/api/jobs/user/{OWN}"),
        format!("/api/jobs/user/{OWN}/chain/10"),
    ] {
        let answer = world.get("user", &path).await;
        assert_eq!((answer.status, &answer.json()["jobs"]), (StatusCode::OK, &json!([])), "{path}");
    }
    assert_eq!(world.get("app", "/api/users/0x7777777777777777777777777777777777777777").await.status, 404);
}

#[tokio::test]
async fn a_job_has_the_fields_that_the_pages_read() {
    let world = World::new().await;
    let created = world.create("user", &json!([job("1"), job("2")])).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    let listed = world.get("user", &format!("/api/jobs/user/{OWN}/chain/31337")).await.json();
    let entries = listed["jobs"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let (head, tail) = (&entries[1], &entries[0]);
    assert_eq!(head["job_data"]["job_id"], json!("1"));
    assert_eq!(
        (&head["job_data"]["chain_status"], &head["job_data"]["link_job_id"]),
        (&json!(0), &json!("2"))
    );
    assert_eq!(
        (&tail["job_data"]["chain_status"], &tail["job_data"]["link_job_id"]),
        (&json!(1), &json!("-1"))
    );
    assert_eq!(head["job_data"]["status"], json!("pending"));
    assert_eq!(head["job_data"]["created_at"], json!("2027-01-15T08:00:00.000Z"));
    let time = &head["time_job_data"];
    assert_eq!((&time["is_active"], &time["time_interval"]), (&json!(true), &json!(60)));
    assert_eq!(time["next_execution_timestamp"], json!("2027-01-15T08:01:00.000Z"));
    assert_eq!(time["arguments"], json!(["3"]));
    let flat = world.get("user", &format!("/api/jobs/user/{OWN}/1")).await.json();
    assert_eq!(
        (&flat["job_id"], &flat["time_interval"], &flat["job_title"]),
        (&json!("1"), &json!(60), &json!("demo job"))
    );
    let user = world.get("user", &format!("/api/users/{OWN}")).await.json();
    assert_eq!(user["job_ids"], json!(["2", "1"]));
    assert_eq!((&user["ether_balance"], &user["user_points"]), (&json!("20000000000000000000"), &json!(40)));
}

#[tokio::test]
async fn tasks_are_listed_newest_first_with_what_was_met() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    assert_eq!(world.get("user", "/api/tasks/job/1").await.json(), json!([]));
    let first = open_task(&world, "1").await;
    let second = open_task(&world, "1").await;
    fail_task(&world, &first).await;
    let listed = world.get("user", "/api/tasks/job/1").await;
    assert!(!listed.headers.contains_key("link"));
    let tasks = listed.json();
    assert_eq!(tasks.as_array().unwrap().len(), 2);
    assert_eq!((&tasks[0]["task_number"], &tasks[0]["task_status"]), (&json!(2), &json!("processing")));
    assert_eq!(tasks[0]["task_hash"], json!(second.id.0));
    let failed = &tasks[1];
    assert_eq!((&failed["task_id"], &failed["task_status"]), (&json!(first.public_id()), &json!("failed")));
    assert_eq!(
        (&failed["error"], &failed["is_successful"]),
        (&json!("TypeError: fetch failed"), &json!(false))
    );
    assert_eq!(failed["scheduled_at"], json!("2027-01-15T08:01:00.000Z"));
    assert_eq!(failed["converted_arguments"], json!([]));
    let page = world.get("user", "/api/tasks/job/1?limit=1").await;
    let link = page.headers["link"].to_str().unwrap().to_owned();
    let next = link.trim_start_matches('<').split('>').next().unwrap();
    assert_eq!(world.get("user", next).await.json()[0]["task_number"], json!(1), "{link}");
    for path in [format!("/api/tasks/{}", first.public_id()), format!("/api/tasks/{}", first.id)] {
        assert_eq!(world.get("user", &path).await.json()["task_number"], json!(1), "{path}");
    }
    let groups = world.get("user", &format!("/api/tasks/user/{OWN}")).await.json();
    assert_eq!(groups["task_groups"][0]["tasks"].as_array().unwrap().len(), 2);
    let own_key = world.keys["user"].clone();
    let by_key = world.get("user", &format!("/api/tasks/by-apikey/{own_key}")).await.json();
    assert_eq!(by_key["task_groups"], groups["task_groups"]);
    assert_eq!(world.get("other", &format!("/api/tasks/by-apikey/{own_key}")).await.status, 404);
    assert_eq!(world.get("other", "/api/tasks/recent").await.json()["count"], json!(0));
    assert_eq!(world.get("app", "/api/tasks/recent").await.json()["count"], json!(2));
    let fees = world.get("user", "/api/jobs/1/task-fees").await.json();
    assert_eq!(fees["task_fees"].as_array().unwrap().len(), 2);
    let bundle = world.get("user", &format!("/api/tasks/{}/bundle", first.public_id())).await;
    let bundle = Bundle::decode(bundle.text.as_bytes()).expect("a bundle");
    assert_eq!((bundle.script.as_ref(), bundle.runs.len()), (None, 0), "the arguments are given");
    assert!(matches!(bundle.task.expect("the task").record.facts[..], [Fact::Settled(_)]));
}

#[tokio::test]
async fn probes_say_what_fails() {
    let world = World::new().await;
    for path in ["/health", "/ready"] {
        assert_eq!(world.get("", path).await.status, StatusCode::OK, "{path}");
    }
    *world.component.0.lock().unwrap() = Err("gone".to_owned());
    for path in ["/health", "/ready"] {
        let answer = world.get("", path).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.json()["checks"]["store"]["error"], json!("gone"));
    }
    let metrics = world.get("", "/metrics").await;
    assert!(metrics.text.contains("argus_api_answers_total"), "{}", metrics.text);
    let described = world.get("", "/openapi.json").await.json();
    assert!(described["paths"]["/api/jobs"]["post"]["security"].is_array());
    assert_eq!(world.get("", "/api/nothing").await.code(), "NO_SUCH_ROUTE");
    assert_eq!(world.call("", "DELETE", "/api/jobs", "").await.code(), "METHOD_NOT_ALLOWED");
}
