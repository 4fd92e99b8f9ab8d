//! The four that watch: who may sign (registrar), what the chain says (monitor), whether the runs were honest
//! (challenger) and who is alive (health).
//!
//! Each takes a configuration and ports and gives a future that runs until it is dropped. None of them decides a
//! task: they record what they see and nudge the dispatcher. They never send a transaction.

pub mod challenger;
pub mod health;
pub mod monitor;
pub mod registrar;

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::{chain::Contracts, ids::ChainId};
use argus_ports::ChainReader;

/// A chain as the watchers see it.
#[derive(Clone)]
pub struct WatchedChain {
    /// Reads it.
    pub reader: Arc<dyn ChainReader>,
    /// Our contracts there; `None` where keepers call targets themselves (mode `Solo`).
    pub contracts: Option<Contracts>,
    /// Blocks on top of a receipt's own before it is final.
    pub confirmations: u64,
}

/// The chains, by number.
pub type WatchedChains = BTreeMap<ChainId, WatchedChain>;
