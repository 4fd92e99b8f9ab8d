//! A task's bundle: all that is known of its runs in one file, which `argus replay` checks offline.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    B256,
    attempt::{Observation, Output, log_name, run_input, seal_name},
    bundle::{Account, AssignmentSeal, BUNDLE_BYTES_MAX, Bundle, BundleError, CameTo, Run, Script},
    call::ExecutorDomain,
    chain::Inclusion,
    job::{Args, Job},
    limits::WASI_COMMAND_BYTES_MAX,
    module::ModuleRef,
    run::Transcript,
    task::{Agreed, Fact, TaskRecord},
};
use axum::http::{HeaderValue, StatusCode, header};
use schemars::{Schema, json_schema};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::{
    Edge,
    call::Call,
    errors::ApiError,
    reply::{Document, File},
};

/// Room that job and facts get beside script and transcripts.
const FACTS_BYTES: usize = 4 << 20;
/// How long a download waits for a node.
const INCLUSION_WITHIN: Duration = Duration::from_secs(10);

/// A bundle's file, whose own format and digest say what is in it.
pub struct BundleFile;

impl Document for BundleFile {
    const MEDIA_TYPE: &'static str = "application/json";
    fn schema() -> Schema {
        json_schema!({
            "type": "object",
            "required": ["format", "script", "runs", "task", "omitted", "digest"],
            "properties": {
                "format": {"type": "string"},
                "script": or_null(script_schema()),
                "runs": {"type": "array", "items": run_schema()},
                "task": or_null(task_schema()),
                "omitted": {"type": "array", "items": {"type": "string"}},
                "digest": hash_schema(),
            },
            "additionalProperties": false,
        })
    }
}

fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn hash_schema() -> Value {
    json!({"type": "string", "pattern": "^0x[0-9a-f]{64}$"})
}

/// An object of just these fields, all of which are there.
fn whole(fields: Value) -> Value {
    let names: Vec<&String> = fields.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "required": names, "properties": fields, "additionalProperties": false})
}

fn script_schema() -> Value {
    whole(json!({
        "source": {"type": "string", "pattern": "^0x([0-9a-f]{2})*$"},
        "language": {"type": "string"},
        "wasm_hash": or_null(hash_schema()),
    }))
}

fn run_schema() -> Value {
    let by = json!({"type": "array", "description": "Attempt and keeper", "minItems": 2, "maxItems": 2});
    whole(json!({
        "by": or_null(by),
        "engine": hash_schema(),
        "input": {"type": "object"},
        "limits": {"type": "object", "additionalProperties": {"type": "integer"}},
        "transcript": {
            "type": "object",
            "required": ["calls"],
            "properties": {"calls": {"type": "array", "items": {"type": "object"}}},
        },
        "root": hash_schema(),
        "fuel": {"type": "integer", "minimum": 0},
        "log": {"type": "string"},
        "came_to": {"type": "object", "minProperties": 1, "maxProperties": 1},
        "state": or_null(hash_schema()),
    }))
}

fn task_schema() -> Value {
    let record = whole(json!({
        "task": {"type": "object"},
        "facts": {"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1}},
    }));
    whole(json!({
        "job": {"type": "object"},
        "record": record,
        "domain": or_null(json!({"type": "object"})),
        "seals": {"type": "array", "items": {"type": "object", "required": ["attempt", "by", "seal"]}},
        "inclusion": or_null(json!({"type": "object"})),
    }))
}

/// `GET /api/tasks/{id}/bundle`: the run that was taken with what it was told and answered, the other keepers' runs
/// as far as they were kept and fit, and the task's account.
pub async fn show(call: Call) -> Result<File<BundleFile>, ApiError> {
    let (edge, record) = (&call.edge, call.task()?);
    let newest = &call.job()?.job;
    let version = edge.ports.jobs.version(newest.id, record.task.job_version).await?;
    let job = version.map_or_else(|| newest.clone(), Arc::unwrap_or_clone);
    let mut omitted = Vec::new();
    let inclusion = inclusion(edge, record, &mut omitted).await;
    let shown = inclusion.as_ref().map_or(0, |inclusion| 2 * inclusion.bytes());
    let (script, runs) = match &job.args {
        Args::Fixed(_) => (None, Vec::new()),
        Args::Computed { module, .. } => {
            let script = script(edge, module).await?;
            let room = BUNDLE_BYTES_MAX.saturating_sub(FACTS_BYTES + shown + 2 * script.source.len());
            (Some(script), runs(edge, &job, record, room, &mut omitted).await?)
        }
    };
    let chain = job.target_chain();
    let contracts = edge.ports.chains.get(&chain).and_then(|chain| chain.contracts);
    let account = Account {
        seals: seals(edge, record).await?,
        domain: contracts.map(|contracts| ExecutorDomain { chain, executor: contracts.executor }),
        record: record.clone(),
        job,
        inclusion,
    };
    let bytes = Bundle::new(script, runs, Some(account), omitted).encode().map_err(|error| match error {
        BundleError::TooLarge(_) => {
            let message = format!("{error}: what the task's facts hold is too much for one file");
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "BUNDLE_TOO_LARGE", message)
        }
        BundleError::Malformed(_) | BundleError::Changed { .. } => ApiError::internal(error),
    })?;
    let name = format!("attachment; filename=\"task-{}.json\"", record.task.public_id());
    let file = File::of(bytes);
    Ok(match HeaderValue::from_str(&name) {
        Ok(name) => file.with(header::CONTENT_DISPOSITION, name),
        Err(_) => file,
    })
}

