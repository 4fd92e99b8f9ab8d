//! Reads of jobs, tasks and users, in the shapes that clients depend on.

use std::sync::Arc;

use argus_conformance::samples;
use argus_domain::{
    B256,
    attempt::{Attempt, Observation, Output, run_input},
    bundle::Bundle,
    call::Signature,
    difference::Disagreement,
    ids::{AttemptNo, KeeperId, TaskNumber},
    job::{Args, Job},
    run::Transcript,
    seal::Seal,
    state::{State, StateRef},
    task::{Fact, Settlement, Task, Verdict},
};
use argus_ports::{Archive, JobStore, TaskStore};
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::world::{World, contracts, fail_task, job, job_with, one, open_task};

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
    assert_eq!((&time["cron_expression"], &time["specific_schedule"]), (&json!(""), &json!("")));
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
async fn a_task_says_why_its_script_skipped() {
    let world = World::new().await;
    world.create("user", &one(job("1"))).await;
    let task = open_task(&world, "1").await;
    let path = format!("/api/tasks/{}", task.public_id());
    let shown = world.get("user", &path).await.json();
    assert_eq!((&shown["is_skipped"], &shown["skip_reason"]), (&json!(false), &Value::Null));
    let verdict = Verdict::Skipped("market closed".to_owned());
    let settlement = Settlement { task: task.id, at: task.due, verdict };
    TaskStore::record(&world.store, vec![Fact::Settled(settlement)]).await.unwrap();
    for shown in
        [world.get("user", &path).await.json(), world.get("user", "/api/tasks/job/1").await.json()[0].clone()]
    {
        assert_eq!((&shown["is_skipped"], &shown["skip_reason"]), (&json!(true), &json!("market closed")));
        assert_eq!((&shown["task_status"], &shown["error"]), (&json!("completed"), &Value::Null));
    }
}

/// A keeper's run of a task, as the aggregator records it; the script makes no host call.
fn observation(job: &Job, attempt: &Attempt, task: &Task, keeper: KeeperId, before: &State) -> Observation {
    let Args::Computed { module, .. } = &job.args else { panic!("a script") };
    Observation {
        task: task.id,
        attempt: attempt.no,
        keeper,
        module: module.digest(),
        engine: attempt.engine,
        input: run_input(job, task, attempt, Some(before.clone().into())).digest(&attempt.limits),
        transcript_root: Transcript::default().root(),
        fuel: 7,
        output: Output::Skip("calm".to_owned()),
        state: attempt.state.map(|state| state.root),
        seal: Seal::alone(Signature([1; 65])),
    }
}

