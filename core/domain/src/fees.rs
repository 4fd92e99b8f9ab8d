//! What a task costs, and what that is worth in points: integers through and through.

use std::cmp::Reverse;

use alloy_primitives::{Address, U256};
use serde::{Deserialize, Serialize};

/// One point, in the unit in which points are counted: a wei of charge is one of these.
pub const POINT: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// One movement in the ledger, keyed by task so that a repeat adds nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The task, or for points of a creation the job's id as a word.
    pub key: alloy_primitives::B256,
    /// What it is for.
    pub reason: LedgerReason,
    /// Whose account.
    pub account: Address,
    /// How much: wei or whole points, by reason.
    pub amount: U256,
}

/// Reasons of ledger entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LedgerReason {
    /// The owner paid for a task, wei; copied from the chain's event, never computed.
    Charged,
    /// A keeper was credited for a task, wei; copied from the chain's event.
    Earned,
    /// A user created a job, whole points.
    JobCreated,
    /// A keeper signed a call that another one made: the wei that the owner paid for it. No money moves.
    Attested,
}

/// Who is ranked with whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Board {
    /// Owners of jobs: a point per coin that they paid, and those for creating jobs.
    Users,
    /// Keepers: a point per coin that was paid for what they performed or attested.
    Keepers,
}

impl LedgerReason {
    /// The board on which an entry counts.
    pub fn board(self) -> Board {
        match self {
            Self::Charged | Self::JobCreated => Board::Users,
            Self::Earned | Self::Attested => Board::Keepers,
        }
    }
}

/// What an account's entries on a board come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose.
    pub account: Address,
    /// In units of 10^-18 points, see [`POINT`].
    pub points: U256,
    /// Jobs that a user created.
    pub jobs: u64,
    /// Tasks that a user paid for, or that a keeper performed.
    pub tasks: u64,
    /// Tasks that a keeper attested.
    pub attested: u64,
}

impl Standing {
    /// Of an account without entries.
    pub fn none(account: Address) -> Self {
        Self { account, points: U256::ZERO, jobs: 0, tasks: 0, attested: 0 }
    }

    /// Counts one more entry of the account.
    pub fn count(&mut self, reason: LedgerReason, amount: U256) {
        let (points, counted) = match reason {
            LedgerReason::Charged | LedgerReason::Earned => (amount, &mut self.tasks),
            LedgerReason::JobCreated => (amount.saturating_mul(POINT), &mut self.jobs),
            LedgerReason::Attested => (amount, &mut self.attested),
        };
        *counted += 1;
        self.points = self.points.saturating_add(points);
    }

    /// What a board is sorted by: most points first, then most tasks, then most attested, then by address. No two
    /// accounts are equal.
    pub fn rank(&self) -> impl Ord + use<> {
        (Reverse(self.points), Reverse(self.tasks), Reverse(self.attested), self.account)
    }
}
