//! What is shown of a task.

use argus_domain::status::TaskStatus;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    formats::{Account, Argument, ChainNumber, Ether, Hash, Instant, JobNumber, Wei, shown},
    task::status_name,
};

shown!(
    /// A task's status.
    TaskStatusName(TaskStatus), |status, s| s.serialize_str(status_name(*status)),
    {"type": "string", "enum": ["processing", "completed", "failed"]}
);

/// A task.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Task")]
pub struct ShownTask {
    /// Below 2^53, and growing from one task of a job to the next.
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    pub task_id: u64,
    /// The n-th of its job.
    pub task_number: u32,
    pub task_hash: Hash,
    pub job_id: JobNumber,
    #[schemars(range(min = 1, max = 7))]
    pub task_definition_id: u8,
    pub task_status: TaskStatusName,
    /// When it was due: the instant, the log's block, or the observation.
    pub scheduled_at: Instant,
    pub created_at: Instant,
    pub broadcast_at: Option<Instant>,
    /// The block of its transaction.
    pub execution_timestamp: Option<Instant>,
    /// Empty: there is none.
    #[schemars(regex(pattern = "^(0x[0-9a-f]{64})?$"))]
    pub execution_tx_hash: String,
    /// At a block explorer; empty where none is known.
    pub tx_url: String,
    pub converted_arguments: Vec<Argument>,
    pub is_successful: bool,
    /// Whether keepers agreed on its call.
    pub is_accepted: bool,
    /// Whether its script said "not now".
    pub is_skipped: bool,
    pub skip_reason: Option<String>,
    pub error: Option<String>,
    /// The same, empty where there is none.
    pub task_error: String,
    pub task_opx_cost: Ether,
    pub task_opx_cost_wei: Wei,
    /// 0: nobody was asked to perform it yet.
    pub task_performer_id: u64,
    pub task_performer: Option<Account>,
    pub task_attester_ids: Vec<u64>,
    pub task_attesters: Vec<Account>,
    pub agreement: Option<How>,
    pub trigger: ShownFact,
    /// Whether its transaction is as deep in the chain as is asked for.
    pub confirmed: bool,
    pub attempts: usize,
    pub job_version: u32,
    pub is_imua: bool,
}

/// A task with why its keepers differed.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TaskInFull")]
pub struct WholeTask {
    #[serde(flatten)]
    pub task: ShownTask,
    pub agreement_rule: Setting,
    pub disagreements: Vec<ShownDisagreement>,
}

/// How keepers came to agree.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    Equal,
    Median,
    Tolerance,
    Performer,
    Solo,
}

/// What made a task due.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "TriggerFact")]
pub enum ShownFact {
    Time,
    Event {
        chain_id: ChainNumber,
        block_number: u64,
        transaction_hash: Hash,
        log_index: u32,
    },
    Condition {
        /// A decimal, with all its digits.
        value: String,
        observed_at: Instant,
    },
    Manual,
}

/// How keepers have to agree.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "agreement", rename_all = "kebab-case")]
pub enum Setting {
    /// On the run in the middle, or within a relative tolerance.
    Median {
        #[serde(skip_serializing_if = "Option::is_none")]
        tolerance: Option<String>,
    },
    /// On equal calls.
    Exact,
    /// With what the performer fetched.
    TrustPerformer,
}

/// Why keepers of an attempt did not agree.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Disagreement")]
pub struct ShownDisagreement {
    pub attempt: u16,
    /// In one sentence.
    pub finding: String,
    pub one: ShownSide,
    pub other: Option<ShownSide>,
    /// Who replayed the run and came to something else.
    pub refuted_by: Vec<Account>,
    /// The first call in which the two parted.
    pub call: Option<CallsApart>,
    /// The first argument in which their calls differ.
    pub argument: Option<ValuesApart>,
    /// Settings of the job under which such answers would agree.
    pub would_help: Vec<Setting>,
}

/// A keeper's run, in short.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Side")]
pub struct ShownSide {
    pub keeper: Account,
    pub came_to: String,
    pub fuel: u64,
}

/// The first call in which two runs part.
#[derive(Serialize, JsonSchema)]
pub struct CallsApart {
    /// From 0.
    pub sequence: u32,
    pub one: Option<ShownCall>,
    pub other: Option<ShownCall>,
}

/// A call of a script; its texts are cut.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MadeCall")]
pub struct ShownCall {
    pub import: String,
    pub request: String,
    pub reply: Option<String>,
    pub fuel: u64,
}

/// The first place at which two values differ.
#[derive(Serialize, JsonSchema)]
pub struct ValuesApart {
    pub path: String,
    pub one: Option<String>,
    pub other: Option<String>,
}
