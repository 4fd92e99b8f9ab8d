//! How many tasks a second one dispatcher takes from open to handed off. Run with
//! `cargo test --release -p argus-services-tests --test throughput -- --ignored --nocapture`.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{
    Address, Bytes, U256,
    attempt::Attempt,
    call::{Call, Signature},
    ids::{KeeperId, Round},
    keeper::{KeeperHello, LiveKeeper},
    task::{Agreed, AgreedHow},
    time::Timestamp,
};
use argus_memory::{MemoryBus, MemoryStore, SystemClock};
use argus_ports::{
    Aggregate, AttemptOutcome, ChainReader, Dispatch, HandoffOrder, LinkError, Outcomes, PerformEvent,
    TaskStore,
};
use argus_services_tests::{
    chain::{CHAIN, TestChain},
    jobs::{job, open},
    links::Switch,
    runner::ENGINE,
    world::now,
};
use async_trait::async_trait;
use tokio::task::JoinSet;

/// Agrees to everything at once.
struct Agreeable(Switch<argus_dispatcher::Handle>);

#[async_trait]
impl Aggregate for Agreeable {
    async fn begin(&self, attempt: Attempt) -> Result<(), LinkError> {
        let call = Call {
            chain: CHAIN,
            target: Address::repeat_byte(0xcc),
            value: U256::ZERO,
            calldata: Bytes::from_static(&[0; 36]),
            arguments: Vec::new(),
        };
        let mut signatures: Vec<_> = attempt.keepers.iter().map(|k| (*k, Signature([1; 65]))).collect();
        signatures.sort_unstable();
        let agreed = Agreed {
            attempt: attempt.no,
            round: Round(1),
            call,
            how: AgreedHow::Equal,
            signatures,
            valid_until: attempt.valid_until,
            fee_cap: attempt.fee_cap,
            gas_limit: attempt.gas_limit,
            performers: attempt.keepers.clone(),
            transcript_root: None,
        };
        let outcome = AttemptOutcome::Agreed(Box::new(agreed));
        self.0.get()?.attempt_ended(attempt.task, attempt.no, outcome).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        let (task, keeper) = (order.task.id, order.handoff.keeper);
        self.0.get()?.performed(PerformEvent::Broadcast { task, keeper, transaction: task.0 }).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        Ok((1..=3)
            .map(|key| LiveKeeper {
                hello: KeeperHello {
                    keeper: KeeperId(Address::repeat_byte(key)),
                    engines: [ENGINE].into(),
                    chains: [CHAIN].into(),
                    capacity: 1000,
                    version: String::new(),
                },
                load: 0,
                heard_at: now(),
                stake: 1,
                faults: 0,
            })
            .collect())
    }
}

#[ignore = "a measurement, not a test"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_a_second() {
    const JOBS: u64 = 20;
    const TASKS: u32 = 1000;
    let store = MemoryStore::new();
    let anchor = Timestamp(now().0 - 2 * 1000 * u64::from(TASKS));
    let mut ids = Vec::new();
    for id in 1..=JOBS {
        ids.extend(open(&store, &job(id, anchor), TASKS, now()).await);
    }
    let switch = Switch::default();
    let chain = TestChain::default();
    chain.emit(argus_domain::B256::repeat_byte(1), Vec::new());
    let ports = argus_dispatcher::Ports {
        clock: Arc::new(SystemClock),
        tasks: Arc::new(store.clone()),
        jobs: Arc::new(store.clone()),
        bus: Arc::new(MemoryBus::new()),
        aggregate: Arc::new(Agreeable(switch.clone())),
        readers: BTreeMap::from([(CHAIN, Arc::new(chain) as Arc<dyn ChainReader>)]),
    };
    let config = argus_dispatcher::Config { inbox: 100_000, ..argus_dispatcher::Config::default() };
    let (handle, future) = argus_dispatcher::new(config, ports);
    switch.set(Some(handle.clone()));
    let began = Instant::now();
    let mut services = JoinSet::new();
    services.spawn(async move { future.await.expect("the dispatcher") });
    for some in ids.chunks(500) {
        handle.submit(some).await.expect("taken");
    }
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A few of them: reading all is more work than what is measured.
        let sample: Vec<_> = ids.iter().copied().step_by(97).collect();
        let read = store.tasks(&sample).await.expect("read");
        let done = read.iter().filter(|r| !r.state().broadcasts.is_empty()).count();
        if done == sample.len() {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{done} of {} done", sample.len());
    }
    let took = began.elapsed();
    let rate = ids.len() as f64 / took.as_secs_f64();
    println!("{} tasks, from open to broadcast, in {took:?}: {rate:.0} tasks/s", ids.len());
}
