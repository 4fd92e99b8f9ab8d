use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use argus_conformance::samples::{assignment, claim, keeper, observation};
use argus_domain::{
    Address, B256,
    attempt::Observation,
    call::Signature,
    chain::{SignedTx, TxDraft},
    ids::AttemptNo,
    lease::{MemberId, ServiceKind},
    run::Transcript,
};
use argus_machine::lease::Config;
use argus_memory::{MemoryStore, SystemClock, session};
use argus_ports::{Archive, AttemptOutcome, ContentError, Outcomes, Signer, SignerError};
use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::*;

/// Finds every signature to be by the keeper that it names with its first byte.
struct FirstByte;

#[async_trait]
impl Signer for FirstByte {
    fn address(&self) -> Address {
        Address::ZERO
    }

    async fn sign(&self, _: &[u8]) -> Result<Signature, SignerError> {
        Err(SignerError::Refused("not here".to_owned()))
    }

    async fn sign_transaction(&self, _: &TxDraft) -> Result<SignedTx, SignerError> {
        Err(SignerError::Refused("not here".to_owned()))
    }

    fn recover(&self, _: B256, signature: &Signature) -> Option<Address> {
        Some(keeper(signature.0[0]).0)
    }
}

struct Nobody;

#[async_trait]
impl Outcomes for Nobody {
    async fn attempt_ended(&self, _: TaskId, _: AttemptNo, _: AttemptOutcome) -> Result<(), LinkError> {
        Ok(())
    }

    async fn performed(&self, _: PerformEvent) -> Result<(), LinkError> {
        Ok(())
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        Ok(())
    }
}

/// Takes a while over the first thing that it is given.
#[derive(Default)]
struct SlowAtFirst(AtomicBool);

#[async_trait]
impl Archive for SlowAtFirst {
    async fn put(&self, _: B256, _: Bytes) -> Result<(), ContentError> {
        if !self.0.swap(true, Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    async fn get(&self, _: B256) -> Result<Option<Bytes>, ContentError> {
        Ok(None)
    }
}

/// What keeper 1 says to an attempt, with a claim that is signed by keeper `signer`.
fn answer(fuel: u64, signer: u8) -> FromKeeper {
    let task = assignment(1).task.id;
    let mut claim = claim(task, 1);
    claim.signature.0[0] = signer;
    let transcript = Transcript::default();
    let mut observation =
        Observation { fuel, transcript_root: transcript.root(), ..Observation::clone(&observation(task, 1)) };
    observation.seal.signature.0[0] = 1;
    let observation = Arc::new(observation);
    FromKeeper::Answer(Box::new(Answer {
        observation,
        claim: Some(claim),
        transcript,
        log: "ran".to_owned(),
        state: None,
    }))
}

/// What is passed on of these messages where `before` answers came from others.
async fn passed_on(before: usize, open: &Open, messages: Vec<FromKeeper>) -> Vec<String> {
    let assignment = assignment(1);
    for _ in 0..before {
        open.answered(&(assignment.task.id, assignment.attempt.no));
    }
    let store = Arc::new(MemoryStore::new());
    let ports = Ports {
        clock: Arc::new(SystemClock),
        signer: Arc::new(FirstByte),
        tasks: store.clone(),
        keepers: store,
        archive: Arc::new(SlowAtFirst::default()),
        secrets: None,
        outcomes: Arc::new(Nobody),
        lease: argus_lease::member(
            Config::default(),
            ServiceKind::Aggregator,
            MemberId([1; 16]),
            Arc::new(MemoryStore::new()),
            CancellationToken::new(),
        )
        .0,
    };
    let (inbox, mut said) = mpsc::channel(64);
    let (_outbox, messages_out) = mpsc::channel(1);
    let (ours, theirs) = session::<FromKeeper, ToKeeper>(64, Duration::from_secs(1));
    for message in messages {
        ours.send(message).await.expect("sent");
    }
    drop(ours);
    let send_timeout = Duration::from_secs(1);
    let serving =
        Serving { ports, open: open.clone(), keeper: keeper(1), box_key: None, send_timeout, inbox };
    serve(serving, Box::new(theirs), messages_out).await;
    let mut lines = Vec::new();
    while let Some(message) = said.recv().await {
        let Message::Said { said, .. } = message else { panic!("a session only says") };
        lines.push(match said {
            Said::Answer(answer) => format!("answer {}", answer.observation.fuel),
            Said::Late(answer) => format!("late {}", answer.observation.fuel),
            Said::Declined { reason, .. } => reason,
            other => format!("{other:?}"),
        });
    }
    lines
}

fn opened() -> Open {
    let open = Open::default();
    open.open(&assignment(1), None);
    open
}

#[tokio::test]
async fn words_of_one_keeper_are_passed_on_in_their_order_wherever_they_wait() {
    for before in 0..=3 {
        let words = (1..=9).map(|fuel| answer(fuel, 1)).collect();
        let expected: Vec<_> = (1..=9).map(|fuel| format!("answer {fuel}")).collect();
        assert_eq!(passed_on(before, &opened(), words).await, expected, "after {before} of others");
    }
}

#[tokio::test]
async fn a_claim_is_checked_wherever_it_may_count_and_nowhere_else() {
    let forged = "the claim is not signed by its keeper";
    assert_eq!(passed_on(0, &opened(), vec![answer(1, 2)]).await, [forged]);
    assert_eq!(
        passed_on(2, &opened(), vec![answer(1, 2)]).await,
        [forged],
        "a spare one that is needed after all"
    );
    assert_eq!(
        passed_on(0, &Open::default(), vec![answer(1, 2)]).await,
        ["late 1"],
        "nothing follows from it"
    );
}
