//! Members over the store in memory, in real time. That shards move within their bounds is the simulation's to show.

use std::{num::NonZeroU16, sync::Arc, time::Duration};

use argus_domain::{
    U256,
    ids::JobId,
    lease::{Fence, MemberId, ServiceKind},
};
use argus_lease::{Handle, member};
use argus_machine::lease::Config;
use argus_memory::MemoryStore;
use argus_ports::{LeaseStore, StoreError};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

const KIND: ServiceKind = ServiceKind::Dispatcher;
const STEP: Duration = Duration::from_millis(5);
/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(60);

struct Member {
    handle: Handle,
    stop: CancellationToken,
    life: JoinSet<()>,
}

fn start(store: &MemoryStore, n: u8) -> Member {
    start_with(store, n, Config::default())
}

fn start_with(store: &MemoryStore, n: u8, config: Config) -> Member {
    assert_eq!(config.fault(), None);
    let stop = CancellationToken::new();
    let (handle, life) = member(config, KIND, MemberId([n; 16]), Arc::new(store.clone()), stop.clone());
    let mut lives = JoinSet::new();
    lives.spawn(life);
    Member { handle, stop, life: lives }
}

fn counts(members: &[Member]) -> Vec<usize> {
    members.iter().map(|member| member.handle.held().len()).collect()
}

/// Waits until something holds; meanwhile no shard is held twice.
async fn until(members: &[Member], holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        let mut held: Vec<u16> =
            members.iter().flat_map(|member| member.handle.held()).map(|fence| fence.shard.no).collect();
        held.sort_unstable();
        assert!(held.windows(2).all(|pair| pair[0] < pair[1]), "held twice: {held:?}");
        assert!(began.elapsed() < SOON, "{:?}", counts(members));
        sleep(STEP).await;
    }
}

async fn until_all_held(members: &[Member]) {
    until(members, || counts(members).iter().sum::<usize>() == 64).await;
}

#[tokio::test]
async fn shards_are_shared_and_move_when_members_come_leave_and_die() {
    let store = MemoryStore::new();
    let mut members = vec![start(&store, 1)];
    until_all_held(&members).await;
    members.extend([start(&store, 2), start(&store, 3)]);
    until(&members, || {
        let shared = counts(&members);
        shared.iter().sum::<usize>() == 64 && shared.iter().all(|count| (10..=32).contains(count))
    })
    .await;

    let mut leaver = members.remove(1);
    leaver.stop.cancel();
    leaver.life.join_next().await.expect("a life").expect("ends well");
    assert_eq!(leaver.handle.held(), [], "it holds nothing");
    let view = store.look(KIND).await.expect("look");
    assert_eq!(view.members.len(), 2, "and the others need not wait");
    until_all_held(&members).await;
    while leaver.handle.changed().await {}

    let mut dead = members.remove(0);
    let late = dead.handle.held()[0];
    assert_eq!(dead.handle.fence(late.shard.no), Some(late));
    dead.life.abort_all();
    while dead.life.join_next().await.is_some() {}
    until_all_held(&members).await;
    assert_eq!(dead.handle.held(), [], "what it had is over without anybody telling it");
    assert_eq!(store.mark(late, 1).await, Ok(false), "a late write is refused");
    let taken = members[0].handle.fence(late.shard.no).expect("held");
    assert!(taken.token > late.token);
    assert_eq!(store.mark(taken, 1).await, Ok(true));
}

#[tokio::test]
async fn nothing_is_held_while_the_store_is_away() {
    let store = MemoryStore::new();
    let members = vec![start(&store, 1), start(&store, 2)];
    until(&members, || counts(&members).iter().all(|count| *count > 0)).await;
    until_all_held(&members).await;
    let before: Vec<Fence> = members.iter().flat_map(|member| member.handle.held()).collect();

    store.refuse_writes(Some(StoreError::Unavailable("away".to_owned())));
    until(&members, || counts(&members) == [0, 0]).await;
    sleep(Duration::from_secs(2)).await;
    assert_eq!(counts(&members), [0, 0], "what cannot be kept up is not believed in");
    store.refuse_writes(None);
    until_all_held(&members).await;
    let after: Vec<Fence> = members.iter().flat_map(|member| member.handle.held()).collect();
    let newer = |fence: &Fence| after.iter().any(|new| new.shard == fence.shard && new.token > fence.token);
    assert!(before.iter().all(newer), "all was taken anew");
}

#[tokio::test]
async fn a_change_is_told_once() {
    let store = MemoryStore::new();
    let mut one = start(&store, 1);
    while one.handle.held().len() < 64 {
        assert!(one.handle.changed().await);
    }
    let quiet = tokio::time::timeout(Duration::from_secs(3), one.handle.changed()).await;
    assert!(quiet.is_err(), "a lease that is kept up is no change");
    let fence = one.handle.fence_of_job(JobId(U256::from(7))).expect("all is held");
    assert_eq!(store.stands(fence).await, Ok(true));
    let _two = start(&store, 2);
    let told = tokio::time::timeout(SOON, one.handle.changed()).await;
    assert_eq!(told, Ok(true), "what is given up is told");
}

#[tokio::test]
async fn members_that_count_otherwise_take_nothing() {
    let store = MemoryStore::new();
    let mut members = vec![start(&store, 1)];
    until_all_held(&members).await;
    let config = Config { shards: NonZeroU16::MIN.saturating_add(31), ..Config::default() };
    members.push(start_with(&store, 2, config));
    sleep(Duration::from_secs(2)).await;
    assert_eq!(counts(&members), [64, 0], "the first one keeps what it has");
    members.remove(0).stop.cancel();
    until(&members, || counts(&members) == [32]).await;
}

#[tokio::test]
async fn what_a_store_has_refused_is_held_no_more_until_it_is_taken_again() {
    let store = MemoryStore::new();
    let members = [start(&store, 1)];
    until_all_held(&members).await;
    let handle = &members[0].handle;
    let fence = handle.fence(7).expect("all is held");
    assert!(handle.refused(fence) && !handle.refused(fence), "it is new once");
    assert_eq!(handle.fence(7), None);
    assert!(handle.held().len() == 63 && !handle.held().contains(&fence));
    assert!(handle.clone().fence(7).is_none(), "clones know it, too");
    assert!(handle.fence(8).is_some());
    store.refuse_writes(Some(StoreError::Unavailable("away".to_owned())));
    until(&members, || counts(&members) == [0]).await;
    store.refuse_writes(None);
    until_all_held(&members).await;
    assert!(handle.fence(7).is_some_and(|new| new.token > fence.token));
}
