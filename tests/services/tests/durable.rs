//! Over stores that are slow, fail or were written to by somebody else: nothing leaves before what it rests on is
//! durable, whichever way services wait for it. Every message is held to that by the world's witness.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    ids::TaskId,
    job::{Job, Mode},
    keccak256,
    status::TaskState,
    task::{AgreedHow, Fact, Settlement, Verdict},
    time::Timestamp,
};
use argus_memory::MemoryStore;
use argus_ports::{ChangeKind, ContentStore, EventBus, Room};
use argus_services_tests::{
    jobs::{job, open, with_script},
    runner::TestRunner,
    store::{Rival, Store, Stores},
    witness::Writer,
    world::{Settings, World, now},
};
use argus_sqlite::{Options, SqliteStore};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(60);

/// The slowest call to a store here.
const SLOWEST_MS: u64 = 25;

/// Nobody loses patience: whatever happens twice is a fault then.
const PATIENCE: Duration = Duration::from_secs(60);

/// Tasks of each job.
const TASKS: u32 = 24;

type Kind = fn(Writer) -> bool;

/// Whose calls must have overtaken each other for these tests to show what they claim. Aggregator and performer have
/// one commit under way at a time.
const OVERTAKING: [(&str, Kind); 2] = [
    ("runs of a keeper", |writer| matches!(writer, Writer::Claims(_))),
    ("waves of the dispatcher", |writer| writer == Writer::Dispatcher),
];

fn minute_ago() -> Timestamp {
    Timestamp(now().0 - 60_000)
}

/// What a keeper's scripts print: each is told something else.
fn runner(key: u8) -> TestRunner {
    TestRunner::printing(json!([100 + u32::from(key)]))
}

async fn world(stores: Stores) -> World {
    world_over(Arc::new(MemoryStore::new()), stores).await
}

async fn world_over(store: Arc<dyn Store>, stores: Stores) -> World {
    let keepers = [1, 2, 3].map(|key| (key, runner(key)));
    World::start_with(Settings { store, stores, patience: PATIENCE, ..Settings::default() }, &keepers).await
}

/// A job in mode `Solo`, one with a call that is equal everywhere, and one whose keepers have to meet in the middle.
async fn jobs(world: &World) -> [(Job, AgreedHow); 3] {
    let source = ContentStore::put(&world.content, bytes::Bytes::from_static(b"script")).await.expect("put");
    let mut solo = job(1, minute_ago());
    solo.policy.mode = Mode::Solo;
    let equal = job(2, minute_ago());
    let live = with_script(job(3, minute_ago()), source);
    [(solo, AgreedHow::Solo), (equal, AgreedHow::Equal), (live, AgreedHow::Median)]
}

