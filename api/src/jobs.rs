//! Jobs: created, read, changed and ended.

mod update;

use argus_domain::{
    Bytes, U256,
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, JobId},
    job::{Cursor, Job, JobChange, JobRecord, Position, Trigger},
    status::JobStatus,
    task::TaskRecord,
    time::Timestamp,
};
use argus_ports::{CreateOutcome, CursorOutcome, JobQuery, Step, TaskQuery};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

pub use self::update::update;

use crate::{
    Edge,
    call::Call,
    chain,
    create::{Refusal, Validated, check_all, head, taken},
    errors::ApiError,
    json,
    pages::{self, Page},
    registrations,
    reply::Reply,
    secrets,
    shape::{
        formats::{Digits, Ether, Hash, Hex, Instant, JobNumber, Wei},
        job as shape,
        job_types::{FlatJob, JobEntry, StatusName},
    },
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

/// What became of jobs that were sent: all are stored, or none, because of a script that does not work.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Creation {
    Done(Created),
    Refused(Refusal),
}

/// Jobs that are stored.
#[derive(Serialize, JsonSchema)]
pub struct Created {
    user_id: u64,
    /// What their owner has deposited, wei.
    account_balance: Digits,
    token_balance: Digits,
    job_ids: Vec<JobNumber>,
    task_definition_ids: Vec<u8>,
    /// Seconds for which each lives.
    time_frames: Vec<u64>,
    /// What is no fault, and worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// `POST /api/jobs`: all of an array or none.
pub async fn create(call: Call) -> Result<Reply<Creation>, ApiError> {
    let Value::Array(bodies) = call.json()? else {
        return Err(ApiError::unprocessable("BAD_BATCH", "send a JSON array of jobs, also for a single one"));
    };
    let mut batch = match check_all(&call.edge, call.key()?, &bodies, call.now).await? {
        Validated::Good(batch) => batch,
        Validated::ScriptRefused(refused) => {
            return Ok(Reply::of(Creation::Refused(Refusal::of(refused))).undone());
        }
    };
    let jobs: Vec<Job> = batch.jobs.iter().map(|(job, _)| job.clone()).collect();
    let points = jobs.iter().map(points).collect();
    match call.edge.ports.jobs.create_and_book(batch.jobs, points).await? {
        CreateOutcome::Created(serials) => call.edge.metrics.jobs_created.add(serials.len() as u64),
        CreateOutcome::Same(_) => batch.warnings.extend(since_then(&call, &jobs).await?),
        CreateOutcome::Taken(id) => {
            return Err(ApiError::conflict("JOB_EXISTS", format!("{}; nothing was stored", taken(id))));
        }
    }
    call.edge.config.failpoint.reach(Step::Accepted);
    let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
    // The jobs are durable: what follows waits for scheduler and chain at the same time.
    let ((), created) = tokio::join!(nudge(&call.edge, &ids), created(&call.edge, &jobs, batch.warnings));
    Ok(Reply::of(Creation::Done(created?)))
}

/// What whoever creates jobs again should know of those that were created before.
async fn since_then(call: &Call, jobs: &[Job]) -> Result<Vec<String>, ApiError> {
    let mut warnings = Vec::new();
    for job in jobs {
        let Some(record) = call.edge.ports.jobs.job(job.id).await? else { continue };
        let status = record.status(call.now);
        let version = record.job.version;
        if let JobStatus::Deleted | JobStatus::Expired | JobStatus::Completed = status {
            let status = shape::status_name(status);
            warnings
                .push(format!("job {} was created before and is {status}: it will not run again", job.id));
        } else if version > job.version {
            warnings
                .push(format!("job {} was created before and has changed since: version {version}", job.id));
        }
    }
    Ok(warnings)
}

async fn created(edge: &Edge, jobs: &[Job], warnings: Vec<String>) -> Result<Created, ApiError> {
    let first = jobs.first().ok_or_else(|| ApiError::internal("a batch without jobs"))?;
    let balance = chain::deposit(edge, first.created_chain, first.owner).await.unwrap_or_default();
    Ok(Created {
        user_id: json::address_number(first.owner),
        account_balance: Digits(balance),
        token_balance: Digits(balance),
        job_ids: jobs.iter().map(|job| JobNumber(job.id)).collect(),
        task_definition_ids: jobs.iter().map(shape::task_definition_id).collect(),
        time_frames: jobs.iter().map(shape::time_frame).collect(),
        warnings,
    })
}

/// Points for a creation, booked under the job's id.
fn points(job: &Job) -> LedgerEntry {
    LedgerEntry {
        key: argus_domain::B256::from(job.id.0.to_be_bytes::<32>()),
        reason: LedgerReason::JobCreated,
        account: job.owner,
        amount: U256::from(if job.remarks.custom { POINTS.1 } else { POINTS.0 }),
    }
}

/// A lost nudge costs latency, never a run.
async fn nudge(edge: &Edge, ids: &[JobId]) {
    if let Err(cause) = edge.ports.nudge.jobs_changed(ids).await {
        tracing::warn!(%cause, "the scheduler was not nudged");
    }
}

/// Jobs of a list, newest first.
#[derive(Serialize, JsonSchema)]
pub struct JobList {
    /// Said where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'static str>,
    jobs: Vec<JobEntry>,
}

async fn listed(call: &Call, query: JobQuery) -> Result<Reply<JobList>, ApiError> {
    let page = Page::of(call, JOBS_MAX)?;
    let part = pages::jobs(call, query, &page).await?;
    let jobs: Vec<JobEntry> = part.elements.iter().map(|record| shape::entry(record, call.now)).collect();
    let message = jobs.is_empty().then_some("there are no jobs");
    Ok(page.lead_on(call, Reply::of(JobList { message, jobs }), part.next.as_deref()))
}

/// `GET /api/jobs/by-apikey`: its owner's, whatever its role and whoever's key made them.
pub async fn of_key(call: Call) -> Result<Reply<JobList>, ApiError> {
    listed(&call, JobQuery::Owner(call.key()?.owner)).await
}

/// `GET /api/jobs/user/{address}`
pub async fn of_user(call: Call) -> Result<Reply<JobList>, ApiError> {
    listed(&call, JobQuery::Owner(call.address()?)).await
}

/// `GET /api/jobs/user/{address}/chain/{chain}`
pub async fn of_user_on_chain(call: Call) -> Result<Reply<JobList>, ApiError> {
    let Ok(chain) = call.param("chain").parse().map(ChainId) else {
        return Err(ApiError::bad_request("a chain is named by its number"));
    };
    listed(&call, JobQuery::OwnerOnChain(call.address()?, chain)).await
}

/// `GET /api/jobs/safe-address/{address}`: those that the key may act for.
pub async fn of_safe(call: Call) -> Result<Reply<JobList>, ApiError> {
    listed(&call, JobQuery::Safe(call.address()?)).await
}

/// `GET /api/jobs/user/{address}/{id}`: one flat object.
pub async fn of_user_by_id(call: Call) -> Result<Reply<FlatJob>, ApiError> {
    let record = call.job()?;
    let why_deleted = match record.deleted_at {
        Some(_) => registrations::why_deleted(&call.edge, record.job.id).await?,
        None => None,
    };
    Ok(Reply::of(shape::flat(record, call.now, why_deleted)))
}

/// What each task of a job cost, newest first.
#[derive(Serialize, JsonSchema)]
pub struct TaskFees {
    task_fees: Vec<TaskFee>,
}

#[derive(Serialize, JsonSchema)]
struct TaskFee {
    task_id: u64,
    task_opx_cost: Ether,
    task_opx_cost_wei: Wei,
}

/// `GET /api/jobs/{id}/task-fees`
pub async fn task_fees(call: Call) -> Result<Reply<TaskFees>, ApiError> {
    let page = Page::of(&call, TASKS_MAX)?;
    let part = pages::tasks(&call, TaskQuery::Job(call.job()?.job.id), &page).await?;
    let fee = |one: &TaskRecord| {
        let wei = one.state().charged();
        TaskFee { task_id: one.task.public_id(), task_opx_cost: Ether(wei), task_opx_cost_wei: Wei(wei) }
    };
    let task_fees = part.elements.iter().map(|(one, _)| fee(one)).collect();
    Ok(page.lead_on(&call, Reply::of(TaskFees { task_fees }), part.next.as_deref()))
}

/// What a job's script remembers.
#[derive(Serialize, JsonSchema)]
pub struct Storage {
    job_id: JobNumber,
    /// The number of the task that wrote it.
    version: u32,
    root: Hash,
    /// Of keys and values together.
    bytes: u64,
    /// Whether a task is under way that may write.
    in_flight: bool,
    entries: Vec<StorageEntry>,
}

#[derive(Serialize, JsonSchema)]
struct StorageEntry {
    key: String,
    value: Hex,
    /// The value, where it is text.
    text: Option<String>,
}

/// `GET /api/jobs/{id}/storage`: the state after the last task that the chain confirmed, with the number of the task
/// that wrote it as its version. Values are bytes; those that are text are shown as text, too.
pub async fn storage(call: Call) -> Result<Reply<Storage>, ApiError> {
    let job = call.job()?.job.id;
    let stands = call.edge.ports.tasks.state(job, None).await?;
    let state = call.edge.ports.archive.state(stands.at.root).await?;
    let entry = |(key, value): (&String, &Bytes)| StorageEntry {
        key: key.clone(),
        text: std::str::from_utf8(value).ok().map(str::to_owned),
        value: Hex(value.clone()),
    };
    Ok(Reply::of(Storage {
        job_id: JobNumber(job),
        version: stands.at.version.0,
        root: Hash(stands.at.root),
        bytes: state.bytes(),
        in_flight: !stands.is_settled,
        entries: state.entries().map(entry).collect(),
    }))
}

/// What is known of a job's executions.
#[derive(Serialize, JsonSchema)]
pub struct LastExecuted {
    message: &'static str,
    job_id: JobNumber,
    last_executed_at: Option<Instant>,
}

/// `PUT /api/jobs/{id}/lastexecuted`: executions are read from the chain, so this only says what is known.
pub async fn last_executed(call: Call) -> Result<Reply<LastExecuted>, ApiError> {
    let record = call.job()?;
    Ok(Reply::of(LastExecuted {
        message: "executions are read from the chain; nothing was changed",
        job_id: JobNumber(record.job.id),
        last_executed_at: record.last_opened_at.map(Instant),
    }))
}

/// Changes the job that the caller was let at, and no other that has its place meanwhile.
async fn apply(edge: &Edge, job: &Job, change: JobChange) -> Result<JobRecord, ApiError> {
    edge.ports.jobs.change(job.id, job.serial, change).await?.ok_or_else(ApiError::absent)
}

/// A job that is deleted.
#[derive(Serialize, JsonSchema)]
pub struct Deleted {
    message: &'static str,
    job_id: JobNumber,
    status: StatusName,
    /// Tasks whose call was agreed before, and may reach the chain all the same.
    tasks_that_may_still_land: Vec<u64>,
}

/// `PUT /api/jobs/delete/{id}`: for good, and again without effect.
pub async fn delete(call: Call) -> Result<Reply<Deleted>, ApiError> {
    Ok(Reply::of(end(&call, call.job()?).await?))
}

async fn end(call: &Call, record: &JobRecord) -> Result<Deleted, ApiError> {
    let id = record.job.id;
    apply(&call.edge, &record.job, JobChange::Deleted(call.now)).await?;
    secrets::drop_ungranted(&call.edge, &record.job, None).await?;
    nudge(&call.edge, &[id]).await;
    let tasks = call.edge.ports.tasks.list(TaskQuery::Job(id), None, MAY_LAND_MAX).await?;
    let may_land = tasks.iter().filter(|one| {
        let state = one.state();
        state.agreed().is_some() && !state.is_finished()
    });
    Ok(Deleted {
        message: "Job deleted successfully",
        job_id: JobNumber(id),
        status: StatusName(JobStatus::Deleted),
        tasks_that_may_still_land: may_land.map(|one| one.task.public_id()).collect(),
    })
}

/// A job whose status was asked to be another.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum StatusSet {
    Deleted(Deleted),
    Now(StatusNow),
}

