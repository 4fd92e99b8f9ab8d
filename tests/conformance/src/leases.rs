//! The contract of [`LeaseStore`].

use std::{num::NonZeroU16, time::Duration};

use argus_domain::lease::{Fence, Lease, Live, MemberId, ServiceKind, Session, Shard, Token, View};
use argus_ports::LeaseStore;
use futures::future::join_all;

const KIND: ServiceKind = ServiceKind::Scheduler;

fn session(member: u8, no: u32) -> Session {
    Session { member: MemberId([member; 16]), no }
}

fn live(member: u8, no: u32, beats: u64) -> Live {
    let shards = NonZeroU16::new(64).unwrap();
    Live { session: session(member, no), beats, ttl: Duration::from_millis(3_000), shards }
}

fn fence(no: u16, token: u64) -> Fence {
    Fence { shard: Shard { kind: KIND, no }, token: Token(token) }
}

fn lease(no: u16, token: u64, holder: Option<Session>, mark: u64) -> Lease {
    Lease { shard: Shard { kind: KIND, no }, token: Token(token), holder, mark }
}

/// All of it.
pub async fn suite<S: LeaseStore>(fresh: impl Fn() -> S) {
    sessions(&fresh()).await;
    ends(&fresh()).await;
    leases(&fresh()).await;
    fences(&fresh()).await;
    kinds(&fresh()).await;
    at_once(&fresh()).await;
}

async fn members(store: &dyn LeaseStore) -> Vec<Live> {
    store.look(KIND).await.expect("look").members
}

async fn sessions(store: &dyn LeaseStore) {
    assert_eq!(store.look(KIND).await, Ok(View::default()), "nothing is an empty view");
    assert_eq!(store.beat(KIND, session(1, 1), 1).await, Ok(false), "what never began does not beat");
    assert_eq!(members(store).await, [], "and does not begin by that");
    assert_eq!(store.join(KIND, live(2, 1, 9)).await, Ok(true));
    assert_eq!(store.join(KIND, live(1, 1, 0)).await, Ok(true));
    assert_eq!(members(store).await, [live(1, 1, 0), live(2, 1, 0)], "by member, without beats");

    for (beats, known) in [(1, 1), (3, 3), (2, 3), (3, 3)] {
        assert_eq!(store.beat(KIND, session(1, 1), beats).await, Ok(true));
        assert_eq!(members(store).await, [live(1, 1, known), live(2, 1, 0)], "a late beat changes nothing");
    }
    assert_eq!(store.join(KIND, live(1, 1, 0)).await, Ok(true), "it is there");
    assert_eq!(members(store).await[0], live(1, 1, 3), "joining twice is joining once");

    let slower = Live { ttl: Duration::from_millis(9_000), shards: NonZeroU16::MIN, ..live(1, 3, 0) };
    assert_eq!(store.join(KIND, slower).await, Ok(true), "a later session takes the place");
    assert_eq!(members(store).await, [slower, live(2, 1, 0)]);
    assert_eq!(store.beat(KIND, session(1, 1), 4).await, Ok(false), "the earlier one has ended");
    assert_eq!(store.join(KIND, live(1, 2, 0)).await, Ok(false), "and does not come back");
    assert_eq!(members(store).await, [slower, live(2, 1, 0)]);
}

async fn ends(store: &dyn LeaseStore) {
    for member in [1, 2, 3] {
        store.join(KIND, live(member, 2, 0)).await.expect("join");
        store.beat(KIND, session(member, 2), 5).await.expect("beat");
    }
    for (other, beats) in [(session(1, 2), Some(4)), (session(1, 1), Some(5)), (session(1, 1), None)] {
        store.end(KIND, other, beats).await.expect("end");
        assert_eq!(members(store).await.len(), 3, "another session, or one that has beaten since, lives on");
    }
    for _ in 0..2 {
        store.end(KIND, session(1, 2), Some(5)).await.expect("end");
        assert_eq!(members(store).await, [live(2, 2, 5), live(3, 2, 5)], "what was silent is ended once");
    }
    assert_eq!(store.beat(KIND, session(1, 2), 6).await, Ok(false), "and hears of it");
    store.end(KIND, session(3, 2), None).await.expect("end");
    assert_eq!(members(store).await, [live(2, 2, 5)], "one that leaves says no number");
}