#[tokio::test]
async fn a_bundle_and_why_keepers_differ_are_the_owners_to_see() {
    let world = World::new().await;
    let url = world.script("print [\"7\"]").await;
    let script = json!({"task_definition_id": 2, "arg_type": 2, "arguments": [], "language": "ts",
        "dynamic_arguments_script_url": url});
    let created = world.create("user", &one(job_with("1", script))).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    let task = open_task(&world, "1").await;
    let job = world.store.job("1".parse().unwrap()).await.unwrap().expect("the job").job;
    let mut before = State::default();
    before.set("last", "7".into()).unwrap();
    world.archive.put_state(&before).await.unwrap();
    let on = |no, root| {
        let state = Some(StateRef { root, version: TaskNumber(0) });
        Arc::new(Attempt { state, ..samples::attempt(task.id, no).as_ref().clone() })
    };
    let (attempt, without) = (on(1, before.root()), on(2, B256::repeat_byte(8)));
    let [one, other] = [1, 2].map(|n| observation(&job, &attempt, &task, samples::keeper(n), &before));
    let stateless = observation(&job, &without, &task, samples::keeper(2), &before);
    let empty = Transcript::default();
    let report = Disagreement::between(&attempt, (&one, &empty), (&other, &empty), "they differ".to_owned());
    let (lost_keeper, lost_root) = (samples::keeper(3), B256::repeat_byte(9));
    let lost = Observation { keeper: lost_keeper, transcript_root: lost_root, ..one.clone() };
    let facts = vec![
        Fact::Attempted(attempt.clone()),
        Fact::Attempted(without),
        Fact::Observed(one.into()),
        Fact::Observed(lost.into()),
        Fact::Observed(stateless.into()),
        Fact::Disagreed(report.into()),
    ];
    TaskStore::record(&world.store, facts).await.unwrap();

    let path = format!("/api/tasks/{}/bundle", task.public_id());
    let answer = world.get("user", &path).await;
    let disposition = answer.headers["content-disposition"].to_str().unwrap();
    assert_eq!(disposition, format!("attachment; filename=\"task-{}.json\"", task.public_id()));
    let bundle = Bundle::decode(answer.text.as_bytes()).expect("a bundle");
    let script = bundle.script.expect("a script");
    assert_eq!(&script.source[..], b"print [\"7\"]");
    assert_eq!(
        bundle.runs.iter().map(|run| run.by).collect::<Vec<_>>(),
        [Some((AttemptNo(1), samples::keeper(1)))]
    );
    let told = bundle.runs[0].input.state.as_deref();
    assert_eq!((told, bundle.runs[0].state), (Some(&before), Some(before.root())), "as it was told");
    let omitted = &bundle.omitted;
    for part in ["transcript was not kept", "the archive does not have the state"] {
        assert!(omitted.iter().any(|why| why.contains(part)), "{part}: {omitted:?}");
    }
    let account = bundle.task.expect("the task");
    assert_eq!(
        (account.record.facts.len(), account.domain.map(|d| d.executor)),
        (6, Some(contracts().executor))
    );

    // Another's looks like one that is not there, in every byte.
    let (theirs, absent) =
        (world.get("other", &path).await, world.get("other", "/api/tasks/99/bundle").await);
    assert_eq!((theirs.status, &theirs.text), (StatusCode::NOT_FOUND, &absent.text));
    assert_eq!(world.get("", &path).await.status, StatusCode::UNAUTHORIZED);

    let shown = world.get("user", &format!("/api/tasks/{}", task.public_id())).await.json();
    assert_eq!(shown["agreement_rule"], json!({"agreement": "exact"}));
    let shown = &shown["disagreements"][0];
    assert_eq!((&shown["finding"], &shown["attempt"]), (&json!("they differ"), &json!(1)));
    let came_to = format!("\"not now\" (calm) and the state {}", before.root());
    assert_eq!(shown["one"]["came_to"], json!(came_to));
    assert_eq!(shown["would_help"], json!([{"agreement": "trust-performer"}]));
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

#[tokio::test]
async fn arguments_are_listed_as_texts_and_stay_what_they_are() {
    let world = World::new().await;
    let signature = "f(uint256,bool,address[],(uint256,string))";
    let given = json!([7, true, [OWN], [1, "a"]]);
    let changes = json!({"target_function": signature, "abi": "[]", "arguments": given, "is_imua": null,
        "schedule_type": "cron", "cron_expression": "*/5 * * * *", "time_interval": null});
    let created = world.create("user", &one(job_with("1", changes))).await;
    assert_eq!(created.status, StatusCode::OK, "{}", created.text);
    let texts = json!(["7", "true", format!("[\"{OWN}\"]"), r#"[1,"a"]"#]);
    let shown = async || world.get("user", &format!("/api/jobs/user/{OWN}/1")).await.json();
    let flat = shown().await;
    assert_eq!(flat["arguments"], texts);
    assert_eq!((&flat["time_interval"], &flat["is_imua"]), (&json!(0), &json!(true)), "{flat}");
    // A change is laid over the job, not over what is shown of it.
    let change = json!({"job_id": "1", "job_title": "renamed"}).to_string();
    let changed = world.call("user", "PUT", "/api/jobs/update/1", &change).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text);
    assert_eq!(shown().await["arguments"], texts);
    let record = world.store.job("1".parse().unwrap()).await.unwrap().expect("the job");
    assert_eq!(record.job.args, Args::Fixed(given.as_array().unwrap().clone()));
}

#[tokio::test]
async fn a_timeline_tells_each_fact_with_its_instant_and_who_recorded_it() {
    let world = World::new().await;
    world.create("user", &one(job("41"))).await;
    let task = open_task(&world, "41").await;
    let at = |ms: u64| argus_domain::time::Timestamp(task.opened_at.0 + ms);
    let sample = samples::attempt(task.id, 1).as_ref().clone();
    let attempt = Attempt { begun_at: at(7), deadline: at(1_007), ..sample };
    let verdict = Verdict::Failed("no price today".to_owned());
    let facts = vec![
        Fact::Attempted(Arc::new(attempt)),
        Fact::Settled(Settlement { task: task.id, at: at(31), verdict }),
        Fact::Announced { task: task.id, at: at(32) },
    ];
    TaskStore::record(&world.store, facts).await.unwrap();
    let path = format!("/api/tasks/{}/timeline", task.public_id());
    let told = world.get("user", &path).await.json();
    let entries: Vec<(Option<i64>, String, String)> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap().to_owned();
            (entry["after_ms"].as_i64(), text("by"), text("says"))
        })
        .collect();
    let says = |n: usize, by: &str, after: Option<i64>, part: &str| {
        let (told_after, told_by, told) = &entries[n];
        assert_eq!((told_by.as_str(), *told_after), (by, after), "{told}");
        assert!(told.contains(part), "{part}: {told}");
    };
    says(0, "scheduler", None, "it was due");
    says(1, "scheduler", Some(0), "task 1 of the job was opened");
    says(2, "dispatcher", Some(7), "have to agree within 1000 ms");
    says(3, "dispatcher", Some(24), "it failed: no price today");
    says(4, "dispatcher", Some(1), "were told");
    assert_eq!(entries.len(), 5, "{told}");
    assert_eq!(world.get("other", &path).await.status, StatusCode::NOT_FOUND);
}
