//! An attempt's life: hand out work, collect what keepers signed, find a quorum.
//!
//! The rules of choice (equal, median, tolerance) are [`argus_domain::quorum`]'s, because keepers check them too.
//! Here is what time and behaviour add: who was asked, who answered, who answered twice, and when to stop waiting.

mod flight;
mod machine;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{
    Address,
    act::AttemptOutcome,
    attempt::{Answer, Assignment, SecondRound, SignedClaim},
    difference::Refutation,
    ids::{AttemptNo, ChainId, KeeperId, TaskId},
    task::Fact,
};

pub use machine::Aggregator;

/// Settings of the aggregator's machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The executor contract of each chain: for what claims are signed.
    pub executors: BTreeMap<ChainId, Address>,
    /// How long an attempt that has ended is remembered after its deadline, to answer a repeated `Begin`; less where
    /// its room is needed. One that is not remembered is begun again, and its keepers repeat what they said.
    pub keep: Duration,
    /// Attempts in hand at most, remembered ones included; more open ones are answered with `Short`.
    pub flights_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { executors: BTreeMap::new(), keep: Duration::from_secs(60), flights_max: 20_000 }
    }
}

/// What the aggregator hears. Signatures have been checked by the shell: what arrives here was signed by the keeper
/// that it names.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// The dispatcher begins an attempt. A repeat sends work again to those who have not answered, and of an attempt
    /// that has ended says again how.
    Begin(Arc<Assignment>),
    /// A keeper's answer to its assignment: the observation's signature is its own, and so is the claim's over
    /// `claim.digest`.
    Answer(Box<Answer>),
    /// A keeper's claim for the second round, signed by it over `digest`.
    Signed(SignedClaim),
    /// A keeper takes no part in this attempt (any more).
    Declined {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// Who.
        keeper: KeeperId,
        /// Why.
        reason: String,
        /// It is for nothing in the job: what the keeper lacks may be there later.
        transient: bool,
    },
    /// A keeper replayed the chosen run, and it does not come to what its keeper signed.
    Refuted {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// Who says so.
        keeper: KeeperId,
        /// Whose run.
        accused: KeeperId,
        /// What differs.
        found: Box<Refutation>,
    },
    /// A keeper's session ended.
    Gone(KeeperId),
    /// A keeper's session began: what it has not answered is sent again.
    Back(KeeperId),
}

/// What the aggregator wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Make this fact durable.
    Record(Fact),
    /// Sign this and put it on the keeper's stream. Equal for all keepers of an attempt, so one signature does.
    Assign {
        /// To whom.
        keeper: KeeperId,
        /// What.
        assignment: Arc<Assignment>,
    },
    /// Put this second round on the keeper's stream.
    Second {
        /// To whom.
        keeper: KeeperId,
        /// What.
        round: Arc<SecondRound>,
    },
    /// Tell the dispatcher.
    Ended {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// How it ended.
        outcome: AttemptOutcome,
    },
    /// This keeper broke a rule; what it said counted for nothing.
    Misbehaved {
        /// Who.
        keeper: KeeperId,
        /// In which task.
        task: TaskId,
        /// In which attempt.
        attempt: AttemptNo,
        /// How.
        what: Misbehaviour,
    },
}

impl Effect {
    /// The task that it is about.
    pub fn task(&self) -> TaskId {
        match self {
            Self::Record(fact) => fact.task(),
            Self::Assign { assignment, .. } => assignment.task.id,
            Self::Second { round, .. } => round.task,
            Self::Ended { task, .. } | Self::Misbehaved { task, .. } => *task,
        }
    }
}

/// Rules that a keeper can break, provably unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Misbehaviour {
    /// Two different signed observations of one attempt. (A script without a call leaves no claim in the keeper's
    /// journal, so an honest keeper that restarted can be among these: it lowers a rank and proves nothing.)
    TwoAnswers,
    /// Two different signed claims for one attempt and round.
    TwoClaims,
    /// A claim over something else than the call that it came with.
    WrongClaim,
    /// An observation of another module, engine or input than the attempt's.
    WrongSubject,
    /// A transcript whose root is not the one observed.
    WrongTranscript,
    /// A state where its attempt has none, another one than it brings along, or a changed one without a call.
    WrongState,
    /// An answer to an attempt in which it has no part.
    Uninvited,
    /// A run that does not come to what it signed, by the replays of a threshold of other keepers: one of them at
    /// least is honest, and replays are equal everywhere.
    Refuted,
}
