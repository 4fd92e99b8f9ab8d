//! Requests under an Idempotency-Key: done once, answered always.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use argus_api::Config;
use argus_domain::{B256, module::Language};
use argus_memory::ManualClock;
use argus_ports::{
    AnswerStore, BuildError, Built, JobStore, Leave, ModuleBuilder, NamedRequest, RequestName,
};
use async_trait::async_trait;
use axum::{Router, body::Body, http::Request};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::{
    builds::built,
    world::{Answer, NOW, World, address, job, job_with, one},
};

fn request(world: &World, user: &str, name: &str, path: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method("POST")
        .uri(path)
        .header("X-Api-Key", &world.keys[user])
        .header("Idempotency-Key", name)
        .body(Body::from(body.to_string()))
        .unwrap()
}

async fn create(world: &World, user: &str, name: &str, body: &Value) -> Answer {
    world.send(request(world, user, name, "/api/jobs", body)).await
}

fn is_replayed(answer: &Answer) -> bool {
    answer.headers.contains_key("idempotency-replayed")
}

/// How often a creation was carried out: each one nudges the scheduler.
fn done(world: &World) -> usize {
    world.nudge.0.lock().unwrap().len()
}

#[tokio::test]
async fn the_same_again_is_answered_and_not_done() {
    let world = World::new().await;
    let first = create(&world, "user", "a", &one(job("1"))).await;
    assert_eq!((first.status.as_u16(), is_replayed(&first), done(&world)), (200, false, 1), "{}", first.text);
    // Also by another process, and after a restart.
    let (_before, world) = world.again();
    for _ in 0..2 {
        let again = create(&world, "user", "a", &one(job("1"))).await;
        assert_eq!((again.status.as_u16(), &again.text), (200, &first.text));
        assert!(is_replayed(&again) && again.headers.contains_key("x-ratelimit-remaining"));
    }
    assert_eq!(done(&world), 1);
    let other = create(&world, "user", "a", &one(job("2"))).await;
    assert_eq!((other.status.as_u16(), other.code().as_str()), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert!(world.store.job("2".parse().unwrap()).await.unwrap().is_none());
    // On another route it is another request, too.
    let script = json!({"source": "print [1]", "language": "ts"});
    let module = world.send(request(&world, "user", "a", "/api/modules", &script)).await;
    assert_eq!(module.code(), "IDEMPOTENCY_KEY_REUSED");
    // Somebody else's name is somebody else's.
    let others = one(job_with("3", json!({"user_address": address(0x22)})));
    assert_eq!(create(&world, "other", "a", &others).await.json()["job_ids"], json!(["3"]));
    // A day later nobody remembers.
    world.clock.advance(Duration::from_secs(24 * 3600 + 1));
    let late = create(&world, "user", "a", &one(job("4"))).await;
    assert_eq!((late.status.as_u16(), is_replayed(&late)), (200, false), "{}", late.text);
}

#[tokio::test]
async fn a_module_is_published_once() {
    let world = World::new().await;
    let script = json!({"source": "print [1]", "language": "ts"});
    let publish = async || world.send(request(&world, "user", "m", "/api/modules", &script)).await;
    let (first, again) = (publish().await, publish().await);
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text), "{}", first.text);
    assert!(!is_replayed(&first) && is_replayed(&again));
}

#[tokio::test]
async fn what_was_not_done_is_not_kept() {
    let (before, world) = World::new().await.again();
    let bad = one(job_with("1", json!({"job_title": "x"})));
    for _ in 0..2 {
        let refused = create(&world, "user", "a", &bad).await;
        assert_eq!((refused.status.as_u16(), is_replayed(&refused)), (422, false), "{}", refused.text);
    }
    // The key is free at once, also for another request to another process.
    assert_eq!(ask(before, request(&world, "user", "a", "/api/jobs", &one(job("1")))).await, 200);
    // A store that cannot remember does nothing either.
    world.store.refuse_writes(Some(argus_ports::StoreError::ReadOnly("full".to_owned())));
    assert_eq!(create(&world, "user", "b", &one(job("2"))).await.status.as_u16(), 503);
}

#[tokio::test]
async fn a_name_is_short_and_visible() {
    let world = World::new().await;
    for (name, status) in [("", 400), (" ", 400), (&"n".repeat(256)[..], 400), (&"n".repeat(255)[..], 200)] {
        let answer = create(&world, "user", name, &one(job("1"))).await;
        assert_eq!(answer.status.as_u16(), status, "{name:?}: {}", answer.text);
    }
    let mut twice = request(&world, "user", "a", "/api/jobs", &one(job("2")));
    twice.headers_mut().append("idempotency-key", "b".parse().unwrap());
    assert_eq!(world.send(twice).await.code(), "INVALID_IDEMPOTENCY_KEY");
    let preflight = Request::builder()
        .method("OPTIONS")
        .uri("/api/jobs")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .body(Body::empty())
        .unwrap();
    let allowed =
        world.send(preflight).await.headers["access-control-allow-headers"].to_str().unwrap().to_owned();
    assert!(allowed.contains("idempotency-key"), "{allowed}");
}

