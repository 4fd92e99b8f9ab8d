//! Sources that are built: what a client is told that came too early, and what it finds when it comes again.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use argus_api::Config;
use argus_domain::{
    Address, B256,
    build::{Build, BuilderId, SignedBuild},
    call::Signature,
    job::Args,
    module::{Language, Refusal, WasmHash},
};
use argus_memory::{ManualClock, MemoryContent};
use argus_ports::{BuildError, Built, ContentStore, JobStore, ModuleBuilder, StoreError};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::world::{Answer, NOW, World, job_with, one};

/// Answers in the order in which they stand here, the last one again and again; the first one takes its time on a clock.
struct FakeBuilder {
    answers: Mutex<VecDeque<Result<&'static str, BuildError>>>,
    takes: Mutex<Duration>,
    clock: OnceLock<ManualClock>,
}

#[async_trait]
impl ModuleBuilder for FakeBuilder {
    fn builds(&self, language: Language) -> bool {
        language == Language::Go
    }

    async fn build(&self, _: bytes::Bytes, _: Language) -> Result<Built, BuildError> {
        let takes = std::mem::take(&mut *self.takes.lock().unwrap());
        self.clock.get().expect("a clock").advance(takes);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let wasm = answer.expect("an answer")?;
        Ok(built(wasm))
    }
}

/// What a builder gives for any source.
pub fn built(wasm: &'static str) -> Built {
    let (source_hash, wasm_hash) = (B256::repeat_byte(1), WasmHash(B256::repeat_byte(3)));
    let build = Build { source_hash, builder: BuilderId(B256::repeat_byte(2)), wasm_hash };
    let record = SignedBuild { build, signer: Address::ZERO, signature: Signature([0; 65]) };
    Built { record, wasm: wasm.into() }
}

async fn world(answers: Vec<Result<&'static str, BuildError>>, takes: Duration) -> World {
    let answers = Mutex::new(answers.into());
    let builder = Arc::new(FakeBuilder { answers, takes: Mutex::new(takes), clock: OnceLock::new() });
    let world = World::building(Config::default(), builder.clone()).await;
    assert!(builder.clock.set(world.clock.clone()).is_ok());
    world
}

async fn go_job(world: &World, language: &str) -> Value {
    let url = world.script("package main\n\nfunc main() {}\n").await;
    job_with(
        "5",
        json!({"task_definition_id": 2, "arg_type": 2, "arguments": [], "language": language,
               "dynamic_arguments_script_url": url}),
    )
}

fn retry_after(answer: &Answer) -> &str {
    answer.headers.get("retry-after").map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn who_comes_too_early_is_told_when_to_come_again_and_then_has_the_job() {
    for language in ["go", ""] {
        let early =
            vec![Err(BuildError::Busy { waiting: 8 }), Err(BuildError::Underway), Ok("print [\"7\"]")];
        let world = world(early, Duration::ZERO).await;
        let body = one(go_job(&world, language).await);
        for (code, secs) in [("BUILDER_BUSY", "30"), ("BUILD_UNDERWAY", "5")] {
            let answer = world.create("user", &body).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, code), "{}", answer.text);
            assert_eq!(retry_after(&answer), secs);
            assert!(answer.text.contains("send the same request again"), "{}", answer.text);
            assert!(world.store.job("5".parse().unwrap()).await.unwrap().is_none(), "it is stored");
        }
        let answer = world.create("user", &body).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        let record = world.store.job("5".parse().unwrap()).await.unwrap().expect("it is stored");
        let Args::Computed { module, .. } = record.job.args else { panic!("{:?}", record.job.args) };
        assert_eq!(module.language, Language::Wasm, "keepers are given what was built");
    }
}

