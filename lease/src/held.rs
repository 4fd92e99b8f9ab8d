//! What is held right now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argus_domain::{
    ids::JobId,
    lease::{Fence, ServiceKind, Shard, Token},
};
use tokio::{sync::watch, time::Instant};

/// The shards that a member holds until an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub until: Instant,
    pub leases: BTreeMap<u16, Token>,
    /// How often all of them were lost at once, since the member began.
    pub losses: u64,
}

/// What a service has of its member. Clones look at the same one.
#[derive(Debug, Clone)]
pub struct Handle {
    kind: ServiceKind,
    held: watch::Receiver<Held>,
    /// Fences that a store refused while the member still held them.
    refused: Arc<Mutex<BTreeSet<Fence>>>,
}

pub(crate) fn channel(kind: ServiceKind) -> (watch::Sender<Held>, Handle) {
    let nothing = Held { until: Instant::now(), leases: BTreeMap::new(), losses: 0 };
    let (sender, held) = watch::channel(nothing);
    (sender, Handle { kind, held, refused: Arc::default() })
}

impl Handle {
    /// What a write for this shard has to carry; `None`: it is not this member's now. The clock is read here, so that the
    /// answer is right however long ago the member's life went on.
    pub fn fence(&self, no: u16) -> Option<Fence> {
        let held = self.held.borrow();
        let token = held.leases.get(&no).copied().filter(|_| Instant::now() < held.until)?;
        let fence = self.fenced(no, token);
        (!self.refusals().contains(&fence)).then_some(fence)
    }

    /// The same for the shard of a job, of a service whose keys are jobs.
    pub fn fence_of_job(&self, job: JobId) -> Option<Fence> {
        self.fence(Shard::of_job(job).no)
    }

    /// All that is held now, by number.
    pub fn held(&self) -> Vec<Fence> {
        let held = self.held.borrow();
        if Instant::now() >= held.until {
            return Vec::new();
        }
        let mut fences: Vec<Fence> = held.leases.iter().map(|(no, token)| self.fenced(*no, *token)).collect();
        let mut refusals = self.refusals();
        refusals.retain(|fence| fences.contains(fence));
        fences.retain(|fence| !refusals.contains(fence));
        fences
    }

    /// Notes that a store has refused a write under this fence: another member has the shard, whatever this one
    /// believes, and from now on it is not held here under that token. Whether that is new.
    pub fn refused(&self, fence: Fence) -> bool {
        self.refusals().insert(fence)
    }

    /// How often the member held shards and its session ended all the same: the store did not answer it, or it stood
    /// still.
    pub fn losses(&self) -> u64 {
        self.held.borrow().losses
    }

    /// Returns once other shards are held than when this was last called, or with other tokens; false: the member's
    /// life is over.
    pub async fn changed(&mut self) -> bool {
        self.held.changed().await.is_ok()
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeSet<Fence>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fenced(&self, no: u16, token: Token) -> Fence {
        Fence { shard: Shard { kind: self.kind, no }, token }
    }
}