async fn leases(store: &dyn LeaseStore) {
    let (one, other) = (session(1, 1), session(2, 1));
    for member in [1, 2] {
        store.join(KIND, live(member, 1, 0)).await.expect("join");
    }
    let all = async || store.look(KIND).await.expect("look").leases;
    assert_eq!(store.claim(one, vec![fence(7, 0), fence(3, 0)]).await, Ok(vec![true; 2]));
    assert_eq!(all().await, [lease(3, 1, Some(one), 0), lease(7, 1, Some(one), 0)], "by number");
    for _ in 0..2 {
        assert_eq!(store.claim(one, vec![fence(3, 0)]).await, Ok(vec![true]), "a repetition says the same");
        let mixed = store.claim(other, vec![fence(3, 0), fence(4, 0), fence(7, 5)]).await;
        assert_eq!(mixed, Ok(vec![false, true, false]), "each by itself, and by its token");
    }
    assert_eq!(
        store.claim(session(1, 2), vec![fence(3, 0)]).await,
        Ok(vec![false]),
        "another session's is not its own"
    );
    assert_eq!(all().await[0], lease(3, 1, Some(one), 0), "and nothing was taken");

    for (who, what) in [(other, fence(3, 1)), (one, fence(3, 0)), (one, fence(3, 2)), (one, fence(9, 0))] {
        store.release(who, vec![what]).await.expect("release");
        assert_eq!(all().await[0], lease(3, 1, Some(one), 0), "only what it holds, with just this token");
    }
    for _ in 0..2 {
        store.release(one, vec![fence(3, 1), fence(4, 1)]).await.expect("release");
        assert_eq!(all().await[0], lease(3, 1, None, 0), "the token stays");
        assert_eq!(all().await[1], lease(4, 1, Some(other), 0), "another's stays");
    }
    assert_eq!(
        store.claim(one, vec![fence(3, 0)]).await,
        Ok(vec![false]),
        "what was released is not held by a late claim"
    );
    assert_eq!(store.claim(other, vec![fence(3, 1)]).await, Ok(vec![true]));
    store.release(one, vec![fence(3, 1)]).await.expect("release");
    assert_eq!(
        all().await[0],
        lease(3, 2, Some(other), 0),
        "a late release frees nothing of the next holder"
    );

    store.end(KIND, other, None).await.expect("end");
    assert_eq!(
        all().await[0],
        lease(3, 2, Some(other), 0),
        "the end of a session leaves its leases as they are"
    );
    assert_eq!(store.claim(one, vec![fence(3, 2)]).await, Ok(vec![true]), "for others to take");
    assert_eq!(
        store.claim(one, vec![fence(3, 3)]).await,
        Ok(vec![true]),
        "a lease taken anew has a new token"
    );
    assert_eq!(all().await[0], lease(3, 4, Some(one), 0));
}

async fn fences(store: &dyn LeaseStore) {
    let (one, other) = (session(1, 1), session(2, 1));
    assert_eq!(store.stands(fence(0, 0)).await, Ok(false), "a shard that nobody took is nobody's to write");
    assert_eq!(store.mark(fence(0, 0), 5).await, Ok(false));
    assert_eq!(store.mark(fence(0, 1), 5).await, Ok(false));
    store.claim(one, vec![fence(0, 0)]).await.expect("claim");
    for mark in [10, u64::MAX, 10] {
        assert_eq!(store.mark(fence(0, 1), mark).await, Ok(true));
        assert_eq!(store.look(KIND).await.expect("look").leases, [lease(0, 1, Some(one), mark)]);
    }
    for outdated in [0, 2] {
        assert_eq!(store.stands(fence(0, outdated)).await, Ok(false));
        assert_eq!(store.mark(fence(0, outdated), 11).await, Ok(false), "another token");
    }
    assert_eq!(store.stands(fence(0, 1)).await, Ok(true));
    store.release(one, vec![fence(0, 1)]).await.expect("release");
    store.claim(other, vec![fence(0, 1)]).await.expect("claim");
    assert_eq!(
        store.look(KIND).await.expect("look").leases,
        [lease(0, 2, Some(other), 10)],
        "the mark stays"
    );
    assert_eq!(store.stands(fence(0, 1)).await, Ok(false));
    assert_eq!(store.mark(fence(0, 1), 12).await, Ok(false), "a late write is refused");
    assert_eq!(store.mark(fence(0, 2), 13).await, Ok(true));
    assert_eq!(store.look(KIND).await.expect("look").leases, [lease(0, 2, Some(other), 13)]);
}

async fn kinds(store: &dyn LeaseStore) {
    for kind in ServiceKind::ALL {
        assert_eq!(store.join(kind, live(1, 1, 0)).await, Ok(true));
        let fence = Fence { shard: Shard { kind, no: 0 }, token: Token(0) };
        assert_eq!(store.claim(session(1, 1), vec![fence]).await, Ok(vec![true]));
    }
    store.beat(KIND, session(1, 1), 4).await.expect("beat");
    store.end(ServiceKind::Monitor, session(1, 1), None).await.expect("end");
    for kind in ServiceKind::ALL {
        let view = store.look(kind).await.expect("look");
        assert_eq!(
            view.leases,
            [Lease { shard: Shard { kind, no: 0 }, ..lease(0, 1, Some(session(1, 1)), 0) }]
        );
        let beats: Vec<u64> = view.members.iter().map(|live| live.beats).collect();
        let expected: &[u64] = match kind {
            ServiceKind::Scheduler => &[4],
            ServiceKind::Dispatcher | ServiceKind::Aggregator => &[0],
            ServiceKind::Monitor => &[],
        };
        assert_eq!(beats, expected, "services know nothing of each other");
    }
}

/// Many want the same, and one has it: each round one more token, and marks of that one alone.
async fn at_once(store: &dyn LeaseStore) {
    for round in 0..10 {
        let claims = (1..=8).map(|member| store.claim(session(member, 1), vec![fence(0, round)]));
        let claimed = join_all(claims).await;
        let won: Vec<usize> = (0..8).filter(|n| claimed[*n] == Ok(vec![true])).collect();
        assert_eq!(won.len(), 1, "one of {claimed:?}");
        let marks = join_all((0..=round + 1).map(|token| store.mark(fence(0, token), token))).await;
        assert!(
            marks.iter().enumerate().all(|(token, mark)| *mark == Ok(token as u64 == round + 1)),
            "{marks:?}"
        );
        let holder = Some(session(u8::try_from(won[0] + 1).unwrap(), 1));
        assert_eq!(store.look(KIND).await.expect("look").leases, [lease(0, round + 1, holder, round + 1)]);
    }
}
