//! A deletion that was answered is final, however little before or after the job was due.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_domain::{
    Bytes, U256,
    access::Role,
    call::Call,
    decimal::Decimal,
    ids::{AttemptNo, JobId, Round, TaskId, TaskNumber},
    job::{Cursor, Job, Misfire, Position},
    lease::{MemberId, ServiceKind},
    rule::ValueSource,
    task::{Agreed, AgreedHow, Fact, Settlement, Verdict},
    time::Timestamp,
};
use argus_memory::{ManualClock, MemoryArchive, MemoryContent, MemoryLimiter, recorded};
use argus_ports::{
    CreateOutcome, Dispatch, JobStore, KeyStore, LinkError, Nudge, Recorded, TaskOf, TaskQuery, TaskStore,
    ValueError, ValueReader,
};
use argus_services_tests::{chain::CHAIN, jobs::job, runner::TestRunner, world::now};
use argus_sqlite::{Options, SqliteStore};
use async_trait::async_trait;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::Request,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Jobs that are deleted, and how many of them at a time.
const JOBS: u64 = 1000;
const WAVE: u64 = 100;
const WITHIN: Duration = Duration::from_secs(30);

/// A dispatcher that has every task agreed on at once, as far as the store lets it: what is agreed on will be called.
struct Keen {
    store: Arc<SqliteStore>,
    fired: Mutex<BTreeSet<TaskId>>,
}

impl Keen {
    fn has_fired(&self, task: &TaskId) -> bool {
        self.fired.lock().expect("no test panics while it holds this").contains(task)
    }
}

#[async_trait]
impl Dispatch for Keen {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        let facts = tasks.iter().map(|of| agreed(of.task)).collect();
        let outcomes = self.store.record(facts).await.expect("recorded");
        let new = tasks.iter().zip(outcomes).filter(|(_, outcome)| *outcome == Recorded::New);
        self.fired.lock().expect("no test panics while it holds this").extend(new.map(|(of, _)| of.task));
        Ok(())
    }

    async fn touched(&self, _: &[TaskOf]) -> Result<(), LinkError> {
        Ok(())
    }
}

fn agreed(task: TaskId) -> Fact {
    let agreed = Agreed {
        attempt: AttemptNo(1),
        round: Round(1),
        call: Call {
            chain: CHAIN,
            target: argus_domain::Address::repeat_byte(0xcc),
            value: U256::ZERO,
            calldata: Bytes::new(),
            arguments: Vec::new(),
        },
        how: AgreedHow::Equal,
        signatures: Vec::new(),
        valid_until: Timestamp::MAX,
        fee_cap: U256::ZERO,
        gas_limit: 0,
        performers: Vec::new(),
        transcript_root: None,
        state: None,
    };
    Fact::Settled(Settlement { task, at: now(), verdict: Verdict::Agreed(agreed.into()) })
}

/// Nobody here has a condition.
struct NoValues;

#[async_trait]
impl ValueReader for NoValues {
    async fn read(&self, _: &ValueSource) -> Result<Decimal, ValueError> {
        unreachable!("no job here reads a value")
    }
}

