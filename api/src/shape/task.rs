//! Tasks as JSON.

use argus_domain::{
    B256,
    difference::{Disagreement, Remedy, Side},
    job::{Agreement, Job},
    status::{TaskState, TaskStatus},
    task::{AgreedHow, TaskRecord, TriggerFact, Verdict},
};
use serde_json::{Map, Value, json};

use crate::{
    Edge,
    json::{address_number, ether},
    shape::job::task_definition_id,
};

/// A task's status as clients read it.
pub fn status_name(status: TaskStatus) -> &'static str {
    match status {
        TaskStatus::Processing => "processing",
        TaskStatus::Completed => "completed",
        TaskStatus::Failed => "failed",
    }
}

/// A task as one object: an element of every list, and the `changes` of every frame.
pub fn shown(edge: &Edge, record: &TaskRecord, job: &Job) -> Map<String, Value> {
    let task = &record.task;
    let state = record.state();
    let status = state.status();
    let error = error_text(&state, status);
    let cost = state.charged();
    let transaction = transaction(&state);
    let chain = state
        .receipt
        .as_ref()
        .map(|receipt| receipt.chain)
        .or_else(|| state.agreed().map(|agreed| agreed.call.chain))
        .unwrap_or_else(|| job.target_chain());
    let url = transaction
        .and_then(|hash| edge.ports.chains.get(&chain).map(|chain| chain.transaction_url(hash)))
        .unwrap_or_default();
    let performer = state.receipt.as_ref().map(|r| r.keeper).or(state.handoff.as_ref().map(|h| h.keeper));
    let attesters: Vec<_> =
        state.agreed().map(|a| a.keepers().iter().map(|keeper| keeper.0).collect()).unwrap_or_default();
    let value = json!({
        "task_id": task.public_id(),
        "task_number": task.number.0,
        "task_hash": task.id.0,
        "job_id": task.job.to_string(),
        "task_definition_id": task_definition_id(job),
        "task_status": status_name(status),
        "scheduled_at": task.due.to_rfc3339(),
        "created_at": task.opened_at.to_rfc3339(),
        "broadcast_at": state.broadcasts.first().map(|broadcast| broadcast.at.to_rfc3339()),
        "execution_timestamp": state.receipt.as_ref().map(|receipt| receipt.block_time.to_rfc3339()),
        "execution_tx_hash": transaction.map(|hash| hash.to_string()).unwrap_or_default(),
        "tx_url": url,
        "converted_arguments": state.agreed().map(|agreed| agreed.call.arguments.clone()).unwrap_or_default(),
        "is_successful": status == TaskStatus::Completed,
        "is_accepted": state.agreed().is_some(),
        "is_skipped": skip_reason(&state).is_some(),
        "skip_reason": skip_reason(&state),
        "error": error,
        "task_error": error.clone().unwrap_or_default(),
        "task_opx_cost": ether(cost),
        "task_opx_cost_wei": cost.to_string(),
        "task_performer_id": performer.map_or(0, |keeper| address_number(keeper.0)),
        "task_performer": performer.map(|keeper| keeper.0),
        "task_attester_ids": attesters.iter().map(|a| address_number(*a)).collect::<Vec<_>>(),
        "task_attesters": attesters,
        "agreement": state.agreed().map(|agreed| how_name(agreed.how)),
        "trigger": trigger(&task.trigger),
        "confirmed": state.confirmed,
        "attempts": state.attempts.len(),
        "job_version": task.job_version,
        "is_imua": job.remarks.is_imua,
    });
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The transaction that the chain shows, else the newest that left.
fn transaction(state: &TaskState) -> Option<B256> {
    let shown = state.receipt.as_ref().map(|receipt| receipt.transaction);
    shown.or_else(|| state.broadcasts.last().map(|broadcast| broadcast.transaction))
}

/// Why the script said "not now".
fn skip_reason(state: &TaskState) -> Option<&str> {
    match &state.verdict {
        Some((Verdict::Skipped(why), _)) => Some(why),
        Some((
            Verdict::Agreed(_) | Verdict::Failed(_) | Verdict::Withdrawn(_) | Verdict::Exhausted(_),
            _,
        ))
        | None => None,
    }
}

fn error_text(state: &TaskState, status: TaskStatus) -> Option<String> {
    match &state.verdict {
        Some((Verdict::Agreed(_), _)) => match (status, &state.receipt) {
            (TaskStatus::Failed, Some(_)) => Some("the call reverted on chain".to_owned()),
            (TaskStatus::Failed, None) => {
                let declined = state.handoff.as_ref().and_then(|handoff| handoff.declined.as_ref());
                Some(match declined {
                    Some(why) => format!("{why}: keepers declined the agreed call until its deadline passed"),
                    None => "the deadline of the agreed call passed before the chain showed it".to_owned(),
                })
            }
            (TaskStatus::Processing | TaskStatus::Completed, _) => None,
        },
        Some((Verdict::Skipped(_), _)) | None => None,
        Some((Verdict::Failed(why) | Verdict::Withdrawn(why) | Verdict::Exhausted(why), _)) => {
            Some(why.clone())
        }
    }
}

fn how_name(how: AgreedHow) -> &'static str {
    match how {
        AgreedHow::Equal => "equal",
        AgreedHow::Median => "median",
        AgreedHow::Tolerance => "tolerance",
        AgreedHow::Performer => "performer",
        AgreedHow::Solo => "solo",
    }
}

