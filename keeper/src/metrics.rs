//! What a keeper keeps of itself.

use argus_ports::count::{Counter, Tally};

use crate::{order::Refusal, run::Decline};

/// Counters since the start.
#[derive(Debug)]
pub struct Metrics {
    /// Assignments and second rounds that were answered.
    pub answers: Counter,
    /// Those that were declined, by the reason.
    pub declines: Tally,
    /// Calls that were handed to it, by whether it acts.
    pub orders: Tally,
    /// Tries at connecting that failed.
    pub dials_failed: Counter,
    /// Messages to the platform that were dropped.
    pub dropped: Counter,
}

/// Reasons of a decline.
const DECLINES: &[&str] = &[
    "objection",
    "busy",
    "content",
    "secrets",
    "short",
    "inconclusive",
    "signed",
    "round",
    "diverged",
    "refuted",
    "own",
];

/// What becomes of a call that was handed over.
const ORDERS: &[&str] = &[
    TAKEN,
    "inconsistent",
    "no_quorum",
    "not_ours",
    "reverts",
    "deleted",
    "short",
    "used",
    "late",
    "unreachable",
];

/// The keeper acts.
pub(crate) const TAKEN: &str = "taken";

impl Default for Metrics {
    fn default() -> Self {
        Self {
            answers: Counter::default(),
            declines: Tally::new(DECLINES),
            orders: Tally::new(ORDERS),
            dials_failed: Counter::default(),
            dropped: Counter::default(),
        }
    }
}

impl Decline {
    /// Its word among those of [`Metrics::declines`].
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Objection(_) => "objection",
            Self::Busy(_) => "busy",
            Self::Content(_) => "content",
            Self::Secrets(_) => "secrets",
            Self::Short(_) => "short",
            Self::Inconclusive(_) => "inconclusive",
            Self::Signed => "signed",
            Self::Round(_) => "round",
            Self::Diverged(_) => "diverged",
            Self::Refuted { .. } => "refuted",
            Self::Own(_) => "own",
        }
    }
}

impl Refusal {
    /// Its word among those of [`Metrics::orders`].
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Inconsistent(_) => "inconsistent",
            Self::NoQuorum { .. } => "no_quorum",
            Self::NotOurs => "not_ours",
            Self::Reverts(_) => "reverts",
            Self::Deleted(_) => "deleted",
            Self::Short(_) => "short",
            Self::Used => "used",
            Self::Late => "late",
            Self::Unreachable(_) => "unreachable",
        }
    }
}
