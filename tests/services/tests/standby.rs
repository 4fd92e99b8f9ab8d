//! Aggregators of which one leads: what the others answer, and what becomes of keepers and tasks when it is another's turn.

use std::{sync::Arc, time::Duration};

use argus_conformance::samples::assignment;
use argus_domain::{Address, ids::KeeperId, keeper::KeeperHello};
use argus_memory::session;
use argus_ports::{Aggregate, FromKeeper, KeeperGate, KeeperSession, LinkError, SignedHello, ToKeeper};
use argus_services_tests::{
    chain::CHAIN,
    jobs::{job, open},
    runner::{ENGINE, TestRunner},
    signer::TestSigner,
    world::{World, member, now},
};
use serde_json::json;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, timeout},
};

const WITHIN: Duration = Duration::from_secs(30);

/// Another aggregator of a world, and what keeps its lease up.
fn another(world: &World, n: u8, set: &mut JoinSet<()>) -> (argus_aggregator::Handle, AbortHandle) {
    let (lease, life) = member(world.leases.clone(), n);
    let life = set.spawn(life);
    let (handle, future) = world.aggregator_with(lease);
    set.spawn(async move { future.await.expect("it goes on") });
    (handle, life)
}

/// A keeper's hello, for the nonce of whichever aggregator takes keepers in.
async fn hello(gate: &argus_aggregator::Handle, key: u8) -> SignedHello {
    let nonce = gate.nonce().await.expect("a nonce");
    let hello = KeeperHello {
        keeper: KeeperId(Address::repeat_byte(key)),
        engines: [ENGINE].into(),
        chains: [CHAIN].into(),
        capacity: 4,
        version: "test".to_owned(),
        box_key: None,
    };
    let signature = TestSigner(key).over(SignedHello::digest(&hello, nonce));
    SignedHello { hello, nonce, signature }
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < WITHIN, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn stands_by<T>(answer: Result<T, LinkError>) {
    match answer {
        Err(LinkError::Gone(why)) => assert!(why.contains("stands by"), "{why}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it took it"),
    }
}

#[tokio::test]
async fn one_that_stands_by_takes_nothing_and_says_so() {
    let world = World::start(&[]).await;
    world.register(1).await;
    let mut set = JoinSet::new();
    let (other, _life) = another(&world, 2, &mut set);
    let leads = world.aggregator.get().expect("on");
    let asked = async || {
        stands_by(other.nonce().await);
        stands_by(other.live().await);
        stands_by(other.begin(assignment(1)).await);
        let (_ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
        stands_by(other.admit(hello(&leads, 1).await, Box::new(theirs)).await);
    };
    asked().await;
    let began = Instant::now();
    asked().await;
    assert!(began.elapsed() < Duration::from_millis(300), "at once: {:?}", began.elapsed());
    assert_eq!((other.inbox().length, other.keepers().len()), (0, 0));
    assert!(leads.live().await.is_ok());
}

#[tokio::test]
async fn one_that_has_just_begun_waits_for_its_lease_before_it_answers() {
    let world = World::start(&[]).await;
    // Without the lease of the world's own, which leads by other ones.
    let (lease, life) = member(Arc::new(argus_memory::MemoryStore::new()), 1);
    let (alone, future) = world.aggregator_with(lease);
    let mut set = JoinSet::new();
    set.spawn(async move { future.await.expect("it goes on") });
    set.spawn(async move {
        sleep(Duration::from_millis(50)).await;
        life.await;
    });
    assert!(alone.nonce().await.is_ok(), "nobody has to come again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keepers_and_tasks_go_over_to_the_next_one_and_all_is_done_once() {
    let honest = || TestRunner::printing(json!([5]));
    let mut world = World::start(&[(1, honest()), (2, honest()), (3, honest())]).await;
    let mut set = JoinSet::new();
    let first = world.aggregator.get().expect("on");
    let (second, _life) = another(&world, 2, &mut set);
    stands_by(second.nonce().await);
    assert_eq!(first.keepers().len(), 3);
    let stray = hello(&first, 1).await;

    let began = Instant::now();
    world.let_lapse();
    world.aggregator.set(Some(second.clone()));
    // What the dispatcher begins from now on meets one that leads no more, or none yet.
    let accepted = argus_domain::time::Timestamp(now().0 - 60_000);
    let ids = open(&world.store, &job(1, accepted), 20, now()).await;
    world.submit(&ids).await;
    until("its keepers' sessions have ended, and they are with the other one", || {
        second.keepers().len() == 3
    })
    .await;
    let took = began.elapsed();
    eprintln!("keepers are with the next one after {took:?}");
    assert!(took > Duration::from_millis(2_500), "nobody leads before the first one's lease is over");
    assert_eq!(first.keepers().len(), 0);
    stands_by(first.live().await);
    let (_ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
    stands_by(first.admit(stray, Box::new(theirs)).await);
    for id in &ids {
        world.until(*id, WITHIN, "broadcast", |state| !state.broadcasts.is_empty()).await;
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test]
async fn a_term_begins_with_nothing_of_the_one_before() {
    let mut world = World::start(&[]).await;
    world.register(1).await;
    let mut set = JoinSet::new();
    let (handle, life) = another(&world, 2, &mut set);
    // The world's own steps aside for good.
    world.let_lapse();
    let began = Instant::now();
    while handle.nonce().await.is_err() {
        assert!(began.elapsed() < WITHIN);
    }
    let (ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
    handle.admit(hello(&handle, 1).await, Box::new(theirs)).await.expect("admitted");
    until("it is in", || handle.keepers().len() == 1).await;
    life.abort();
    assert!(matches!(timeout(WITHIN, ours.receive()).await, Ok(None)), "its session ends with the term");
    until("nobody is here any more", || handle.keepers().is_empty()).await;
    stands_by(handle.live().await);
}
