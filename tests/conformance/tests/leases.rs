//! Processes that share work by leases over one file: one is stopped between deciding and writing, one is killed, one
//! leaves.
//!
//! How long shards take to move is printed and not asserted: the machine may be busy. The simulation holds the bound.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    time::{Duration, Instant},
};

use argus_domain::lease::{Fence, Live, MemberId, ServiceKind, Session, View};
use argus_machine::lease::Config;
use argus_ports::{LeaseStore, StoreError};
use argus_sqlite::{Options, SqliteStore};
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use tokio_util::sync::CancellationToken;

const KIND: ServiceKind = ServiceKind::Scheduler;
/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(60);

/// Within this a process has stopped that told itself to.
const STOPPED: Duration = Duration::from_millis(50);

struct Replica {
    id: MemberId,
    child: Child,
    commands: ChildStdin,
    says: Receiver<String>,
}

impl Replica {
    fn start(path: &Path, n: u8) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child_that_shares_work", "--nocapture"])
            .env("ARGUS_CHILD_SHARES", path)
            .env("ARGUS_CHILD_NUMBER", n.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let commands = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        let (sender, says) = sync_channel(64);
        std::thread::spawn(move || {
            let said = |line: &str| line.split_once("says ").map(|(_, what)| what.trim().to_owned());
            for what in output.lines().map_while(Result::ok).filter_map(|line| said(&line)) {
                if sender.send(what).is_err() {
                    return;
                }
            }
        });
        Self { id: MemberId([n; 16]), child, commands, says }
    }

    fn command(&mut self, what: &str) {
        writeln!(self.commands, "{what}").expect("the child reads");
    }

    fn says(&self) -> String {
        self.says.recv_timeout(SOON).expect("the child says something")
    }

