//! The suites on a real Cassandra node, each store of a suite in a keyspace of its own, and what only a store that is
//! shared can show.

use std::{
    future::Future,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use argus_conformance::{
    answers, blobs, bus,
    bus::change,
    cassandra::Cassandra,
    decisions, fenced, jobs, leases, people, registrations, replaced,
    samples::{attempt, job, new_job, next_cursor, next_opening, settled_agreed},
    secrets, tasks,
};
use argus_domain::task::Fact;
use argus_ports::{
    AnswerStore, ChangeKind, CreateOutcome, CursorOutcome, EventBus, JobStore, Leave, OpenOutcome, Recorded,
    TaskStore, store::watch::Received,
};
use argus_scylla::{Options, ScyllaStore, migrate};
use futures::future::join_all;
use scylla::client::session_builder::SessionBuilder;
use tokio::sync::{Semaphore, SemaphorePermit};

#[path = "scylla/copies.rs"]
mod copies;

/// The node that the tests of this program share while any of them runs.
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

/// Tests that run at the same time, each in a keyspace of its own: a table costs the node about a megabyte.
const AT_ONCE: usize = 2;

/// Keyspaces that no test is using.
static FREE: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);
static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// A keyspace on the node, for one test.
struct Keyspace {
    node: Arc<Cassandra>,
    name: String,
    _place: SemaphorePermit<'static>,
}

impl Keyspace {
    fn options(&self) -> Options {
        let (nodes, deadline) = (vec![self.node.address.clone()], Duration::from_secs(30));
        Options { nodes, keyspace: self.name.clone(), copies: 1, deadline, ..Options::default() }
    }

    /// A store without anything in it. The one before, if there was one, is gone.
    async fn store(&self) -> ScyllaStore {
        let options = self.options();
        migrate::up(&options).await.expect("the keyspace is made");
        self.clear().await;
        open(&options).await
    }

    /// Empties the tables that have rows.
    async fn clear(&self) {
        let session = SessionBuilder::new().known_node(&self.node.address).build().await.expect("a session");
        let tables = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
        let tables = session.query_unpaged(tables, (&self.name,)).await.expect("tables");
        let tables = tables.into_rows_result().expect("rows");
        for table in tables.rows::<(String,)>().expect("names") {
            let (table,) = table.expect("a name");
            let rows = format!("SELECT * FROM {}.{table} LIMIT 1", self.name);
            let rows = session.query_unpaged(rows, ()).await.expect("rows").into_rows_result().expect("rows");
            if rows.rows_num() > 0 && table != "migrations" {
                session.query_unpaged(format!("TRUNCATE {}.{table}", self.name), ()).await.expect("emptied");
            }
        }
    }

    /// A suite asks for stores outside of any future.
    fn store_now(&self) -> ScyllaStore {
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.store()))
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).push(self.name.clone());
    }
}

async fn open(options: &Options) -> ScyllaStore {
    ScyllaStore::open(options).await.expect("the store opens")
}

