//! Several processes with the scheduler's role on one store: what one of them cannot do, another does.

use std::time::Duration;

use argus_domain::{
    lease::{MemberId, ServiceKind, Session},
    time::Timestamp,
};
use argus_e2e::{
    Platform, Start, Topology, jobs,
    process::{Process, leashed},
    story::now,
    until,
};
use argus_ports::{JobStore, LeaseStore, TaskQuery, TaskStore};
use argus_sqlite::{Options, SqliteStore};
use serde_json::{Value, json};
use tokio::{
    process::ChildStdout,
    time::{sleep, timeout},
};

use crate::on;

const JOBS: usize = 24;
const KIND: ServiceKind = ServiceKind::Scheduler;

/// The platform has a scheduler of its own; the others join it.
#[test]
fn a_dead_or_stopped_schedulers_jobs_are_anothers_within_seconds() {
    on(&[Topology::OneProcess], shares);
}

/// Another process with the scheduler's role on the platform's store.
struct Scheduler {
    process: Process,
    _out: ChildStdout,
}

impl Scheduler {
    /// Returns once it holds a part of the shards.
    async fn join(platform: &Platform, store: &SqliteStore, members: usize) -> Self {
        let mut command = leashed(&argus_e2e::program());
        command.args(["run", "--roles", "scheduler", "--config"]).arg(platform.folder().join("argus.toml"));
        let (process, out) = Process::start(&mut command);
        until("it shares the work", 30, async || {
            let view = store.look(KIND).await.expect("look");
            let mut holders: Vec<Session> = view.leases.iter().filter_map(|lease| lease.holder).collect();
            holders.sort_unstable();
            holders.dedup();
            (view.members.len() == members && holders.len() == members).then_some(())
        })
        .await;
        Self { process, _out: out }
    }

    /// Stops it at a moment when it has no transaction under way: there it would keep all others from the file.
    async fn stop(&self, store: &SqliteStore) {
        let nobody = Session { member: MemberId([0; 16]), no: 1 };
        loop {
            self.process.freeze();
            if timeout(Duration::from_millis(300), store.end(KIND, nobody, None)).await.is_ok() {
                return;
            }
            self.process.resume();
            sleep(Duration::from_millis(7)).await;
        }
    }
}

/// What is wanted is less than 5 s; a busy machine makes it longer, and nothing that works makes it this.
const CEILING_MS: u64 = 20_000;

async fn shares(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let platform = Start::on(folder.path(), topology).run().await;
    let path = folder.path().join("argus.db");
    let store = SqliteStore::open(&path, &Options::default()).expect("the store");
    let mut dying = Scheduler::join(&platform, &store, 2).await;
    let bodies: Vec<Value> = (0..JOBS)
        .map(|n| {
            let mut job = jobs::interval(&platform, &format!("shared {n}"), 1, 1, 600);
            job["misfire"] = json!("catch_up");
            job
        })
        .collect();
    let mut ids = Vec::new();
    for body in &bodies {
        ids.push(platform.create(body).await);
    }
    // A process that has a job's shard and was not told of the job finds it at its next scan.
    sleep(Duration::from_secs(7)).await;

    let killed = now();
    dying.process.kill().await;
    sleep(Duration::from_secs(7)).await;
    let stopping = Scheduler::join(&platform, &store, 2).await;
    sleep(Duration::from_secs(2)).await;
    stopping.stop(&store).await;
    let stopped = now();
    sleep(Duration::from_secs(10)).await;
    stopping.process.resume();
    sleep(Duration::from_secs(7)).await;

    let ended = now();
    let mut late = [Vec::new(), Vec::new()];
    for id in &ids {
        let id = id.parse().expect("an id");
        let job = store.job(id).await.expect("job").expect("there").job;
        let tasks = TaskStore::list(&store, TaskQuery::Job(id), None, 1000).await.expect("tasks");
        let mut due: Vec<u64> = tasks.iter().map(|record| record.task.due.0).collect();
        due.sort_unstable();
        let all: Vec<u64> = (1..=due.len() as u64).map(|n| job.accepted_at.0 + n * 1000).collect();
        assert_eq!(due, all, "each instant once, and none left out");
        let last = due.last().copied().unwrap_or_default();
        assert!(last + 5_000 > ended.0, "it goes on until the end: {last} of {ended:?}");
        for (late, from) in late.iter_mut().zip([killed, stopped]) {
            let within = |at: Timestamp| (from.0..from.0 + 6_000).contains(&at.0);
            let tasks = tasks.iter().map(|record| &record.task).filter(|task| within(task.due));
            late.extend(tasks.map(|task| task.opened_at.0 - task.due.0));
        }
    }
    for (late, what) in late.iter_mut().zip(["killed", "stopped"]) {
        late.sort_unstable();
        let p99 = late[late.len() * 99 / 100];
        eprintln!("one is {what}: {p99} ms late in 99 of 100, {} tasks", late.len());
        assert!(p99 < CEILING_MS, "{late:?}");
    }
    platform.stop().await;
}
