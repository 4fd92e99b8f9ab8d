//! What only this store can show: writers that meet, and processes that die between two statements.

use std::{
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use argus_conformance::{
    bus::change,
    cassandra::Cassandra,
    samples::{at, cursor, job, new_job, next_task, owner, settled_agreed},
    tasks::open_next,
};
use argus_domain::{
    B256, U256,
    fees::{Board, LedgerEntry, LedgerReason, POINT},
    ids::Serial,
    job::{Job, TriggerKind},
    lease::ShardSet,
};
use argus_ports::{
    ChangeKind, CreateOutcome, EventBus, JobQuery, JobStore, Ledger, OpenOutcome, Opening, Recorded, Room,
    StoreError, TaskQuery, TaskStore,
};

use crate::{OpenError, Options, ScyllaStore, migrate, session::Statement};

mod copies;
mod replies;

/// A process that dies, or whose answer is lost, after so many writes.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Writes that it still makes.
    pub lives: AtomicI64,
    /// The write whose answer is lost, counted down.
    pub loses: AtomicI64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { lives: AtomicI64::new(i64::MAX), loses: AtomicI64::new(i64::MAX) }
    }
}

impl Faults {
    pub(crate) fn alive(&self) -> Result<(), StoreError> {
        match self.lives.load(Ordering::SeqCst) {
            0.. => Ok(()),
            _ => Err(StoreError::Unavailable("this process died".to_owned())),
        }
    }

    pub(crate) fn before(&self) -> Result<(), StoreError> {
        self.lives.fetch_sub(1, Ordering::SeqCst);
        self.alive()
    }

    pub(crate) fn after(&self) -> Result<(), StoreError> {
        match self.loses.fetch_sub(1, Ordering::SeqCst) {
            1 => Err(StoreError::Unavailable("the answer was lost".to_owned())),
            _ => Ok(()),
        }
    }
}

/// Two processes on one keyspace of a node: one that dies, and one that goes on.
struct Two {
    dying: ScyllaStore,
    other: ScyllaStore,
    options: Options,
    _node: Arc<Cassandra>,
}

/// The node that these tests share while any of them runs.
static NODE: LazyLock<Mutex<Weak<Cassandra>>> = LazyLock::new(Mutex::default);

fn node() -> Option<Arc<Cassandra>> {
    let mut shared = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(node) = shared.upgrade() {
        return Some(node);
    }
    let node = Arc::new(Cassandra::start()?);
    *shared = Arc::downgrade(&node);
    Some(node)
}

async fn two(keyspace: &str) -> Option<Two> {
    let node = tokio::task::block_in_place(node)?;
    let options = Options {
        nodes: vec![node.address.clone()],
        keyspace: keyspace.to_owned(),
        copies: 1,
        deadline: Duration::from_secs(30),
        // Nothing but the tests writes.
        poll_every: Duration::from_secs(3600),
        ..Options::default()
    };
    migrate::up(&options).await.expect("up");
    let (dying, other) = tokio::join!(ScyllaStore::open(&options), ScyllaStore::open(&options));
    Some(Two { dying: dying.expect("opens"), other: other.expect("opens"), options, _node: node })
}

/// What befalls the dying process.
#[derive(Debug, Clone, Copy)]
enum Fault {
    DiesAfter(i64),
    LosesAnswer(i64),
}

impl Two {
    fn befall(&self, fault: Fault) {
        let faults = &self.dying.db().faults;
        match fault {
            Fault::DiesAfter(writes) => faults.lives.store(writes, Ordering::SeqCst),
            Fault::LosesAnswer(write) => faults.loses.store(write, Ordering::SeqCst),
        }
    }

    /// Whether the fault has come, so that more writes would not be hit.
    fn came(&self, fault: Fault) -> bool {
        let faults = &self.dying.db().faults;
        match fault {
            Fault::DiesAfter(_) => faults.lives.swap(i64::MAX, Ordering::SeqCst) < 0,
            Fault::LosesAnswer(_) => faults.loses.swap(i64::MAX, Ordering::SeqCst) <= 0,
        }
    }
}

