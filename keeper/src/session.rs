//! The stream to the platform: dialled by the keeper, kept up, and dialled again.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    attempt::{SecondRound, SignedAssignment},
    ids::{AttemptNo, Round, TaskId},
    keeper::KeeperHello,
    time::Timestamp,
};
use argus_ports::{FromKeeper, KeeperSession, LinkError, PerformEvent, SignedHello, ToKeeper};
use bytes::Bytes;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::Instrument;

use crate::{
    Inner, Objection,
    recent::Key,
    run::{self, Decline},
    second,
};

type Session = Box<dyn KeeperSession<FromKeeper, ToKeeper>>;

/// A session that held so many heartbeats was a good one: the next dial starts from the shortest wait again.
const GOOD_BEATS: u32 = 5;

/// Keeps a session up for as long as the keeper lives. Runs go on while the stream is down; what they come to
/// waits in the outbox.
pub async fn run(keeper: Arc<Inner>, mut outbox: mpsc::Receiver<FromKeeper>) -> Infallible {
    let (shortest, longest) = keeper.config.reconnect;
    let mut runs = JoinSet::new();
    let mut unsent = None;
    let mut wait = shortest;
    loop {
        match dial(&keeper).await {
            Ok(session) => {
                let since = Instant::now();
                keeper.connected.send_replace(true);
                tracing::info!(keeper = %keeper.id, "connected");
                let mut unsigned = keeper.unsigned.subscribe();
                tokio::select! {
                    // Never closed: the keeper has the other end.
                    _ = unsigned.changed() => tracing::warn!(keeper = %keeper.id, "it leaves until its signer answers"),
                    () = read(&keeper, session.as_ref(), &mut runs) => {}
                    () = write(session.as_ref(), &mut outbox, &mut unsent) => {}
                    () = beat(&keeper, session.as_ref()) => {}
                }
                keeper.connected.send_replace(false);
                tracing::info!(keeper = %keeper.id, "the stream has ended");
                if since.elapsed() >= keeper.config.heartbeat * GOOD_BEATS {
                    wait = shortest;
                }
            }
            Err(error) => {
                keeper.metrics.dials_failed.add(1);
                tracing::warn!(keeper = %keeper.id, %error, "cannot connect");
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

async fn dial(keeper: &Inner) -> Result<Session, LinkError> {
    let late = || LinkError::Gone("no answer in time".to_owned());
    let link = &keeper.ports.link;
    let deadline = keeper.config.link_timeout;
    let nonce = timeout(deadline, link.nonce()).await.map_err(|_| late())??;
    let hello = KeeperHello {
        keeper: keeper.id,
        engines: [keeper.ports.runner.engine()].into(),
        chains: keeper.ports.readers.keys().copied().collect(),
        capacity: keeper.config.capacity,
        version: keeper.config.version.clone(),
        box_key: keeper.ports.letterbox.as_ref().map(|letterbox| letterbox.key()),
    };
    let signature = keeper
        .ports
        .signer
        .sign_digest(SignedHello::digest(&hello, nonce))
        .await
        .map_err(|e| LinkError::Refused(e.to_string()))?;
    let hello = SignedHello { hello, nonce, signature };
    timeout(deadline, link.connect(hello)).await.map_err(|_| late())?
}

async fn read(
    keeper: &Arc<Inner>,
    session: &dyn KeeperSession<FromKeeper, ToKeeper>,
    runs: &mut JoinSet<()>,
) {
    loop {
        tokio::select! {
            message = session.receive() => match message {
                Some(message) => take(keeper, message, runs),
                None => return,
            },
            Some(ended) = runs.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(keeper = %keeper.id, %error, "a run ended abruptly");
                }
            }
        }
    }
}

/// Sends what the outbox holds. A message that did not leave stays in `unsent` and goes first next time: the
/// platform takes a repeat for what it is.
async fn write(
    session: &dyn KeeperSession<FromKeeper, ToKeeper>,
    outbox: &mut mpsc::Receiver<FromKeeper>,
    unsent: &mut Option<FromKeeper>,
) {
    loop {
        if unsent.is_none() {
            *unsent = outbox.recv().await;
        }
        let Some(message) = unsent.as_ref() else { return };
        match session.send(message.clone()).await {
            Ok(()) => *unsent = None,
            // The link waited for a credit until its deadline already.
            Err(LinkError::Busy) => tracing::debug!("the platform takes no more messages for now"),
            Err(LinkError::Gone(_) | LinkError::Refused(_)) => return,
        }
    }
}

async fn beat(keeper: &Inner, session: &dyn KeeperSession<FromKeeper, ToKeeper>) {
    let mut ticks = interval(keeper.config.heartbeat);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match session.send(FromKeeper::Heartbeat { load: keeper.load() }).await {
            Ok(()) | Err(LinkError::Busy) => {}
            Err(LinkError::Gone(_) | LinkError::Refused(_)) => return,
        }
    }
}

fn take(keeper: &Arc<Inner>, message: ToKeeper, runs: &mut JoinSet<()>) {
    match message {
        ToKeeper::Assign { assignment, secrets } => assigned(keeper, assignment, secrets, runs),
        ToKeeper::Second { assignment, round } => second_round(keeper, assignment, *round, runs),
        ToKeeper::Perform(order) => {
            let (task, chain) = (order.task.id, order.agreed.call.chain);
            let Err(reason) = keeper.hand_to_performer(chain, *order) else { return };
            let event = PerformEvent::Declined { task, keeper: keeper.id, reason };
            say(keeper, FromKeeper::Performed(event), runs);
        }
    }
}

fn assigned(keeper: &Arc<Inner>, signed: SignedAssignment, secrets: Option<Bytes>, runs: &mut JoinSet<()>) {
    let work = Work::of(&signed, Round(1));
    // Asked again: its answer is on its way, or was lost. As with claims, the first one stands. Where the outbox is
    // full it is on its way for sure.
    if let Some(answer) = keeper.answers.get(&work.key()) {
        let answer = FromKeeper::Answer(Box::new(Arc::unwrap_or_clone(answer)));
        return keeper.outbox.try_send(answer).unwrap_or_default();
    }
    let inner = keeper.clone();
    spawn(keeper, &keeper.slots, work, runs, async move {
        let answer = Arc::new(run::answer(&inner, &signed, secrets.as_deref()).await?);
        inner.answers.put(work.key(), work.deadline, answer.clone(), inner.ports.clock.now());
        Ok(FromKeeper::Answer(Box::new(Arc::unwrap_or_clone(answer))))
    });
}

fn second_round(keeper: &Arc<Inner>, signed: SignedAssignment, round: SecondRound, runs: &mut JoinSet<()>) {
    let work = Work::of(&signed, Round(2));
    let inner = keeper.clone();
    spawn(keeper, &keeper.replays, work, runs, async move {
        let claim = second::answer(&inner, &signed, round).await?;
        Ok(FromKeeper::Signed(Box::new(claim)))
    });
}

/// A piece of work: of which attempt and round, and until when it is wanted.
#[derive(Debug, Clone, Copy)]
struct Work {
    task: TaskId,
    attempt: AttemptNo,
    round: Round,
    deadline: Timestamp,
}

impl Work {
    fn of(signed: &SignedAssignment, round: Round) -> Self {
        let attempt = &signed.assignment.attempt;
        Self { task: attempt.task, attempt: attempt.no, round, deadline: attempt.deadline }
    }

    fn key(&self) -> Key {
        (self.task, self.attempt)
    }

    fn declined(&self, why: &Decline) -> FromKeeper {
        let (task, attempt) = self.key();
        match why {
            Decline::Refuted { keeper, found } => {
                FromKeeper::Refuted { task, attempt, keeper: *keeper, found: found.clone() }
            }
            Decline::Objection(_)
            | Decline::Busy(_)
            | Decline::Content(_)
            | Decline::Secrets(_)
            | Decline::Short(_)
            | Decline::Inconclusive(_)
            | Decline::Signed
            | Decline::Round(_)
            | Decline::Diverged(_)
            | Decline::Own(_) => {
                let (reason, transient) = (why.to_string(), why.is_transient());
                FromKeeper::Declined { task, attempt, reason, transient }
            }
        }
    }
}

/// Runs one piece of work in a slot of its own until the attempt's deadline, and sends what came of it. One that is
/// under way already is not begun again: its answer goes out when it is there.
fn spawn(
    keeper: &Arc<Inner>,
    slots: &Arc<Semaphore>,
    work: Work,
    runs: &mut JoinSet<()>,
    answer: impl Future<Output = Result<FromKeeper, Decline>> + Send + 'static,
) {
    let Work { task, attempt, round, deadline } = work;
    let Ok(slot) = slots.clone().try_acquire_owned() else {
        let busy = Decline::Busy(keeper.config.capacity);
        keeper.metrics.declines.add(busy.name());
        return say(keeper, work.declined(&busy), runs);
    };
    let Some(under_way) = UnderWay::begin(keeper, (task, attempt, round)) else { return };
    let left = deadline.since(keeper.ports.clock.now());
    let keeper = keeper.clone();
    let span = tracing::info_span!("run", keeper = %keeper.id, %task, attempt = attempt.0, round = round.0);
    let named = async move {
        let result = timeout(left, answer).await.unwrap_or(Err(Decline::Objection(Objection::Late)));
        if result.is_ok() {
            keeper.metrics.answers.add(1);
        }
        let message = result.unwrap_or_else(|why| {
            keeper.metrics.declines.add(why.name());
            tracing::info!(%why, "declined");
            work.declined(&why)
        });
        drop((slot, under_way));
        // Waits for room as long as the platform does not take messages: that is what slows a keeper down.
        let _closing = keeper.outbox.send(message).await;
    };
    runs.spawn(named.instrument(span));
}

/// What a keeper has in hand.
pub type InHand = Mutex<BTreeSet<(TaskId, AttemptNo, Round)>>;

/// An entry of [`InHand`], taken out again however the work ends.
struct UnderWay {
    keeper: Arc<Inner>,
    key: (TaskId, AttemptNo, Round),
}

impl UnderWay {
    /// `None`: it is in hand already.
    fn begin(keeper: &Arc<Inner>, key: (TaskId, AttemptNo, Round)) -> Option<Self> {
        let is_new = keeper.in_hand.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        is_new.then(|| Self { keeper: keeper.clone(), key })
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.keeper.in_hand.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// Puts a small message into the outbox, in a task of its own where that is full: reading must go on.
fn say(keeper: &Arc<Inner>, message: FromKeeper, runs: &mut JoinSet<()>) {
    if let Err(mpsc::error::TrySendError::Full(message)) = keeper.outbox.try_send(message) {
        if runs.len() > SAID_MAX {
            keeper.metrics.dropped.add(1);
            tracing::warn!(keeper = %keeper.id, "a message was dropped: the platform takes none");
            return;
        }
        let outbox = keeper.outbox.clone();
        runs.spawn(async move {
            let _closing = timeout(SAY_WITHIN, outbox.send(message)).await;
        });
    }
}

/// Refusals that wait for room in the outbox; past them the platform's own deadlines have to do.
const SAID_MAX: usize = 1024;
/// After this a refusal is of no use to anyone.
const SAY_WITHIN: Duration = Duration::from_secs(30);
