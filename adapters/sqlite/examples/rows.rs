//! How many rows a second the store takes: `cargo run --release -p argus-sqlite --example rows [folder]`.
//!
//! Prints wall time, so compare figures of one run only; the fdatasync floor of the same minute is printed beside.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example talks to its reader")]

use std::{
    io::Write,
    path::PathBuf,
    time::{Duration, Instant},
};

use argus_domain::{
    Address, B256, U256,
    attempt::{Attempt, Priority, SignedClaim, TraceId},
    call::Signature,
    chain::Pin,
    ids::{AttemptNo, ChainId, JobId, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber},
    job::{Action, Agreement, Args, Cursor, Job, Misfire, Mode, Policy, Position, Remarks, Trigger},
    limits::Limits,
    module::EngineId,
    schedule::Schedule,
    task::{Broadcast, Fact, Handoff, Task, TriggerFact},
    time::Timestamp,
};
use argus_ports::{JobStore, Opening, TaskStore};
use argus_sqlite::{Options, SqliteStore};

const JOBS: u64 = 1000;

fn job(n: u64) -> (Job, Cursor) {
    let id = JobId((U256::from(n) << 200) | U256::from(n));
    let policy = Policy {
        mode: Mode::Quorum { keepers: 3, threshold: 2 },
        agreement: Agreement::Exact,
        misfire: Misfire::RunOnce,
        fee_cap: U256::from(1),
        gas_limit: 200_000,
    };
    let job = Job {
        id,
        version: 1,
        serial: Serial(0),
        owner: Address::repeat_byte(1),
        title: "x".repeat(40),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Fixed(Vec::new()),
        action: Action::Script { chain: ChainId(1) },
        policy,
        limits: Limits::DEFAULT,
        accepted_at: Timestamp(1),
        expires_at: Timestamp::MAX,
        recurring: true,
        link: None,
        created_chain: ChainId(1),
        safe: None,
        remarks: Remarks::default(),
    };
    let cursor = Cursor {
        job: id,
        revision: 1,
        next_due: Some(Timestamp(1000)),
        opened: TaskNumber(0),
        position: Position::Time,
        finished: false,
    };
    (job, cursor)
}

fn task(job: &Job, serial: u32, n: u32) -> (Task, Cursor) {
    let due = Timestamp(u64::from(n) * 1000);
    let occurrence = Occurrence::Time(due);
    let task = Task {
        id: TaskId::of(job.id, &occurrence),
        job: job.id,
        job_version: 1,
        serial: Serial(serial),
        number: TaskNumber(n),
        occurrence,
        due,
        opened_at: due,
        trigger: TriggerFact::Due,
    };
    let cursor = Cursor {
        job: job.id,
        revision: u64::from(n) + 1,
        next_due: Some(Timestamp(u64::from(n + 1) * 1000)),
        opened: TaskNumber(n),
        position: Position::Time,
        finished: false,
    };
    (task, cursor)
}

/// Five facts of a task, 1.1 KB in all.
fn facts(task: TaskId) -> Vec<Fact> {
    let keeper = KeeperId(Address::repeat_byte(7));
    let claim = |round| SignedClaim {
        task,
        attempt: AttemptNo(1),
        round: Round(round),
        keeper,
        digest: B256::repeat_byte(4),
        signature: Signature([1; 65]),
    };
    let attempt = Attempt {
        task,
        no: AttemptNo(1),
        keepers: vec![keeper; 3],
        mode: Mode::Quorum { keepers: 3, threshold: 2 },
        agreement: Agreement::Exact,
        pins: [(ChainId(1), Pin { number: 7, hash: B256::repeat_byte(7) })].into(),
        engine: EngineId(B256::repeat_byte(9)),
        limits: Limits::DEFAULT,
        begun_at: Timestamp(1),
        deadline: Timestamp(2),
        valid_until: Timestamp(3),
        fee_cap: U256::from(5),
        gas_limit: 200_000,
        trace: TraceId(42),
        priority: Priority::OnTime,
        state: None,
    };
    let at = Timestamp(4);
    vec![
        Fact::Attempted(attempt.into()),
        Fact::Claimed(claim(1)),
        Fact::Claimed(claim(2)),
        Fact::HandedOff(Handoff { task, number: 1, keeper, patience_until: at, at, declined: None }),
        Fact::Broadcast(Broadcast { task, keeper, transaction: B256::repeat_byte(3), at }),
    ]
}

fn say(what: &str, rows: usize, took: Duration) {
    println!("{what:<52} {rows:>8} rows in {took:>10.1?} {:>9.0} rows/s", rows as f64 / took.as_secs_f64());
}

fn fdatasync_floor(dir: &std::path::Path) -> Duration {
    let mut file = std::fs::File::create(dir.join("floor")).expect("a file");
    let began = Instant::now();
    for _ in 0..200 {
        file.write_all(&[7; 4096]).expect("write");
        file.sync_data().expect("sync");
    }
    began.elapsed() / 200
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let dir = std::env::args_os().nth(1).map_or_else(|| dir.path().to_owned(), PathBuf::from);
    println!("append 4 KB + fdatasync: {:.0?}", fdatasync_floor(&dir));
    let store = SqliteStore::open(&dir.join("rows.db"), &Options::default()).expect("open");

    let jobs: Vec<(Job, Cursor)> = (1..=JOBS).map(job).collect();
    let began = Instant::now();
    store.create(jobs.clone()).await.expect("create");
    say("jobs created, 3 rows each, one batch", 3 * jobs.len(), began.elapsed());

    let mut ids = Vec::new();
    let began = Instant::now();
    for n in 1..=20 {
        let tasks = (1..).zip(&jobs).map(|(serial, (job, _))| task(job, serial, n));
        let batch: Vec<Opening> = tasks.map(|(task, cursor)| Opening::unfenced(task, cursor)).collect();
        ids.extend(batch.iter().map(|opening| opening.task.id));
        let outcomes = store.open(batch).await.expect("open");
        assert!(outcomes.iter().all(|outcome| *outcome == argus_ports::OpenOutcome::Opened));
    }
    say("tasks opened with their cursor, 2 rows each, 1000", 2 * ids.len(), began.elapsed());

    for (batch, ids) in [(1000, &ids[..10_000]), (100, &ids[10_000..14_000])] {
        let began = Instant::now();
        for chunk in ids.chunks(batch / 5) {
            store.record(chunk.iter().flat_map(|id| facts(*id)).collect()).await.expect("record");
        }
        say(&format!("facts, {batch} a call, one caller"), 5 * ids.len(), began.elapsed());
    }
    let began = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for chunk in ids[14_000..].chunks(24) {
        let (store, chunk) = (store.clone(), chunk.to_vec());
        callers.spawn(async move {
            for id in chunk {
                store.record(facts(id)).await.expect("record");
            }
        });
    }
    callers.join_all().await;
    say("facts, 5 a call, 250 callers at once", 5 * 6000, began.elapsed());

    let began = Instant::now();
    for chunk in ids.chunks(1000) {
        assert_eq!(store.tasks(chunk).await.expect("tasks").len(), chunk.len());
    }
    say("tasks read with their facts, 1000 a call", 6 * ids.len(), began.elapsed());
}
