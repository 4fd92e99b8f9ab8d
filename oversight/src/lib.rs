//! The five that watch: who may sign (registrar), what the chain says (monitor), which jobs it knows otherwise than they
//! are stored (reconciler), whether the runs were honest (challenger) and who is alive (health).
//!
//! Each takes a configuration and ports and gives a future that runs until it is dropped, at whatever it waits for: each
//! begins with what the store and the chains say. None of them decides a task: they record what they see and nudge the
//! dispatcher. They never send a transaction.
//!
//! Of several processes with this role one does all of it, by a lease ([`Term`]).

pub mod challenger;
pub mod health;
pub mod monitor;
pub mod reconciler;
pub mod registrar;
mod term;

pub use term::Term;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{chain::Contracts, ids::ChainId, time::Timestamp};
use argus_ports::ChainReader;

/// A chain as the watchers see it.
#[derive(Clone)]
pub struct WatchedChain {
    /// Reads it.
    pub reader: Arc<dyn ChainReader>,
    /// Our contracts there; `None` where keepers call targets themselves (mode `Solo`).
    pub contracts: Option<Contracts>,
    /// A block before which they logged nothing: where a registry that is met for the first time is read from.
    pub contracts_from: u64,
    /// Blocks on top of a receipt's own before it is final.
    pub confirmations: u64,
    /// Age of a receipt's block, by its own time, before it is final besides: what a development chain loses when it
    /// is killed, whatever lies on top. Zero for a chain that many nodes keep.
    pub settle: Duration,
}

impl WatchedChain {
    /// Whether a block that stands on this chain will stay there.
    fn is_final(&self, head: u64, now: Timestamp, number: u64, time: Timestamp) -> bool {
        // A chain's clock may be ahead of ours, which says nothing where no age is asked for.
        let is_settled = self.settle.is_zero() || now >= time + self.settle;
        is_settled && head >= number.saturating_add(self.confirmations)
    }
}

/// The chains, by number.
pub type WatchedChains = BTreeMap<ChainId, WatchedChain>;
