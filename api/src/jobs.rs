//! Jobs: created, read, changed and ended.

use argus_domain::{
    U256,
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, JobId},
    job::{Cursor, Job, JobChange, JobRecord, Position, Trigger},
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, Step, TaskQuery};
use axum::response::Response;
use serde_json::{Value, json};

use crate::{
    Edge,
    call::Call,
    chain,
    create::{
        Basis, Faults, Fields, Validated, check_all, check_on, first_cursor, head, refusal_body, taken,
    },
    errors::ApiError,
    json, once,
    pages::{self, Page},
    registrations, secrets,
    shape::job as shape,
    tasks::TASKS_MAX,
};

/// Most jobs in one list.
const JOBS_MAX: usize = 10_000;
/// Newest tasks of an ended job among which those are looked for that may still land.
const MAY_LAND_MAX: u32 = 1_000;
/// Tries of a cursor's move against the scheduler's own writes.
const MOVES_MAX: u32 = 10;
/// Points for a job, and for one that is marked as custom.
const POINTS: (u64, u64) = (10, 20);

/// `POST /api/jobs`: all of an array or none.
pub async fn create(call: Call) -> Result<Response, ApiError> {
    let Value::Array(bodies) = call.json()? else {
        return Err(ApiError::unprocessable("BAD_BATCH", "send a JSON array of jobs, also for a single one"));
    };
    let batch = match check_all(&call.edge, call.key()?, &bodies, call.now).await? {
        Validated::Good(batch) => batch,
        Validated::ScriptRefused(refused) => {
            let mut response = json::ok(&refusal_body(&refused));
            response.extensions_mut().insert(once::Undone);
            return Ok(response);
        }
    };
    let jobs: Vec<Job> = batch.jobs.iter().map(|(job, _)| job.clone()).collect();
    match call.edge.ports.jobs.create(batch.jobs).await? {
        CreateOutcome::Created(serials) => call.edge.metrics.jobs_created.inc_by(serials.len() as u64),
        CreateOutcome::Same(_) => {}
        CreateOutcome::Taken(id) => {
            return Err(ApiError::conflict("JOB_EXISTS", format!("{}; nothing was stored", taken(id))));
        }
    }
    call.edge.config.failpoint.reach(Step::Accepted);
    book_points(&call.edge, &jobs).await;
    nudge(&call.edge, &jobs.iter().map(|job| job.id).collect::<Vec<_>>()).await;
    created_answer(&call.edge, &jobs, &batch.warnings).await
}

async fn created_answer(edge: &Edge, jobs: &[Job], warnings: &[String]) -> Result<Response, ApiError> {
    let first = jobs.first().ok_or_else(|| ApiError::internal("a batch without jobs"))?;
    let balance = chain::deposit(edge, first.created_chain, first.owner).await.unwrap_or_default();
    let mut answer = json!({
        "user_id": json::address_number(first.owner),
        "account_balance": json::number(balance),
        "token_balance": json::number(balance),
        "job_ids": jobs.iter().map(|job| job.id.to_string()).collect::<Vec<_>>(),
        "task_definition_ids": jobs.iter().map(shape::task_definition_id).collect::<Vec<_>>(),
        "time_frames": jobs.iter().map(shape::time_frame).collect::<Vec<_>>(),
    });
    if let (false, Some(map)) = (warnings.is_empty(), answer.as_object_mut()) {
        map.insert("warnings".to_owned(), json!(warnings));
    }
    Ok(json::ok(&answer))
}

/// Points follow from the job's id, so that a repeat books nothing more. They are worth no failed creation.
async fn book_points(edge: &Edge, jobs: &[Job]) {
    let entry = |job: &Job| LedgerEntry {
        key: argus_domain::B256::from(job.id.0.to_be_bytes::<32>()),
        reason: LedgerReason::JobCreated,
        account: job.owner,
        amount: U256::from(if job.remarks.custom { POINTS.1 } else { POINTS.0 }),
    };
    if let Err(cause) = edge.ports.ledger.book(jobs.iter().map(entry).collect()).await {
        tracing::warn!(%cause, "points of a creation were not booked");
    }
}

/// A lost nudge costs latency, never a run.
async fn nudge(edge: &Edge, ids: &[JobId]) {
    if let Err(cause) = edge.ports.nudge.jobs_changed(ids).await {
        tracing::warn!(%cause, "the scheduler was not nudged");
    }
}

async fn listed(call: &Call, query: JobQuery) -> Result<Response, ApiError> {
    let page = Page::of(call, JOBS_MAX)?;
    let part = pages::jobs(call, query, &page).await?;
    let entries: Vec<Value> = part.elements.iter().map(|record| shape::entry(record, call.now)).collect();
    let answer = if entries.is_empty() {
        json!({"message": "there are no jobs", "jobs": []})
    } else {
        json!({"jobs": entries})
    };
    let mut response = json::ok(&answer);
    page.lead_on(call, &mut response, part.next.as_deref());
    Ok(response)
}

