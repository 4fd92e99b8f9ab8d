//! Who is let in by the aggregator, and what a keeper that lies on its stream achieves.

use std::time::Duration;

use argus_domain::{
    Address, B256,
    ids::{ChainId, KeeperId},
    keeper::KeeperHello,
};
use argus_memory::session;
use argus_ports::{Aggregate, FromKeeper, KeeperGate, KeeperSession, LinkError, SignedHello, ToKeeper};
use argus_services_tests::{chain::CHAIN, runner::ENGINE, signer::TestSigner, world::World};

fn hello(key: u8) -> KeeperHello {
    KeeperHello {
        keeper: KeeperId(Address::repeat_byte(key)),
        engines: [ENGINE].into(),
        chains: [CHAIN].into(),
        capacity: 4,
        version: "test".to_owned(),
        box_key: None,
    }
}

fn signed(hello: KeeperHello, nonce: B256, by: u8) -> SignedHello {
    let signature = TestSigner(by).over(SignedHello::digest(&hello, nonce));
    SignedHello { hello, nonce, signature }
}

#[tokio::test]
async fn only_registered_keepers_with_a_fresh_nonce_are_let_in() {
    let world = World::start(&[]).await;
    world.register(1).await;
    let gate = world.aggregator.get().expect("on");
    let admit = async |hello: SignedHello| {
        let (_ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
        gate.admit(hello, Box::new(theirs)).await
    };
    let refused = |result: Result<(), LinkError>, part: &str| match result {
        Err(LinkError::Refused(why)) => assert!(why.contains(part), "{why}"),
        other => panic!("{other:?}, not refused for {part}"),
    };
    let nonce = async || gate.nonce().await.expect("a nonce");

    refused(admit(signed(hello(1), B256::ZERO, 1)).await, "nonce");
    refused(admit(signed(hello(1), nonce().await, 2)).await, "not signed with the key");
    refused(admit(signed(hello(2), nonce().await, 2)).await, "not registered");
    let none = KeeperHello { capacity: 0, ..hello(1) };
    refused(admit(signed(none, nonce().await, 1)).await, "at least one run");
    // What was signed is what is taken: a chain added on the way breaks the signature.
    let mut altered = signed(hello(1), nonce().await, 1);
    altered.hello.chains.insert(ChainId(1));
    refused(admit(altered).await, "not signed with the key");

    let nonce = nonce().await;
    assert_eq!(admit(signed(hello(1), nonce, 1)).await, Ok(()));
    refused(admit(signed(hello(1), nonce, 1)).await, "nonce");
}

#[tokio::test]
async fn a_keeper_that_was_silent_may_come_back() {
    let world = World::start(&[]).await;
    world.register(1).await;
    let gate = world.aggregator.get().expect("on");
    let dial = async || {
        let (ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
        let nonce = gate.nonce().await.expect("a nonce");
        gate.admit(signed(hello(1), nonce, 1), Box::new(theirs)).await.expect("admitted");
        ours
    };
    let silent = dial().await;
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.receive()).await;
    assert!(matches!(ended, Ok(None)), "its session ends, which is how it learns that it has to dial");
    assert!(gate.live().await.expect("on").is_empty());
    let _again = dial().await;
    let back = async {
        while gate.live().await.expect("on").len() != 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), back).await.expect("it is live again");
}

#[tokio::test]
async fn a_second_session_replaces_the_first_and_a_closed_one_is_gone() {
    let world = World::start(&[]).await;
    world.register(1).await;
    let gate = world.aggregator.get().expect("on");
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (ours, theirs) = session::<FromKeeper, ToKeeper>(4, Duration::from_secs(1));
        let nonce = gate.nonce().await.expect("a nonce");
        gate.admit(signed(hello(1), nonce, 1), Box::new(theirs)).await.expect("admitted");
        ends.push(ours);
    }
    let second = ends.pop().expect("two");
    let first = ends.pop().expect("two");
    let ended = tokio::time::timeout(Duration::from_secs(5), first.receive()).await;
    assert!(matches!(ended, Ok(None)), "the first session ends");
    second.send(FromKeeper::Heartbeat { load: 3 }).await.expect("the second one lives");
    let live = async |wanted: usize| {
        for _ in 0..500 {
            let live = gate.live().await.expect("on");
            if live.len() == wanted && live.iter().all(|k| k.load == 3) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never {wanted} live keepers");
    };
    live(1).await;
    drop(second);
    live(0).await;
}
