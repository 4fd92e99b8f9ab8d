//! The keeper set follows the registries.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    ids::{ChainId, KeeperId, TaskId},
    keeper::KeeperRecord,
};
use argus_memory::{ManualClock, MemoryStore};
use argus_oversight::{
    WatchedChain,
    registrar::{Config, Ports, SyncError, run, sync},
};
use argus_ports::{Clock, KeeperStore};
use tokio::task::JoinSet;

use crate::fake::{CONTRACTS, FakeChain, START, keeper, settle, term};

struct World {
    store: MemoryStore,
    clock: ManualClock,
    chains: [FakeChain; 2],
    ports: Ports,
}

fn world() -> World {
    let (store, clock) = (MemoryStore::new(), ManualClock::new(START));
    let chains = [1, 2].map(|id| FakeChain::new(ChainId(id)));
    let watched = chains.iter().map(|chain| {
        let (reader, contracts) = (Arc::new(chain.clone()), Some(CONTRACTS));
        (
            argus_ports::ChainReader::chain(chain),
            WatchedChain { reader, contracts, contracts_from: 0, confirmations: 0, settle: Duration::ZERO },
        )
    });
    let ports =
        Ports { keepers: Arc::new(store.clone()), chains: watched.collect(), clock: Arc::new(clock.clone()) };
    World { store, clock, chains, ports }
}

impl World {
    async fn set(&self) -> Vec<(KeeperId, u128, Vec<u64>)> {
        let all = self.store.all().await.expect("read");
        all.into_iter().map(|k| (k.keeper, k.stake, k.chains.iter().map(|c| c.0).collect())).collect()
    }
}

#[tokio::test]
async fn keepers_join_change_their_stake_and_leave() {
    let w = world();
    let (a, b, c) = (keeper(1), keeper(2), keeper(3));
    type Registered = [(KeeperId, u128, bool)];
    type Set = [(KeeperId, u128, &'static [u64])];
    let steps: [(&str, &Registered, &Registered, &Set); 6] = [
        ("nobody", &[], &[], &[]),
        ("one joins on one chain", &[(a, 10, true)], &[], &[(a, 10, &[1])]),
        (
            "stakes of two chains add up",
            &[(a, 10, true), (b, 7, true)],
            &[(a, 5, true), (c, 1, true)],
            &[(a, 15, &[1, 2]), (b, 7, &[1]), (c, 1, &[2])],
        ),
        (
            "a stake changes",
            &[(a, 12, true), (b, 7, true)],
            &[(c, 1, true)],
            &[(a, 12, &[1]), (b, 7, &[1]), (c, 1, &[2])],
        ),
        ("not active is not there", &[(a, 12, true), (b, 7, false)], &[], &[(a, 12, &[1])]),
        ("all leave", &[], &[], &[]),
    ];
    for (what, first, second, expected) in steps {
        w.chains[0].register(first);
        w.chains[1].register(second);
        for pass in ["first", "again"] {
            sync(&w.ports, None).await.expect("in order");
            let expected: Vec<_> = expected.iter().map(|(k, s, c)| (*k, *s, c.to_vec())).collect();
            assert_eq!(w.set().await, expected, "{what}, {pass}");
        }
    }
}

#[tokio::test]
async fn what_the_registry_does_not_know_of_a_keeper_stays() {
    let w = world();
    w.chains[0].register(&[(keeper(1), 10, true)]);
    sync(&w.ports, None).await.expect("in order");
    let named = KeeperRecord { name: "first".to_owned(), ..w.store.all().await.expect("read").remove(0) };
    w.store.put(vec![named]).await.expect("named");
    w.store.fault(keeper(1), TaskId(argus_domain::B256::ZERO)).await.expect("counted");
    w.clock.advance(Duration::from_secs(60));
    w.chains[0].register(&[(keeper(1), 11, true)]);
    sync(&w.ports, None).await.expect("in order");
    let now = w.store.all().await.expect("read").remove(0);
    assert_eq!((now.name.as_str(), now.stake, now.faults, now.registered_at), ("first", 11, 1, START));
}

#[tokio::test]
async fn what_cannot_be_read_leaves_the_set_as_it_was() {
    type Break = fn(&FakeChain);
    let cases: [(&str, Break, &str); 4] = [
        ("no list", |c| c.answer(Some(&[]), None), "chain 2"),
        ("a short keeper", |c| c.answer(None, Some(&[0; 32])), "chain 2"),
        ("unreachable", |c| c.down(true), "chain 2"),
        ("no block at all", |c| c.lag(1), "chain 2"),
    ];
    for (what, breaks, names) in cases {
        let w = world();
        w.chains[0].register(&[(keeper(1), 10, true)]);
        w.chains[1].register(&[(keeper(2), 10, true)]);
        sync(&w.ports, None).await.expect("in order");
        let before = w.set().await;
        w.chains[0].register(&[(keeper(3), 10, true)]);
        breaks(&w.chains[1]);
        let error = sync(&w.ports, None).await.expect_err(what);
        assert!(error.to_string().contains(names), "{what}: {error}");
        let malformed = matches!(error, SyncError::Malformed(ChainId(2)));
        assert_eq!(malformed, what.contains("no list") || what.contains("short"), "{what}: {error}");
        assert_eq!(w.set().await, before, "{what}");
    }
}

#[tokio::test]
async fn it_reads_again_after_its_interval_and_after_a_failure() {
    let w = world();
    let config = Config::default();
    let mut tasks = JoinSet::new();
    w.chains[0].down(true);
    tasks.spawn(run(config.clone(), w.ports.clone(), term(&w.store).await));
    settle().await;
    assert_eq!(w.set().await, []);
    w.chains[0].down(false);
    w.chains[0].register(&[(keeper(1), 10, true)]);
    settle().await;
    assert_eq!(w.set().await, [], "not before its time");
    w.clock.set(w.clock.now() + config.interval);
    settle().await;
    assert_eq!(w.set().await, [(keeper(1), 10, vec![1])]);
    let _taken = term(&w.store).await;
    w.chains[0].register(&[]);
    w.clock.set(w.clock.now() + config.interval);
    settle().await;
    assert_eq!(w.set().await, [(keeper(1), 10, vec![1])], "another one keeps the set");
}
