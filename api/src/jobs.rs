//! Jobs: created, read, changed and ended.

use argus_domain::{
    U256,
    answer::fixed_call,
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, JobId},
    job::{Cursor, Job, JobChange, JobRecord, Position, Trigger},
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, Step, TaskQuery};
use axum::response::Response;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use crate::{
    Edge,
    call::Call,
    chain,
    create::{Basis, Faults, Fields, Validated, check_all, check_on, first_cursor, head, refusal_body},
    errors::ApiError,
    json, registrations, secrets,
    shape::{job as shape, task},
    tasks::TASKS_MAX,
    users::all_jobs,
};

/// Jobs whose cost is summed up at the same time for one list.
const SUMS_AT_ONCE: usize = 8;
/// Tries of a cursor's move against the scheduler's own writes.
const MOVES_MAX: u32 = 10;
/// Due instants that a dry run shows.
const INSTANTS_SHOWN: usize = 5;
/// Points for a job, and for one that is marked as custom.
const POINTS: (u64, u64) = (10, 20);

/// `POST /api/jobs`: all of an array or none.
pub async fn create(call: Call) -> Result<Response, ApiError> {
    let Value::Array(bodies) = call.json()? else {
        return Err(ApiError::unprocessable("BAD_BATCH", "send a JSON array of jobs, also for a single one"));
    };
    let batch = match check_all(&call.edge, call.key()?, &bodies, call.now).await? {
        Validated::Good(batch) => batch,
        Validated::ScriptRefused(refused) => return Ok(json::ok(&refusal_body(&refused))),
    };
    let jobs: Vec<Job> = batch.jobs.iter().map(|(job, _)| job.clone()).collect();
    match call.edge.ports.jobs.create(batch.jobs).await? {
        CreateOutcome::Created(serials) => call.edge.metrics.jobs_created.inc_by(serials.len() as u64),
        CreateOutcome::Same(_) => {}
        CreateOutcome::Taken(id) => {
            let message = format!("job {id} exists with other content; nothing was stored");
            return Err(ApiError::conflict("JOB_EXISTS", message));
        }
    }
    call.edge.config.failpoint.reach(Step::Accepted);
    book_points(&call.edge, &jobs).await;
    nudge(&call.edge, &jobs.iter().map(|job| job.id).collect::<Vec<_>>()).await;
    created_answer(&call.edge, &jobs, &batch.warnings).await
}

