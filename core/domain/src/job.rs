//! What a user wants: trigger x arguments x action x policy x limits.

use alloy_primitives::{Address, B256, U256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chain::Log,
    decimal::Decimal,
    digest::digest_of,
    event::{EventFilter, ParameterPlace},
    ids::{ChainId, JobId, Serial, TaskNumber},
    limits::Limits,
    module::ModuleRef,
    rule::Rule,
    schedule::Schedule,
    secret::Grants,
    task::{Task, TriggerFact},
    time::Timestamp,
};

/// One version of a job. A change appends the next version; nothing is overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its number, chosen on chain or by the client.
    pub id: JobId,
    /// Which version this is, from 1.
    pub version: u32,
    /// Its serial on this platform.
    pub serial: Serial,
    /// Who owns it, and whose deposit pays.
    pub owner: Address,
    /// Its title.
    pub title: String,
    /// What sets it off.
    pub trigger: Trigger,
    /// Where the arguments come from.
    pub args: Args,
    /// What is then done.
    pub action: Action,
    /// How keepers must agree, and what becomes of late runs.
    pub policy: Policy,
    /// Budgets of its script, as asked for.
    pub limits: Limits,
    /// The anchor: the instant of its acceptance.
    pub accepted_at: Timestamp,
    /// Nothing is opened after this.
    pub expires_at: Timestamp,
    /// Event and condition jobs: whether it goes on after its first task.
    pub recurring: bool,
    /// Its place in a chain of linked jobs.
    pub link: Option<Link>,
    /// Chain on which it was registered.
    pub created_chain: ChainId,
    /// The Safe that it acts through.
    pub safe: Option<Safe>,
    /// What the platform keeps for the client and does not act on.
    pub remarks: Remarks,
}

impl Job {
    /// What an assignment commits to as "the job".
    pub fn digest(&self) -> B256 {
        digest_of("argus/job/1", self)
    }

    /// Whether its script has storage.
    pub fn has_storage(&self) -> bool {
        matches!(self.args, Args::Computed { storage: true, .. })
    }

    /// The chain on which its call is made; `None` where the script chooses on the job's own chain.
    pub fn target_chain(&self) -> ChainId {
        match &self.action {
            Action::Call(target) => target.chain,
            Action::Script { chain } => *chain,
        }
    }
}

/// What sets a job off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trigger {
    /// Instants.
    Time(Schedule),
    /// Logs.
    Event(EventFilter),
    /// A value that crosses into a range.
    Condition(Rule),
}

/// Kinds of trigger, to ask the store by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TriggerKind {
    /// See [`Trigger::Time`].
    Time,
    /// See [`Trigger::Event`].
    Event,
    /// See [`Trigger::Condition`].
    Condition,
}

impl Trigger {
    /// What would set it off, made up: for scripts that are tried before anything has happened. A log has zeros for
    /// all that its filter does not fix, with three indexed parameters and eight words of data; a value is the
    /// comparison's limit.
    pub fn sample(&self, at: Timestamp) -> TriggerFact {
        match self {
            Self::Time(_) => TriggerFact::Due,
            Self::Event(filter) => {
                let mut topics = vec![filter.topic0, B256::ZERO, B256::ZERO, B256::ZERO];
                if let Some(ParameterPlace::Topic { index, word }) = filter.test.as_ref().map(|t| &t.place)
                    && let Some(topic) = topics.get_mut(usize::from(*index))
                {
                    *topic = *word;
                }
                TriggerFact::Log(Log {
                    chain: filter.chain,
                    address: filter.contract,
                    topics,
                    data: vec![0; 8 * 32].into(),
                    block_number: 0,
                    block_hash: B256::ZERO,
                    block_time: at,
                    transaction: B256::ZERO,
                    index_in_block: 0,
                    index_in_transaction: 0,
                })
            }
            Self::Condition(rule) => TriggerFact::Value { value: rule.comparison.limit().clone(), at },
        }
    }

    /// Its kind.
    pub fn kind(&self) -> TriggerKind {
        match self {
            Self::Time(_) => TriggerKind::Time,
            Self::Event(_) => TriggerKind::Event,
            Self::Condition(_) => TriggerKind::Condition,
        }
    }
}

/// Where arguments come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Args {
    /// The user gave them; that they encode was checked at creation.
    Fixed(Vec<Value>),
    /// A script computes them.
    Computed {
        /// The script.
        module: ModuleRef,
        /// The URL under which the client named it, as given.
        url: String,
        /// Hosts it may reach; empty: any public one.
        allow_hosts: Vec<String>,
        /// Static arguments that the script is told.
        given: Vec<Value>,
        /// Whether it has storage. Such a job runs one task at a time.
        storage: bool,
        /// Secrets that it may use, by name.
        secrets: Grants,
    },
}

impl Args {
    /// The secrets that its script may use.
    pub fn secrets(&self) -> Option<&Grants> {
        match self {
            Self::Fixed(_) => None,
            Self::Computed { secrets, .. } => Some(secrets).filter(|names| !names.is_empty()),
        }
    }
}

/// What a task does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A call of one function of one contract.
    Call(Target),
    /// The script decides whether, whom and what to call.
    Script {
        /// On which chain.
        chain: ChainId,
    },
}

/// A function of a contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// Chain of the contract.
    pub chain: ChainId,
    /// The contract.
    pub contract: Address,
    /// Canonical signature, for example `setPrice(uint256,(address,bytes)[])`.
    pub signature: String,
    /// The function as the client named it.
    pub function: String,
    /// The ABI as the client sent it, JSON text.
    pub abi: String,
}