async fn script(edge: &Edge, module: &ModuleRef) -> Result<Script, ApiError> {
    let source = edge.ports.content.get(&module.source, WASI_COMMAND_BYTES_MAX).await?;
    let known = edge.ports.modules.by_cid(&module.source).await?;
    let known = known.into_iter().find(|(record, _)| record.module == *module);
    let wasm_hash = known.map(|(record, _)| record.wasm_hash);
    Ok(Script { source: source.into(), language: module.language, wasm_hash })
}

/// The runs that were reported and kept, the one that was taken first. What would not fit is left out.
async fn runs(
    edge: &Edge,
    job: &Job,
    record: &TaskRecord,
    mut room: usize,
    omitted: &mut Vec<String>,
) -> Result<Vec<Run>, ApiError> {
    let state = record.state();
    let mut observed: Vec<&Observation> = record
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Observed(observation) if !observation.module.is_zero() => Some(observation.as_ref()),
            _ => None,
        })
        .collect();
    observed.sort_by_key(|o| !state.agreed().is_some_and(|agreed| is_taken(agreed, o)));
    let mut runs = Vec::new();
    for o in observed {
        let mut leave_out = |why: &str| {
            omitted.push(format!("the run of keeper {} in attempt {}: {why}", o.keeper, o.attempt.0));
        };
        let Some(attempt) = state.attempts.iter().find(|attempt| attempt.no == o.attempt) else {
            leave_out("its attempt is not known");
            continue;
        };
        let (transcript, bytes) = match archived(edge, o.transcript_root).await? {
            Some(bytes) => (serde_json::from_slice(&bytes).ok(), bytes.len()),
            // A run without calls leaves nothing to keep.
            None => (Some(Transcript::default()), 0),
        };
        let log = archived(edge, log_name(o.task, o.attempt, o.keeper)).await?.unwrap_or_default();
        let transcript = transcript.filter(|transcript: &Transcript| transcript.root() == o.transcript_root);
        let Some(transcript) = transcript else {
            leave_out("its transcript was not kept");
            continue;
        };
        let before = match attempt.state {
            None => None,
            Some(named) => match edge.ports.archive.state(named.root).await {
                Ok(state) => Some(Arc::new(state)),
                Err(error) => {
                    leave_out(&error.to_string());
                    continue;
                }
            },
        };
        // As hexadecimal, a state takes twice its bytes.
        let stored =
            before.as_ref().map_or(0, |state| usize::try_from(2 * state.bytes()).unwrap_or(usize::MAX));
        let size = (bytes + log.len()).saturating_add(stored);
        if size > room {
            leave_out("the bundle would be too large");
            continue;
        }
        room -= size;
        runs.push(Run {
            by: Some((o.attempt, o.keeper)),
            engine: o.engine,
            input: run_input(job, &record.task, attempt, before),
            limits: attempt.limits,
            transcript,
            root: o.transcript_root,
            fuel: o.fuel,
            log: String::from_utf8_lossy(&log).into_owned(),
            came_to: CameTo::Output(o.output.clone()),
            state: o.state,
        });
    }
    Ok(runs)
}

fn is_taken(agreed: &Agreed, o: &Observation) -> bool {
    let came_to = match &o.output {
        Output::Call(call) => *call == agreed.call && o.state == agreed.state,
        Output::Skip(_) | Output::Fail(_) => false,
    };
    came_to && o.attempt == agreed.attempt && agreed.transcript_root == Some(o.transcript_root)
}

/// What the platform sealed of each attempt, where it was kept.
async fn seals(edge: &Edge, record: &TaskRecord) -> Result<Vec<AssignmentSeal>, ApiError> {
    let mut seals = Vec::new();
    for attempt in &record.state().attempts {
        if let Some(bytes) = archived(edge, seal_name(attempt.task, attempt.no)).await? {
            seals.extend(serde_json::from_slice::<AssignmentSeal>(&bytes));
        }
    }
    Ok(seals)
}

/// What shows the receipt that stands: asked of the chain now, because nothing of the platform's work needs it.
async fn inclusion(edge: &Edge, record: &TaskRecord, omitted: &mut Vec<String>) -> Option<Inclusion> {
    let receipt = record.state().receipt?;
    let asked = async {
        let Some(chain) = edge.ports.chains.get(&receipt.chain) else {
            return Err(format!("chain {} is not configured any more", receipt.chain));
        };
        let found = chain.reader.inclusion(receipt.transaction, receipt.block_hash);
        let found = timeout(INCLUSION_WITHIN, found).await;
        let late =
            |_| format!("no node of chain {} answered in {} s", receipt.chain, INCLUSION_WITHIN.as_secs());
        found.map_err(late)?.map_err(|error| error.to_string())
    };
    asked
        .await
        .map_err(|why| omitted.push(format!("the proof of transaction {}: {why}", receipt.transaction)))
        .ok()
}

async fn archived(edge: &Edge, name: B256) -> Result<Option<bytes::Bytes>, ApiError> {
    Ok(edge.ports.archive.get(name).await?)
}
