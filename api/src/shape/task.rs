//! Tasks as JSON.

use super::{
    formats::{Account, Argument, ChainNumber, Ether, Hash, Instant, JobNumber, Wei},
    job::task_definition_id,
    task_types::{
        CallsApart, How, Setting, ShownCall, ShownDisagreement, ShownFact, ShownSide, ShownTask,
        TaskStatusName, ValuesApart, WholeTask,
    },
};
use crate::{Edge, json::address_number};
use argus_domain::{
    B256,
    difference::{Disagreement, MadeCall, Remedy, Side},
    job::{Agreement, Job},
    status::{TaskState, TaskStatus},
    task::{AgreedHow, TaskRecord, TriggerFact, Verdict},
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
pub fn shown(edge: &Edge, record: &TaskRecord, job: &Job) -> ShownTask {
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
    ShownTask {
        task_id: task.public_id(),
        task_number: task.number.0,
        task_hash: Hash(task.id.0),
        job_id: JobNumber(task.job),
        task_definition_id: task_definition_id(job),
        task_status: TaskStatusName(status),
        scheduled_at: Instant(task.due),
        created_at: Instant(task.opened_at),
        broadcast_at: state.broadcasts.first().map(|broadcast| Instant(broadcast.at)),
        execution_timestamp: state.receipt.as_ref().map(|receipt| Instant(receipt.block_time)),
        execution_tx_hash: transaction.map(|hash| hash.to_string()).unwrap_or_default(),
        tx_url: url,
        converted_arguments: state
            .agreed()
            .map(|agreed| agreed.call.arguments.iter().cloned().map(Argument).collect())
            .unwrap_or_default(),
        is_successful: status == TaskStatus::Completed,
        is_accepted: state.agreed().is_some(),
        is_skipped: skip_reason(&state).is_some(),
        skip_reason: skip_reason(&state).map(str::to_owned),
        task_error: error.clone().unwrap_or_default(),
        error,
        task_opx_cost: Ether(cost),
        task_opx_cost_wei: Wei(cost),
        task_performer_id: performer.map_or(0, |keeper| address_number(keeper.0)),
        task_performer: performer.map(|keeper| Account(keeper.0)),
        task_attester_ids: attesters.iter().map(|a| address_number(*a)).collect(),
        task_attesters: attesters.into_iter().map(Account).collect(),
        agreement: state.agreed().map(|agreed| how(agreed.how)),
        trigger: trigger(&task.trigger),
        confirmed: state.confirmed,
        attempts: state.attempts.len(),
        job_version: task.job_version,
        is_imua: job.remarks.is_imua,
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
            (TaskStatus::Failed, None) if state.lapsed_because.is_some() => state.lapsed_because.clone(),
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

fn how(how: AgreedHow) -> How {
    match how {
        AgreedHow::Equal => How::Equal,
        AgreedHow::Median => How::Median,
        AgreedHow::Tolerance => How::Tolerance,
        AgreedHow::Performer => How::Performer,
        AgreedHow::Solo => How::Solo,
    }
}

fn trigger(fact: &TriggerFact) -> ShownFact {
    match fact {
        TriggerFact::Due => ShownFact::Time,
        TriggerFact::Log(log) => ShownFact::Event {
            chain_id: ChainNumber(log.chain),
            block_number: log.block_number,
            transaction_hash: Hash(log.transaction),
            log_index: log.index_in_block,
        },
        TriggerFact::Value { value, at } => {
            ShownFact::Condition { value: value.to_string(), observed_at: Instant(*at) }
        }
        TriggerFact::Manual => ShownFact::Manual,
    }
}

/// One task by itself: also by which rule keepers had to agree, and why they did not.
pub fn whole(edge: &Edge, record: &TaskRecord, job: &Job) -> WholeTask {
    let state = record.state();
    let rule = state.attempts.last().map_or(&job.policy.agreement, |attempt| &attempt.agreement);
    WholeTask {
        task: shown(edge, record, job),
        agreement_rule: setting(rule),
        disagreements: state.disagreements.iter().map(|d| disagreement(d)).collect(),
    }
}

/// As the policy of a job says it.
fn setting(rule: &Agreement) -> Setting {
    match rule {
        Agreement::Median { tolerance } => Setting::Median { tolerance: Some(tolerance.to_string()) },
        Agreement::Exact => Setting::Exact,
        Agreement::TrustPerformer => Setting::TrustPerformer,
    }
}

fn disagreement(d: &Disagreement) -> ShownDisagreement {
    let side = |side: &Side| ShownSide {
        keeper: Account(side.keeper.0),
        came_to: side.came_to.clone(),
        fuel: side.fuel,
    };
    let would_help = |remedy: &Remedy| match remedy {
        Remedy::Median => Setting::Median { tolerance: None },
        Remedy::Tolerance(least) => Setting::Median { tolerance: Some(least.to_string()) },
        Remedy::TrustPerformer => Setting::TrustPerformer,
    };
    let made = |call: &MadeCall| ShownCall {
        import: call.import.clone(),
        request: call.request.clone(),
        reply: call.reply.clone(),
        fuel: call.fuel,
    };
    ShownDisagreement {
        attempt: d.attempt.0,
        finding: d.finding.clone(),
        one: side(&d.one),
        other: d.other.as_ref().map(side),
        refuted_by: d.refuted_by.iter().map(|keeper| Account(keeper.0)).collect(),
        call: d.call.as_ref().map(|call| CallsApart {
            sequence: call.sequence,
            one: call.one.as_ref().map(made),
            other: call.other.as_ref().map(made),
        }),
        argument: d.argument.as_ref().map(|argument| ValuesApart {
            path: argument.path.clone(),
            one: argument.one.clone(),
            other: argument.other.clone(),
        }),
        would_help: d.remedies.iter().map(would_help).collect(),
    }
}
