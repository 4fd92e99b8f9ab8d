//! What is held right now.

use std::{collections::BTreeMap, num::NonZeroU16};

use argus_domain::lease::{Fence, ServiceKind, Shard, Token};
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
    shards: NonZeroU16,
    held: watch::Receiver<Held>,
}

pub(crate) fn channel(kind: ServiceKind, shards: NonZeroU16) -> (watch::Sender<Held>, Handle) {
    let nothing = Held { until: Instant::now(), leases: BTreeMap::new(), losses: 0 };
    let (sender, held) = watch::channel(nothing);
    (sender, Handle { kind, shards, held })
}

impl Handle {
    /// What a write for the thing with this key has to carry; `None`: it is not this member's now. The clock is read
    /// here, so that the answer is right however long ago the member's life went on.
    pub fn fence_of(&self, key: &[u8]) -> Option<Fence> {
        self.fence(Shard::of(self.kind, key, self.shards).no)
    }

    /// The same for a shard by its number.
    pub fn fence(&self, no: u16) -> Option<Fence> {
        let held = self.held.borrow();
        let token = held.leases.get(&no).copied().filter(|_| Instant::now() < held.until)?;
        Some(self.fenced(no, token))
    }

    /// All that is held now, by number.
    pub fn held(&self) -> Vec<Fence> {
        let held = self.held.borrow();
        if Instant::now() >= held.until {
            return Vec::new();
        }
        held.leases.iter().map(|(no, token)| self.fenced(*no, *token)).collect()
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

    fn fenced(&self, no: u16, token: Token) -> Fence {
        Fence { shard: Shard { kind: self.kind, no }, token }
    }
}
