//! Processes with a scheduler each that share the jobs of one file: one is killed, one is stopped for longer than a lease
//! and goes on. Every instant of every job has its task, and one.
//!
//! How late tasks are while shards move is printed. The bound is the simulation's to hold; here the machine may be busy.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use argus_conformance::samples::job;
use argus_domain::{
    decimal::Decimal,
    ids::{JobId, TaskNumber},
    job::{Cursor, Job, Misfire, Policy, Position, Trigger},
    lease::{MemberId, ServiceKind, Session},
    rule::ValueSource,
    schedule::Schedule,
    time::Timestamp,
};
use argus_memory::{MemoryBus, SystemClock};
use argus_ports::{
    Clock, Dispatch, EgressError, JobStore, LeaseStore, LinkError, TaskOf, TaskQuery, TaskStore, ValueError,
    ValueReader,
};
use argus_sqlite::{Options, SqliteStore};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

const KIND: ServiceKind = ServiceKind::Scheduler;
const JOBS: u64 = 96;
/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(60);
/// How late a task may be in any case, on a busy machine.
const LATE_MAX: u64 = 20_000;

struct Replica {
    id: MemberId,
    child: Child,
}

impl Replica {
    fn start(path: &Path, n: u8) -> Self {
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child_that_schedules", "--nocapture"])
            .env("ARGUS_CHILD_SCHEDULES", path)
            .env("ARGUS_CHILD_NUMBER", n.to_string())
            .stdout(Stdio::null())
            .spawn()
            .expect("a child");
        Self { id: MemberId([n; 16]), child }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the child is there");
    }

