//! Known bugs, planted by bending what machines are told or what they ask for. Production code has no hook for them.

use clap::ValueEnum;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Plant {
    /// The dispatcher's shell carries effects out before it records.
    ActBeforeRecord,
    /// The verdict is announced before it is recorded.
    AnnounceBeforeRecord,
    /// A restarted keeper forgets its intents, and so the nonces that they use.
    NonceReused,
    /// A repeated answer counts for another keeper.
    DuplicateClaims,
    /// The scheduler moves a cursor before it opens the task.
    CursorFirst,
    /// Recovery overlooks verdicts.
    SettledForgotten,
    /// Attempts have no end.
    NeverGiveUp,
    /// Nobody follows a silent performer.
    NoHandoff,
    /// An equivocating keeper's second answer counts for another keeper.
    EquivocatorTwice,
    /// Nobody hears that a run is refuted.
    RefutedUnheard,
    /// One keeper's word is enough to refute a run.
    RefutedByOne,
    /// The threshold is low enough for two liars.
    MedianOfLiars,
    /// Now and then nobody is told of a verdict.
    ForgottenAnnouncement,
    /// A task of a job with storage begins while another one may still write.
    TurnsIgnored,
    /// What a call wrote that failed on the chain is kept.
    FailedWritesKept,
}