/// Every fault, one write later each time, until there is no write left that it could hit.
async fn at_every_write(two: &Two, mut once: impl AsyncFnMut(u64, Fault)) -> u64 {
    let mut n = 0;
    for make in [Fault::DiesAfter as fn(i64) -> Fault, Fault::LosesAnswer] {
        for write in 0.. {
            n += 1;
            let fault = make(write + i64::from(matches!(make(0), Fault::LosesAnswer(_))));
            two.befall(fault);
            once(n, fault).await;
            if !two.came(fault) {
                assert!(write > 2, "there are writes to be hit");
                break;
            }
        }
    }
    n
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creation_that_is_interrupted_anywhere_is_all_or_none_and_finished_by_a_repeat() {
    let Some(two) = two("creations").await else { return };
    let mut jobs_before = 0;
    let tried = at_every_write(&two, async |n, fault| {
        let jobs = vec![new_job(2 * n), new_job(2 * n + 1)];
        let entry = LedgerEntry {
            key: B256::from(U256::from(n)),
            reason: LedgerReason::JobCreated,
            account: owner(1),
            amount: U256::from(10),
        };
        let request = || (jobs.clone(), vec![entry.clone()]);
        let (given, entries) = request();
        let outcome = two.dying.create_and_book(given, entries).await;
        let seen = async || {
            let mut seen = Vec::new();
            for (job, _) in &jobs {
                seen.extend(two.other.job(job.id).await.expect("job"));
            }
            seen
        };
        let before = seen().await;
        assert!(matches!(before.len(), 0 | 2), "{fault:?}: all or none, not {before:?}");
        if outcome.is_ok() {
            assert_eq!(before.len(), 2, "{fault:?}: what was acknowledged is there");
        }
        let (given, entries) = request();
        let again = two.other.create_and_book(given, entries).await.expect("the same request again");
        assert!(matches!(again, CreateOutcome::Created(_) | CreateOutcome::Same(_)), "{fault:?}: {again:?}");
        let serials: Vec<Serial> = seen().await.iter().map(|record| record.job.serial).collect();
        assert_eq!(
            again,
            match again {
                CreateOutcome::Created(_) => CreateOutcome::Created(serials.clone()),
                _ => CreateOutcome::Same(serials.clone()),
            }
        );
        let of_owner = JobStore::list(&two.other, JobQuery::Owner(owner(1)), None, 2).await.expect("list");
        let listed: Vec<Serial> = of_owner.iter().rev().map(|record| record.job.serial).collect();
        assert_eq!(listed, serials, "{fault:?}: both are listed, once");
        let due = two.other.due(TriggerKind::Time, ShardSet::ALL, at(1000), 1000).await.expect("due");
        jobs_before += 2;
        assert_eq!(due.len(), jobs_before, "{fault:?}: both are due, once");
        let standing = two.other.standing(Board::Users, owner(1)).await.expect("standing");
        assert_eq!(standing.points, U256::from(10 * n) * POINT, "{fault:?}: booked once");
        let key = two.other.of_key(entry.key).await.expect("of_key");
        assert_eq!(key, std::slice::from_ref(&entry), "{fault:?}");
    })
    .await;
    let board = two.other.standings(Board::Users, 9).await.expect("standings");
    assert_eq!(board.first().map(|standing| standing.jobs), Some(tried), "the board says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_is_interrupted_anywhere_is_found_or_repeated() {
    let Some(two) = two("openings").await else { return };
    let mut opened = Vec::new();
    two.other.create(vec![new_job(1)]).await.expect("create");
    at_every_write(&two, async |_, fault| {
        let record = two.other.job(job(1).id).await.expect("job").expect("there");
        let (task, cursor) = next_task(&record);
        let outcome = two.dying.open(vec![Opening::unfenced(task.clone(), cursor.clone())]).await;
        let moved = two.other.job(job(1).id).await.expect("job").expect("there").cursor == cursor;
        let unfinished = two.other.unfinished(None, 1000).await.expect("unfinished");
        let is_found = unfinished.iter().any(|record| record.task == task);
        assert_eq!(is_found, moved, "{fault:?}: the task is open if, and only if, the cursor has moved");
        assert!(outcome.is_err() || moved, "{fault:?}: what was acknowledged is there");
        let again = two.other.open(vec![Opening::unfenced(task.clone(), cursor)]).await.expect("open");
        let expected = if moved { OpenOutcome::Already } else { OpenOutcome::Opened };
        assert_eq!(again, [expected], "{fault:?}");
        opened.push(task.id);
    })
    .await;
    let mut all: Vec<_> = two.other.unfinished(None, 1000).await.expect("unfinished");
    all.sort_by_key(|record| record.task.number);
    assert_eq!(all.iter().map(|record| record.task.id).collect::<Vec<_>>(), opened, "each once");
    for query in [TaskQuery::Job(job(1).id), TaskQuery::Owner(owner(1)), TaskQuery::Recent] {
        let listed = TaskStore::list(&two.other, query, None, 1000).await.expect("list");
        let listed: Vec<_> = listed.iter().rev().map(|record| record.task.id).collect();
        assert_eq!(listed, opened, "each once, in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_whose_answer_is_lost_is_recorded_once() {
    let Some(two) = two("verdicts").await else { return };
    two.other.create(vec![new_job(1)]).await.expect("create");
    let (id, _) = open_next(&two.other, job(1).id).await;
    two.befall(Fault::LosesAnswer(1));
    let verdict = || vec![settled_agreed(id)];
    assert_eq!(two.dying.record(verdict()).await, Ok(vec![Recorded::New]), "reading tells that it was ours");
    let known = Box::new(settled_agreed(id));
    assert_eq!(two.other.record(verdict()).await, Ok(vec![Recorded::Already(known)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_anywhere_in_between_is_numbered_once() {
    let Some(two) = two("changes").await else { return };
    let tried = at_every_write(&two, async |n, fault| {
        let changes = || vec![change(1, n, ChangeKind::Created, 1), change(3, n, ChangeKind::Settled, 1)];
        let first = two.dying.publish(changes()).await;
        if first.is_err() {
            two.other.publish(changes()).await.expect("the same again");
        }
        for job in [1, 3] {
            let room = Room::Job(argus_domain::ids::JobId(U256::from(job)));
            let kept = two.other.since(room, 0, 1000).await.expect("since");
            let seqs: Vec<u64> = kept.iter().map(|(seq, _)| *seq).collect();
            assert_eq!(seqs, (1..=n).collect::<Vec<_>>(), "{fault:?}: each once");
        }
    })
    .await;
    let of_owner = two.other.since(Room::Owner(owner(1)), 0, 1000).await.expect("since");
    assert_eq!(of_owner.len() as u64, 2 * tried);
    assert!(of_owner.windows(2).all(|pair| pair[0].0 < pair[1].0), "in the order of their positions");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_while_it_publishes_for_others_takes_nothing_of_theirs_along() {
    let Some(two) = two("leaders").await else { return };
    let room = |job: u64| Room::Job(argus_domain::ids::JobId(U256::from(job)));
    let mut given_up = 0;
    for n in 1..=40u64 {
        let leading = two.other.publish(vec![change(1, n, ChangeKind::Created, 1)]);
        let leading = tokio::time::timeout(Duration::from_micros(n * 100), leading);
        let following = async {
            tokio::task::yield_now().await;
            two.other.publish(vec![change(3, n, ChangeKind::Created, 1)]).await
        };
        let (led, followed) = tokio::join!(leading, following);
        given_up += usize::from(led.is_err());
        let new = followed.expect("published all the same");
        assert!(new.iter().all(|change| change.seq == n), "{new:?}");
        let kept = two.other.since(room(3), 0, 1000).await.expect("since");
        assert_eq!(kept.len() as u64, n, "each once");
    }
    assert!(given_up > 0, "somebody gave up");
    let again = || two.other.publish(vec![change(5, 1, ChangeKind::Created, 1)]);
    let (one, other) = tokio::join!(again(), again());
    let told = [one.expect("published"), other.expect("published")];
    assert_eq!(told.iter().map(Vec::len).sum::<usize>(), 1, "of two who say the same, one is told: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_that_want_one_id_one_gets_it() {
    let Some(two) = two("ids").await else { return };
    for n in 1..=10u64 {
        let other = Job { title: "another".to_owned(), ..job(2 * n) };
        let others = vec![(other.clone(), cursor(&other)), new_job(2 * n + 1)];
        let ours = vec![new_job(2 * n + 1), new_job(2 * n)];
        let (a, b) = tokio::join!(two.dying.create(ours), two.other.create(others));
        let outcomes = [a.expect("create"), b.expect("create")];
        let created = outcomes.iter().filter(|outcome| matches!(outcome, CreateOutcome::Created(_))).count();
        let taken = outcomes.contains(&CreateOutcome::Taken(other.id));
        assert!(created == 1 && taken, "{outcomes:?}");
        for id in [job(2 * n).id, job(2 * n + 1).id] {
            assert!(two.other.job(id).await.expect("job").is_some(), "whoever came first created both");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keyspace_is_used_as_before_until_a_newer_program_contracts_it() {
    let Some(two) = two("newer").await else { return };
    let options = &two.options;
    let migrates = async |newer: &[migrate::Migration]| {
        let known = [migrate::PLATFORM, newer].concat();
        assert_eq!(migrate::up_to(options, &known).await.expect("the newer program's").len(), 1);
    };
    // It was made before migrations said which programs run with them.
    let drop = Statement::write("ALTER TABLE migrations DROP oldest");
    two.other.db().write(&drop, vec![]).await.expect("as it was");
    assert_eq!(migrate::up(options).await.expect("up"), []);
    let expands = migrate::Migration {
        number: 2,
        name: "002_next",
        cql: "-- oldest: 1
            ALTER TABLE jobs ADD note text;
            CREATE TABLE IF NOT EXISTS notes (job blob PRIMARY KEY, note text);",
    };
    migrates(&[expands]).await;
    let found = migrate::status(options).await.expect("status");
    let newest = found.last().expect("rows");
    assert!(newest.applied_at.is_some() && newest.migration.number == 2, "{found:?}");
    assert_eq!(newest.migration.oldest, Some(1));
    assert_eq!(migrate::up(options).await.expect("up"), [], "nothing is missing");
    migrate::verify(options).await.expect("sound");
    // Both by a process that was there before, and by one that starts now.
    let starts = ScyllaStore::open(options).await.expect("opens");
    for (n, store) in [(1, &two.other), (2, &starts)] {
        assert!(matches!(store.create(vec![new_job(n)]).await, Ok(CreateOutcome::Created(_))));
        let (id, _) = open_next(store, job(n).id).await;
        assert_eq!(store.record(vec![settled_agreed(id)]).await, Ok(vec![Recorded::New]));
        assert_eq!(starts.tasks(&[id]).await.expect("tasks")[0].facts.len(), 1);
    }

    let cql = "-- oldest: 2\nDROP TABLE IF EXISTS notes;";
    migrates(&[expands, migrate::Migration { number: 3, name: "003_last", cql }]).await;
    let opened = ScyllaStore::open(options).await.err();
    for error in [opened, migrate::up(options).await.err(), migrate::status(options).await.err()] {
        let Some(OpenError::Ahead(ahead)) = error else { panic!("{error:?}") };
        assert_eq!((&ahead.name[..], ahead.needs, ahead.knows), ("003_last", 2, 1));
    }
}
