//! Keepers as the platform sees them.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{ChainId, KeeperId},
    module::EngineId,
    time::Timestamp,
};

/// A registered keeper: a row of the keeper set, written by the registrar.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperRecord {
    /// Who.
    pub keeper: KeeperId,
    /// A name for people.
    pub name: String,
    /// Stake by the registry, in its own unit; weighs the choice of keepers.
    pub stake: u128,
    /// Chains whose registry lists it.
    pub chains: BTreeSet<ChainId>,
    /// Disputed runs that were found against it; lowers its rank at once.
    pub faults: u32,
    /// Registered at.
    pub registered_at: Timestamp,
}

/// What a keeper says of itself when it connects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeeperHello {
    /// Who.
    pub keeper: KeeperId,
    /// Engines it has.
    pub engines: BTreeSet<EngineId>,
    /// Chains it can read and act on.
    pub chains: BTreeSet<ChainId>,
    /// Runs that it takes at once: its credits.
    pub capacity: u32,
    /// Its program's version.
    pub version: String,
    /// The X25519 key to which secrets are sealed, fresh at each start; without one it is told none.
    pub box_key: Option<B256>,
}

/// A keeper that is connected and was heard lately.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveKeeper {
    /// What it said.
    pub hello: KeeperHello,
    /// Runs it has in hand.
    pub load: u32,
    /// Last heard.
    pub heard_at: Timestamp,
    /// Its row in the keeper set.
    pub stake: u128,
    /// See [`KeeperRecord::faults`].
    pub faults: u32,
}
