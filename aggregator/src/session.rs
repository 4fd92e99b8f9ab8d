//! One keeper's stream: what it sends is checked here, in the session's own task, before it counts for anything.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    B256,
    attempt::{Answer, SignedClaim, log_name, seal_name},
    bundle::AssignmentSeal,
    difference::Refutation,
    ids::{AttemptNo, KeeperId, Round, TaskId},
    state::State,
};
use argus_ports::{ContentError, FromKeeper, KeeperSession, LinkError, PerformEvent, ToKeeper};
use bytes::Bytes;
use futures::{
    StreamExt,
    future::{join, join_all},
    stream::FuturesOrdered,
};
use tokio::{sync::mpsc, time::timeout};

use crate::{
    credits::Key,
    inbox::Message,
    open::{Open, Place},
    ports::Ports,
    secrets,
};

/// The stream itself.
pub type Stream = Box<dyn KeeperSession<ToKeeper, FromKeeper>>;

/// Messages of one keeper that are checked and archived at once: hides the archive's latency, and bounds what one
/// keeper can have us hold.
const CHECKED_AT_ONCE: usize = 32;

/// Answers of one keeper that wait whether they are needed: as many as come in that time at some thousands a second.
const SPARES_AT_ONCE: usize = 256;

/// How long an answer waits that comes after enough others. Where these agree it need not be checked.
const SPARE_WAIT: Duration = Duration::from_millis(10);

/// Tries at archiving one blob, and the wait between them. A blob that is lost costs a replay, never a task.
const ARCHIVE_TRIES: u32 = 4;
const ARCHIVE_WAIT: Duration = Duration::from_millis(100);

/// What a keeper said, checked.
#[derive(Debug)]
pub enum Said {
    /// Its answer, signatures good, transcript archived.
    Answer(Box<Answer>),
    /// Its answer to an attempt that is over: good, but for its claim, which was not checked. Nothing is archived.
    Late(Box<Answer>),
    /// Its claim for round 2, signature good.
    Signed(Box<SignedClaim>),
    /// It takes no part, or what it sent does not hold.
    Declined { task: TaskId, attempt: AttemptNo, reason: String, transient: bool },
    /// The run of another keeper, by its replay, does not come to what that one signed.
    Refuted { task: TaskId, attempt: AttemptNo, accused: KeeperId, found: Box<Refutation> },
    /// About a call that was handed to it.
    Performed(PerformEvent),
    /// It lives.
    Beat { load: u32 },
}

/// What a session needs besides its stream.
pub struct Serving {
    /// Ports of the aggregator.
    pub ports: Ports,
    /// Attempts that answers can count for.
    pub open: Open,
    /// Whose session it is.
    pub keeper: KeeperId,
    /// To what its secrets are sealed.
    pub box_key: Option<B256>,
    /// Deadline of one message to the keeper.
    pub send_timeout: Duration,
    /// Where what it said goes.
    pub inbox: mpsc::Sender<Message>,
}

/// Serves a stream until it ends: sends what comes through `outbox`, passes on what holds to the aggregator.
pub async fn serve(serving: Serving, stream: Stream, mut outbox: mpsc::Receiver<ToKeeper>) {
    let Serving { keeper, send_timeout, ref inbox, .. } = serving;
    let reading = async {
        let mut checks = FuturesOrdered::new();
        // In order: of two answers to one attempt the first counts.
        let mut spares = FuturesOrdered::new();
        let mut is_open = true;
        while is_open || !checks.is_empty() || !spares.is_empty() {
            let has_room = checks.len() < CHECKED_AT_ONCE && spares.len() < SPARES_AT_ONCE;
            let said = tokio::select! {
                message = stream.receive(), if is_open && has_room => {
                    match message {
                        Some(message) => checks.push_back(check(&serving, message)),
                        None => is_open = false,
                    }
                    continue;
                }
                Some(checked) = checks.next() => match checked {
                    Checked::Said(said) => said,
                    Checked::Spare(answer) => {
                        spares.push_back(spare(&serving, answer));
                        continue;
                    }
                    Checked::Nothing => continue,
                },
                Some(said) = spares.next() => said,
            };
            // Waits while the aggregator is busy; closed only while it is being dropped.
            if inbox.send(Message::Said { keeper, said }).await.is_err() {
                return;
            }
        }
    };
    let writing = async {
        while let Some(message) = outbox.recv().await {
            let message = match secrets::added(&serving, message).await {
                Ok(message) => message,
                Err(said) => match inbox.send(Message::Said { keeper, said }).await {
                    Ok(()) => continue,
                    Err(_) => return "the aggregator has stopped",
                },
            };
            match timeout(send_timeout, stream.send(message)).await {
                Ok(Ok(())) => {}
                Ok(Err(LinkError::Busy)) | Err(_) => return "it takes no more messages",
                Ok(Err(LinkError::Gone(_) | LinkError::Refused(_))) => return "it is gone",
            }
        }
        "another session has replaced it"
    };
    let why = tokio::select! {
        () = reading => "it closed the stream",
        why = writing => why,
    };
    tracing::info!(%keeper, why, "a keeper's session has ended");
}

