//! What the dispatcher does while its store fails, and for jobs that are gone.

use std::{sync::Arc, time::Duration};

use argus_domain::{job::JobChange, status::TaskState, task::Verdict, time::Timestamp};
use argus_memory::MemoryStore;
use argus_ports::StoreError;
use argus_services_tests::{
    jobs::{job, open},
    runner::TestRunner,
    signer::Elsewhere,
    world::{Settings, World, now},
};
use serde_json::json;

const WITHIN: Duration = Duration::from_secs(20);

async fn world(store: &MemoryStore) -> World {
    let keepers: Vec<_> = (1..=3).map(|key| (key, TestRunner::printing(json!([5])))).collect();
    let settings = Settings { store: Arc::new(store.clone()), ..Settings::default() };
    World::start_with(settings, &keepers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_leaves_while_the_store_refuses_and_nothing_is_lost() {
    let store = MemoryStore::new();
    let mut world = world(&store).await;
    let ids = open(&world.store, &job(1, Timestamp(now().0 - 60_000)), 10, now()).await;
    store.refuse_writes(Some(StoreError::ReadOnly("disk full".to_owned())));
    world.submit(&ids).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    for id in &ids {
        assert!(world.state(*id).await.attempts.is_empty());
        assert!(world.chain.executions(*id).is_empty());
    }
    store.refuse_writes(None);
    for id in &ids {
        world.until(*id, WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
        assert_eq!(world.chain.executions(*id).len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_of_a_deleted_job_are_withdrawn() {
    let store = MemoryStore::new();
    let mut world = world(&store).await;
    let job = job(1, Timestamp(now().0 - 60_000));
    world.stop("dispatcher").await;
    let ids = open(&world.store, &job, 3, now()).await;
    world
        .store
        .change(job.id, job.serial, JobChange::Deleted(now()))
        .await
        .expect("deleted")
        .expect("it was there");
    world.start_dispatcher(Duration::from_secs(2)).await;
    for id in &ids {
        let state = world.until(*id, WITHIN, "finished", TaskState::is_finished).await;
        assert!(matches!(state.verdict, Some((Verdict::Withdrawn(_), _))), "{state:?}");
        assert!(world.chain.executions(*id).is_empty());
    }
}

/// Longer than an attempt lasts.
const SIGNERS_AWAY: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_signers_are_away_tasks_wait_and_everything_is_done_once_after() {
    for is_platforms in [true, false] {
        let (platform, keepers) = (Elsewhere::default(), Elsewhere::default());
        let settings = Settings {
            platform_key: Some(platform.clone()),
            keeper_keys: Some(keepers.clone()),
            ..Settings::default()
        };
        let three: Vec<_> = (1..=3).map(|key| (key, TestRunner::printing(json!([5])))).collect();
        let mut world = World::start_with(settings, &three).await;
        let before = open(&world.store, &job(1, Timestamp(now().0 - 60_000)), 5, now()).await;
        world.submit(&before).await;
        for id in &before {
            world.until(*id, WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
        }
        let away = if is_platforms { &platform } else { &keepers };
        away.leave(true);
        let meanwhile = open(&world.store, &job(2, Timestamp(now().0 - 60_000)), 10, now()).await;
        world.submit(&meanwhile).await;
        tokio::time::sleep(SIGNERS_AWAY).await;
        for id in &meanwhile {
            let state = world.state(*id).await;
            assert!(state.verdict.is_none() && state.broadcasts.is_empty(), "{state:?}");
            // Without the platform's signer nobody is given work. Keepers may be, before they are known to be away: what
            // they lack is no try.
            assert!(!is_platforms || state.attempts.len() <= 1, "{} attempts", state.attempts.len());
        }
        away.leave(false);
        for id in before.iter().chain(&meanwhile) {
            world.until(*id, WITHIN, "broadcast", |s| !s.broadcasts.is_empty()).await;
            assert_eq!(world.chain.executions(*id).len(), 1, "platform's: {is_platforms}");
        }
    }
}
