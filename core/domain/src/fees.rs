//! What a task costs: integer wei through and through.

use alloy_primitives::U256;
use serde::{Deserialize, Serialize};

/// One movement in the ledger, keyed by task so that a repeat adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The task, or for points of a creation the job's id as a word.
    pub key: alloy_primitives::B256,
    /// What it is for.
    pub reason: LedgerReason,
    /// Whose account.
    pub account: alloy_primitives::Address,
    /// How much: wei or points, by reason.
    pub amount: U256,
}

/// Reasons of ledger entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LedgerReason {
    /// The owner paid for a task, wei; copied from the chain's event, never computed.
    Charged,
    /// A keeper was credited for a task, wei; copied from the chain's event.
    Earned,
    /// A user created a job, points.
    JobCreated,
}
