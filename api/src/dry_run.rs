//! What creation would say of a job, when it would run, and what a run would call and cost. Nothing is stored, and
//! nothing shows of a job of somebody else's that may have the same id.

use argus_domain::{job::Trigger, time::Timestamp};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    Edge,
    call::Call,
    create::{Faults, One, Plan, Purpose, Sketch, check_each},
    errors::ApiError,
    fees::{self, Price, Simulation},
    json,
};

/// Due instants that are shown.
const RUNS_SHOWN: usize = 5;

/// `POST /api/jobs/dry-run`: one job in, one answer out; an array of linked jobs gives an array.
pub async fn dry_run(call: Call) -> Result<Response, ApiError> {
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
    match (is_one, answers.pop()) {
        (true, Some(only)) => Ok(json::ok(&only)),
        (_, last) => {
            answers.extend(last);
            Ok(json::ok(&answers))
        }
    }
}

async fn answer(edge: &Edge, mut faults: Faults, one: One) -> Result<Map<String, Value>, ApiError> {
    if let Some(refused) = &one.refused {
        faults.add_script(refused);
    }
    let price = price(edge, &one.sketch).await?;
    let Plan { call, arguments, skip, log, fuel, .. } = &one.sketch.plan;
    let (would_revert, reason) = match price.as_ref().map(|price| &price.simulation) {
        Some(Simulation::Ran) => (Some(false), None),
        Some(Simulation::Reverted(reason)) => (Some(true), Some(reason)),
        Some(Simulation::Unknown(why)) => (None, Some(why)),
        None => (None, None),
    };
    let checked = one.checked.as_ref();
    let mut shown = Map::new();
    let mut put = |name: &str, value: Value| shown.insert(name.to_owned(), value);
    put("ok", json!(faults.is_empty()));
    put("faults", json!(faults.shown()));
    put("warnings", json!(checked.map(|one| one.warnings.as_slice()).unwrap_or_default()));
    put("next_runs", json!(next_runs(&one.sketch)));
    put("expiration_time", json::instant(one.sketch.life.map(|(_, end)| end)));
    put("arguments", json!(arguments));
    put("target", json!(call.as_ref().map(|(target, _)| target)));
    put("calldata", json!(call.as_ref().map(|(_, calldata)| calldata)));
    put("skip_reason", json!(skip));
    put("would_revert", json!(would_revert));
    put("revert_reason", json!(reason));
    put("gas", json!(price.as_ref().map(|price| price.quote.gas)));
    put("cost_wei", json!(price.as_ref().map(|price| price.quote.current.to_string())));
    put("fee_cap_wei", json!(checked.map(|one| one.job.policy.fee_cap.to_string())));
    put("fuel", json!(fuel));
    put("log", json!(one.refused.as_ref().map_or(log, |refused| &refused.log)));
    Ok(shown)
}

/// The first instants at which a job is due; of one that waits for an event or a value nobody knows.
fn next_runs(sketch: &Sketch) -> Vec<String> {
    match (&sketch.trigger, sketch.life) {
        (Some(Trigger::Time(schedule)), Some((accepted_at, expires_at))) => {
            let instants = schedule.first_instants(accepted_at, expires_at, RUNS_SHOWN);
            instants.into_iter().map(Timestamp::to_rfc3339).collect()
        }
        (Some(Trigger::Time(_) | Trigger::Event(_) | Trigger::Condition(_)) | None, _) => Vec::new(),
    }
}

/// What a run would cost, as `GET /api/fees` says it; `None` where it is not known what it would call, or that it
/// would not.
async fn price(edge: &Edge, sketch: &Sketch) -> Result<Option<Price>, ApiError> {
    let is_known = sketch.plan.call.is_some() || sketch.plan.skip.is_some();
    let chain = sketch.chain.and_then(|id| edge.ports.chains.get(&id));
    match (sketch.kind, chain) {
        (Some(kind), Some(chain)) if is_known => {
            Ok(Some(fees::price(edge, chain, kind, &sketch.plan).await?))
        }
        _ => Ok(None),
    }
}