/// `GET /api/jobs/by-apikey`: its owner's, whatever its role and whoever's key made them.
pub async fn of_key(call: Call) -> Result<Response, ApiError> {
    listed(&call, JobQuery::Owner(call.key()?.owner)).await
}

/// `GET /api/jobs/user/{address}`
pub async fn of_user(call: Call) -> Result<Response, ApiError> {
    listed(&call, JobQuery::Owner(call.address()?)).await
}

/// `GET /api/jobs/user/{address}/chain/{chain}`
pub async fn of_user_on_chain(call: Call) -> Result<Response, ApiError> {
    let Ok(chain) = call.param("chain").parse().map(ChainId) else {
        return Err(ApiError::bad_request("a chain is named by its number"));
    };
    listed(&call, JobQuery::OwnerOnChain(call.address()?, chain)).await
}

/// `GET /api/jobs/safe-address/{address}`: those that the key may act for.
pub async fn of_safe(call: Call) -> Result<Response, ApiError> {
    listed(&call, JobQuery::Safe(call.address()?)).await
}

/// `GET /api/jobs/user/{address}/{id}`: one flat object.
pub async fn of_user_by_id(call: Call) -> Result<Response, ApiError> {
    let record = call.job()?;
    let mut shown = shape::flat(record, call.now);
    if record.deleted_at.is_some()
        && let Some(why) = registrations::why_deleted(&call.edge, record.job.id).await?
    {
        shown["deleted_because"] = json!(why);
    }
    Ok(json::ok(&shown))
}

/// `GET /api/jobs/{id}/task-fees`
pub async fn task_fees(call: Call) -> Result<Response, ApiError> {
    let page = Page::of(&call, TASKS_MAX)?;
    let part = pages::tasks(&call, TaskQuery::Job(call.job()?.job.id), &page).await?;
    let fees: Vec<Value> = part
        .elements
        .iter()
        .map(|(one, _)| {
            let wei = one.state().charged();
            json!({
                "task_id": one.task.public_id(),
                "task_opx_cost": json::ether(wei),
                "task_opx_cost_wei": wei.to_string(),
            })
        })
        .collect();
    let mut response = json::ok(&json!({"task_fees": fees}));
    page.lead_on(&call, &mut response, part.next.as_deref());
    Ok(response)
}

/// `GET /api/jobs/{id}/storage`: the state after the last task that the chain confirmed, with the number of the task
/// that wrote it as its version. Values are bytes; those that are text are shown as text, too.
pub async fn storage(call: Call) -> Result<Response, ApiError> {
    let job = call.job()?.job.id;
    let stands = call.edge.ports.tasks.state(job, None).await?;
    let state = call.edge.ports.archive.state(stands.at.root).await?;
    let entries: Vec<Value> = state
        .entries()
        .map(|(key, value)| json!({"key": key, "value": value, "text": std::str::from_utf8(value).ok()}))
        .collect();
    Ok(json::ok(&json!({
        "job_id": job.to_string(),
        "version": stands.at.version.0,
        "root": stands.at.root,
        "bytes": state.bytes(),
        "in_flight": !stands.is_settled,
        "entries": entries,
    })))
}

/// `PUT /api/jobs/{id}/lastexecuted`: executions are read from the chain, so this only says what is known.
pub async fn last_executed(call: Call) -> Result<Response, ApiError> {
    let record = call.job()?;
    Ok(json::ok(&json!({
        "message": "executions are read from the chain; nothing was changed",
        "job_id": record.job.id.to_string(),
        "last_executed_at": json::instant(record.last_opened_at),
    })))
}

async fn apply(edge: &Edge, id: JobId, change: JobChange) -> Result<JobRecord, ApiError> {
    edge.ports.jobs.change(id, change).await?.ok_or_else(ApiError::absent)
}

/// `PUT /api/jobs/delete/{id}`: for good, and again without effect.
pub async fn delete(call: Call) -> Result<Response, ApiError> {
    end(&call, call.job()?).await
}

async fn end(call: &Call, record: &JobRecord) -> Result<Response, ApiError> {
    let id = record.job.id;
    apply(&call.edge, id, JobChange::Deleted(call.now)).await?;
    secrets::drop_ungranted(&call.edge, &record.job, None).await?;
    nudge(&call.edge, &[id]).await;
    let tasks = call.edge.ports.tasks.list(TaskQuery::Job(id), None, MAY_LAND_MAX).await?;
    let may_land: Vec<u64> = tasks
        .iter()
        .filter(|one| {
            let state = one.state();
            state.agreed().is_some() && !state.is_finished()
        })
        .map(|one| one.task.public_id())
        .collect();
    Ok(json::ok(&json!({
        "message": "Job deleted successfully",
        "job_id": id.to_string(),
        "status": "deleted",
        "tasks_that_may_still_land": may_land,
    })))
}