/// How keepers agree and what becomes of late runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// How many act, and how many must agree.
    pub mode: Mode,
    /// How values that differ are reconciled.
    pub agreement: Agreement,
    /// What becomes of instants that passed while nobody could run them.
    pub misfire: Misfire,
    /// Most that the owner is charged per task, wei.
    pub fee_cap: U256,
    /// Gas that the call gets.
    pub gas_limit: u64,
}

/// How many keepers a task needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// `threshold` of `keepers` sign the same call before anyone acts.
    Quorum {
        /// Chosen per attempt.
        keepers: u8,
        /// Needed.
        threshold: u8,
    },
    /// One keeper acts at once, without the executor contract.
    Solo,
}

/// How differing values become one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Agreement {
    /// Equal calls, or where only integers differ the median of at least three, or with two observations a
    /// difference within the tolerance (a fraction: 0.01 is one per cent).
    Median {
        /// Allowed relative difference where there are only two observations.
        tolerance: Decimal,
    },
    /// Equal calls or none.
    Exact,
    /// One keeper fetches, the others replay its transcript and sign.
    TrustPerformer,
}

/// What becomes of instants missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Misfire {
    /// One run for the whole stretch, with the latest missed instant as its occurrence.
    RunOnce,
    /// None.
    Skip,
    /// All, in order.
    CatchUp,
}

/// A job's place in a chain of linked jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// From 0, the head.
    pub position: u32,
    /// The job before this one.
    pub previous: Option<JobId>,
    /// The job after this one.
    pub next: Option<JobId>,
}

/// A Safe that a job acts through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Safe {
    /// The Safe.
    pub address: Address,
    /// What its owner calls it.
    pub name: String,
}

/// What is stored for the client and shown again, and never acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks {
    /// Client's flag; earns points.
    pub custom: bool,
    /// The language as the client wrote it.
    pub language: String,
    /// Client's flag.
    pub is_imua: bool,
    /// Cost as the client predicted it, in ether.
    pub cost_prediction: Option<Decimal>,
    /// Zone as the client wrote it.
    pub timezone: String,
}

/// Where a job's trigger stands: one of the few mutable rows, written by the scheduler alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The job.
    pub job: JobId,
    /// Counts writes; a write names the revision that it read, so that two writers cannot both win.
    pub revision: u64,
    /// When the scheduler has to look at it next; `None`: never by time.
    pub next_due: Option<Timestamp>,
    /// Tasks opened so far.
    pub opened: TaskNumber,
    /// How far the trigger has been followed.
    pub position: Position,
    /// No further task will be opened.
    pub finished: bool,
}

impl Cursor {
    /// The first cursor of a job that takes the place of another under its id. Crossings go on counting, because their
    /// ordinals name tasks; so do revisions, so that nobody who read the other's can write here.
    pub fn in_place_of(self, before: &Self) -> Self {
        let position = match (self.position, &before.position) {
            (Position::Condition { held, last, .. }, Position::Condition { crossings, .. }) => {
                Position::Condition { crossings: *crossings, held, last }
            }
            (position, _) => position,
        };
        Self { revision: before.revision.saturating_add(1), position, ..self }
    }
}

/// How far a trigger has been followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Position {
    /// Time: the next instant is `Cursor::next_due`.
    Time,
    /// Event: every log up to this block, included, has been seen.
    Event {
        /// The block; the job starts at the one of its creation.
        block: u64,
    },
    /// Condition: the last observation.
    Condition {
        /// Crossings so far.
        crossings: u64,
        /// Whether the last observed value fulfilled the comparison; `None` before the first.
        held: Option<bool>,
        /// The last crossing, durable before its task is opened.
        last: Option<Crossing>,
    },
}

/// A crossing of a condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crossing {
    /// Its ordinal, from 1.
    pub ordinal: u64,
    /// What was observed.
    pub value: Decimal,
    /// When.
    pub at: Timestamp,
    /// Whether its task has been opened.
    pub opened: bool,
}

/// A change to a job after its creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobChange {
    /// The next version, and when it was made.
    Version(Box<Job>, Timestamp),
    /// No task is opened until resumed; instants passed meanwhile are not made up for.
    Paused(Timestamp),
    /// Goes on.
    Resumed(Timestamp),
    /// For good.
    Deleted(Timestamp),
}

/// A job as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its newest version.
    pub job: Job,
    /// Its cursor.
    pub cursor: Cursor,
    /// Paused since.
    pub paused_at: Option<Timestamp>,
    /// Deleted at.
    pub deleted_at: Option<Timestamp>,
    /// Last change.
    pub updated_at: Timestamp,
    /// Due instant of its newest task.
    pub last_opened_at: Option<Timestamp>,
    /// What its tasks were charged, wei, as the chain shows it now.
    pub charged: U256,
}

impl JobRecord {
    /// Whether a task is this job's, and not of one whose place this one has taken under its id.
    pub fn opened(&self, task: &Task) -> bool {
        self.job.id == task.job && self.job.serial == task.serial
    }

    /// Whether its trigger may open tasks at `now`.
    pub fn is_armed(&self, now: Timestamp) -> bool {
        self.paused_at.is_none()
            && self.deleted_at.is_none()
            && !self.cursor.finished
            && now <= self.job.expires_at
    }
}
