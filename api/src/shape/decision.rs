//! Why jobs fired or did not, as JSON: what programs compare, and a sentence for people.

use argus_domain::{
    decision::{Compared, Decision, Outcome, Unmatched},
    job::{Job, JobRecord, Misfire, Position, Trigger},
    rule::Comparison,
    status::JobStatus,
    task::{Task, TriggerFact},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    formats::{Hash, Instant, JobNumber},
    job::comparison,
    job_types::{ShownComparison, StatusName},
};

/// A look at a trigger, or several equal ones.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Decision")]
pub struct Row {
    /// Of the task that it opened, or would have.
    pub task_number: u32,
    /// For people.
    pub says: String,
    /// Looks that came to the same.
    pub count: u64,
    pub first_at: Instant,
    pub last_at: Instant,
    #[serde(flatten)]
    pub outcome: ShownOutcome,
}

/// What a look came to, with what was compared.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[schemars(rename = "Outcome")]
pub enum ShownOutcome {
    /// A task was opened.
    Opened {
        task_id: u64,
        scheduled_at: Instant,
        #[serde(flatten)]
        because: Because,
    },
    /// Instants were missed.
    PassedOver { from: Instant, misfire: ShownMisfire },
    /// The job before it has not finished its task.
    Held { by_job_id: JobNumber },
    /// The job was paused.
    Paused { since: Instant },
    /// The job's time frame was over.
    Expired,
    /// The condition did not hold.
    NotCrossed(ShownCompared),
    /// The condition held, as before.
    StillFulfilled(ShownCompared),
    /// The condition held, too soon after the last crossing.
    Cooling {
        #[serde(flatten)]
        compared: ShownCompared,
        until: Instant,
    },
    /// The source gave no value.
    SourceError { reason: String },
    /// An event that the filter does not take.
    Filtered {
        block_number: u64,
        transaction_hash: Hash,
        event_filter_para_name: String,
        event_filter_value: String,
        found: String,
    },
}

/// Why a task was opened.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Because {
    Crossed(ShownCompared),
    Log { block_number: u64, transaction_hash: Hash },
    Due {},
}

/// A value, and what it was compared with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Compared")]
pub struct ShownCompared {
    #[serde(flatten)]
    comparison: ShownComparison,
    /// A decimal, with all its digits.
    value: String,
}

/// What a job does about instants that were missed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Misfire")]
pub enum ShownMisfire {
    RunOnce,
    Skip,
    CatchUp,
}

/// Looks at a trigger that opened no task.
pub fn look(decision: &Decision) -> Row {
    let (outcome, says) = outcome(&decision.outcome);
    Row {
        task_number: decision.task.0,
        says,
        count: decision.count,
        first_at: Instant(decision.first_at),
        last_at: Instant(decision.last_at),
        outcome,
    }
}

/// A task that was opened, by the job as it was then.
pub fn opened(task: &Task, job: Option<&Job>) -> Row {
    let (because, says) = match (&task.trigger, job.map(|job| &job.trigger)) {
        (TriggerFact::Value { value, .. }, Some(Trigger::Condition(rule))) => {
            let compared = Compared { value: value.clone(), comparison: rule.comparison.clone() };
            let says = format!(": {} is {}", compared.value, limits(&compared.comparison));
            (Because::Crossed(shown_compared(&compared)), says)
        }
        (TriggerFact::Value { value, .. }, _) => (Because::Due {}, format!(": the value was {value}")),
        (TriggerFact::Log(log), _) => {
            let transaction_hash = Hash(log.transaction);
            let says = format!(": a log in block {}", log.block_number);
            (Because::Log { block_number: log.block_number, transaction_hash }, says)
        }
        (TriggerFact::Due | TriggerFact::Manual, _) => {
            (Because::Due {}, format!(": it was due at {}", task.due.to_rfc3339()))
        }
    };
    Row {
        task_number: task.number.0,
        says: format!("task {} was opened{says}", task.number.0),
        count: 1,
        first_at: Instant(task.opened_at),
        last_at: Instant(task.opened_at),
        outcome: ShownOutcome::Opened { task_id: task.public_id(), scheduled_at: Instant(task.due), because },
    }
}

/// What a job's trigger waits for now.
#[derive(Serialize, JsonSchema)]
pub struct Waiting {
    status: StatusName,
    /// For people.
    says: String,
    /// Of a schedule.
    next_due: Option<Instant>,
}