/// What a message came to.
enum Checked {
    Said(Said),
    /// An answer that may not be needed, and was not checked.
    Spare(Box<Answer>),
    Nothing,
}

async fn check(serving: &Serving, message: FromKeeper) -> Checked {
    let Serving { ref ports, ref open, keeper, .. } = *serving;
    let said = match message {
        FromKeeper::Answer(answer) => match open.answered(&key(&answer)) {
            Place::Over => late(serving, answer),
            Place::Needed => needed(serving, answer).await,
            Place::Spare => return Checked::Spare(answer),
        },
        FromKeeper::Signed(claim) => match claim_fault(ports, keeper, &claim, Round(2)) {
            None => Said::Signed(claim),
            Some(reason) => refused(keeper, claim.task, claim.attempt, reason),
        },
        FromKeeper::Declined { task, attempt, reason, transient } => {
            Said::Declined { task, attempt, reason, transient }
        }
        FromKeeper::Refuted { task, attempt, keeper: accused, found } => {
            Said::Refuted { task, attempt, accused, found }
        }
        FromKeeper::Performed(event) => {
            let (PerformEvent::Broadcast { keeper: named, .. }
            | PerformEvent::Declined { keeper: named, .. }) = &event;
            if *named != keeper {
                tracing::warn!(%keeper, %named, "a keeper speaks for another: ignored");
                return Checked::Nothing;
            }
            Said::Performed(event)
        }
        FromKeeper::Heartbeat { load } => Said::Beat { load },
    };
    Checked::Said(said)
}

fn key(answer: &Answer) -> Key {
    (answer.observation.task, answer.observation.attempt)
}

/// An answer that counts if it holds.
async fn needed(serving: &Serving, answer: Box<Answer>) -> Said {
    let Serving { ref ports, keeper, .. } = *serving;
    let claim = answer.claim.as_ref();
    let fault = fault(ports, keeper, &answer)
        .or_else(|| claim.and_then(|claim| claim_fault(ports, keeper, claim, Round(1))));
    if let Some(reason) = fault {
        return declined(keeper, &answer, reason);
    }
    if let Some(reason) = archive(serving, &answer).await {
        return declined(keeper, &answer, reason);
    }
    Said::Answer(answer)
}

/// An answer to an attempt that is over. Its claim, whose signature is the dearest to check, is not looked at.
fn late(serving: &Serving, answer: Box<Answer>) -> Said {
    let Serving { ref ports, keeper, .. } = *serving;
    match fault(ports, keeper, &answer) {
        None => Said::Late(answer),
        Some(reason) => declined(keeper, &answer, reason),
    }
}

/// Waits a moment, after which the answers that came before have decided their attempt if they can.
async fn spare(serving: &Serving, answer: Box<Answer>) -> Said {
    tokio::time::sleep(SPARE_WAIT).await;
    if serving.open.has(&key(&answer)) { needed(serving, answer).await } else { late(serving, answer) }
}

fn declined(keeper: KeeperId, answer: &Answer, reason: &str) -> Said {
    let (task, attempt) = key(answer);
    refused(keeper, task, attempt, reason)
}