#[tokio::test]
async fn a_job_begins_once_its_script_is_there() {
    let takes = Duration::from_secs(40);
    let world = world(vec![Ok("print [\"7\"]")], takes).await;
    let mut job = go_job(&world, "go").await;
    job["time_frame"] = json!(30);
    job["time_interval"] = json!(10);
    let answer = world.create("user", &one(job.clone())).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let stored = async || world.store.job("5".parse().unwrap()).await.unwrap().expect("it is stored");
    let record = stored().await;
    assert_eq!(record.job.accepted_at, NOW + takes);
    assert_eq!(record.cursor.next_due, Some(NOW + takes + Duration::from_secs(10)));
    // A repeat is the same job.
    assert_eq!(world.create("user", &one(job)).await.text, answer.text);
    assert_eq!(stored().await.job, record.job);
}

#[tokio::test]
async fn a_source_that_does_not_compile_is_told_in_the_compilers_words() {
    let refusal = || {
        let reason = "the program does not compile:\nmain.go:4:2: undefined: x".to_owned();
        Err(BuildError::Refused(Refusal { reasons: vec![reason] }))
    };
    let world = world(vec![refusal()], Duration::ZERO).await;
    let job = go_job(&world, "go").await;
    let answer = world.create("user", &one(job.clone())).await;
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), &body["status"]), (200, &json!("validation_failed")), "{body}");
    assert!(body["message"].as_str().unwrap().contains("main.go:4:2: undefined: x"), "{body}");
    // Another fault beside it: a refusal that names both.
    let mut worse = job;
    worse["time_frame"] = json!(0);
    let answer = world.create("user", &one(worse)).await;
    assert_eq!(answer.status.as_u16(), 422, "{}", answer.text);
    assert!(answer.text.contains("main.go:4:2: undefined: x"), "{}", answer.text);
    let source = json!({ "source": "package main", "language": "go" }).to_string();
    let answer = world.call("user", "POST", "/api/modules", &source).await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "SCRIPT_REFUSED"), "{}", answer.text);
    assert!(answer.text.contains("main.go:4:2: undefined: x"), "{}", answer.text);
}

#[tokio::test]
async fn a_dry_run_keeps_nothing_of_what_it_built() {
    let wasm = "print [\"7\"]";
    let world = world(vec![Ok(wasm)], Duration::ZERO).await;
    let body = go_job(&world, "go").await;
    let source = world.content.clone().put("package main\n\nfunc main() {}\n".into()).await.unwrap();
    let built = MemoryContent::new().put(wasm.into()).await.unwrap();
    world.store.refuse_writes(Some(StoreError::ReadOnly("a dry run writes nothing".to_owned())));
    let answer = world.call("user", "POST", "/api/jobs/dry-run", &body.to_string()).await;
    let told = answer.json();
    assert_eq!((answer.status.as_u16(), &told["ok"]), (200, &json!(true)), "{told}");
    assert_eq!(told["arguments"], json!(["7"]));
    let kept = async |cid| world.content.get(cid, 1_000).await.is_ok();
    assert!(kept(&source).await && !kept(&built).await, "what was built is kept");
    // The same as a creation: then it is.
    world.store.refuse_writes(None);
    let created = world.create("user", &one(body.clone())).await;
    assert_eq!(created.status.as_u16(), 200, "{}", created.text);
    assert!(kept(&built).await);
    // What is there is tried again, and is the same job.
    let again = world.call("user", "POST", "/api/jobs/dry-run", &body.to_string()).await.json();
    assert_eq!((&again["ok"], &again["arguments"]), (&json!(true), &json!(["7"])), "{again}");
}

#[tokio::test]
async fn where_nobody_builds_a_source_the_job_is_refused_with_what_to_do() {
    let world = World::new().await;
    let answer = world.create("user", &one(go_job(&world, "go").await)).await;
    let fault = answer.json()["details"][0].clone();
    assert_eq!((answer.status.as_u16(), &fault["code"]), (422, &json!("NO_BUILDER")), "{}", answer.text);
    assert_eq!(fault["path"], json!("[0].dynamic_arguments_script_url"));
    assert!(fault["message"].as_str().unwrap().contains("argus module build"), "{fault}");
    let validated = json!({"code": "package main", "language": "go", "task_definition_id": 2}).to_string();
    let validated = world.call("user", "POST", "/api/code/validate", &validated).await.json();
    assert_eq!(validated["executable"], json!(false), "{validated}");
}
