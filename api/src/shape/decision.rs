//! Why jobs fired or did not, as JSON: what programs compare, and a sentence for people.

use argus_domain::{
    decision::{Compared, Decision, Outcome, Unmatched},
    job::{Job, JobRecord, Misfire, Position, Trigger},
    rule::Comparison,
    status::JobStatus,
    task::{Task, TriggerFact},
    time::Timestamp,
};
use serde_json::{Map, Value, json};

use super::job::{comparison_fields, into_map, status_name};

/// Looks at a trigger that opened no task.
pub fn look(decision: &Decision) -> Value {
    let (name, fields, says) = outcome(&decision.outcome);
    let mut row = base(decision.task.0, name, &says);
    row.insert("count".to_owned(), json!(decision.count));
    row.insert("first_at".to_owned(), json!(decision.first_at.to_rfc3339()));
    row.insert("last_at".to_owned(), json!(decision.last_at.to_rfc3339()));
    row.extend(fields);
    Value::Object(row)
}

/// A task that was opened, by the job as it was then.
pub fn opened(task: &Task, job: Option<&Job>) -> Value {
    let (fields, because) = match (&task.trigger, job.map(|job| &job.trigger)) {
        (TriggerFact::Value { value, .. }, Some(Trigger::Condition(rule))) => {
            let compared = Compared { value: value.clone(), comparison: rule.comparison.clone() };
            let says = format!(": {} is {}", compared.value, limits(&compared.comparison));
            (compared_fields(&compared), says)
        }
        (TriggerFact::Value { value, .. }, _) => (Map::new(), format!(": the value was {value}")),
        (TriggerFact::Log(log), _) => {
            let fields = json!({"block_number": log.block_number, "transaction_hash": log.transaction});
            (into_map(fields), format!(": a log in block {}", log.block_number))
        }
        (TriggerFact::Due | TriggerFact::Manual, _) => {
            (Map::new(), format!(": it was due at {}", task.due.to_rfc3339()))
        }
    };
    let mut row = base(task.number.0, "opened", &format!("task {} was opened{because}", task.number.0));
    row.insert("count".to_owned(), json!(1));
    row.insert("first_at".to_owned(), json!(task.opened_at.to_rfc3339()));
    row.insert("last_at".to_owned(), json!(task.opened_at.to_rfc3339()));
    row.insert("task_id".to_owned(), json!(task.public_id()));
    row.insert("scheduled_at".to_owned(), json!(task.due.to_rfc3339()));
    row.extend(fields);
    Value::Object(row)
}

/// What a job's trigger waits for now, as its record says; and why it was deleted, where its owner is not the reason.
pub fn now(record: &JobRecord, now: Timestamp, why_deleted: Option<String>) -> Value {
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
    json!({
        "status": status_name(status),
        "says": says,
        "next_due": match record.cursor.position {
            Position::Time => record.cursor.next_due.map(Timestamp::to_rfc3339),
            Position::Event { .. } | Position::Condition { .. } => None,
        },
    })
}

fn base(number: u32, name: &str, says: &str) -> Map<String, Value> {
    into_map(json!({"task_number": number, "outcome": name, "says": says}))
}

fn outcome(outcome: &Outcome) -> (&'static str, Map<String, Value>, String) {
    match outcome {
        Outcome::PassedOver { from, misfire } => {
            let (policy, what) = match misfire {
                Misfire::RunOnce => ("run_once", "share one run with the latest of them"),
                Misfire::Skip => ("skip", "are left out"),
                Misfire::CatchUp => ("catch_up", "are made up for"),
            };
            let from = from.to_rfc3339();
            let says = format!("instants missed from {from} on {what}, as the job's misfire policy says");
            ("passed_over", into_map(json!({"from": from, "misfire": policy})), says)
        }
        Outcome::Held { by } => {
            let says = format!("it waits for job {by}, the one before it, to finish its task of this number");
            ("held", into_map(json!({"by_job_id": by.to_string()})), says)
        }
        Outcome::Paused { since } => {
            let since = since.to_rfc3339();
            ("paused", into_map(json!({"since": since})), format!("the job was paused at {since}"))
        }
        Outcome::Expired => ("expired", Map::new(), "the job's time frame was over".to_owned()),
        Outcome::Unfulfilled(compared) => {
            let says = format!("{} is not {}", compared.value, limits(&compared.comparison));
            ("not_crossed", compared_fields(compared), says)
        }
        Outcome::StillFulfilled(compared) => {
            let says =
                format!("{} is still {}: it has not crossed", compared.value, limits(&compared.comparison));
            ("still_fulfilled", compared_fields(compared), says)
        }
        Outcome::Cooling { compared, until } => {
            let mut fields = compared_fields(compared);
            fields.insert("until".to_owned(), json!(until.to_rfc3339()));
            let says = format!("{} is {}", compared.value, limits(&compared.comparison));
            ("cooling", fields, format!("{says}, but no crossing counts before {}", until.to_rfc3339()))
        }
        Outcome::Unread { reason } => {
            let says = format!("the source gave no value: {reason}");
            ("source_error", into_map(json!({"reason": reason})), says)
        }
        Outcome::Unmatched(log) => ("filtered", unmatched_fields(log), unmatched_says(log)),
    }
}

fn unmatched_fields(log: &Unmatched) -> Map<String, Value> {
    into_map(json!({
        "block_number": log.block,
        "transaction_hash": log.transaction,
        "event_filter_para_name": log.parameter,
        "event_filter_value": log.expected,
        "found": log.found,
    }))
}

fn unmatched_says(log: &Unmatched) -> String {
    format!(
        "the event in block {} has {} = {}, and the job waits for {}",
        log.block, log.parameter, log.found, log.expected
    )
}

fn compared_fields(compared: &Compared) -> Map<String, Value> {
    let mut fields = comparison_fields(&compared.comparison);
    fields.insert("value".to_owned(), json!(compared.value.to_string()));
    fields
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
