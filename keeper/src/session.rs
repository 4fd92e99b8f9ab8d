//! The stream to the platform: dialled by the keeper, kept up, and dialled again.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use argus_domain::{
    attempt::{Assignment, SecondRound, SignedAssignment},
    ids::{AttemptNo, TaskId},
    keeper::KeeperHello,
    time::Timestamp,
};
use argus_ports::{FromKeeper, KeeperSession, LinkError, PerformEvent, SignedHello, ToKeeper};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tracing::Instrument;

use crate::{
    Inner,
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
                tokio::select! {
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
            Err(error) => tracing::warn!(keeper = %keeper.id, %error, "cannot connect"),
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
    };
    let signature = keeper
        .ports
        .signer
        .sign(SignedHello::digest(&hello, nonce))
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
        ToKeeper::Assign(signed) => assigned(keeper, *signed, runs),
        ToKeeper::Second(round) => second_round(keeper, *round, runs),
        ToKeeper::Perform(order) => {
            let (task, chain) = (order.task.id, order.agreed.call.chain);
            let Err(reason) = keeper.hand_to_performer(chain, *order) else { return };
            let event = PerformEvent::Declined { task, keeper: keeper.id, reason };
            say(keeper, FromKeeper::Performed(event), runs);
        }
    }
}

fn assigned(keeper: &Arc<Inner>, signed: SignedAssignment, runs: &mut JoinSet<()>) {
    let (task, attempt) = (signed.assignment.task.id, signed.assignment.attempt.no);
    let deadline = signed.assignment.attempt.deadline;
    if !keeper.held.begin(task, attempt) {
        // It is running already; its answer goes out when it is there.
        return;
    }
    let work = keeper.clone();
    let answer = async move {
        let result = run::answer(&work, &signed).await;
        work.held.end(task, attempt, result.is_ok().then(|| Arc::new(signed.assignment)));
        result.map(|answer| FromKeeper::Answer(Box::new(answer)))
    };
    spawn(keeper, &keeper.slots, (task, attempt, deadline), runs, answer);
}

fn second_round(keeper: &Arc<Inner>, round: SecondRound, runs: &mut JoinSet<()>) {
    let (task, attempt) = (round.task, round.attempt);
    let Some(assignment) = keeper.held.get(task, attempt) else {
        let why = Decline::Round("the attempt's first round is not known here".to_owned());
        return say(keeper, declined(task, attempt, &why), runs);
    };
    let deadline = assignment.attempt.deadline;
    let work = keeper.clone();
    let sign = async move {
        let claim = second::sign(&work, &assignment, round).await?;
        Ok(FromKeeper::Signed(Box::new(claim)))
    };
    spawn(keeper, &keeper.replays, (task, attempt, deadline), runs, sign);
}

/// Runs one piece of work in a slot of its own until the attempt's deadline, and sends what came of it.
fn spawn(
    keeper: &Arc<Inner>,
    slots: &Arc<Semaphore>,
    (task, attempt, deadline): (TaskId, AttemptNo, Timestamp),
    runs: &mut JoinSet<()>,
    work: impl Future<Output = Result<FromKeeper, Decline>> + Send + 'static,
) {
    let Ok(slot) = slots.clone().try_acquire_owned() else {
        keeper.held.end(task, attempt, None);
        return say(keeper, declined(task, attempt, &Decline::Busy(keeper.config.capacity)), runs);
    };
    let left = deadline.since(keeper.ports.clock.now());
    let keeper = keeper.clone();
    let span = tracing::info_span!("run", keeper = %keeper.id, %task, attempt = attempt.0);
    let named = async move {
        let result = match timeout(left, work).await {
            Ok(result) => result,
            Err(_) => {
                keeper.held.end(task, attempt, None);
                Err(Decline::Objection(crate::Objection::Late))
            }
        };
        let message = result.unwrap_or_else(|why| {
            tracing::info!(%why, "declined");
            declined(task, attempt, &why)
        });
        drop(slot);
        // Waits for room as long as the platform does not take messages: that is what slows a keeper down.
        let _closing = keeper.outbox.send(message).await;
    };
    runs.spawn(named.instrument(span));
}

fn declined(task: TaskId, attempt: AttemptNo, why: &Decline) -> FromKeeper {
    FromKeeper::Declined { task, attempt, reason: why.to_string() }
}

/// Puts a small message into the outbox, in a task of its own where that is full: reading must go on.
fn say(keeper: &Arc<Inner>, message: FromKeeper, runs: &mut JoinSet<()>) {
    if let Err(mpsc::error::TrySendError::Full(message)) = keeper.outbox.try_send(message) {
        if runs.len() > SAID_MAX {
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

/// Attempts in hand and lately answered: a second round needs the assignment of the first.
#[derive(Default)]
pub struct Held(std::sync::Mutex<Attempts>);

type Attempts = std::collections::BTreeMap<(TaskId, AttemptNo), Option<Arc<Assignment>>>;

/// Answered attempts kept for a second round. An attempt lasts seconds: this is minutes of a busy keeper's work.
const HELD_MAX: usize = 2048;

impl Held {
    fn lock(&self) -> std::sync::MutexGuard<'_, Attempts> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Notes that an attempt is being run; false where it is already.
    fn begin(&self, task: TaskId, attempt: AttemptNo) -> bool {
        let mut held = self.lock();
        match held.get(&(task, attempt)) {
            Some(None) => false,
            Some(Some(_)) | None => {
                held.insert((task, attempt), None);
                true
            }
        }
    }

    /// Notes how it ended: answered, or not.
    fn end(&self, task: TaskId, attempt: AttemptNo, answered: Option<Arc<Assignment>>) {
        let mut held = self.lock();
        let Some(assignment) = answered else {
            if let Some(None) = held.get(&(task, attempt)) {
                held.remove(&(task, attempt));
            }
            return;
        };
        if held.len() >= HELD_MAX {
            let soonest =
                held.iter().filter_map(|(key, a)| a.as_ref().map(|a| (a.attempt.deadline, *key))).min();
            if let Some((_, key)) = soonest {
                held.remove(&key);
            }
        }
        held.insert((task, attempt), Some(assignment));
    }

    fn get(&self, task: TaskId, attempt: AttemptNo) -> Option<Arc<Assignment>> {
        self.lock().get(&(task, attempt)).cloned().flatten()
    }
}
