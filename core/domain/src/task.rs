//! A task: one occurrence of a job, and the facts that tell its life.

use std::sync::Arc;

use alloy_primitives::{B256, U256, keccak256};
use serde::{Deserialize, Serialize};

use crate::{
    attempt::{Attempt, Observation, SignedClaim},
    call::{Call, Claim, Signature},
    chain::Log,
    decimal::Decimal,
    difference::Disagreement,
    ids::{
        AttemptNo, ChainId, JobId, KeeperId, Occurrence, Round, Serial, TaskId, TaskNumber, public_task_id,
    },
    job::Job,
    time::Timestamp,
};

/// One occurrence of a job, as opened by the scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// `hash(job, occurrence)`.
    pub id: TaskId,
    /// Its job.
    pub job: JobId,
    /// The version of the job that it runs.
    pub job_version: u32,
    /// Its job's serial.
    pub serial: Serial,
    /// The n-th of its job.
    pub number: TaskNumber,
    /// Which occurrence.
    pub occurrence: Occurrence,
    /// The due instant; for an event the log's block time, for a condition the instant of the observation.
    pub due: Timestamp,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// What set it off.
    pub trigger: TriggerFact,
}

impl Task {
    /// The integer by which the API knows it.
    pub fn public_id(&self) -> u64 {
        public_task_id(self.serial, self.number)
    }
}

/// What set a task off. Time and chain facts are checked by every keeper; an observed value cannot be and is shown
/// as the scheduler's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum TriggerFact {
    /// Its instant came.
    Due,
    /// This log.
    Log(Log),
    /// This value crossed.
    Value {
        /// What was observed.
        value: Decimal,
        /// When.
        at: Timestamp,
    },
    /// A user ran the script by hand, outside any task.
    Manual,
}

/// Everything that is recorded of a task. Each fact has one writer and one key; recording it again is recording it
/// once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Fact {
    /// dispatcher: a try begins.
    Attempted(Arc<Attempt>),
    /// aggregator: a keeper reported its run.
    Observed(Arc<Observation>),
    /// aggregator: a keeper signed the call.
    Claimed(SignedClaim),
    /// dispatcher: the verdict, once per task.
    Settled(Settlement),
    /// dispatcher: those who watch were told of the verdict. Until then the task is not finished, so that a crash
    /// between verdict and announcement is made up for by recovery.
    Announced {
        /// The task.
        task: TaskId,
        /// When.
        at: Timestamp,
    },
    /// dispatcher: who may act now.
    HandedOff(Handoff),
    /// dispatcher, from the performer: a transaction left.
    Broadcast(Broadcast),
    /// monitor: the chain shows the call.
    Received(Receipt),
    /// monitor: a reorg took a receipt back.
    Revoked {
        /// The task.
        task: TaskId,
        /// Which sighting is taken back.
        sighting: u16,
        /// The block that is gone.
        block_hash: B256,
        /// When that was seen.
        at: Timestamp,
    },
    /// monitor: the receipt is as deep as the job asks.
    Confirmed {
        /// The task.
        task: TaskId,
        /// The receipt's block.
        block_hash: B256,
        /// When that was seen.
        at: Timestamp,
    },
    /// monitor: the call can be made no more, as finally as the chain says anything.
    Lapsed {
        /// The task.
        task: TaskId,
        /// When that was seen.
        at: Timestamp,
        /// Why, where it is not that `valid_until` passed unused.
        because: Option<String>,
    },
    /// monitor: the log that set the task off is on the chain no more.
    TriggerLost {
        /// The task.
        task: TaskId,
        /// When that was seen.
        at: Timestamp,
    },
    /// challenger: a replay disagreed.
    Challenged(Challenge),
    /// aggregator: keepers of an attempt did not agree, or one's run was refuted; shown to the job's owner.
    Disagreed(Arc<Disagreement>),
}

/// The verdict with its circumstances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    /// The task.
    pub task: TaskId,
    /// When.
    pub at: Timestamp,
    /// The verdict.
    pub verdict: Verdict,
}

/// How a task was decided, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// Make this call.
    Agreed(Arc<Agreed>),
    /// The script said "not now".
    Skipped(String),
    /// The script failed for everyone alike, or disagreed for good: the reason.
    Failed(String),
    /// Its job was deleted or its trigger's log vanished before anything was sent.
    Withdrawn(String),
    /// Attempts or time ran out: which, and what the last one met.
    Exhausted(String),
}

/// What was agreed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreed {
    /// In which attempt.
    pub attempt: AttemptNo,
    /// In which round.
    pub round: Round,
    /// The call.
    pub call: Call,
    /// How equal the answers were.
    pub how: AgreedHow,
    /// The signatures, by keeper in ascending order of address (what the executor demands); none in mode `Solo`.
    pub signatures: Vec<(KeeperId, Signature)>,
    /// Copied from the attempt: the chain refuses later.
    pub valid_until: Timestamp,
    /// Copied from the attempt: most that the owner is charged, wei.
    pub fee_cap: U256,
    /// Copied from the attempt: gas of the inner call.
    pub gas_limit: u64,
    /// The keepers of the attempt in the order in which they may act.
    pub performers: Vec<KeeperId>,
    /// Transcript of the run whose call this is; `None` where no script ran.
    pub transcript_root: Option<B256>,
    /// Root of the job's state once the call has been made; `None`: the job has no storage.
    pub state: Option<B256>,
}