    /// Stops it at a moment when it has no transaction under way: there it would keep all others from the file.
    async fn stop(&self, store: &SqliteStore) {
        let nobody = Session { member: MemberId([0; 16]), no: 1 };
        loop {
            self.signal(Signal::STOP);
            if timeout(Duration::from_millis(300), store.end(KIND, nobody, None)).await.is_ok() {
                return;
            }
            self.signal(Signal::CONT);
            sleep(Duration::from_millis(7)).await;
        }
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn steady(n: u64, now: Timestamp) -> (Job, Cursor) {
    let sample = job(n);
    let job = Job {
        trigger: Trigger::Time(Schedule::Interval { every_secs: 1 }),
        policy: Policy { misfire: Misfire::CatchUp, ..sample.policy },
        accepted_at: now,
        expires_at: Timestamp(now.0 + 3_600_000),
        ..sample
    };
    let cursor = Cursor {
        job: job.id,
        revision: 0,
        next_due: Some(Timestamp(now.0 + 1_000)),
        opened: TaskNumber(0),
        position: Position::Time,
        finished: false,
    };
    (job, cursor)
}

/// Waits until each of these holds some of the shards, and all of them all.
async fn until_shared(store: &SqliteStore, members: &[&Replica]) {
    let began = Instant::now();
    loop {
        let view = store.look(KIND).await.expect("look");
        let holders = view.leases.iter().filter_map(|lease| lease.holder.map(|holder| holder.member));
        let holders: Vec<MemberId> = holders.collect();
        let of = |replica: &&Replica| holders.iter().filter(|holder| **holder == replica.id).count();
        let counts: Vec<usize> = members.iter().map(of).collect();
        if counts.iter().sum::<usize>() == 64 && counts.iter().all(|count| *count > 0) {
            return;
        }
        assert!(began.elapsed() < SOON, "{counts:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

type Tasks = BTreeMap<JobId, Vec<(u64, u64)>>;

/// Instants and openings of all tasks, milliseconds.
async fn tasks(store: &SqliteStore, jobs: &[JobId]) -> Tasks {
    let mut found = Tasks::new();
    for job in jobs {
        let listed = TaskStore::list(store, TaskQuery::Job(*job), None, 10_000).await.expect("list");
        let mut times: Vec<_> =
            listed.iter().map(|record| (record.task.due.0, record.task.opened_at.0)).collect();
        times.sort_unstable();
        found.insert(*job, times);
    }
    found
}

/// How late what came due in a stretch was opened: the median, 99 in a hundred, and all.
fn lateness(tasks: &Tasks, from: Timestamp, to: Timestamp) -> [u64; 3] {
    let due = tasks.values().flatten().filter(|(due, _)| (from.0..to.0).contains(due));
    let mut late: Vec<u64> = due.map(|(due, opened)| opened - due).collect();
    late.sort_unstable();
    [late[late.len() / 2], late[late.len() * 99 / 100], late[late.len() - 1]]
}

#[tokio::test]
async fn every_instant_is_opened_once_whatever_becomes_of_a_scheduler() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("argus.db");
    let store = SqliteStore::open(&path, &Options::default()).expect("the store opens");
    let (now, began) = (|| SystemClock.now(), SystemClock.now());
    let jobs: Vec<(Job, Cursor)> = (1..=JOBS).map(|n| steady(n, began)).collect();
    let ids: Vec<JobId> = jobs.iter().map(|(job, _)| job.id).collect();
    store.create(jobs).await.expect("create");
    let [stopped, dead] = [1, 2].map(|n| Replica::start(&path, n));
    until_shared(&store, &[&stopped, &dead]).await;
    sleep(Duration::from_secs(3)).await;

    let killed = now();
    dead.signal(Signal::KILL);
    sleep(Duration::from_secs(7)).await;
    let third = Replica::start(&path, 3);
    until_shared(&store, &[&stopped, &third]).await;
    sleep(Duration::from_secs(2)).await;

    stopped.stop(&store).await;
    let halted = now();
    sleep(Duration::from_secs(10)).await;
    stopped.signal(Signal::CONT);
    until_shared(&store, &[&stopped, &third]).await;
    let end = now();
    sleep(Duration::from_secs(7)).await;

    let found = tasks(&store, &ids).await;
    let within = |from: Timestamp, secs: u64| lateness(&found, from, Timestamp(from.0 + secs * 1000));
    println!("[median, p99, max] ms late: one is killed {:?}", within(killed, 5));
    println!("[median, p99, max] ms late: one is stopped {:?}", within(halted, 12));
    for (job, times) in &found {
        let due: Vec<u64> = times.iter().map(|(due, _)| *due).collect();
        let expected: Vec<u64> = (1..=times.len() as u64).map(|n| began.0 + n * 1000).collect();
        assert_eq!(due, expected, "job {}: each instant once, and none left out", job.0);
        assert!(due.last().is_some_and(|last| *last >= end.0), "job {}: it goes on", job.0);
        let late = times.iter().map(|(due, opened)| opened - due).max();
        assert!(late.is_some_and(|late| late < LATE_MAX), "job {}: {late:?} ms late", job.0);
    }
}

/// Does nothing as a test of its own: the one above starts it as a process with the path set.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_schedules() {
    let Some(path) = std::env::var_os("ARGUS_CHILD_SCHEDULES") else { return };
    let n = std::env::var("ARGUS_CHILD_NUMBER").expect("a number").parse().expect("a number");
    let store = Arc::new(SqliteStore::open(Path::new(&path), &Options::default()).expect("the store opens"));
    let (id, stop) = (MemberId([n; 16]), CancellationToken::new());
    let config = argus_machine::lease::Config::default();
    let (lease, member) = argus_lease::member(config, KIND, id, store.clone(), stop.clone());
    let ports = argus_scheduler::Ports {
        clock: Arc::new(SystemClock),
        jobs: store.clone(),
        tasks: store.clone(),
        decisions: store,
        bus: Arc::new(MemoryBus::new()),
        dispatch: Arc::new(Nobody),
        chains: BTreeMap::new(),
        values: Arc::new(Nobody),
        lease,
    };
    let (_handle, life) = argus_scheduler::scheduler(argus_scheduler::Config::default(), ports, stop);
    tokio::join!(member, life);
}

/// Takes tasks and leaves them; has no values.
struct Nobody;

#[async_trait]
impl Dispatch for Nobody {
    async fn submit(&self, _: &[TaskOf]) -> Result<(), LinkError> {
        Ok(())
    }

    async fn touched(&self, _: &[TaskOf]) -> Result<(), LinkError> {
        Ok(())
    }
}

#[async_trait]
impl ValueReader for Nobody {
    async fn read(&self, _: &ValueSource) -> Result<Decimal, ValueError> {
        Err(ValueError::Fetch(EgressError::Transport("nobody".to_owned())))
    }
}