/// The status that a job has now.
#[derive(Serialize, JsonSchema)]
pub struct StatusNow {
    message: &'static str,
    job_id: JobNumber,
    status: StatusName,
    updated_at: Instant,
}

/// `PUT /api/jobs/{id}/status/{status}`
pub async fn set_status(call: Call) -> Result<Reply<StatusSet>, ApiError> {
    let record = call.job()?;
    let wanted = call.param("status").to_ascii_lowercase();
    let id = record.job.id;
    match wanted.as_str() {
        "deleted" => return Ok(Reply::of(StatusSet::Deleted(end(&call, record).await?))),
        "paused" => {
            refuse_ended(record, call.now)?;
            apply(&call.edge, &record.job, JobChange::Paused(call.now)).await?;
        }
        "running" | "active" | "pending" => {
            refuse_ended(record, call.now)?;
            if record.paused_at.is_some() {
                // While it is paused nothing is opened, so the scheduler finds it past what the pause covered.
                move_cursor(&call.edge, id, |record| Box::pin(after_pause(&call.edge, record, call.now)))
                    .await?;
                apply(&call.edge, &record.job, JobChange::Resumed(call.now)).await?;
            }
        }
        _ => {
            let message = "the status is paused, running or deleted";
            return Err(ApiError::unprocessable("INVALID_STATUS", message));
        }
    }
    nudge(&call.edge, &[id]).await;
    let record = call.edge.ports.jobs.job(id).await?.ok_or_else(ApiError::absent)?;
    Ok(Reply::of(StatusSet::Now(StatusNow {
        message: "Job status updated successfully",
        job_id: JobNumber(id),
        status: StatusName(record.status(call.now)),
        updated_at: Instant(record.updated_at),
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
        match edge.ports.jobs.move_cursor(cursor, None).await? {
            CursorOutcome::Moved => return Ok(()),
            // Without a fence it is never refused for one.
            CursorOutcome::Stale | CursorOutcome::Fenced => {}
        }
    }
    Err(ApiError::unavailable("JOB_BUSY", "the job is being worked on; try again"))
}