async fn on_a_node<F: Future<Output = ()>>(test: impl FnOnce(Keyspace) -> F) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let place = PLACES.acquire().await.expect("a place");
    let Some(node) = tokio::task::block_in_place(node) else { return };
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let name = free.unwrap_or_else(|| format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed)));
    test(Keyspace { node, name, _place: place }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_store() {
    on_a_node(|keyspace| async move { secrets::suite(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answer_store() {
    on_a_node(|keyspace| async move { answers::suite(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lease_store() {
    on_a_node(|keyspace| async move {
        leases::suite(|| keyspace.store_now()).await;
        fenced::suite(|| keyspace.store_now()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_store() {
    on_a_node(|keyspace| async move { decisions::suite(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_store() {
    on_a_node(|keyspace| async move {
        registrations::suite(|| keyspace.store_now()).await;
        replaced::suite(|| keyspace.store_now()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn job_store() {
    on_a_node(|keyspace| async move {
        jobs::suite(|| keyspace.store_now()).await;
        jobs::booked(keyspace.store().await).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn task_store() {
    on_a_node(|keyspace| async move { tasks::suite(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn event_bus() {
    on_a_node(|keyspace| async move { bus::suite(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn profiles() {
    on_a_node(|keyspace| async move { people::profiles(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks() {
    on_a_node(|keyspace| async move { people::webhooks(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn claims() {
    on_a_node(|keyspace| async move { people::claims(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keepers_ledger_modules_keys() {
    on_a_node(|keyspace| async move {
        people::keepers(|| keyspace.store_now()).await;
        people::ledger(|| keyspace.store_now()).await;
        people::standings(|| keyspace.store_now()).await;
        people::modules(|| keyspace.store_now()).await;
        people::keys(|| keyspace.store_now()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn archive() {
    on_a_node(|keyspace| async move { blobs::archive(|| keyspace.store_now()).await }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_is_there_after_reopening() {
    on_a_node(|keyspace| async move {
        let (options, first) = (keyspace.options(), keyspace.store().await);
        first.create(vec![new_job(1)]).await.expect("create");
        let (id, record) = tasks::open_next(&first, job(1).id).await;
        let facts = vec![Fact::Attempted(attempt(id, 1)), settled_agreed(id)];
        first.record(facts.clone()).await.expect("record");
        first.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("publish");
        let answered = answers::answered(&first).await;
        drop(first);
        let again = open(&options).await;
        assert_eq!(again.job(job(1).id).await, Ok(Some(record)));
        assert_eq!(again.tasks(&[id]).await.expect("tasks")[0].facts, facts);
        assert_eq!(again.begin(answered.0).await, Ok(Leave::Answered(answered.1)));
        again.publish(vec![change(1, 2, ChangeKind::Created, 1)]).await.expect("publish");
        let seqs = again.since(argus_ports::Room::Job(change(1, 1, ChangeKind::Created, 1).job), 0, 9).await;
        assert_eq!(seqs.expect("since").iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [1, 2]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_one_store() {
    on_a_node(|keyspace| async move {
        let (options, here) = (keyspace.options(), keyspace.store().await);
        let there = open(&options).await;
        let created =
            join_all((0..8).map(|n| if n % 2 == 0 { &here } else { &there }.create(vec![new_job(1)]))).await;
        let won = created.iter().filter(|outcome| matches!(outcome, Ok(CreateOutcome::Created(_)))).count();
        assert_eq!(won, 1, "{created:?}");
        for _ in 0..10 {
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
            let cursor = next_cursor(&opening.cursor);
            let (a, b) =
                tokio::join!(here.move_cursor(cursor.clone(), None), there.move_cursor(cursor, None));
            let moved = [a, b].into_iter().filter(|o| *o == Ok(CursorOutcome::Moved)).count();
            assert_eq!(moved, 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_hears_of_other_processes() {
    on_a_node(|keyspace| async move {
        let (options, here) = (keyspace.options(), keyspace.store().await);
        let there = open(&options).await;
        let mut receiver = here.subscribe();
        there.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("publish");
        here.publish(vec![change(1, 2, ChangeKind::Created, 1)]).await.expect("publish");
        for seq in [1, 2] {
            let next = tokio::time::timeout(Duration::from_secs(20), receiver.next()).await.expect("in time");
            let Received::Change(change) = next else { panic!("{next:?}") };
            assert_eq!(change.seq, seq, "in the order of the bus");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_applied_once_by_all_at_once() {
    on_a_node(|keyspace| async move {
        let options = Options { keyspace: "migrated".to_owned(), ..keyspace.options() };
        let before = migrate::status(&options).await.expect("status");
        assert!(before.iter().all(|status| status.applied_at.is_none()));
        let ups = join_all((0..2).map(|_| migrate::up(&options))).await;
        let applied: usize = ups.into_iter().map(|up| up.expect("up").len()).sum();
        assert_eq!(applied, before.len());
        assert_eq!(migrate::up(&options).await.expect("up"), []);
        migrate::verify(&options).await.expect("sound");
    })
    .await;
}