    /// Has it stop, at a moment when it has no transaction under way: there it would keep all others from the file.
    async fn stop(&mut self, store: &SqliteStore) {
        let nobody = Session { member: MemberId([0; 16]), no: 1 };
        let began = Instant::now();
        loop {
            self.command("stop");
            assert_eq!(self.says(), "stops");
            tokio::time::sleep(2 * STOPPED).await;
            if tokio::time::timeout(Duration::from_millis(300), store.end(KIND, nobody, None)).await.is_ok() {
                return;
            }
            assert!(began.elapsed() < SOON, "it is always in the middle of a transaction");
            self.signal(Signal::CONT);
            self.says();
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the child is there");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until these hold all shards between them, and says how long that took.
async fn until_held_by(store: &SqliteStore, members: &[MemberId]) -> Duration {
    let began = Instant::now();
    loop {
        let view = store.look(KIND).await.expect("look");
        let live: BTreeSet<Session> = view.members.iter().map(|live| live.session).collect();
        let holders = view.leases.iter().filter_map(|lease| lease.holder);
        let held = holders.filter(|holder| live.contains(holder) && members.contains(&holder.member)).count();
        if held == 64 {
            return began.elapsed();
        }
        assert!(began.elapsed() < SOON, "{held} shards are held: {view:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn shards_of_stopped_dead_and_leaving_processes_move() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("argus.db");
    let store = SqliteStore::open(&path, &Options::default()).expect("the store opens");
    let [mut stopped, dead, mut leaver, last] = [1, 2, 3, 4].map(|n| Replica::start(&path, n));
    let ids = [stopped.id, dead.id, leaver.id, last.id];
    println!("four begin: {:?}", until_held_by(&store, &ids).await);

    stopped.stop(&store).await;
    let moved = until_held_by(&store, &[dead.id, leaver.id, last.id]).await;
    println!("one is stopped: {moved:?}");
    stopped.signal(Signal::CONT);
    assert_eq!(stopped.says(), "refused", "what it had decided before it was stopped");
    stopped.command("check");
    assert_eq!(stopped.says(), "sound", "what it believes since is its own");

    dead.signal(Signal::KILL);
    println!("one is killed: {:?}", until_held_by(&store, &[stopped.id, leaver.id, last.id]).await);

    leaver.command("leave");
    println!("one leaves: {:?}", until_held_by(&store, &[stopped.id, last.id]).await);
    assert_eq!(leaver.says(), "left");
}

/// Does nothing as a test of its own: the one above starts it as a process with the path set.
#[tokio::test]
async fn child_that_shares_work() {
    let Some(path) = std::env::var_os("ARGUS_CHILD_SHARES") else { return };
    let n = std::env::var("ARGUS_CHILD_NUMBER").expect("a number").parse().expect("a number");
    let store = SqliteStore::open(Path::new(&path), &Options::default()).expect("the store opens");
    let store = Arc::new(Counted { store, underway: AtomicUsize::new(0) });
    let stop = CancellationToken::new();
    let (handle, life) =
        argus_lease::member(Config::default(), KIND, MemberId([n; 16]), store.clone(), stop.clone());
    let life = tokio::spawn(life);
    let (sender, mut commands) = tokio::sync::mpsc::channel(8);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "stop" => {
                let fence = stop_between(&store, || handle.held().first().copied()).await;
                let taken = store.mark(fence, 1).await.expect("mark");
                say(if taken { "taken" } else { "refused" });
            }
            "check" => {
                let mut sound = true;
                for fence in handle.held() {
                    let stands = store.stands(fence).await.expect("stands");
                    // What was given up while the store was asked says nothing.
                    sound &= stands || handle.fence(fence.shard.no) != Some(fence);
                }
                say(if sound { "sound" } else { "wrong" });
            }
            _ => break,
        }
    }
    stop.cancel();
    life.await.expect("a life");
    say("left");
}

/// Decides to write and is stopped before it does, at a moment when nobody waits for a transaction.
async fn stop_between(store: &Counted, decide: impl Fn() -> Option<Fence>) -> Fence {
    loop {
        if store.underway.load(Ordering::SeqCst) == 0
            && let Some(fence) = decide()
        {
            say("stops");
            kill_process(rustix::process::getpid(), Signal::STOP).expect("stopped");
            // The signal may have gone to another thread first.
            std::thread::sleep(STOPPED);
            return fence;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "says {what}").expect("the parent reads");
    out.flush().expect("the parent reads");
}

/// A store that counts what is under way.
struct Counted {
    store: SqliteStore,
    underway: AtomicUsize,
}

/// Something is under way until this is dropped.
struct Underway<'a>(&'a AtomicUsize);

impl<'a> Underway<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Counted {
    async fn count<T>(&self, act: impl Future<Output = T>) -> T {
        let _underway = Underway::begin(&self.underway);
        act.await
    }
}

#[async_trait]
impl LeaseStore for Counted {
    async fn join(&self, kind: ServiceKind, live: Live) -> Result<bool, StoreError> {
        self.count(self.store.join(kind, live)).await
    }

    async fn beat(&self, kind: ServiceKind, session: Session, beats: u64) -> Result<bool, StoreError> {
        self.count(self.store.beat(kind, session, beats)).await
    }

    async fn end(&self, kind: ServiceKind, session: Session, beats: Option<u64>) -> Result<(), StoreError> {
        self.count(self.store.end(kind, session, beats)).await
    }

    async fn look(&self, kind: ServiceKind) -> Result<View, StoreError> {
        self.count(self.store.look(kind)).await
    }

    async fn claim(&self, session: Session, leases: Vec<Fence>) -> Result<Vec<bool>, StoreError> {
        self.count(self.store.claim(session, leases)).await
    }

    async fn release(&self, session: Session, leases: Vec<Fence>) -> Result<(), StoreError> {
        self.count(self.store.release(session, leases)).await
    }

    async fn stands(&self, fence: Fence) -> Result<bool, StoreError> {
        self.count(self.store.stands(fence)).await
    }

    async fn mark(&self, fence: Fence, mark: u64) -> Result<bool, StoreError> {
        self.count(self.store.mark(fence, mark)).await
    }
}