/// Builds for ever the first time, and at once from then on.
#[derive(Default)]
struct Stuck(AtomicBool);

#[async_trait]
impl ModuleBuilder for Stuck {
    fn builds(&self, language: Language) -> bool {
        language == Language::Go
    }
    async fn build(&self, _: bytes::Bytes, _: Language) -> Result<Built, BuildError> {
        if !self.0.swap(true, Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        Err(BuildError::Busy { waiting: 1 })
    }
}

async fn go_job(world: &World) -> Value {
    let url = world.script("package main").await;
    job_with(
        "1",
        json!({"task_definition_id": 2, "language": "go", "arguments": [], "dynamic_arguments_script_url": url}),
    )
}

async fn ask(router: Router, request: Request<Body>) -> u16 {
    router.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn who_hangs_up_may_come_again_at_once() {
    let world = World::building(Config::default(), Arc::new(Stuck::default())).await;
    let body = one(go_job(&world).await);
    let first = ask(world.router.clone(), request(&world, "user", "a", "/api/jobs", &body));
    assert!(tokio::time::timeout(Duration::from_millis(100), first).await.is_err(), "it waits for the build");
    let again = ask(world.router.clone(), request(&world, "user", "a", "/api/jobs", &body));
    let again = tokio::time::timeout(Duration::from_secs(10), again).await;
    assert_eq!(again, Ok(503), "the builder says that it is busy");
}

/// Takes its time, in steps of so long on the wall and so long on the edge's clock.
struct Slow {
    clock: OnceLock<ManualClock>,
    steps: (u32, Duration, Duration),
}

#[async_trait]
impl ModuleBuilder for Slow {
    fn builds(&self, language: Language) -> bool {
        language == Language::Go
    }
    async fn build(&self, _: bytes::Bytes, _: Language) -> Result<Built, BuildError> {
        let (steps, wall, clock) = self.steps;
        for _ in 0..steps {
            tokio::time::sleep(wall).await;
            self.clock.get().expect("a clock").advance(clock);
        }
        Ok(built(r#"print ["7"]"#))
    }
}

/// A request that takes so long to carry out, sent 16 times at once to two processes.
async fn crowd(steps: (u32, Duration, Duration)) {
    let builder = Arc::new(Slow { clock: OnceLock::new(), steps });
    let world = World::building(Config::default(), builder.clone()).await;
    assert!(builder.clock.set(world.clock.clone()).is_ok());
    let (before, world) = world.again();
    let body = one(go_job(&world).await);
    let sent = (0..16).map(|n| {
        let router = if n % 2 == 0 { before.clone() } else { world.router.clone() };
        ask(router, request(&world, "user", "a", "/api/jobs", &body))
    });
    let statuses = futures::future::join_all(sent).await;
    assert_eq!((statuses, done(&world)), (vec![200; 16], 1), "{steps:?}");
}

#[tokio::test]
async fn at_the_same_time_it_is_done_once() {
    crowd((3, Duration::from_millis(100), Duration::ZERO)).await;
}

/// Past the 15 s for which a process that says nothing is believed: it says every 5 s that it is at it.
#[tokio::test]
async fn however_long_it_takes() {
    crowd((15, Duration::from_millis(500), Duration::from_millis(1_200))).await;
}

#[tokio::test]
async fn what_a_process_left_behind_is_taken_over() {
    let world = World::new().await;
    let name = RequestName { owner: address(0x11), name: "a".to_owned() };
    let until = NOW + Duration::from_secs(15);
    // The process that had it began another request under this name, and the same one; it is gone since.
    let left =
        |hash| NamedRequest { name: name.clone(), hash, holder: [7; 16], at: NOW, until, names_max: 9 };
    assert_eq!(world.store.begin(left(B256::ZERO)).await, Ok(Leave::Granted));
    assert_eq!(create(&world, "user", "a", &one(job("1"))).await.code(), "IDEMPOTENCY_KEY_REUSED");
    world.clock.advance(Duration::from_secs(15));
    assert_eq!(create(&world, "user", "a", &one(job("1"))).await.status.as_u16(), 200);
    assert_eq!(done(&world), 1);
}

/// Old clients expect 200 for a script that is refused; nothing was done all the same.
#[tokio::test]
async fn a_script_that_was_refused_may_be_sent_again() {
    let world = World::new().await;
    let url = world.script("fail TypeError: fetch failed").await;
    let body = one(job_with(
        "1",
        json!({
            "task_definition_id": 2, "arg_type": 2, "arguments": [], "language": "ts", "dynamic_arguments_script_url": url,
        }),
    ));
    for tries in 1..=2 {
        let answer = create(&world, "user", "a", &body).await;
        assert_eq!(answer.json()["status"], "validation_failed", "{}", answer.text);
        assert!(!is_replayed(&answer));
        assert_eq!(*world.runner.runs.lock().unwrap(), tries);
    }
    let other = create(&world, "user", "a", &one(job("1"))).await;
    assert_eq!((other.status.as_u16(), is_replayed(&other)), (200, false), "{}", other.text);
}
