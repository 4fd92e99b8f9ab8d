//! The keepers that are connected: their streams and what they have in hand.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use argus_domain::{attempt::Assignment, ids::KeeperId, keeper::KeeperHello, time::Timestamp};
use argus_ports::ToKeeper;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, Id, JoinSet},
};

use crate::{
    credits::{Added, Credits, Key},
    session::{self, Serving, Stream},
};

/// Messages that wait for one keeper's stream besides its credits: handoffs and second rounds. The dispatcher decides
/// on hundreds of tasks at once and what does not fit here is lost until it reminds, so a few of its batches.
const STREAM_EXTRA: usize = 4096;
/// Credits are not given for more runs at once than this, whatever a keeper says of itself.
const CAPACITY_MAX: u32 = 4096;

struct Connected {
    outbox: mpsc::Sender<ToKeeper>,
    task: AbortHandle,
    credits: Credits,
}

/// The keepers' sessions, each in a task of its own. Dropping it ends them all.
#[derive(Default)]
pub struct Roster {
    keepers: BTreeMap<KeeperId, Connected>,
    sessions: JoinSet<()>,
    by_task: HashMap<Id, KeeperId>,
}

impl Roster {
    /// Takes a session in, in the place of the keeper's former one if there is one.
    pub fn admit(&mut self, hello: &KeeperHello, stream: Stream, serving: Serving) {
        let keeper = hello.keeper;
        let capacity = hello.capacity.min(CAPACITY_MAX);
        let (outbox, messages) = mpsc::channel(capacity as usize + STREAM_EXTRA);
        let task = self.sessions.spawn(session::serve(serving, stream, messages));
        self.by_task.insert(task.id(), keeper);
        let credits = Credits::new(capacity);
        if let Some(old) = self.keepers.insert(keeper, Connected { outbox, task, credits }) {
            self.cut(&old);
        }
    }

    /// Ends a keeper's session.
    pub fn remove(&mut self, keeper: KeeperId) {
        if let Some(old) = self.keepers.remove(&keeper) {
            self.cut(&old);
        }
    }

    fn cut(&mut self, old: &Connected) {
        self.by_task.remove(&old.task.id());
        old.task.abort();
    }

    /// The next keeper whose session ends by itself. Cancel safe; waits for ever where there is none.
    pub async fn next_gone(&mut self) -> KeeperId {
        loop {
            let id = match self.sessions.join_next_with_id().await {
                Some(Ok((id, ()))) => id,
                Some(Err(error)) => {
                    if error.is_panic() {
                        tracing::error!(%error, "a keeper's session ended abruptly");
                    }
                    error.id()
                }
                None => return std::future::pending().await,
            };
            // One that was cut off or replaced is not known any more.
            if let Some(keeper) = self.by_task.remove(&id) {
                self.keepers.remove(&keeper);
                return keeper;
            }
        }
    }

    /// Who is connected.
    pub fn connected(&self) -> impl Iterator<Item = KeeperId> {
        self.keepers.keys().copied()
    }

    /// Adds to what waits for a keeper's credits; `None`: it is not connected.
    pub fn add(&mut self, keeper: KeeperId, work: Arc<Assignment>, waiting_max: usize) -> Option<Added> {
        self.keepers.get_mut(&keeper).map(|known| known.credits.add(work, waiting_max))
    }

    /// A keeper is done with an attempt.
    pub fn release(&mut self, keeper: KeeperId, key: Key) {
        if let Some(known) = self.keepers.get_mut(&keeper) {
            known.credits.release(key);
        }
    }

    /// What has waited and has a credit now.
    pub fn ready(
        &mut self,
        now: Timestamp,
        is_open: impl Fn(&Key) -> bool,
    ) -> Vec<(KeeperId, Arc<Assignment>)> {
        let mut ready = Vec::new();
        for (keeper, known) in &mut self.keepers {
            while let Some(assignment) = known.credits.next(now, &is_open) {
                ready.push((*keeper, assignment));
            }
        }
        ready
    }

    /// Sends; never waits: a keeper whose stream is full is slow or gone, and deadlines deal with both.
    pub fn put(&self, keeper: KeeperId, message: ToKeeper) -> bool {
        let Some(known) = self.keepers.get(&keeper) else {
            tracing::debug!(%keeper, "a message for a keeper that is not connected");
            return false;
        };
        let sent = known.outbox.try_send(message).is_ok();
        if !sent {
            tracing::warn!(%keeper, "a keeper's stream is full");
        }
        sent
    }
}