/// `POST /api/jobs/dry-run`: what creation would say, and when the jobs would run; nothing is stored.
pub async fn dry_run(call: Call) -> Result<Response, ApiError> {
    let Value::Array(bodies) = call.json()? else {
        return Err(ApiError::unprocessable("BAD_BATCH", "send a JSON array of jobs, also for a single one"));
    };
    let batch = match check_all(&call.edge, call.key()?, &bodies, call.now).await? {
        Validated::Good(batch) => batch,
        Validated::ScriptRefused(refused) => return Ok(json::ok(&refusal_body(&refused))),
    };
    let shown = batch.jobs.iter().map(|(job, _)| {
        let instants = match &job.trigger {
            Trigger::Time(schedule) => {
                schedule.first_instants(job.accepted_at, job.expires_at, INSTANTS_SHOWN)
            }
            Trigger::Event(_) | Trigger::Condition(_) => Vec::new(),
        };
        let calldata = fixed_call(job).ok().map(|made| made.calldata);
        json!({
            "job_id": job.id.to_string(),
            "expiration_time": job.expires_at.to_rfc3339(),
            "first_instants": instants.iter().map(|at| at.to_rfc3339()).collect::<Vec<_>>(),
            "calldata": calldata,
        })
    });
    let shown: Vec<Value> = shown.collect();
    Ok(json::ok(&json!({"status": "valid", "jobs": shown, "warnings": batch.warnings})))
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

/// What a job's tasks were charged.
async fn charged(edge: &Edge, record: &JobRecord) -> Result<U256, ApiError> {
    if record.cursor.opened.0 == 0 {
        return Ok(U256::ZERO);
    }
    let tasks = edge.ports.tasks.list(TaskQuery::Job(record.job.id), None, TASKS_MAX).await?;
    Ok(tasks.iter().fold(U256::ZERO, |sum, one| sum.saturating_add(task::charged(one))))
}

async fn listed(call: &Call, records: Vec<JobRecord>) -> Result<Response, ApiError> {
    let entries: Vec<Value> = stream::iter(records)
        .map(|record| async move {
            let charged = charged(&call.edge, &record).await?;
            Ok::<_, ApiError>(shape::entry(&record, charged, call.now))
        })
        .buffered(SUMS_AT_ONCE)
        .try_collect()
        .await?;
    if entries.is_empty() {
        return Ok(json::ok(&json!({"message": "there are no jobs", "jobs": []})));
    }
    Ok(json::ok(&json!({"jobs": entries})))
}

/// `GET /api/jobs/by-apikey`: its owner's, whatever its role and whoever's key made them.
pub async fn of_key(call: Call) -> Result<Response, ApiError> {
    let records = all_jobs(&call.edge, JobQuery::Owner(call.key()?.owner)).await?;
    listed(&call, records).await
}

/// `GET /api/jobs/user/{address}`
pub async fn of_user(call: Call) -> Result<Response, ApiError> {
    let records = all_jobs(&call.edge, JobQuery::Owner(call.address()?)).await?;
    listed(&call, records).await
}

/// `GET /api/jobs/user/{address}/chain/{chain}`
pub async fn of_user_on_chain(call: Call) -> Result<Response, ApiError> {
    let Ok(chain) = call.param("chain").parse().map(ChainId) else {
        return Err(ApiError::bad_request("a chain is named by its number"));
    };
    let records = all_jobs(&call.edge, JobQuery::OwnerOnChain(call.address()?, chain)).await?;
    listed(&call, records).await
}

/// `GET /api/jobs/safe-address/{address}`: those that the key may act for.
pub async fn of_safe(call: Call) -> Result<Response, ApiError> {
    let mut records = all_jobs(&call.edge, JobQuery::Safe(call.address()?)).await?;
    let key = call.key()?;
    records.retain(|record| key.may_act_for(record.job.owner));
    listed(&call, records).await
}

/// `GET /api/jobs/user/{address}/{id}`: one flat object.
pub async fn of_user_by_id(call: Call) -> Result<Response, ApiError> {
    let record = call.job()?;
    let mut shown = shape::flat(record, charged(&call.edge, record).await?, call.now);
    if record.deleted_at.is_some()
        && let Some(why) = registrations::why_deleted(&call.edge, record.job.id).await?
    {
        shown["deleted_because"] = json!(why);
    }
    Ok(json::ok(&shown))
}

/// `GET /api/jobs/{id}/task-fees`
pub async fn task_fees(call: Call) -> Result<Response, ApiError> {
    let tasks = call.edge.ports.tasks.list(TaskQuery::Job(call.job()?.job.id), None, TASKS_MAX).await?;
    let fees: Vec<Value> = tasks
        .iter()
        .map(|one| {
            let wei = task::charged(one);
            json!({
                "task_id": one.task.public_id(),
                "task_opx_cost": json::ether(wei),
                "task_opx_cost_wei": wei.to_string(),
            })
        })
        .collect();
    Ok(json::ok(&json!({"task_fees": fees})))
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
    let tasks = call.edge.ports.tasks.list(TaskQuery::Job(id), None, TASKS_MAX).await?;
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
    let basis =
        Basis { id: Some(old.id), accepted_at: old.accepted_at, version: old.version + 1, keep: Some(old) };
    let one = check_on(&call.edge, &fields, &basis, &mut faults).await?;
    if let (false, Some(refused)) = (faults.is_empty(), &one.refused) {
        faults.add(refused.path.clone(), "SCRIPT", refused.message.clone());
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
    let stored = apply(edge, new.id, JobChange::Version(Box::new(new.clone()))).await?;
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
