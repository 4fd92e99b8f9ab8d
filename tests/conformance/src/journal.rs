//! The contract of [`Journal`].

use argus_domain::{
    B256,
    ids::{AttemptNo, ChainId, Round, TaskId},
};
use argus_ports::{Journal, Kept, KeptClaim};
use futures::future::join_all;

use crate::samples::intent;

/// All of it.
pub async fn suite<J: Journal>(fresh: impl Fn() -> J) {
    the_first_claim_wins(&fresh()).await;
    the_first_intent_wins(&fresh()).await;
    pending_are_those_of_tasks_that_go_on(&fresh()).await;
}

/// The n-th call that a keeper might stand by.
pub fn claim(task: TaskId, n: u8) -> KeptClaim {
    KeptClaim { task, attempt: AttemptNo(1), round: Round(1), digest: B256::repeat_byte(n) }
}

fn task(n: u8) -> TaskId {
    TaskId(B256::repeat_byte(n))
}

async fn the_first_claim_wins(journal: &dyn Journal) {
    let (first, other) = (claim(task(1), 1), claim(task(1), 2));
    assert_eq!(journal.of_task(task(1)).await, Ok(Kept::default()), "absent is none");
    assert_eq!(journal.claim(first).await, Ok(first));
    assert_eq!(journal.claim(other).await, Ok(first), "the first one is returned");
    assert_eq!(journal.of_task(task(1)).await.expect("read").claims, [first]);
    let second_round = KeptClaim { round: Round(2), ..other };
    assert_eq!(journal.claim(second_round).await, Ok(second_round), "another round is another claim");
    let next_attempt = KeptClaim { attempt: AttemptNo(2), ..other };
    assert_eq!(journal.claim(next_attempt).await, Ok(next_attempt));
    let all = [first, second_round, next_attempt];
    assert_eq!(journal.of_task(task(1)).await.expect("read").claims, all, "by attempt and round");
    let offers = join_all((1..=8).map(|n| journal.claim(claim(task(2), n)))).await;
    assert!(offers.iter().all(|offer| *offer == offers[0]), "all are told of one: {offers:?}");
}

async fn the_first_intent_wins(journal: &dyn Journal) {
    let first = intent(task(1), 1, 1, 7);
    assert_eq!(journal.intend(first.clone()).await, Ok(first.clone()));
    assert_eq!(journal.intend(intent(task(1), 1, 1, 8)).await, Ok(first.clone()));
    let replacement = intent(task(1), 2, 1, 7);
    assert_eq!(journal.intend(replacement.clone()).await, Ok(replacement.clone()));
    let kept = Kept { claims: vec![], intents: vec![first, replacement] };
    assert_eq!(journal.of_task(task(1)).await, Ok(kept), "by number");
    let (known, new) = (intent(task(1), 1, 1, 9), intent(task(7), 1, 1, 10));
    let kept = journal.intend_all(vec![known, new.clone(), intent(task(7), 1, 1, 11)]).await.expect("kept");
    assert_eq!(
        kept[0],
        journal.of_task(task(1)).await.expect("read").intents[0],
        "of several each is told what stands"
    );
    assert_eq!(kept[1..], [new.clone(), new], "in order");
}

async fn pending_are_those_of_tasks_that_go_on(journal: &dyn Journal) {
    assert_eq!(journal.highest_nonce(ChainId(1)).await, Ok(None), "none used");
    let order = [
        intent(task(3), 1, 1, 4),
        intent(task(1), 1, 1, 5),
        intent(task(1), 2, 1, 5),
        intent(task(2), 1, 1, 6),
        intent(task(4), 1, 2, 0),
    ];
    for n in [3, 0, 4, 2, 1] {
        journal.intend(order[n].clone()).await.expect("intend");
    }
    assert_eq!(journal.pending().await, Ok(order.to_vec()), "by chain, nonce, number");
    assert_eq!(journal.highest_nonce(ChainId(1)).await, Ok(Some(6)));
    assert_eq!(journal.highest_nonce(ChainId(2)).await, Ok(Some(0)));
    for _ in 0..2 {
        journal.end(task(1)).await.expect("end");
        journal.end(task(2)).await.expect("end");
    }
    assert_eq!(journal.pending().await, Ok(vec![order[0].clone(), order[4].clone()]));
    journal.intend(intent(task(2), 2, 1, 6)).await.expect("intend");
    assert_eq!(journal.pending().await.expect("pending").len(), 2, "an ended task stays ended");
    assert_eq!(journal.highest_nonce(ChainId(1)).await, Ok(Some(6)), "used is used");
    assert_eq!(journal.of_task(task(1)).await.expect("read").intents.len(), 2, "what was intended is kept");
}
