//! Three real nodes of Cassandra that are killed while writers write: `make test-cluster`.

mod judge;
mod load;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use argus_conformance::{
    cassandra::Cassandra,
    samples::{job, new_job, order, settled_agreed},
};
use argus_domain::{
    lease::{Fence, Live, MemberId, SHARDS, ServiceKind, Session, Shard, Token},
    task::Task,
};
use argus_ports::{EventBus, JobStore, LeaseStore, Opening, StoreError, TaskStore};
use argus_scylla::{Options, ScyllaStore, migrate};
use tokio::{runtime::Handle, task::JoinSet, time::sleep};

use crate::{
    judge::judge,
    load::{Told, Writer, announcement},
};

/// Jobs whose tasks each of the two processes opens, decides and announces, all at the same time as the other.
const WORKED: [u64; 3] = [1, 2, 3];
/// A job whose creation meets no quorum.
const UNKNOWN: u64 = 9_999_999;
/// How long each trouble lasts at least, under load.
const WHILE: Duration = Duration::from_secs(6);
/// All writers go on within that once they can.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// With a node less that much of the work goes on at once. As long as the others waited for it, it was a twelfth.
const SHARE_KEPT: f64 = 6.0;
/// How long one statement may take: what `store.deadline_ms` is when nobody says another.
const DEADLINE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "run by make test-cluster"]
async fn what_three_nodes_acknowledged_outlives_each_of_them_and_a_lost_quorum() {
    let began = Instant::now();
    let Some(mut cluster) = blocking(Cassandra::start_three).await else { return };
    let options = Options {
        nodes: cluster.addresses(),
        keyspace: "three".to_owned(),
        copies: 3,
        deadline: DEADLINE,
        ..Options::default()
    };
    migrate::up(&options).await.expect("the keyspace is made");
    eprintln!("three nodes with the tables after {:?}", began.elapsed());
    let stores = [open(&options).await, open(&options).await];
    let fences = prepare(&stores[0]).await;

    let told = Arc::new(Told::default());
    let mut writers = JoinSet::new();
    for (process, store) in stores.iter().enumerate() {
        let writer = |worked| Writer { process, store: store.clone(), told: Arc::clone(&told), worked };
        on_a_thread(&mut writers, writer(None), Writer::creates);
        for (&n, &fence) in WORKED.iter().zip(&fences) {
            on_a_thread(&mut writers, writer(Some(n)), move |writer| writer.works(fence));
        }
    }
    let with_all = goes_on(&told, "with all nodes").await;

    cluster.kill(0);
    let with_two = goes_on(&told, "without the first node").await;
    // Those that are left take it for alive at first.
    assert!(
        with_two > with_all / SHARE_KEPT,
        "work stands still for a node: {with_all} calls a second, then {with_two}"
    );
    cluster = blocking(move || {
        cluster.restart(0);
        cluster
    })
    .await;
    goes_on(&told, "with the first node back").await;
    cluster.kill(1);
    goes_on(&told, "without the second node").await;
    // What the first node missed while it was away is needed now.
    judge(&open(&options).await, &told, &WORKED).await;

    cluster.kill(2);
    sleep(WHILE).await;
    told.gives_up(UNKNOWN);
    refuses(&stores[0], fences[0]).await;
    let before = told.acknowledged();
    sleep(DEADLINE).await;
    assert_eq!(told.acknowledged(), before, "nothing is acknowledged without a quorum");
    cluster = blocking(move || {
        cluster.restart(1);
        cluster
    })
    .await;
    goes_on(&told, "with a quorum again").await;
    cluster = blocking(move || {
        cluster.restart(2);
        cluster
    })
    .await;
    goes_on(&told, "with all nodes again").await;

    told.stop();
    while let Some(writer) = writers.join_next().await {
        writer.expect("no writer met what it must not meet");
    }
    let after = open(&options).await;
    judge(&after, &told, &WORKED).await;
    told.repeat_what_was_given_up(&after).await;
    judge(&after, &told, &WORKED).await;
    assert!(told.unavailable() > 0, "the faults were met");
    eprintln!("{told}; 3 nodes killed; {:?} in all", began.elapsed());
    drop(cluster);
}

