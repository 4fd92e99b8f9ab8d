//! What is shown of a job.

use argus_domain::status::JobStatus;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    formats::{Account, ChainNumber, DecimalNumber, Ether, Instant, JobNumber, Wei, shown},
    job::status_name,
};

shown!(
    /// A job's status.
    StatusName(JobStatus), |status, s| s.serialize_str(status_name(*status)),
    {"type": "string", "enum": ["pending", "running", "paused", "completed", "expired", "deleted"]}
);

/// A job with the object of its kind: a schedule's, an event's, a condition's, or a script's that decides what to call.
#[derive(Serialize, JsonSchema)]
pub struct JobEntry {
    pub job_data: JobData,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_job_data: Option<KindData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_job_data: Option<KindData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition_job_data: Option<KindData>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_job_data: Option<KindData>,
}

/// A job, whatever its kind.
#[derive(Serialize, JsonSchema)]
pub struct JobData {
    #[serde(flatten)]
    pub shared: Shared,
    #[serde(flatten)]
    pub about: About,
}

/// What a job has by its kind.
#[derive(Serialize, JsonSchema)]
pub struct KindData {
    #[serde(flatten)]
    pub shared: Shared,
    #[serde(flatten)]
    pub kind: Kind,
    /// The zone of its schedule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

/// A job as one object.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Job")]
pub struct FlatJob {
    #[serde(flatten)]
    pub shared: Shared,
    #[serde(flatten)]
    pub about: About,
    #[serde(flatten)]
    pub kind: Kind,
    /// Why it was deleted, where its owner is not the reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted_because: Option<String>,
}

/// What every object of a job has.
#[derive(Serialize, JsonSchema)]
pub struct Shared {
    pub job_id: JobNumber,
    /// 1 and 2 time, 3 and 4 event, 5 and 6 condition (even: a script gives the arguments), 7 a script that decides what
    /// to call.
    #[schemars(range(min = 1, max = 7))]
    pub task_definition_id: u8,
    pub recurring: bool,
    pub created_at: Instant,
    pub updated_at: Instant,
    pub last_executed_at: Option<Instant>,
    pub expiration_time: Instant,
}

/// What a job has whatever its kind.
#[derive(Serialize, JsonSchema)]
pub struct About {
    pub job_title: String,
    pub user_id: u64,
    pub user_address: Account,
    /// The job after it, of those that were created linked; -1: there is none.
    #[schemars(regex(pattern = "^(-1|[0-9]{1,78})$"))]
    pub link_job_id: String,
    /// 0: the first of linked jobs, or by itself.
    #[schemars(range(max = 1))]
    pub chain_status: u8,
    pub custom: bool,
    pub language: String,
    /// Seconds for which it lives.
    pub time_frame: u64,
    pub status: StatusName,
    /// What its client predicted, in ether.
    pub job_cost_prediction: DecimalNumber,
    pub job_cost_actual: Ether,
    pub job_cost_actual_wei: Wei,
    /// Its newest tasks, at most 1,000.
    #[schemars(length(max = 1_000))]
    pub task_ids: Vec<u64>,
    pub timezone: String,
    pub is_imua: bool,
    pub created_chain_id: ChainNumber,
    pub is_safe: bool,
    /// Empty: it acts through no Safe.
    #[schemars(regex(pattern = "^(0x[0-9a-fA-F]{40})?$"))]
    pub safe_address: String,
    pub safe_name: String,
    /// Grows with each change.
    pub version: u32,
    pub mode: ShownMode,
    #[serde(flatten)]
    pub policy: ShownPolicy,
}

/// What a job was given leave to do, in the words in which it is given.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Policy")]
pub struct ShownPolicy {
    /// Most that one task may cost.
    pub fee_cap: Wei,
    /// Of its call.
    pub gas_limit: u64,
    /// What becomes of instants at which nothing could run.
    #[schemars(extend("enum" = ["run_once", "skip", "catch_up"]))]
    pub misfire: &'static str,
    /// When the values of several keepers are one.
    #[schemars(extend("enum" = ["exact", "median", "trust-performer"]))]
    pub agreement: &'static str,
    /// How far values may lie from their median, as a part of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<DecimalNumber>,
    pub limits: ShownLimits,
}

/// What one run of a job's script may use.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limits")]
pub struct ShownLimits {
    pub fuel_max: u64,
    pub memory_bytes: u64,
    pub wall_ms: u64,
    pub command_bytes: u64,
}

/// How keepers agree on a job's calls.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[schemars(rename = "Mode")]
pub enum ShownMode {
    /// A threshold of keepers signs each call.
    Quorum { keepers: u8, threshold: u8 },
    /// One keeper makes the call by itself.
    Solo,
}

/// What a job has by its kind, when it runs next, and what it calls.
#[derive(Serialize, JsonSchema)]
pub struct Kind {
    #[serde(flatten)]
    pub trigger: ShownTrigger,
    #[serde(flatten)]
    pub target: ShownTarget,
    /// The arguments that were given, as texts.
    pub arguments: Vec<String>,
    pub next_execution_timestamp: Option<Instant>,
    pub is_completed: bool,
    pub is_active: bool,
}

/// What a job waits for.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum ShownTrigger {
    Time(ShownSchedule),
    Event(ShownEvent),
    Condition(ShownCondition),
}

