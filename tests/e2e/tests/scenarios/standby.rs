//! Several processes with the role of the aggregator, and several with oversight's: one of each leads, and when it dies
//! or stands still the next one does, without anybody's help.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use argus_domain::lease::{MemberId, ServiceKind};
use argus_e2e::{
    Platform, Start, Topology, jobs,
    process::{Process, free_addresses, leashed, role_of, stop_between_transactions},
    story, until,
};
use argus_ports::LeaseStore;
use argus_sqlite::{Options, SqliteStore};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{process::ChildStdout, time::sleep};

use crate::on;

const KINDS: [ServiceKind; 2] = [ServiceKind::Aggregator, ServiceKind::Monitor];
const JOBS: usize = 3;
/// Instants of each job, a second apart: until after the last process has gone on.
const INSTANTS: u64 = 90;
/// Longer than a stopped process's lease.
const STOPPED: Duration = Duration::from_secs(6);
/// Between two things that are done to the processes.
const QUIET: Duration = Duration::from_secs(4);
/// What is wanted is less than 5 s; a busy machine makes it longer, and nothing that works makes it this.
const CEILING: Duration = Duration::from_secs(20);

#[test]
fn whoever_leads_may_die_or_stand_still_and_every_task_is_done_once() {
    on(&[Topology::Processes], takes_over);
}

fn role(kind: ServiceKind) -> &'static str {
    match kind {
        ServiceKind::Aggregator => "aggregator",
        ServiceKind::Monitor => "oversight",
        ServiceKind::Scheduler | ServiceKind::Dispatcher => panic!("these share their work"),
    }
}

/// Who leads, if anybody does.
async fn leader(store: &SqliteStore, kind: ServiceKind) -> Option<MemberId> {
    let view = store.look(kind).await.expect("look");
    let holder = view.leases.first()?.holder?;
    view.members.iter().any(|live| live.session == holder).then_some(holder.member)
}

/// A process with a role of a platform.
struct Replica {
    kind: ServiceKind,
    member: MemberId,
    process: Process,
    _out: ChildStdout,
}

impl Replica {
    /// Begins one like the platform's own, which takes keepers in at an address of its own.
    async fn join(platform: &Platform, store: &SqliteStore, kind: ServiceKind, listen: SocketAddr) -> Self {
        let config = platform.folder().join("argus.toml");
        let (_, arguments) = role_of(&config, role(kind)).expect("the platform's own");
        let mut command = leashed(&argus_e2e::program());
        command.args(arguments);
        if kind == ServiceKind::Aggregator {
            command.args(["--set", &format!("links.listen = \"{listen}\"")]);
        }
        let members = async || -> Vec<MemberId> {
            let view = store.look(kind).await.expect("look");
            view.members.iter().map(|live| live.session.member).collect()
        };
        let before = members().await;
        let (process, out) = Process::start(&mut command);
        let member = until("it takes part", 30, async || {
            members().await.into_iter().find(|member| !before.contains(member))
        })
        .await;
        Self { kind, member, process, _out: out }
    }
}

/// Waits until another one than this leads, and says how long that took.
async fn taken_over(store: &SqliteStore, kind: ServiceKind, before: MemberId, what: &str) -> MemberId {
    let began = Instant::now();
    let next =
        until("another one leads", 60, async || leader(store, kind).await.filter(|member| *member != before))
            .await;
    let took = began.elapsed();
    eprintln!("the leading {} {what}: another one leads after {} ms", role(kind), took.as_millis());
    assert!(took < CEILING, "{took:?}");
    next
}

fn leading(replicas: &mut Vec<Replica>, kind: ServiceKind, member: MemberId) -> Replica {
    let at = replicas.iter().position(|one| (one.kind, one.member) == (kind, member));
    replicas.swap_remove(at.expect("one that the test began"))
}

async fn takes_over(topology: Topology) {
    let folder = tempfile::tempdir().expect("a folder");
    let at: [SocketAddr; 3] = free_addresses();
    let urls: Vec<String> = at.iter().map(|address| format!("http://{address}")).collect();
    let start = Start::on(folder.path(), topology).set(format!("links.aggregator = {urls:?}"));
    let platform = start.run().await;
    let store = SqliteStore::open(&folder.path().join("argus.db"), &Options::default()).expect("the store");
    let mut replicas = Vec::new();
    for kind in KINDS {
        replicas.push(Replica::join(&platform, &store, kind, at[0]).await);
    }
    let mut ids = Vec::new();
    for n in 0..JOBS {
        let mut job = jobs::interval(&platform, &format!("led {n}"), 1, 1, INSTANTS);
        job["misfire"] = json!("catch_up");
        ids.push(platform.create(&job).await);
    }
    sleep(QUIET).await;

    // The platform's own are started again when they die, and stay where they are when they are stopped.
    let config = folder.path().join("argus.toml");
    let own: Vec<(ServiceKind, Pid)> =
        KINDS.map(|kind| (kind, role_of(&config, role(kind)).expect("it runs").0)).to_vec();
    for (kind, pid) in &own {
        let before = leader(&store, *kind).await.expect("one leads");
        stop_between_transactions(&store, |signal| kill_process(*pid, signal).expect("signalled")).await;
        let is_ours = replicas.iter().any(|one| one.member == before);
        if !is_ours {
            taken_over(&store, *kind, before, "is stopped").await;
        }
    }
    sleep(QUIET).await;

    for kind in KINDS {
        replicas.push(Replica::join(&platform, &store, kind, at[1]).await);
    }
    sleep(QUIET).await;
    for kind in KINDS {
        let before = leader(&store, kind).await.expect("one leads");
        let mut dying = leading(&mut replicas, kind, before);
        dying.process.kill().await;
        taken_over(&store, kind, before, "is killed").await;
        sleep(QUIET).await;
    }

    for kind in KINDS {
        replicas.push(Replica::join(&platform, &store, kind, at[2]).await);
    }
    sleep(QUIET).await;
    for kind in KINDS {
        let before = leader(&store, kind).await.expect("one leads");
        let stopped = leading(&mut replicas, kind, before);
        stop_between_transactions(&store, |signal| stopped.process.signal(signal)).await;
        taken_over(&store, kind, before, "is stopped").await;
        sleep(STOPPED).await;
        stopped.process.resume();
        replicas.push(stopped);
        sleep(QUIET).await;
    }
    for (_, pid) in &own {
        kill_process(*pid, Signal::CONT).expect("continued");
    }

    for (n, id) in ids.iter().enumerate() {
        let count = usize::try_from(INSTANTS).expect("a few");
        let tasks = story::completed(&platform, id, count, 90).await;
        story::on_chain(&platform, &format!("led {n}"), 1, &tasks).await;
    }
    drop(replicas);
    platform.stop().await;
}