fn trigger(fact: &TriggerFact) -> Value {
    match fact {
        TriggerFact::Due => json!({"kind": "time"}),
        TriggerFact::Log(log) => json!({
            "kind": "event",
            "chain_id": log.chain.to_string(),
            "block_number": log.block_number,
            "transaction_hash": log.transaction,
            "log_index": log.index_in_block,
        }),
        TriggerFact::Value { value, at } => {
            json!({"kind": "condition", "value": value, "observed_at": at.to_rfc3339()})
        }
        TriggerFact::Manual => json!({"kind": "manual"}),
    }
}

/// What one task by itself shows beside: by which rule keepers had to agree, and why they did not.
pub fn details(record: &TaskRecord, job: &Job) -> Map<String, Value> {
    let state = record.state();
    let rule = state.attempts.last().map_or(&job.policy.agreement, |attempt| &attempt.agreement);
    let disagreements: Vec<_> = state.disagreements.iter().map(|d| disagreement(d)).collect();
    let mut shown = Map::new();
    shown.insert("agreement_rule".to_owned(), setting(rule));
    shown.insert("disagreements".to_owned(), json!(disagreements));
    shown
}

/// As the policy of a job says it.
fn setting(rule: &Agreement) -> Value {
    match rule {
        Agreement::Median { tolerance } => json!({"agreement": "median", "tolerance": tolerance}),
        Agreement::Exact => json!({"agreement": "exact"}),
        Agreement::TrustPerformer => json!({"agreement": "trust-performer"}),
    }
}

fn disagreement(d: &Disagreement) -> Value {
    let side = |side: &Side| json!({"keeper": side.keeper.0, "came_to": side.came_to, "fuel": side.fuel});
    let would_help = |remedy: &Remedy| match remedy {
        Remedy::Median => json!({"agreement": "median"}),
        Remedy::Tolerance(least) => json!({"agreement": "median", "tolerance": least}),
        Remedy::TrustPerformer => json!({"agreement": "trust-performer"}),
    };
    json!({
        "attempt": d.attempt.0,
        "finding": d.finding,
        "one": side(&d.one),
        "other": d.other.as_ref().map(side),
        "refuted_by": d.refuted_by.iter().map(|keeper| keeper.0).collect::<Vec<_>>(),
        "call": d.call,
        "argument": d.argument,
        "would_help": d.remedies.iter().map(would_help).collect::<Vec<_>>(),
    })
}