/// On a thread of its own, as futures of async closures go to no other.
fn on_a_thread<F: Future<Output = ()>>(
    writers: &mut JoinSet<()>,
    writer: Writer,
    act: impl FnOnce(Writer) -> F + Send + 'static,
) {
    let runtime = Handle::current();
    writers.spawn_blocking(move || runtime.block_on(act(writer)));
}

async fn open(options: &Options) -> ScyllaStore {
    ScyllaStore::open(options).await.expect("the store opens")
}

/// The jobs that are worked on, and the leases of their shards.
async fn prepare(store: &ScyllaStore) -> Vec<Fence> {
    let session = Session { member: MemberId([1; 16]), no: 1 };
    let live = Live { session, beats: 0, ttl: Duration::from_secs(3), shards: SHARDS };
    assert_eq!(store.join(ServiceKind::Scheduler, live).await, Ok(true));
    store.create(WORKED.iter().map(|&n| new_job(n)).collect()).await.expect("created");
    let shards = WORKED.iter().map(|&n| Shard::of_job(job(n).id));
    let free: Vec<Fence> = shards.map(|shard| Fence { shard, token: Token(0) }).collect();
    let taken = store.claim(session, free.clone()).await;
    assert_eq!(taken, Ok(vec![true; WORKED.len()]), "the jobs lie in shards of their own");
    free.into_iter().map(|fence| Fence { token: fence.token.next(), ..fence }).collect()
}

/// Load for a while, in which each writer is told more than before: how many calls a second are answered.
async fn goes_on(told: &Told, how: &str) -> f64 {
    let answers = told.acknowledged();
    let (began, before) = (Instant::now(), told.by_writer());
    while told.by_writer().len() < 2 * (WORKED.len() + 1)
        || told.by_writer().iter().any(|(writer, now)| before.get(writer).is_some_and(|before| now <= before))
    {
        assert!(
            began.elapsed() < BACK_WITHIN,
            "{how}: some writer stands still: {before:?} {:?}",
            told.by_writer()
        );
        sleep(Duration::from_millis(50)).await;
    }
    let all_after = began.elapsed();
    sleep(WHILE.saturating_sub(all_after)).await;
    let rate = (told.acknowledged() - answers) as f64 / began.elapsed().as_secs_f64();
    eprintln!("{how}: all writers went on after {all_after:?}, {rate:.0} calls a second; {told}");
    rate
}

/// Without a quorum every call says that the store is away, in time.
async fn refuses(store: &ScyllaStore, fence: Fence) {
    let task = Task::clone(&order().task);
    let opening = Opening { task: task.clone(), cursor: new_job(1).1, fence: Some(fence) };
    let session = Session { member: MemberId([1; 16]), no: 1 };
    let calls: [(&str, futures::future::BoxFuture<'_, Result<(), StoreError>>); 7] = [
        ("create", Box::pin(async { store.create(vec![new_job(UNKNOWN)]).await.map(drop) })),
        ("job", Box::pin(async { store.job(job(1).id).await.map(drop) })),
        ("open", Box::pin(async { store.open(vec![opening]).await.map(drop) })),
        ("record", Box::pin(async { store.record(vec![settled_agreed(task.id)]).await.map(drop) })),
        ("tasks", Box::pin(async { store.tasks(&[task.id]).await.map(drop) })),
        ("publish", Box::pin(async { store.publish(vec![announcement(&task)]).await.map(drop) })),
        ("claim", Box::pin(async { store.claim(session, vec![fence]).await.map(drop) })),
    ];
    for (name, call) in calls {
        let began = Instant::now();
        let outcome = call.await;
        let took = began.elapsed();
        eprintln!("{name} without a quorum: {outcome:?} after {took:?}");
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{name}: {outcome:?}");
        // One statement, and the read that should have told what became of it.
        assert!(took < 2 * DEADLINE + Duration::from_secs(1), "{name} took {took:?}");
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("done")
}
