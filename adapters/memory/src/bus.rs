//! The process-local event bus.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use argus_domain::{
    ids::{JobId, TaskId},
    time::Timestamp,
};
use argus_ports::{
    Change, ChangeKind, EventBus, Room, StoreError,
    store::watch::{Receive, Received, Receiver},
};
use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::lock;

/// How far a subscriber may lag before it is told to read from the bus: about a second of the busiest process.
const LAG_MAX: usize = 16_384;

/// Changes since the process began. Clones share one bus.
#[derive(Clone)]
pub struct MemoryBus {
    kept: Arc<Mutex<Kept>>,
    live: broadcast::Sender<Change>,
}

#[derive(Default)]
struct Kept {
    changes: Vec<Change>,
    seen: BTreeSet<(TaskId, ChangeKind, Timestamp)>,
    last_seq: BTreeMap<JobId, u64>,
}

impl MemoryBus {
    /// An empty bus.
    pub fn new() -> Self {
        Self { kept: Arc::default(), live: broadcast::Sender::new(LAG_MAX) }
    }
}

impl Default for MemoryBus {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventBus for MemoryBus {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        let mut kept = lock(&self.kept);
        let mut new = Vec::with_capacity(changes.len());
        for mut change in changes {
            let at = match change.kind {
                ChangeKind::Received | ChangeKind::Revoked => change.at,
                ChangeKind::Created
                | ChangeKind::Settled
                | ChangeKind::Broadcast
                | ChangeKind::Confirmed
                | ChangeKind::Lapsed => Timestamp(0),
            };
            if !kept.seen.insert((change.task, change.kind, at)) {
                continue;
            }
            let seq = kept.last_seq.entry(change.job).or_default();
            *seq += 1;
            change.seq = *seq;
            kept.changes.push(change.clone());
            new.push(change.clone());
            // Sent under the lock so that subscribers see the order of the bus; nobody listening is no fault.
            let _ = self.live.send(change);
        }
        Ok(new)
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        let kept = lock(&self.kept);
        let placed = kept.changes.iter().zip(1u64..);
        let found = placed.filter_map(|(change, position)| match room {
            Room::Job(job) => (change.job == job && change.seq > after).then(|| (change.seq, change.clone())),
            Room::Owner(owner) => {
                (change.owner == owner && position > after).then(|| (position, change.clone()))
            }
        });
        Ok(found.take(limit as usize).collect())
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        Ok(self.since(room, 0, u32::MAX).await?.last().map_or(0, |(position, _)| *position))
    }

    fn subscribe(&self) -> Receiver {
        Box::new(Subscription(self.live.subscribe()))
    }
}

struct Subscription(broadcast::Receiver<Change>);

#[async_trait]
impl Receive for Subscription {
    async fn next(&mut self) -> Received {
        match self.0.recv().await {
            Ok(change) => Received::Change(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Received::Lagged,
            Err(broadcast::error::RecvError::Closed) => Received::Closed,
        }
    }
}