impl Agreed {
    /// Who agreed: those who signed, or the one that acts alone.
    pub fn keepers(&self) -> Vec<KeeperId> {
        match self.how {
            AgreedHow::Solo => self.performers.first().copied().into_iter().collect(),
            AgreedHow::Equal | AgreedHow::Median | AgreedHow::Tolerance | AgreedHow::Performer => {
                self.signatures.iter().map(|(keeper, _)| *keeper).collect()
            }
        }
    }

    /// The claim that its signatures are over.
    pub fn claim(&self, job: &Job, task: TaskId) -> Claim {
        Claim {
            task,
            job: job.id,
            owner: job.owner,
            target: self.call.target,
            value: self.call.value,
            calldata_hash: keccak256(&self.call.calldata),
            gas_limit: self.gas_limit,
            fee_cap: self.fee_cap,
            valid_until: self.valid_until,
        }
    }
}

/// How a quorum came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AgreedHow {
    /// All signed the same call in the first round.
    Equal,
    /// The run in the middle was replayed and signed by the others.
    Median,
    /// Two observations within tolerance.
    Tolerance,
    /// One keeper's run was replayed and signed by the others.
    Performer,
    /// One keeper acts alone.
    Solo,
}

/// Permission to act, for one keeper and a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handoff {
    /// The task.
    pub task: TaskId,
    /// The n-th handoff of this task, from 1.
    pub number: u16,
    /// Who may act.
    pub keeper: KeeperId,
    /// After this, when nothing was heard, another may.
    pub patience_until: Timestamp,
    /// When it was given.
    pub at: Timestamp,
    /// The newest reason for which a performer declined, where one did.
    pub declined: Option<String>,
}

/// A transaction that left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    /// The task.
    pub task: TaskId,
    /// Who sent it.
    pub keeper: KeeperId,
    /// Its hash.
    pub transaction: B256,
    /// When.
    pub at: Timestamp,
}

/// What the chain says about a task's call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The task.
    pub task: TaskId,
    /// The n-th time that the chain showed this task's call, from 1: a block may go and come again.
    pub sighting: u16,
    /// On which chain.
    pub chain: ChainId,
    /// In which transaction.
    pub transaction: B256,
    /// In which block.
    pub block_number: u64,
    /// Its hash.
    pub block_hash: B256,
    /// Its time.
    pub block_time: Timestamp,
    /// Who sent it.
    pub keeper: KeeperId,
    /// Whether the inner call ran through.
    pub success: bool,
    /// Gas used.
    pub gas_used: u64,
    /// What the owner was charged, wei.
    pub charged: U256,
}

/// A replay that disagreed with what was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The task.
    pub task: TaskId,
    /// Whose run is disputed.
    pub keeper: KeeperId,
    /// What differed, in words.
    pub finding: String,
    /// When.
    pub at: Timestamp,
}

/// What makes a fact the same fact: its row's key within the task. Text, because it is what people see when they
/// look into the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FactKey(pub String);

impl Fact {
    /// The task it belongs to.
    pub fn task(&self) -> TaskId {
        match self {
            Self::Attempted(a) => a.task,
            Self::Observed(o) => o.task,
            Self::Claimed(c) => c.task,
            Self::Settled(s) => s.task,
            Self::HandedOff(h) => h.task,
            Self::Broadcast(b) => b.task,
            Self::Received(r) => r.task,
            Self::Announced { task, .. }
            | Self::Revoked { task, .. }
            | Self::Confirmed { task, .. }
            | Self::Lapsed { task, .. }
            | Self::TriggerLost { task, .. } => *task,
            Self::Challenged(c) => c.task,
            Self::Disagreed(d) => d.task,
        }
    }

    /// Its key.
    pub fn key(&self) -> FactKey {
        FactKey(match self {
            Self::Attempted(a) => format!("attempted/{}", a.no.0),
            Self::Observed(o) => format!("observed/{}/{}", o.attempt.0, o.keeper),
            Self::Claimed(c) => format!("claimed/{}/{}/{}", c.attempt.0, c.round.0, c.keeper),
            Self::Settled(_) => "settled".to_owned(),
            Self::Announced { .. } => "announced".to_owned(),
            Self::HandedOff(h) => format!("handed-off/{}", h.number),
            Self::Broadcast(b) => format!("broadcast/{}", b.transaction),
            Self::Received(r) => format!("received/{}", r.sighting),
            Self::Revoked { sighting, .. } => format!("revoked/{sighting}"),
            Self::Confirmed { .. } => "confirmed".to_owned(),
            Self::Lapsed { .. } => "lapsed".to_owned(),
            Self::TriggerLost { .. } => "trigger-lost".to_owned(),
            Self::Challenged(c) => format!("challenged/{}", c.keeper),
            Self::Disagreed(d) => format!("disagreed/{}/{}", d.attempt.0, d.one.keeper),
        })
    }
}

/// A task with all that is known of it, oldest fact first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The task.
    pub task: Task,
    /// Its facts in the order in which they were recorded.
    pub facts: Vec<Fact>,
}
