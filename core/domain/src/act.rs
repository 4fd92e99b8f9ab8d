//! Between agreeing and acting: how an attempt ended, who is told to act, and what the acting keeper keeps and says.

use std::sync::Arc;

use alloy_primitives::B256;

use crate::{
    chain::{SignedTx, TxDraft},
    ids::{KeeperId, TaskId},
    job::Job,
    task::{Agreed, Handoff, Task},
    time::Timestamp,
};

/// How an attempt ended, as the aggregator saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptOutcome {
    /// A quorum signed this call.
    Agreed(Arc<Agreed>),
    /// A quorum's script said "not now".
    Skipped(String),
    /// A quorum's script failed in the same way.
    Failed(String),
    /// Answers differ so that no quorum can come any more: the report names the first difference.
    Disagreed(String),
    /// So many declined or are gone that no quorum can come any more.
    Short {
        /// Who, and why.
        why: String,
        /// What was missing may be there later (a keeper, room in one, the script): with all of it, those who did not
        /// decline for another reason would have been enough.
        transient: bool,
    },
}

/// What is needed to act on a verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct HandoffOrder {
    /// Who may act, until when.
    pub handoff: Handoff,
    /// The job.
    pub job: Arc<Job>,
    /// The task.
    pub task: Arc<Task>,
    /// What was agreed.
    pub agreed: Arc<Agreed>,
}

/// What a performer says of a handed-off task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PerformEvent {
    /// A transaction left.
    Broadcast {
        /// The task.
        task: TaskId,
        /// The keeper.
        keeper: KeeperId,
        /// Its hash.
        transaction: B256,
    },
    /// It will not act, and has not.
    Declined {
        /// The task.
        task: TaskId,
        /// The keeper.
        keeper: KeeperId,
        /// Why.
        reason: String,
    },
}

/// A transaction that a keeper is about to send, durable before its bytes leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// The task.
    pub task: TaskId,
    /// The n-th intent of this task, from 1; a replacement has the same nonce and the next number.
    pub number: u16,
    /// What was signed.
    pub draft: TxDraft,
    /// The bytes.
    pub signed: SignedTx,
    /// After this the chain refuses it.
    pub valid_until: Timestamp,
    /// When it was made.
    pub at: Timestamp,
}
