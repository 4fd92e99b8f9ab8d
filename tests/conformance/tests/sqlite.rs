//! The suites on SQLite, and what only files can show: two handles on one file, reopening, and kill -9.

use std::{
    cell::Cell,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use argus_conformance::{
    answers, blobs, bus,
    bus::change,
    decisions, fenced, jobs, journal,
    journal::claim,
    leases, people, registrations, replaced,
    samples::{attempt, job, new_job, next_opening, settled_agreed},
    secrets, tasks,
};
use argus_domain::{ids::TaskId, task::Fact};
use argus_ports::{
    AnswerStore, ChangeKind, CreateOutcome, CursorOutcome, EventBus, JobStore, Journal, Leave, OpenOutcome,
    Recorded, TaskStore, store::watch::Received,
};
use argus_sqlite::{OpenError, Options, SqliteJournal, SqliteStore};
use futures::future::join_all;

/// Fresh files in one folder.
struct Files {
    dir: tempfile::TempDir,
    made: Cell<u32>,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder"), made: Cell::new(0) }
    }

    fn path(&self) -> PathBuf {
        self.made.set(self.made.get() + 1);
        self.dir.path().join(format!("{}.db", self.made.get()))
    }

    fn store(&self) -> SqliteStore {
        open(&self.path())
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, &Options::default()).expect("the store opens")
}

#[tokio::test]
async fn secret_store() {
    let files = Files::new();
    secrets::suite(|| files.store()).await;
}

#[tokio::test]
async fn answer_store() {
    let files = Files::new();
    answers::suite(|| files.store()).await;
}

#[tokio::test]
async fn decision_store() {
    let files = Files::new();
    decisions::suite(|| files.store()).await;
}

#[tokio::test]
async fn registration_store() {
    let files = Files::new();
    registrations::suite(|| files.store()).await;
    replaced::suite(|| files.store()).await;
}

#[tokio::test]
async fn job_store() {
    let files = Files::new();
    jobs::suite(|| files.store()).await;
    jobs::booked(files.store()).await;
}

#[tokio::test]
async fn task_store() {
    let files = Files::new();
    tasks::suite(|| files.store()).await;
}

#[tokio::test]
async fn event_bus() {
    let files = Files::new();
    bus::suite(|| files.store()).await;
}

#[tokio::test]
async fn profiles() {
    let files = Files::new();
    people::profiles(|| files.store()).await;
}

#[tokio::test]
async fn webhooks() {
    let files = Files::new();
    people::webhooks(|| files.store()).await;
}

#[tokio::test]
async fn claims() {
    let files = Files::new();
    people::claims(|| files.store()).await;
}

#[tokio::test]
async fn keepers_ledger_modules_keys() {
    let files = Files::new();
    people::keepers(|| files.store()).await;
    people::ledger(|| files.store()).await;
    people::standings(|| files.store()).await;
    people::modules(|| files.store()).await;
    people::keys(|| files.store()).await;
}

#[tokio::test]
async fn lease_store() {
    let files = Files::new();
    leases::suite(|| files.store()).await;
    fenced::suite(|| files.store()).await;
    fenced::at_once(|| files.store()).await;
}

#[tokio::test]
async fn journals() {
    let files = Files::new();
    journal::suite(|| SqliteJournal::open(&files.path()).expect("the journal opens")).await;
}

#[tokio::test]
async fn archive() {
    let files = Files::new();
    blobs::archive(|| files.store()).await;
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let path = Files::new();
    let (store, keeper) = (path.path(), path.path());
    let first = open(&store);
    first.create(vec![new_job(1)]).await.expect("create");
    let (id, record) = tasks::open_next(&first, job(1).id).await;
    let facts = vec![Fact::Attempted(attempt(id, 1)), settled_agreed(id)];
    first.record(facts.clone()).await.expect("record");
    first.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("publish");
    let answered = answers::answered(&first).await;
    drop(first);
    let again = open(&store);
    assert_eq!(again.job(job(1).id).await, Ok(Some(record)));
    assert_eq!(again.tasks(&[id]).await.expect("tasks")[0].facts, facts);
    assert_eq!(
        again.begin(answered.0).await,
        Ok(Leave::Answered(answered.1)),
        "an answer outlives its process"
    );
    again.publish(vec![change(1, 2, ChangeKind::Created, 1)]).await.expect("publish");
    let seqs = again.since(argus_ports::Room::Job(change(1, 1, ChangeKind::Created, 1).job), 0, 9).await;
    assert_eq!(seqs.expect("since").iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);

    let journal = SqliteJournal::open(&keeper).expect("the journal opens");
    journal.claim(claim(id, 1)).await.expect("claim");
    assert!(matches!(SqliteJournal::open(&keeper), Err(OpenError::InUse)), "one at a time");
    drop(journal);
    let journal = SqliteJournal::open(&keeper).expect("it is free again");
    assert_eq!(journal.claim(claim(id, 2)).await, Ok(claim(id, 1)), "a claim outlives its process");
}

#[tokio::test]
async fn a_serial_is_never_given_out_twice() {
    let files = Files::new();
    let path = files.path();
    open(&path).create(vec![new_job(1), new_job(2)]).await.expect("create");
    let next = open(&path).create(vec![new_job(3)]).await;
    assert_eq!(next, Ok(CreateOutcome::Created(vec![argus_domain::ids::Serial(3)])));
}