/// Opens and submits tasks of all jobs, those of different jobs side by side.
async fn submit(world: &World, jobs: &[(Job, AgreedHow)]) -> Vec<(TaskId, AgreedHow)> {
    let mut by_job = Vec::new();
    for (job, how) in jobs {
        let ids = open(&world.store, job, TASKS, now()).await;
        by_job.push(ids.into_iter().map(|id| (id, *how)).collect::<Vec<_>>());
    }
    let tasks: Vec<_> = (0..TASKS as usize).flat_map(|n| by_job.iter().map(move |tasks| tasks[n])).collect();
    for few in tasks.chunks(5) {
        let ids: Vec<_> = few.iter().map(|(id, _)| *id).collect();
        world.submit(&ids).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tasks
}

fn told_and_left(state: &TaskState) -> bool {
    state.announced && !state.broadcasts.is_empty()
}

/// Waits until all tasks were announced and have left; each once, and called once.
async fn all_called_once(world: &mut World, tasks: &[(TaskId, AgreedHow)]) {
    for (id, _) in tasks {
        world.until(*id, WITHIN, "announced and broadcast", told_and_left).await;
    }
    let of_solo = tasks.iter().filter(|(_, how)| *how == AgreedHow::Solo).count();
    for (id, how) in tasks {
        let state = world.state(*id).await;
        assert_eq!(state.broadcasts.len(), 1, "{id}");
        let calldata = &state.agreed().expect("agreed").call.calldata;
        let (called, times) = match how {
            // No executor is asked, and the target counts equal calls together.
            AgreedHow::Solo => (TaskId(keccak256(calldata)), of_solo),
            AgreedHow::Equal | AgreedHow::Median | AgreedHow::Tolerance | AgreedHow::Performer => (*id, 1),
        };
        assert_eq!(world.chain.executions(called).len(), times, "{id}");
    }
    assert_eq!(world.chain.refused(), 0);
}

async fn all_agreed_as_meant(world: &World, tasks: &[(TaskId, AgreedHow)]) {
    for (id, how) in tasks {
        assert_eq!(world.state(*id).await.agreed().expect("agreed").how, *how, "{id}");
    }
}

/// Verdicts as those who watch heard of them.
async fn heard(world: &World, job: &Job) -> Vec<(TaskId, Timestamp)> {
    let changes = world.bus.since(Room::Job(job.id), 0, 10_000).await.expect("kept");
    let settled = changes.into_iter().filter(|(_, change)| change.kind == ChangeKind::Settled);
    settled.map(|(_, change)| (change.task, change.at)).collect()
}

/// Tasks of all jobs over this store: each agreed as it should be, called once, told once.
async fn overtake(store: Arc<dyn Store>, seed: u64) {
    let mut world = world_over(store, Stores::slow(seed, SLOWEST_MS)).await;
    let jobs = jobs(&world).await;
    let tasks = submit(&world, &jobs).await;
    all_called_once(&mut world, &tasks).await;
    all_agreed_as_meant(&world, &tasks).await;
    for (job, _) in &jobs {
        assert_eq!(heard(&world, job).await.len(), TASKS as usize);
    }
    for (who, of) in OVERTAKING {
        let (overtaken, at_once) = (world.witness.overtaken(of), world.witness.at_once(of));
        assert!(overtaken > 0 && at_once > 1, "{who}: {overtaken} calls overtook others, {at_once} at once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_that_overtake_each_other_leave_nothing_early_and_nothing_twice() {
    for seed in [1, 2] {
        overtake(Arc::new(MemoryStore::new()), seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_over_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options { migrate: true, ..Options::default() };
    let store = SqliteStore::open(&folder.path().join("platform.db"), &options).expect("the store opens");
    overtake(Arc::new(store), 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_now_and_then_is_not_there_changes_nothing() {
    let mut stores = Stores::slow(3, 5);
    stores.tasks.failing = 25;
    stores.intents.failing = 25;
    let mut world = world(stores).await;
    let jobs = jobs(&world).await;
    let tasks = submit(&world, &jobs).await;
    all_called_once(&mut world, &tasks).await;
    all_agreed_as_meant(&world, &tasks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_while_facts_are_on_their_way_lose_and_repeat_nothing() {
    let mut world = world(Stores::slow(5, SLOWEST_MS)).await;
    let jobs = jobs(&world).await;
    let tasks = submit(&world, &jobs).await;
    for round in 0..9u8 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        let key = 1 + round / 3;
        match round % 3 {
            0 => world.start_dispatcher(PATIENCE).await,
            1 => world.start_aggregator().await,
            _ => world.start_keeper(key, runner(key)).await,
        }
    }
    all_called_once(&mut world, &tasks).await;
    for (job, _) in &jobs {
        assert_eq!(heard(&world, job).await.len(), TASKS as usize);
    }
}

/// Somebody else was first: for a third of all tasks with another verdict, for a third with the same one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rivalry {
    Another,
    Same,
    None,
}

fn rivalry(task: TaskId) -> Rivalry {
    match task.0.0[0] % 3 {
        0 => Rivalry::Another,
        1 => Rivalry::Same,
        _ => Rivalry::None,
    }
}

fn theirs(task: TaskId, ours: &Verdict) -> Option<Verdict> {
    match rivalry(task) {
        Rivalry::Another => Some(Verdict::Withdrawn("by somebody else".to_owned())),
        Rivalry::Same => Some(ours.clone()),
        Rivalry::None => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_verdict_that_stands_is_announced_and_no_other_is_acted_on() {
    let before = minute_ago();
    let rival: Rival = Arc::new(move |fact| {
        let Fact::Settled(ours) = fact else { return None };
        let settle = |verdict| Fact::Settled(Settlement { task: ours.task, at: before, verdict });
        theirs(ours.task, &ours.verdict).map(settle)
    });
    let mut world = world(Stores { rival: Some(rival), ..Stores::slow(4, SLOWEST_MS) }).await;
    let jobs = jobs(&world).await;
    let tasks = submit(&world, &jobs).await;
    let (ended, called): (Vec<_>, Vec<_>) =
        tasks.iter().partition(|(id, _)| rivalry(*id) == Rivalry::Another);
    let same = called.iter().filter(|(id, _)| rivalry(*id) == Rivalry::Same).count();
    assert!(ended.len() > 10 && same > 10, "{} and {same}", ended.len());
    all_called_once(&mut world, &called).await;
    for (id, _) in &ended {
        let state = world.until(*id, WITHIN, "announced", |s| s.announced).await;
        let verdict = state.verdict.expect("a verdict");
        assert_eq!(verdict, (Verdict::Withdrawn("by somebody else".to_owned()), before), "{id}");
        let facts = world.store.tasks(&[*id]).await.expect("read").remove(0).facts;
        assert!(!facts.iter().any(|f| matches!(f, Fact::HandedOff(_) | Fact::Broadcast(_))), "{facts:?}");
        assert!(world.chain.executions(*id).is_empty());
    }
    for (job, _) in &jobs {
        let heard = heard(&world, job).await;
        assert_eq!(heard.len(), TASKS as usize, "one verdict of each");
        let right = heard.iter().all(|(task, at)| (*at == before) == (rivalry(*task) != Rivalry::None));
        assert!(right, "{heard:?}");
    }
}