struct World {
    store: Arc<SqliteStore>,
    clock: ManualClock,
    keen: Arc<Keen>,
    scheduler: argus_scheduler::Handle,
    router: Router,
    key: String,
    _lives: JoinSet<()>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("argus.db");
        let store = Arc::new(SqliteStore::open(&path, &Options::default()).expect("a store"));
        let clock = ManualClock::new(now());
        let keen = Arc::new(Keen { store: store.clone(), fired: Mutex::default() });
        let (lease, member) = argus_lease::member(
            argus_machine::lease::Config::default(),
            ServiceKind::Scheduler,
            MemberId([1; 16]),
            store.clone(),
            CancellationToken::new(),
        );
        let ports = argus_scheduler::Ports {
            clock: Arc::new(clock.clone()),
            jobs: store.clone(),
            tasks: store.clone(),
            decisions: store.clone(),
            bus: store.clone(),
            dispatch: keen.clone(),
            chains: BTreeMap::new(),
            values: Arc::new(NoValues),
            lease,
        };
        let config = argus_scheduler::Config::dev();
        let (scheduler, life) = argus_scheduler::scheduler(config, ports, CancellationToken::new());
        let made = argus_api::new_key(job(1, now()).owner, Role::User, u32::MAX, now());
        KeyStore::put(&*store, made.key).await.expect("a key");
        let ports = argus_api::Ports {
            jobs: store.clone(),
            tasks: store.clone(),
            answers: store.clone(),
            decisions: store.clone(),
            registrations: store.clone(),
            bus: store.clone(),
            keys: store.clone(),
            keepers: store.clone(),
            ledger: store.clone(),
            profiles: store.clone(),
            webhooks: store.clone(),
            claims: store.clone(),
            faucet: None,
            recover: |_, _| None,
            modules: store.clone(),
            content: Arc::new(MemoryContent::new()),
            archive: Arc::new(MemoryArchive::new()),
            secrets: None,
            egress: Arc::new(recorded::Recorded::new(Vec::new())),
            runner: Arc::new(TestRunner::printing(json!([]))),
            builder: None,
            clock: Arc::new(clock.clone()),
            limiter: Arc::new(MemoryLimiter::new(Arc::new(clock.clone()))),
            nudge: Arc::new(scheduler.clone()),
            chains: BTreeMap::new(),
            checks: Vec::new(),
            metrics: argus_metrics::Figures::default(),
            witness: None,
        };
        let (router, background) = argus_api::api(argus_api::Config::default(), ports).expect("an API");
        let mut lives = JoinSet::new();
        lives.spawn(member);
        lives.spawn(life);
        lives.spawn(background);
        let (_lives, _folder) = (lives, folder);
        Self { store, clock, keen, scheduler, router, key: made.text, _lives, _folder }
    }

    /// Jobs that are due in one second and every second from then.
    async fn create(&self, ids: impl Iterator<Item = u64>) -> Vec<JobId> {
        let now = argus_ports::Clock::now(&self.clock);
        let jobs: Vec<(Job, Cursor)> = ids
            .map(|id| {
                let mut job = job(id, now);
                job.policy.misfire = Misfire::RunOnce;
                let next_due = Some(now + Duration::from_secs(1));
                let (opened, position) = (TaskNumber(0), Position::Time);
                let cursor = Cursor { job: job.id, revision: 0, next_due, opened, position, finished: false };
                (job, cursor)
            })
            .collect();
        let ids: Vec<JobId> = jobs.iter().map(|(job, _)| job.id).collect();
        let created = self.store.create(jobs).await.expect("stored");
        assert!(matches!(created, CreateOutcome::Created(_)));
        self.scheduler.jobs_changed(&ids).await.expect("nudged");
        ids
    }

    async fn tasks(&self, job: JobId) -> BTreeSet<TaskId> {
        let tasks = TaskStore::list(&*self.store, TaskQuery::Job(job), None, 100).await.expect("read");
        tasks.into_iter().map(|record| record.task.id).collect()
    }

    /// Deletes a job as its owner does. What the answer lists, and the tasks that there are then.
    async fn delete(&self, job: JobId) -> Deleted {
        let request = Request::builder()
            .method("PUT")
            .uri(format!("/api/jobs/delete/{job}"))
            .header("X-Api-Key", &self.key)
            .body(Body::empty())
            .expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        assert!(response.status().is_success(), "{response:?}");
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("its body");
        let body: Value = serde_json::from_slice(&bytes).expect("JSON");
        let listed = body["tasks_that_may_still_land"].as_array().expect("a list");
        let listed = listed.iter().map(|id| id.as_u64().expect("a number")).collect();
        Deleted { job, listed, tasks: self.tasks(job).await }
    }

    /// Waits until a task of the job has fired.
    async fn fires(&self, job: JobId, count: usize) {
        let until = tokio::time::Instant::now() + WITHIN;
        while self.tasks(job).await.iter().filter(|task| self.keen.has_fired(task)).count() < count {
            assert!(tokio::time::Instant::now() < until, "job {job} does not fire");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

struct Deleted {
    job: JobId,
    listed: BTreeSet<u64>,
    tasks: BTreeSet<TaskId>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_fires_after_a_deletion_was_answered_but_what_the_answer_lists() {
    let world = World::start().await;
    let mut deleted = Vec::new();
    for wave in 0..JOBS / WAVE {
        let ids = world.create((0..WAVE).map(|n| 1 + wave * WAVE + n)).await;
        let witness = world.create(std::iter::once(1_000_000 + wave)).await[0];
        let of = |part: usize| ids.iter().copied().skip(part).step_by(3);
        // Those before their instant, those around it, and those after they have fired.
        for job in of(0) {
            let gone = world.delete(job).await;
            assert!(gone.listed.is_empty() && gone.tasks.is_empty(), "it was not due");
            deleted.push(gone);
        }
        for (n, job) in of(1).enumerate() {
            // From here on the scheduler is at it, beside the deletions.
            if n == WAVE as usize / 12 {
                world.clock.advance(Duration::from_secs(1));
            }
            deleted.push(world.delete(job).await);
        }
        for job in of(2) {
            world.fires(job, 1).await;
            let gone = world.delete(job).await;
            assert!(!gone.listed.is_empty(), "it has fired");
            deleted.push(gone);
        }
        // What is due earlier is opened earlier, so all had their chance when this one has fired again.
        world.clock.advance(Duration::from_secs(2));
        world.fires(witness, 2).await;
        world.delete(witness).await;
    }
    assert_eq!(deleted.len() as u64, JOBS);
    let mut fired = 0;
    for gone in &deleted {
        assert_eq!(world.tasks(gone.job).await, gone.tasks, "job {}: none is opened any more", gone.job);
        let ids: Vec<TaskId> = gone.tasks.iter().copied().filter(|task| world.keen.has_fired(task)).collect();
        let called: BTreeSet<u64> =
            world.store.tasks(&ids).await.expect("read").iter().map(|one| one.task.public_id()).collect();
        assert_eq!(called, gone.listed, "job {}: what fires is what the answer lists", gone.job);
        fired += usize::from(!called.is_empty());
    }
    eprintln!("{fired} of {JOBS} had fired before their deletion was answered");
}