/// `PUT /api/jobs/{id}/status/{status}`
pub async fn set_status(call: Call) -> Result<Response, ApiError> {
    let record = call.job()?;
    let wanted = call.param("status").to_ascii_lowercase();
    let id = record.job.id;
    match wanted.as_str() {
        "deleted" => return end(&call, record).await,
        "paused" => {
            refuse_ended(record, call.now)?;
            apply(&call.edge, id, JobChange::Paused(call.now)).await?;
        }
        "running" | "active" | "pending" => {
            refuse_ended(record, call.now)?;
            if record.paused_at.is_some() {
                // While it is paused nothing is opened, so the scheduler finds it past what the pause covered.
                move_cursor(&call.edge, id, |record| Box::pin(after_pause(&call.edge, record, call.now)))
                    .await?;
                apply(&call.edge, id, JobChange::Resumed(call.now)).await?;
            }
        }
        _ => {
            let message = "the status is paused, running or deleted";
            return Err(ApiError::unprocessable("INVALID_STATUS", message));
        }
    }
    nudge(&call.edge, &[id]).await;
    let record = call.edge.ports.jobs.job(id).await?.ok_or_else(ApiError::absent)?;
    Ok(json::ok(&json!({
        "message": "Job status updated successfully",
        "job_id": id.to_string(),
        "status": shape::status_name(record.status(call.now)),
        "updated_at": record.updated_at.to_rfc3339(),
    })))
}

/// Refuses what makes no sense for a job that has ended.
pub fn refuse_ended(record: &JobRecord, now: Timestamp) -> Result<(), ApiError> {
    if record.deleted_at.is_none() && !record.cursor.finished && now <= record.job.expires_at {
        return Ok(());
    }
    let status = shape::status_name(record.status(now));
    Err(ApiError::conflict("JOB_ENDED", format!("the job is {status}; make a new one")))
}

/// The cursor of a job that is resumed: instants and logs that passed meanwhile are not made up for.
async fn after_pause(edge: &Edge, record: JobRecord, now: Timestamp) -> Result<Cursor, ApiError> {
    let mut cursor = record.cursor;
    match &record.job.trigger {
        Trigger::Time(schedule) => {
            let next = schedule.next_after(record.job.accepted_at, now);
            cursor.next_due = next.filter(|at| *at <= record.job.expires_at);
            cursor.finished = cursor.next_due.is_none();
        }
        Trigger::Event(filter) => {
            cursor.position = Position::Event { block: head(edge, filter.chain).await? }
        }
        Trigger::Condition(_) => {}
    }
    Ok(cursor)
}

type NextCursor<'a> = futures::future::BoxFuture<'a, Result<Cursor, ApiError>>;

/// Moves a job's cursor, against the scheduler's own writes.
async fn move_cursor<'a>(
    edge: &Edge,
    id: JobId,
    next: impl Fn(JobRecord) -> NextCursor<'a>,
) -> Result<(), ApiError> {
    for _ in 0..MOVES_MAX {
        let record = edge.ports.jobs.job(id).await?.ok_or_else(ApiError::absent)?;
        let revision = record.cursor.revision + 1;
        let cursor = Cursor { revision, ..next(record).await? };
        match edge.ports.jobs.move_cursor(cursor).await? {
            CursorOutcome::Moved => return Ok(()),
            CursorOutcome::Stale => {}
        }
    }
    Err(ApiError::unavailable("JOB_BUSY", "the job is being worked on; try again"))
}

/// `PUT /api/jobs/update/{id}`: the fields given are laid over the job as it is, and the whole is checked anew.
pub async fn update(call: Call) -> Result<Response, ApiError> {
    let record = call.job()?;
    let old = &record.job;
    refuse_ended(record, call.now)?;
    let body = match call.json()? {
        Value::Object(map) => map,
        Value::Array(mut one) if one.len() == 1 && one[0].is_object() => match one.remove(0) {
            Value::Object(map) => map,
            _ => return Err(ApiError::bad_request("send one JSON object")),
        },
        _ => return Err(ApiError::bad_request("send one JSON object")),
    };
    let mut faults = Faults::default();
    let mut laid = shape::as_created(old);
    laid.extend(body.into_iter().filter(|(_, value)| !value.is_null()));
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
        stores: true,
    };
    let one = check_on(&call.edge, &fields, &basis, &mut faults).await?;
    if let (false, Some(refused)) = (faults.is_empty(), &one.refused) {
        faults.add_script(refused);
    }
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    if let Some(refused) = &one.refused {
        return Ok(json::ok(&refusal_body(refused)));
    }
    let checked = one.checked.ok_or_else(|| ApiError::internal("a job without fault and content"))?;
    let new = checked.job;
    let is_same = Job { version: old.version, ..new.clone() } == *old;
    let record = if is_same { record.clone() } else { replace(&call, old, new).await? };
    Ok(json::ok(&json!({
        "message": "Job updated successfully",
        "job_id": old.id.to_string(),
        "version": record.job.version,
        "updated_at": record.updated_at.to_rfc3339(),
    })))
}

async fn replace(call: &Call, old: &Job, new: Job) -> Result<JobRecord, ApiError> {
    let edge = &call.edge;
    let stored = apply(edge, new.id, JobChange::Version(Box::new(new.clone()), call.now)).await?;
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
