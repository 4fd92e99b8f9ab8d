//! What creation would say of a job, when it would run, and what a run would call and cost. Nothing is stored, and
//! nothing shows of a job of somebody else's that may have the same id.

use argus_domain::{
    Bytes, U256, Value,
    job::{Job, Trigger},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    chain,
    create::{Checked, Fault, Faults, One, Plan, Purpose, Sketch, check_each},
    errors::ApiError,
    fees::{self, Price, Simulation},
    reply::Reply,
    shape::formats::{Account, Argument, Hex, Instant, Wei},
};

/// Due instants that are shown.
const RUNS_SHOWN: usize = 5;

/// What was tried: one job, or linked ones.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum DryRuns {
    One(Box<DryRun>),
    Linked(Vec<DryRun>),
}

/// What creation would say of a job, when it would run, what it would call and what that costs.
#[derive(Serialize, JsonSchema)]
pub struct DryRun {
    ok: bool,
    faults: Vec<Fault>,
    warnings: Vec<String>,
    /// The first instants at which it is due, at most five; of what waits for an event or a value nobody knows.
    #[schemars(length(max = 5))]
    next_runs: Vec<Instant>,
    expiration_time: Option<Instant>,
    arguments: Option<Vec<Argument>>,
    target: Option<Account>,
    calldata: Option<Hex>,
    /// Why the script said "not now".
    skip_reason: Option<String>,
    would_revert: Option<bool>,
    revert_reason: Option<String>,
    gas: Option<u64>,
    cost_wei: Option<Wei>,
    fee_cap_wei: Option<Wei>,
    /// That its script used.
    fuel: u64,
    log: String,
}

/// `POST /api/jobs/dry-run`: one job in, one answer out; an array of linked jobs gives an array.
pub async fn dry_run(call: Call) -> Result<Reply<DryRuns>, ApiError> {
    let (bodies, is_one) = match call.json()? {
        Value::Array(bodies) => (bodies, false),
        one @ Value::Object(_) => (vec![one], true),
        _ => {
            let message = "send a job as a JSON object, or an array of linked ones";
            return Err(ApiError::unprocessable("BAD_BATCH", message));
        }
    };
    let mut answers = Vec::with_capacity(bodies.len());
    for (faults, one) in check_each(&call.edge, call.key()?, &bodies, call.now, Purpose::DryRun).await? {
        answers.push(answer(&call.edge, faults, one).await?);
    }
    Ok(Reply::of(match (is_one, answers.pop()) {
        (true, Some(only)) => DryRuns::One(Box::new(only)),
        (_, last) => {
            answers.extend(last);
            DryRuns::Linked(answers)
        }
    }))
}

async fn answer(edge: &Edge, mut faults: Faults, one: One) -> Result<DryRun, ApiError> {
    if let Some(refused) = &one.refused {
        faults.add_script(refused);
    }
    let price = price(edge, &one.sketch).await?;
    let next_runs = next_runs(&one.sketch);
    let Sketch { plan: Plan { call, arguments, skip, log, fuel, .. }, life, .. } = one.sketch;
    let (target, calldata) = call.unzip();
    let (gas, cost) = price.as_ref().map(|price| (price.quote.gas, price.quote.current)).unzip();
    let (would_revert, revert_reason) = match price.map(|price| price.simulation) {
        Some(Simulation::Ran) => (Some(false), None),
        Some(Simulation::Reverted(reason)) => (Some(true), Some(reason)),
        Some(Simulation::Unknown(why)) => (None, Some(why)),
        None => (None, None),
    };
    let (fee_cap, warnings) = match one.checked {
        Some(Checked { job, mut warnings, .. }) => {
            warnings.extend(unpaid(edge, &job, cost).await);
            if would_revert == Some(false) {
                warnings.extend(too_little_gas(&job, gas.unwrap_or_default(), calldata.as_ref()));
            }
            (Some(job.policy.fee_cap), warnings)
        }
        None => (None, Vec::new()),
    };
    Ok(DryRun {
        ok: faults.is_empty(),
        faults: faults.shown(),
        warnings,
        next_runs,
        expiration_time: life.map(|(_, end)| Instant(end)),
        arguments: arguments.map(|values| values.into_iter().map(Argument).collect()),
        target: target.map(Account),
        calldata: calldata.map(Hex),
        skip_reason: skip,
        would_revert,
        revert_reason,
        gas,
        cost_wei: cost.map(Wei),
        fee_cap_wei: fee_cap.map(Wei),
        fuel,
        log: one.refused.map_or(log, |refused| refused.log),
    })
}

/// Gas that a transaction costs before it does anything, and at most for each byte of calldata (EIP-2028). A node's
/// estimate has both in it, a job's gas limit neither.
const TRANSACTION_GAS: u64 = 21_000;
const BYTE_GAS: u64 = 16;

/// Said of a call that uses more gas than the job gives it: it fails, and its owner pays for that.
fn too_little_gas(job: &Job, estimate: u64, calldata: Option<&Bytes>) -> Option<String> {
    let bytes = calldata.map_or(0, |calldata| calldata.len() as u64);
    let needs = estimate.saturating_sub(TRANSACTION_GAS + BYTE_GAS * bytes);
    let limit = job.policy.gas_limit;
    (needs > limit).then(|| {
        format!("the call uses {needs} gas now, and its gas_limit is {limit}: it would fail, and be charged")
    })
}

/// Why what a run costs now would not be paid.
async fn unpaid(edge: &Edge, job: &Job, cost: Option<U256>) -> Vec<String> {
    let Some(cost) = cost else { return Vec::new() };
    let mut warnings = Vec::new();
    warnings.extend(fees::above_cap(cost, job.policy.fee_cap));
    if let Some(deposit) = chain::deposit(edge, job.created_chain, job.owner).await
        && deposit < cost
    {
        warnings.push(format!(
            "a task costs {cost} wei now, and the owner's deposit is {deposit}: deposit first"
        ));
    }
    warnings
}

/// The first instants at which a job is due; of one that waits for an event or a value nobody knows.
fn next_runs(sketch: &Sketch) -> Vec<Instant> {
    match (&sketch.trigger, sketch.life) {
        (Some(Trigger::Time(schedule)), Some((accepted_at, expires_at))) => {
            let instants = schedule.first_instants(accepted_at, expires_at, RUNS_SHOWN);
            instants.into_iter().map(Instant).collect()
        }
        (Some(Trigger::Time(_) | Trigger::Event(_) | Trigger::Condition(_)) | None, _) => Vec::new(),
    }
}

/// What a run would cost, as `GET /api/fees` says it; `None` where it is not known what it would call, or that it
/// would not.
async fn price(edge: &Edge, sketch: &Sketch) -> Result<Option<Price>, ApiError> {
    let is_known = sketch.plan.call.is_some() || sketch.plan.skip.is_some();
    let chain = sketch.chain.and_then(|id| edge.ports.chains.get(&id));
    match (sketch.kind, chain, &sketch.policy) {
        (Some(kind), Some(chain), Some(policy)) if is_known => {
            Ok(Some(fees::price(edge, chain, (kind, policy), &sketch.plan).await?))
        }
        _ => Ok(None),
    }
}