/// A schedule. What other types of schedule have is 0 or empty.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Schedule")]
pub struct ShownSchedule {
    pub schedule_type: ScheduleType,
    pub time_interval: u64,
    pub cron_expression: String,
    pub specific_schedule: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ScheduleType {
    Interval,
    Cron,
    Specific,
}

/// An event of a contract.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub struct ShownEvent {
    pub trigger_chain_id: ChainNumber,
    pub trigger_contract_address: Account,
    /// The event's signature.
    pub trigger_event: String,
    pub event_filter_para_name: String,
    pub event_filter_value: String,
    /// Where the filtered parameter stands in a log.
    #[schemars(regex(pattern = r"^(topic[0-3]|data\[[0-9]+\])$"))]
    pub event_filter_place: Option<String>,
    /// Blocks that bury a log before it counts.
    pub confirmations: u64,
}

/// Operator and limits; a limit that the operator does not use is 0.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Comparison")]
pub struct ShownComparison {
    pub condition_type: ConditionType,
    pub upper_limit: DecimalNumber,
    pub lower_limit: DecimalNumber,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ConditionType {
    GreaterThan,
    LessThan,
    Between,
    Equals,
    NotEquals,
    GreaterEqual,
    LessEqual,
}

/// A value that crosses a limit.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Condition")]
pub struct ShownCondition {
    #[serde(flatten)]
    pub comparison: ShownComparison,
    pub value_source_type: SourceType,
    pub value_source_url: String,
    pub selected_key_route: String,
    /// Seconds between two crossings that count.
    pub cooldown: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum SourceType {
    Api,
    Oracle,
    Static,
    Websocket,
}

/// What a job calls, and where its arguments come from.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Target")]
pub struct ShownTarget {
    pub target_chain_id: ChainNumber,
    pub target_contract_address: Account,
    pub target_function: String,
    /// JSON text.
    pub abi: String,
    /// 1: given, 2: a script's.
    #[schemars(range(min = 1, max = 2))]
    pub arg_type: u8,
    pub dynamic_arguments_script_url: String,
    #[serde(flatten)]
    pub script: Option<ShownScript>,
}

/// A job's script.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Script")]
pub struct ShownScript {
    pub script_cid: String,
    pub script_language: String,
    pub allow_hosts: Vec<String>,
    /// Whether it remembers anything from one task to the next.
    pub storage: bool,
    /// Names of the secrets that it may use.
    pub secrets: Vec<String>,
}
