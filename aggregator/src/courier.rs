//! What is told to others and may take its time: the actor hands it over and goes on.

use std::{convert::Infallible, sync::Arc, time::Duration};

use argus_domain::ids::{AttemptNo, KeeperId, TaskId};
use argus_ports::{AttemptOutcome, LinkError, PerformEvent};
use futures::{StreamExt, stream};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

use crate::ports::Ports;

/// One thing to be told.
#[derive(Debug)]
pub enum Errand {
    /// To the dispatcher: an attempt ended.
    Ended { task: TaskId, attempt: AttemptNo, outcome: AttemptOutcome },
    /// To the dispatcher: a performer said something.
    Performed(PerformEvent),
    /// To the keeper set: a keeper broke a rule.
    Fault { keeper: KeeperId, task: TaskId },
}

/// Errands on their way at once: hides the latency of a remote dispatcher.
const AT_ONCE: usize = 64;
/// Deadline of one try.
const TRY: Duration = Duration::from_secs(3);
/// After this the dispatcher has asked again, or its deadline has passed.
const GIVE_UP: Duration = Duration::from_secs(30);
/// Waits between tries: doubling from the first to the last.
const WAIT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Does errands until there can be no more.
pub async fn run(ports: Ports, errands: mpsc::Receiver<Errand>) {
    stream::unfold(errands, |mut errands| async move { Some((errands.recv().await?, errands)) })
        .for_each_concurrent(AT_ONCE, |errand| deliver(&ports, errand))
        .await;
}

async fn deliver(ports: &Ports, errand: Errand) {
    let give_up = Instant::now() + GIVE_UP;
    let mut wait = WAIT.0;
    loop {
        let sent = async {
            match &errand {
                Errand::Ended { task, attempt, outcome } => {
                    ports.outcomes.attempt_ended(*task, *attempt, outcome.clone()).await
                }
                Errand::Performed(event) => ports.outcomes.performed(event.clone()).await,
                Errand::Fault { keeper, task } => {
                    ports.keepers.fault(*keeper, *task).await.map_err(|e| LinkError::Gone(e.to_string()))
                }
            }
        };
        match timeout(TRY, sent).await {
            Ok(Ok(())) => return,
            Ok(Err(LinkError::Refused(why))) => {
                tracing::error!(why, ?errand, "refused");
                return;
            }
            Ok(Err(LinkError::Busy | LinkError::Gone(_))) | Err(_) => {}
        }
        if Instant::now() + wait >= give_up {
            tracing::warn!(?errand, "could not be told in time");
            return;
        }
        sleep(wait).await;
        wait = (wait * 2).min(WAIT.1);
    }
}

/// Least time between two nudges about the keeper set: when all keepers come back at once, one is enough.
const NUDGE_EVERY: Duration = Duration::from_millis(100);

/// Tells the dispatcher that the live keepers changed, as often as it is asked to and as it makes sense.
pub async fn nudge(ports: Ports, changed: Arc<Notify>) -> Infallible {
    loop {
        changed.notified().await;
        // A lost one costs a poll of the dispatcher's.
        if timeout(TRY, ports.outcomes.keepers_changed()).await.is_err() {
            tracing::debug!("the dispatcher does not answer");
        }
        sleep(NUDGE_EVERY).await;
    }
}