fn refused(keeper: KeeperId, task: TaskId, attempt: AttemptNo, reason: &str) -> Said {
    tracing::warn!(%keeper, %task, attempt = attempt.0, reason, "an answer does not hold");
    Said::Declined { task, attempt, reason: reason.to_owned(), transient: false }
}

/// What is wrong with an answer beside its claim's signature, as far as it can be said from the answer alone.
fn fault(ports: &Ports, keeper: KeeperId, answer: &Answer) -> Option<&'static str> {
    let observation = &answer.observation;
    if observation.keeper != keeper {
        return Some("the observation names another keeper");
    }
    if !ports.signer.is_sealed_by(keeper.0, observation.digest(), &observation.seal) {
        return Some("the observation is not signed by its keeper");
    }
    if answer.transcript.root() != observation.transcript_root || !answer.transcript.is_whole() {
        return Some("the transcript is not the one that the observation commits to");
    }
    let unbrought = |state: &Arc<State>| observation.state != Some(state.root());
    if answer.state.as_ref().is_some_and(unbrought) {
        return Some("the state is not the one that the observation commits to");
    }
    let claim = answer.claim.as_ref()?;
    ((claim.task, claim.attempt) != key(answer))
        .then_some("the claim is for another attempt than the observation")
}

/// What is wrong with a claim.
fn claim_fault(ports: &Ports, keeper: KeeperId, claim: &SignedClaim, round: Round) -> Option<&'static str> {
    if claim.keeper != keeper {
        return Some("the claim names another keeper");
    }
    if claim.round != round {
        return Some("the claim is for another round");
    }
    if ports.signer.recover(claim.digest, &claim.signature) != Some(keeper.0) {
        return Some("the claim is not signed by its keeper");
    }
    None
}

/// Keeps transcript, log and state before the answer counts, so that an agreed run can be replayed; with the first of
/// an attempt also what the platform sealed, so that it can be shown what was asked for. Without its state an answer
/// cannot count: the job's next task would have nothing to run on.
async fn archive(Serving { ports, open, .. }: &Serving, answer: &Answer) -> Option<&'static str> {
    let o = &answer.observation;
    let mut blobs = Vec::new();
    if !answer.transcript.calls.is_empty() {
        blobs.extend(written(serde_json::to_vec(&answer.transcript)).map(|bytes| (o.transcript_root, bytes)));
    }
    if !answer.log.is_empty() {
        blobs.push((log_name(o.task, o.attempt, o.keeper), answer.log.clone().into_bytes().into()));
    }
    if !blobs.is_empty()
        && let Some(seal) = open.take_seal(&key(answer))
    {
        let sealed = AssignmentSeal { attempt: o.attempt, by: ports.signer.address(), seal };
        blobs.extend(written(serde_json::to_vec(&sealed)).map(|bytes| (seal_name(o.task, o.attempt), bytes)));
    }
    // Side by side: they share a commit.
    let blobs = join_all(blobs.into_iter().map(|(name, bytes)| put(ports, name, bytes)));
    let state = async {
        let Some(state) = &answer.state else { return true };
        tried(state.root(), || ports.archive.put_state(state)).await
    };
    let (_, kept) = join(blobs, state).await;
    (!kept).then_some("the platform cannot keep its state now")
}

fn written(bytes: serde_json::Result<Vec<u8>>) -> Option<Bytes> {
    bytes.inspect_err(|error| tracing::error!(%error, "a blob cannot be written down")).ok().map(Into::into)
}

async fn put(ports: &Ports, name: B256, bytes: Bytes) {
    tried(name, || ports.archive.put(name, bytes.clone())).await;
}

/// Whether one of some tries has kept it.
async fn tried<F>(name: B256, put: impl Fn() -> F) -> bool
where
    F: Future<Output = Result<(), ContentError>>,
{
    for attempt in 1..=ARCHIVE_TRIES {
        match put().await {
            Ok(()) => return true,
            Err(error) => tracing::warn!(%name, %error, attempt, "archiving failed"),
        }
        tokio::time::sleep(ARCHIVE_WAIT * attempt).await;
    }
    false
}

#[cfg(test)]
mod tests;
