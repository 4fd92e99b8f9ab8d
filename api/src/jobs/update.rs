//! Changes of a job: its next version.

use argus_domain::{
    job::{Cursor, Job, JobChange, JobRecord, Position, Trigger},
    time::Timestamp,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{apply, move_cursor, nudge, refuse_ended};
use crate::{
    Edge,
    call::Call,
    create::{Basis, Faults, Fields, Refusal, check_on, first_cursor, usual_cap},
    errors::ApiError,
    json,
    reply::Reply,
    secrets,
    shape::{
        formats::{Instant, JobNumber},
        job as shape,
    },
};

/// What became of a change: the job's next version, or nothing, because of a script that does not work.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Update {
    Done(Updated),
    Refused(Refusal),
}

/// A job's version after a change.
#[derive(Serialize, JsonSchema)]
pub struct Updated {
    message: &'static str,
    job_id: JobNumber,
    version: u32,
    updated_at: Instant,
    /// What is no fault, and worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// Fields with two names: by which one a job is shown, and by which one newer clients call it.
const SECOND_NAMES: [(&str, &str); 2] =
    [("dynamic_arguments_script_url", "execution_script_url"), ("language", "execution_script_language")];

/// So many fields that a change does not have are told of,
const IGNORED_MAX: usize = 8;
/// each by so many characters of its name.
const NAME_CHARS_MAX: usize = 40;

/// `PUT /api/jobs/update/{id}`: the fields given are laid over the job as it is, and the whole is checked anew.
pub async fn update(call: Call) -> Result<Reply<Update>, ApiError> {
    let record = call.job()?;
    let old = &record.job;
    refuse_ended(record, call.now)?;
    let (body, rest) = call.json_and_rest()?;
    let body = match body {
        Value::Object(map) => map,
        Value::Array(mut one) if one.len() == 1 && one[0].is_object() => match one.remove(0) {
            Value::Object(map) => map,
            _ => return Err(ApiError::bad_request("send one JSON object")),
        },
        _ => return Err(ApiError::bad_request("send one JSON object")),
    };
    let mut faults = Faults::default();
    let mut laid = shape::as_created(old);
    // A cap that nobody named goes on following from the rest.
    if old.policy.fee_cap == usual_cap(&call.edge, old.policy.gas_limit, old.policy.mode) {
        laid.remove("fee_cap");
    }
    let changes = body.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map<_, _>>();
    for (name, other) in SECOND_NAMES {
        if changes.contains_key(other) {
            laid.remove(name);
        }
    }
    laid.extend(changes);
    let given = |name: &str| laid.get(name).map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    if given("job_id") != Some(old.id.to_string()) {
        faults.add("job_id", "FIXED", "the id in the body is not the one in the path");
    }
    if given("user_address").as_deref().and_then(json::address) != Some(old.owner) {
        faults.add("user_address", "FIXED", "a job keeps its owner");
    }
    let kind_before = json!(shape::task_definition_id(old));
    let trigger_class =
        |kind: &Value| json::whole(kind).map(|k| if k == 7 { 7 } else { k.saturating_add(1) / 2 });
    if laid.get("task_definition_id").and_then(trigger_class) != trigger_class(&kind_before) {
        faults.add("task_definition_id", "FIXED", "a job keeps its kind of trigger");
    }
    let fields = Fields::new(&laid, "");
    let basis = Basis {
        id: Some(old.id),
        accepted_at: old.accepted_at,
        version: old.version + 1,
        keep: Some(old),
        is_change: true,
        stores: true,
    };
    let one = check_on(&call.edge, &fields, &basis, &mut faults).await?;
    if one.checked.as_ref().is_some_and(|one| one.job.expires_at <= call.now) {
        faults.add("time_frame", "OVER", "the job would be over at once; to end it, delete it");
    }
    if let (false, Some(refused)) = (faults.is_empty(), &one.refused) {
        faults.add_script(refused);
    }
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    if let Some(refused) = one.refused {
        return Ok(Reply::of(Update::Refused(Refusal::of(refused))));
    }
    let checked = one.checked.ok_or_else(|| ApiError::internal("a job without fault and content"))?;
    let (new, mut warnings) = (checked.job, checked.warnings);
    let is_same = Job { version: old.version, ..new.clone() } == *old;
    let record = if is_same { record.clone() } else { replace(&call, old, new).await? };
    warnings.extend(over(&record.job, call.now));
    warnings.extend(rest.iter().take(IGNORED_MAX).map(|name| {
        let name: String = name.chars().take(NAME_CHARS_MAX).collect();
        format!("{name} is ignored: a change has no such field")
    }));
    Ok(Reply::of(Update::Done(Updated {
        message: if is_same { "The job is as it was" } else { "Job updated successfully" },
        job_id: JobNumber(old.id),
        version: record.job.version,
        updated_at: Instant(record.updated_at),
        warnings,
    })))
}

/// Said of a job that a change leaves without a run.
fn over(job: &Job, now: Timestamp) -> Option<String> {
    let Trigger::Time(schedule) = &job.trigger else { return None };
    let is_over = schedule.next_after(job.accepted_at, now).is_none_or(|at| at > job.expires_at);
    let end = job.expires_at.to_rfc3339();
    is_over.then(|| {
        format!("it is not due any more before its time frame ends at {end}: nothing more is called")
    })
}

async fn replace(call: &Call, old: &Job, new: Job) -> Result<JobRecord, ApiError> {
    let edge = &call.edge;
    let stored = apply(edge, old, JobChange::Version(Box::new(new.clone()), call.now)).await?;
    if stored.job != new {
        let message = "the job was changed by someone else meanwhile; read it again";
        return Err(ApiError::conflict("JOB_CHANGED", message));
    }
    if old.trigger != new.trigger || old.expires_at != new.expires_at {
        move_cursor(edge, new.id, |record| Box::pin(after_change(edge, record, old, call.now))).await?;
    }
    secrets::drop_ungranted(edge, old, Some(&new)).await?;
    nudge(edge, &[new.id]).await;
    Ok(stored)
}

/// The cursor of a job whose trigger changed: it is followed from now on, by the same anchor.
async fn after_change(edge: &Edge, record: JobRecord, old: &Job, now: Timestamp) -> Result<Cursor, ApiError> {
    let job = &record.job;
    let mut cursor = record.cursor.clone();
    match &job.trigger {
        Trigger::Time(schedule) => {
            let next = schedule.next_after(job.accepted_at, now).filter(|at| *at <= job.expires_at);
            cursor.next_due = next;
        }
        Trigger::Event(_) | Trigger::Condition(_) if job.trigger != old.trigger => {
            let (first, _) = first_cursor(edge, job).await?;
            cursor.next_due = first.next_due;
            cursor.position = match (first.position, cursor.position) {
                // Ordinals of crossings name tasks and are never given twice.
                (Position::Condition { .. }, Position::Condition { crossings, last, .. }) => {
                    Position::Condition { crossings, held: None, last }
                }
                (fresh, _) => fresh,
            };
        }
        Trigger::Event(_) | Trigger::Condition(_) => {}
    }
    Ok(cursor)
}