/// What a job's trigger waits for now, as its record says; and why it was deleted, where its owner is not the reason.
pub fn now(record: &JobRecord, now: Timestamp, why_deleted: Option<String>) -> Waiting {
    let since =
        |at: Option<Timestamp>| at.map(|at| format!(" since {}", at.to_rfc3339())).unwrap_or_default();
    let status = record.status(now);
    let says = match status {
        JobStatus::Deleted => {
            let why = why_deleted.map(|why| format!(": {why}")).unwrap_or_default();
            format!("the job is deleted{}{why}", since(record.deleted_at))
        }
        JobStatus::Paused => format!("the job is paused{}", since(record.paused_at)),
        JobStatus::Expired => format!("its time frame ended at {}", record.job.expires_at.to_rfc3339()),
        JobStatus::Completed => "it has opened its last task".to_owned(),
        JobStatus::Pending | JobStatus::Running => match (&record.cursor.position, record.cursor.next_due) {
            (Position::Time, Some(due)) if due > now => {
                format!("task {} is not due before {}", record.cursor.opened.0 + 1, due.to_rfc3339())
            }
            (Position::Time, Some(due)) => format!("it has been due since {}", due.to_rfc3339()),
            (Position::Time, None) => "no instant is left".to_owned(),
            (Position::Event { block }, _) => {
                format!("it waits for a log after block {block}, from where it was searched last")
            }
            (Position::Condition { held: Some(true), .. }, _) => {
                "the condition holds: it has to stop holding before it can cross again".to_owned()
            }
            (Position::Condition { .. }, _) => "it waits for the condition to hold".to_owned(),
        },
    };
    Waiting {
        status: StatusName(status),
        says,
        next_due: match record.cursor.position {
            Position::Time => record.cursor.next_due.map(Instant),
            Position::Event { .. } | Position::Condition { .. } => None,
        },
    }
}

fn outcome(outcome: &Outcome) -> (ShownOutcome, String) {
    match outcome {
        Outcome::PassedOver { from, misfire } => {
            let (misfire, what) = match misfire {
                Misfire::RunOnce => (ShownMisfire::RunOnce, "share one run with the latest of them"),
                Misfire::Skip => (ShownMisfire::Skip, "are left out"),
                Misfire::CatchUp => (ShownMisfire::CatchUp, "are made up for"),
            };
            let since = from.to_rfc3339();
            let says = format!("instants missed from {since} on {what}, as the job's misfire policy says");
            (ShownOutcome::PassedOver { from: Instant(*from), misfire }, says)
        }
        Outcome::Held { by } => {
            let says = format!("it waits for job {by}, the one before it, to finish its task of this number");
            (ShownOutcome::Held { by_job_id: JobNumber(*by) }, says)
        }
        Outcome::Paused { since } => {
            let says = format!("the job was paused at {}", since.to_rfc3339());
            (ShownOutcome::Paused { since: Instant(*since) }, says)
        }
        Outcome::Expired => (ShownOutcome::Expired, "the job's time frame was over".to_owned()),
        Outcome::Unfulfilled(compared) => {
            let says = format!("{} is not {}", compared.value, limits(&compared.comparison));
            (ShownOutcome::NotCrossed(shown_compared(compared)), says)
        }
        Outcome::StillFulfilled(compared) => {
            let says =
                format!("{} is still {}: it has not crossed", compared.value, limits(&compared.comparison));
            (ShownOutcome::StillFulfilled(shown_compared(compared)), says)
        }
        Outcome::Cooling { compared, until } => {
            let says = format!("{} is {}", compared.value, limits(&compared.comparison));
            let says = format!("{says}, but no crossing counts before {}", until.to_rfc3339());
            (ShownOutcome::Cooling { compared: shown_compared(compared), until: Instant(*until) }, says)
        }
        Outcome::Unread { reason } => {
            let says = format!("the source gave no value: {reason}");
            (ShownOutcome::SourceError { reason: reason.clone() }, says)
        }
        Outcome::Unmatched(log) => (filtered(log), unmatched_says(log)),
    }
}

fn filtered(log: &Unmatched) -> ShownOutcome {
    ShownOutcome::Filtered {
        block_number: log.block,
        transaction_hash: Hash(log.transaction),
        event_filter_para_name: log.parameter.clone(),
        event_filter_value: log.expected.clone(),
        found: log.found.clone(),
    }
}

fn unmatched_says(log: &Unmatched) -> String {
    format!(
        "the event in block {} has {} = {}, and the job waits for {}",
        log.block, log.parameter, log.found, log.expected
    )
}

fn shown_compared(compared: &Compared) -> ShownCompared {
    ShownCompared { comparison: comparison(&compared.comparison), value: compared.value.to_string() }
}

fn limits(comparison: &Comparison) -> String {
    match comparison {
        Comparison::GreaterThan(limit) => format!("greater than {limit}"),
        Comparison::LessThan(limit) => format!("less than {limit}"),
        Comparison::Between(lower, upper) => format!("between {lower} and {upper}"),
        Comparison::Equals(limit) => format!("equal to {limit}"),
        Comparison::NotEquals(limit) => format!("other than {limit}"),
        Comparison::GreaterEqual(limit) => format!("at least {limit}"),
        Comparison::LessEqual(limit) => format!("at most {limit}"),
    }
}