#[tokio::test]
async fn two_handles_on_one_file_are_one_store() {
    let files = Files::new();
    let path = files.path();
    let (here, there) = (open(&path), open(&path));
    let created =
        join_all((0..8).map(|n| if n % 2 == 0 { &here } else { &there }.create(vec![new_job(1)]))).await;
    let won = created.iter().filter(|outcome| matches!(outcome, Ok(CreateOutcome::Created(_)))).count();
    assert_eq!(won, 1, "{created:?}");
    for _ in 0..20 {
        let record = here.job(job(1).id).await.expect("job").expect("record");
        let opening = next_opening(&record);
        let (a, b) = tokio::join!(here.open(vec![opening.clone()]), there.open(vec![opening.clone()]));
        let mut outcomes = [a.expect("open")[0], b.expect("open")[0]];
        outcomes.sort_by_key(|outcome| *outcome != OpenOutcome::Opened);
        assert_eq!(outcomes, [OpenOutcome::Opened, OpenOutcome::Already]);
        let id = opening.task.id;
        let (a, b) =
            tokio::join!(here.record(vec![settled_agreed(id)]), there.record(vec![settled_agreed(id)]));
        let news = [a, b].into_iter().filter(|o| o.as_ref().expect("record")[0] == Recorded::New).count();
        assert_eq!(news, 1);
        let cursor = argus_conformance::samples::next_cursor(&opening.cursor);
        let (a, b) = tokio::join!(here.move_cursor(cursor.clone(), None), there.move_cursor(cursor, None));
        let moved = [a, b].into_iter().filter(|o| *o == Ok(CursorOutcome::Moved)).count();
        assert_eq!(moved, 1);
    }
}

#[tokio::test]
async fn a_subscriber_hears_of_other_processes() {
    let files = Files::new();
    let path = files.path();
    let (here, there) = (open(&path), open(&path));
    let mut receiver = here.subscribe();
    there.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("publish");
    here.publish(vec![change(1, 2, ChangeKind::Created, 1)]).await.expect("publish");
    for seq in [1, 2] {
        let next = tokio::time::timeout(Duration::from_secs(20), receiver.next()).await.expect("in time");
        let Received::Change(change) = next else { panic!("{next:?}") };
        assert_eq!(change.seq, seq, "in the order of the bus");
    }
}

#[tokio::test]
async fn a_faulty_operation_spoils_no_other() {
    let files = Files::new();
    let store = Arc::new(files.store());
    store.create(vec![new_job(1)]).await.expect("create");
    let (id, _) = tasks::open_next(&*store, job(1).id).await;
    let good = (2..100u16).map(|n| store.record(vec![Fact::Attempted(attempt(id, n))]));
    let taken = (0..20).map(|_| {
        store.create(vec![new_job(2), (argus_domain::job::Job { title: "x".into(), ..job(1) }, new_job(1).1)])
    });
    let (good, taken) = tokio::join!(join_all(good), join_all(taken));
    assert!(good.into_iter().all(|outcome| outcome == Ok(vec![Recorded::New])));
    assert!(taken.into_iter().all(|outcome| outcome == Ok(CreateOutcome::Taken(job(1).id))));
    assert_eq!(store.job(job(2).id).await, Ok(None));
    assert_eq!(store.tasks(&[id]).await.expect("tasks")[0].facts.len(), 98);
}

/// What the child below acknowledges is there after it was killed in mid-writing.
#[tokio::test]
async fn kill_9_loses_nothing_acknowledged() {
    let files = Files::new();
    let path = files.path();
    open(&path).create(vec![new_job(1)]).await.expect("create");
    for round in 1..=3u16 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env("ARGUS_CHILD_WRITES_TO", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a child");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut acknowledged = Vec::new();
        let task = |line: &str| line.split_once("acknowledged ").map(|(_, id)| id.trim().parse::<TaskId>());
        while acknowledged.len() < 100 * usize::from(round) {
            let line = lines.next().expect("the child goes on").expect("a line");
            acknowledged.extend(task(&line).and_then(Result::ok));
        }
        child.kill().expect("kill -9");
        child.wait().expect("it is gone");
        // What was still in the pipe was acknowledged too; a torn last line was not.
        acknowledged.extend(lines.map_while(Result::ok).filter_map(|line| task(&line).and_then(Result::ok)));
        let store = open(&path);
        let kept = store.tasks(&acknowledged).await.expect("tasks");
        assert_eq!(kept.len(), acknowledged.len(), "every acknowledged task is there");
        assert!(kept.iter().all(|record| record.facts.len() == 2), "with its facts");
        argus_sqlite::migrate::verify(&path, &Options::default()).expect("the file is sound");
    }
}

/// Does nothing as a test of its own: the one above starts it as a process with the path set.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("ARGUS_CHILD_WRITES_TO") else { return };
    let store = open(Path::new(&path));
    for _ in 0..1_000_000 {
        let (id, _) = tasks::open_next(&store, job(1).id).await;
        let facts = vec![Fact::Attempted(attempt(id, 1)), settled_agreed(id)];
        assert_eq!(store.record(facts).await, Ok(vec![Recorded::New; 2]));
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {}", id.0).expect("the parent reads");
        out.flush().expect("the parent reads");
    }
}
