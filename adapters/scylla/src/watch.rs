//! Delivery of published changes. One task follows the log and hands on what comes: at once when this process published
//! it, and by polling when another one did.

use std::{sync::Arc, time::Duration};

use argus_ports::{
    Change,
    store::watch::{Receive, Received, Receiver},
};
use async_trait::async_trait;
use tokio::{sync::broadcast, task::JoinSet, time::timeout};

use crate::log::Log;

/// How far a subscriber may lag before it is told to read from the bus: about a second of the busiest platform.
const LAG_MAX: usize = 16_384;
/// After so many looks at the log it is made sure that nothing of it is left out of its room.
const FINISH_EVERY: u32 = 64;

pub(crate) struct Watch {
    live: broadcast::Sender<(u64, Change)>,
    /// Ends with the store.
    _follower: JoinSet<()>,
}

impl Watch {
    pub(crate) fn start(log: Arc<Log>, poll_every: Duration) -> Self {
        let live = broadcast::Sender::new(LAG_MAX);
        let mut follower = JoinSet::new();
        follower.spawn(follow(log, live.clone(), poll_every));
        Self { live, _follower: follower }
    }

    pub(crate) fn subscribe(&self, after: u64) -> Receiver {
        Box::new(Subscription { receiver: self.live.subscribe(), after })
    }
}

async fn follow(log: Arc<Log>, live: broadcast::Sender<(u64, Change)>, poll_every: Duration) {
    let mut position = log.newest();
    let (mut is_failing, mut looks) = (false, 0u32);
    loop {
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(FINISH_EVERY)
            && let Err(e) = log.finish().await
        {
            tracing::debug!(%e, "what others left unfinished cannot be looked for");
        }
        match log.after(position).await {
            Ok(found) => {
                is_failing = false;
                let is_more = !found.is_empty();
                for (next, change) in found {
                    position = next;
                    // Nobody left to hear it is no fault.
                    let _ = live.send((next, change));
                }
                log.advance(position);
                if is_more {
                    continue;
                }
            }
            Err(e) => {
                if !is_failing {
                    tracing::warn!(%e, "published changes cannot be read; trying again");
                }
                is_failing = true;
            }
        }
        // Either will do.
        let _ = timeout(poll_every, log.bell.notified()).await;
    }
}

struct Subscription {
    receiver: broadcast::Receiver<(u64, Change)>,
    /// What was there before this subscription belongs to others.
    after: u64,
}

#[async_trait]
impl Receive for Subscription {
    async fn next(&mut self) -> Received {
        loop {
            match self.receiver.recv().await {
                Ok((position, _)) if position <= self.after => {}
                Ok((_, change)) => return Received::Change(change),
                Err(broadcast::error::RecvError::Lagged(_)) => return Received::Lagged,
                Err(broadcast::error::RecvError::Closed) => return Received::Closed,
            }
        }
    }
}
