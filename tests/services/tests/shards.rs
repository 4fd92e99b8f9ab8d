//! A dispatcher does nothing for a task that another leads, and takes it up as the store has it once nobody else does.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    lease::{Fence, Live, MemberId, SHARDS, ServiceKind, Session, Shard, Token},
    run::RunEnd,
    time::Timestamp,
};
use argus_ports::ContentStore;
use argus_services_tests::{
    jobs::{job, open, with_script},
    runner::TestRunner,
    world::{World, now},
};
use bytes::Bytes;
use serde_json::json;

const KIND: ServiceKind = ServiceKind::Dispatcher;
const WITHIN: Duration = Duration::from_secs(30);

/// Another member, which beats as often as it is told to.
struct Stranger(Session);

impl Stranger {
    /// Takes a shard from whoever holds it: as if its holder had been thought dead.
    async fn take(world: &World, shard: u16) -> Self {
        let session = Session { member: MemberId([9; 16]), no: 1 };
        let live = Live { session, beats: 0, ttl: Duration::from_secs(3), shards: SHARDS };
        assert_eq!(world.store.join(KIND, live).await, Ok(true));
        let view = world.store.look(KIND).await.expect("look");
        let token = view.leases.iter().find(|lease| lease.shard.no == shard).map_or(Token(0), |l| l.token);
        let fence = Fence { shard: Shard { kind: KIND, no: shard }, token };
        assert_eq!(world.store.claim(session, vec![fence]).await, Ok(vec![true]));
        Self(session)
    }

    async fn beat(&self, world: &World, beats: u64) {
        assert_eq!(world.store.beat(KIND, self.0, beats).await, Ok(true));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_leads_is_left_to_it_until_it_is_gone() {
    let honest = || TestRunner::printing(json!([5]));
    let mut world = World::start(&[(1, honest()), (2, honest()), (3, honest())]).await;
    let job = job(1, Timestamp(now().0 - 60_000));
    let stranger = Stranger::take(&world, Shard::of_job(job.id).no).await;
    // At first the member has not looked, and believes that it holds the shard: the store knows better.
    let ids = open(&world.store, &job, 3, now()).await;
    world.submit(&ids).await;
    for beat in 1..=8 {
        stranger.beat(&world, beat).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        world.submit(&ids).await;
        let records = world.store.tasks(&ids).await.expect("tasks");
        assert!(records.iter().all(|record| record.facts.is_empty()), "{records:?}");
        let executions: usize = ids.iter().map(|id| world.chain.executions(*id).len()).sum();
        assert_eq!(executions, 0);
    }
    // Now it is silent, and its session ends.
    for id in &ids {
        let state = world.until(*id, WITHIN, "broadcast", |state| !state.broadcasts.is_empty()).await;
        assert!(state.agreed().is_some());
        assert_eq!(state.attempts.len(), 1, "none was begun before");
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 6)]
async fn what_it_leads_no_more_it_lets_go_of_in_the_middle() {
    // Scripts that take long enough to be interrupted.
    let slow = || {
        TestRunner(Arc::new(|_| {
            std::thread::sleep(Duration::from_millis(1500));
            RunEnd::Value(json!([5]))
        }))
    };
    let mut world = World::start(&[(1, slow()), (2, slow()), (3, slow())]).await;
    let source = ContentStore::put(&world.content, Bytes::from_static(b"script")).await.expect("put");
    let job = with_script(job(1, Timestamp(now().0 - 60_000)), source);
    let ids = open(&world.store, &job, 1, now()).await;
    world.submit(&ids).await;
    world.until(ids[0], WITHIN, "begun", |state| !state.attempts.is_empty()).await;
    let stranger = Stranger::take(&world, Shard::of_job(job.id).no).await;
    for beat in 1..=8 {
        stranger.beat(&world, beat).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let state = world.state(ids[0]).await;
        assert!(state.verdict.is_none() && state.attempts.len() == 1, "{state:?}");
    }
    let state = world.until(ids[0], WITHIN, "broadcast", |state| !state.broadcasts.is_empty()).await;
    assert!(state.agreed().is_some());
    assert_eq!(world.chain.executions(ids[0]).len(), 1);
}
