//! A task's life, fact by fact, in words.

use argus_domain::{
    attempt::Output,
    ids::KeeperId,
    quorum::threshold,
    task::{Fact, Task, TaskRecord, TriggerFact, Verdict},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    call::Call,
    errors::ApiError,
    reply::Reply,
    shape::formats::{Account, Hash, Instant, JobNumber},
};

/// What happened to a task, in the order in which it was recorded.
#[derive(Serialize, JsonSchema)]
pub struct Timeline {
    #[schemars(range(max = 9_007_199_254_740_991_u64))]
    task_id: u64,
    task_hash: Hash,
    job_id: JobNumber,
    entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TimelineEntry")]
struct Entry {
    /// When; of what keepers sign no instant is recorded.
    at: Option<Instant>,
    /// Milliseconds since the entry before that has an instant; a block's time, in whole seconds, may lie before it.
    after_ms: Option<i64>,
    by: Part,
    keeper: Option<Account>,
    /// In one sentence.
    says: String,
}

/// Which part of the platform recorded it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Part {
    Scheduler,
    Dispatcher,
    Aggregator,
    Monitor,
    Challenger,
}

/// `GET /api/tasks/{id}/timeline`
pub async fn show(call: Call) -> Result<Reply<Timeline>, ApiError> {
    let record = call.task()?;
    let told = std::iter::once(opening(&record.task)).chain(record.facts.iter().map(told));
    let mut last = record.task.due;
    let mut entries = vec![due(record)];
    for told in told {
        let after_ms = told.at.map(|at| at.0.cast_signed().saturating_sub(last.0.cast_signed()));
        last = told.at.unwrap_or(last);
        let Told { at, by, keeper, says } = told;
        entries.push(Entry {
            at: at.map(Instant),
            after_ms,
            by,
            keeper: keeper.map(|id| Account(id.0)),
            says,
        });
    }
    Ok(Reply::of(Timeline {
        task_id: record.task.public_id(),
        task_hash: Hash(record.task.id.0),
        job_id: JobNumber(record.task.job),
        entries,
    }))
}

struct Told {
    at: Option<Timestamp>,
    by: Part,
    keeper: Option<KeeperId>,
    says: String,
}

fn due(record: &TaskRecord) -> Entry {
    let says = match &record.task.trigger {
        TriggerFact::Due => "it was due".to_owned(),
        TriggerFact::Log(log) => format!("block {} of chain {} has its event", log.block_number, log.chain),
        TriggerFact::Value { value, .. } => format!("its source showed {value}"),
        TriggerFact::Manual => "somebody set it off".to_owned(),
    };
    Entry { at: Some(Instant(record.task.due)), after_ms: None, by: Part::Scheduler, keeper: None, says }
}

fn opening(task: &Task) -> Told {
    let says = format!("task {} of the job was opened, of its version {}", task.number.0, task.job_version);
    Told { at: Some(task.opened_at), by: Part::Scheduler, keeper: None, says }
}

fn told(fact: &Fact) -> Told {
    let by = |by, at, keeper, says| Told { at, by, keeper, says };
    match fact {
        Fact::Attempted(attempt) => {
            let (keepers, needed) = (attempt.keepers.len(), threshold(attempt.mode));
            let patience = attempt.deadline.since(attempt.begun_at).as_millis();
            let says = format!(
                "attempt {} began: {keepers} keepers, {needed} of which have to agree within {patience} ms",
                attempt.no.0
            );
            by(Part::Dispatcher, Some(attempt.begun_at), None, says)
        }
        Fact::Observed(seen) => {
            let came_to = match &seen.output {
                Output::Call(_) => "a call".to_owned(),
                Output::Skip(reason) => format!("\"not now\": {reason}"),
                Output::Fail(reason) => format!("a failure: {reason}"),
            };
            let says =
                format!("a keeper's run in attempt {} came to {came_to}; {} fuel", seen.attempt.0, seen.fuel);
            by(Part::Aggregator, None, Some(seen.keeper), says)
        }
        Fact::Claimed(claim) => {
            let says =
                format!("a keeper signed the call in attempt {}, round {}", claim.attempt.0, claim.round.0);
            by(Part::Aggregator, None, Some(claim.keeper), says)
        }
        Fact::Settled(settled) => by(Part::Dispatcher, Some(settled.at), None, verdict(&settled.verdict)),
        Fact::Announced { at, .. } => {
            by(Part::Dispatcher, Some(*at), None, "those who watch were told of that".to_owned())
        }
        Fact::HandedOff(handoff) => {
            let patience = handoff.patience_until.since(handoff.at).as_millis();
            let because = handoff.declined.as_ref().map(|why| format!(", after one declined: {why}"));
            let says = format!(
                "handoff {}: a keeper may act, for {patience} ms{}",
                handoff.number,
                because.unwrap_or_default()
            );
            by(Part::Dispatcher, Some(handoff.at), Some(handoff.keeper), says)
        }
        Fact::Broadcast(sent) => {
            let says = format!("the keeper sent transaction {}", sent.transaction);
            by(Part::Dispatcher, Some(sent.at), Some(sent.keeper), says)
        }
        Fact::Received(receipt) => {
            let end =
                if receipt.success { "the target took the call" } else { "the target refused the call" };
            let says = format!(
                "block {} of chain {} has transaction {}: {end}; {} gas, {} wei charged",
                receipt.block_number, receipt.chain, receipt.transaction, receipt.gas_used, receipt.charged
            );
            by(Part::Monitor, Some(receipt.block_time), Some(receipt.keeper), says)
        }
        Fact::Revoked { block_hash, at, .. } => {
            let says = format!("a reorg took block {block_hash} back, and the call with it");
            by(Part::Monitor, Some(*at), None, says)
        }
        Fact::Confirmed { block_hash, at, .. } => {
            let says = format!("block {block_hash} is as deep as the job asks: the call stands");
            by(Part::Monitor, Some(*at), None, says)
        }
        Fact::Lapsed { at, because, .. } => {
            let because = because.as_deref().unwrap_or("the time in which the chain takes it has passed");
            by(Part::Monitor, Some(*at), None, format!("the call can be made no more: {because}"))
        }
        Fact::TriggerLost { at, .. } => {
            let says = "the log that set it off is on the chain no more".to_owned();
            by(Part::Monitor, Some(*at), None, says)
        }
        Fact::Challenged(challenge) => {
            let says = format!("a replay came to something else than a keeper signed: {}", challenge.finding);
            by(Part::Challenger, Some(challenge.at), Some(challenge.keeper), says)
        }
        Fact::Disagreed(report) => {
            let says = format!("attempt {}: {}", report.attempt.0, report.finding);
            by(Part::Aggregator, None, Some(report.one.keeper), says)
        }
    }
}

fn verdict(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Agreed(agreed) if agreed.signatures.is_empty() => "a call was found".to_owned(),
        Verdict::Agreed(agreed) => format!("{} keepers agreed on the call", agreed.signatures.len()),
        Verdict::Skipped(reason) => format!("the script said \"not now\": {reason}"),
        Verdict::Failed(reason) => format!("it failed: {reason}"),
        Verdict::Withdrawn(reason) => format!("it was withdrawn: {reason}"),
        Verdict::Exhausted(reason) => format!("it was given up: {reason}"),
    }
}
