//! Reads of tasks.

use std::collections::BTreeMap;

use argus_domain::{Address, access::Role, ids::JobId, job::JobRecord, task::TaskRecord};
use argus_ports::{TaskQuery, store::StoreError};
use axum::{
    http::{HeaderValue, header},
    response::Response,
};
use serde_json::{Map, Value, json};

use crate::{Edge, auth, call::Call, errors::ApiError, json, shape::task};

/// Most tasks in one list.
pub const TASKS_MAX: u32 = 1_000;
/// Most of the newest tasks.
const RECENT_MAX: u32 = 200;

/// `GET /api/tasks/{id}`
pub async fn one(call: Call) -> Result<Response, ApiError> {
    let (record, job) = (call.task()?, &call.job()?.job);
    let mut shown = task::shown(&call.edge, record, job);
    shown.extend(task::details(record, job));
    Ok(json::ok(&shown))
}

/// `GET /api/tasks/job/{id}`: a bare array, newest first; past a thousand a `Link` leads on.
pub async fn of_job(call: Call) -> Result<Response, ApiError> {
    let job = &call.job()?.job;
    let query = call.query();
    let limit = page_size(&query, TASKS_MAX, TASKS_MAX);
    let before = query.get("before").and_then(|text| text.parse().ok());
    let records = call.edge.ports.tasks.list(TaskQuery::Job(job.id), before, limit).await?;
    let shown: Vec<_> = records.iter().map(|record| task::shown(&call.edge, record, job)).collect();
    let mut response = json::ok(&shown);
    if records.len() == limit as usize
        && let Some(last) = records.last()
    {
        let link = format!(
            "</api/tasks/job/{}?before={}&limit={limit}>; rel=\"next\"",
            job.id,
            last.task.public_id()
        );
        if let Ok(value) = HeaderValue::from_str(&link) {
            response.headers_mut().insert(header::LINK, value);
        }
    }
    Ok(response)
}

/// How many rows a query asks for.
pub fn page_size(query: &BTreeMap<String, String>, default: u32, max: u32) -> u32 {
    query.get("limit").and_then(|text| text.parse().ok()).unwrap_or(default).clamp(1, max)
}

/// `GET /api/tasks/recent`: a user's or keeper's key sees its owner's, others see all.
pub async fn recent(call: Call) -> Result<Response, ApiError> {
    let limit = page_size(&call.query(), RECENT_MAX, RECENT_MAX);
    let key = call.key()?;
    let query = match key.role {
        Role::User | Role::Keeper => TaskQuery::Owner(key.owner),
        Role::App | Role::Admin => TaskQuery::Recent,
    };
    let records = call.edge.ports.tasks.list(query, None, limit).await?;
    let jobs = jobs_of(&call.edge, &records).await?;
    let tasks: Vec<_> = records
        .iter()
        .filter_map(|record| Some(task::shown(&call.edge, record, &jobs.get(&record.task.job)?.job)))
        .collect();
    Ok(json::ok(&json!({"count": tasks.len(), "limit": limit, "tasks": tasks})))
}

async fn jobs_of(edge: &Edge, records: &[TaskRecord]) -> Result<BTreeMap<JobId, JobRecord>, StoreError> {
    let mut jobs = BTreeMap::new();
    for record in records {
        let id = record.task.job;
        if !jobs.contains_key(&id)
            && let Some(job) = edge.ports.jobs.job(id).await?
        {
            jobs.insert(id, job);
        }
    }
    Ok(jobs)
}

/// Tasks by job, jobs in the order of their newest task.
async fn groups(
    call: &Call,
    query: TaskQuery,
    may_see: impl Fn(&JobRecord) -> bool,
) -> Result<Vec<Value>, ApiError> {
    let limit = page_size(&call.query(), TASKS_MAX, TASKS_MAX);
    let records = call.edge.ports.tasks.list(query, None, limit).await?;
    let jobs = jobs_of(&call.edge, &records).await?;
    let mut order: Vec<JobId> = Vec::new();
    let mut grouped: BTreeMap<JobId, Vec<Map<String, Value>>> = BTreeMap::new();
    for record in &records {
        let id = record.task.job;
        let Some(job) = jobs.get(&id).filter(|job| may_see(job)) else { continue };
        if !grouped.contains_key(&id) {
            order.push(id);
        }
        grouped.entry(id).or_default().push(task::shown(&call.edge, record, &job.job));
    }
    let shown = order.into_iter().map(|id| {
        let tasks = grouped.remove(&id).unwrap_or_default();
        json!({"job_id": id.to_string(), "tasks": tasks})
    });
    Ok(shown.collect())
}

async fn of_owner(call: &Call, owner: Address) -> Result<Response, ApiError> {
    let groups = groups(call, TaskQuery::Owner(owner), |job| job.job.owner == owner).await?;
    Ok(json::ok(&json!({"user_address": owner, "task_groups": groups})))
}

/// `GET /api/tasks/user/{address}`
pub async fn of_user(call: Call) -> Result<Response, ApiError> {
    of_owner(&call, call.address()?).await
}

/// `GET /api/tasks/by-apikey/{key}`: the caller's own key or its public name; a front end may name any.
pub async fn of_key(call: Call) -> Result<Response, ApiError> {
    let caller = call.key()?;
    let named = call.param("key");
    let is_own = named == caller.id || auth::key_hash(named) == caller.hash;
    let owner = if is_own {
        caller.owner
    } else {
        let found = auth::lookup(&call.edge, named).await?;
        found.map(|key| key.owner).filter(|owner| caller.may_act_for(*owner)).ok_or_else(ApiError::absent)?
    };
    of_owner(&call, owner).await
}

/// `GET /api/tasks/safe-address/{address}`: of those jobs that the key may act for.
pub async fn of_safe(call: Call) -> Result<Response, ApiError> {
    let (safe, key) = (call.address()?, call.key()?);
    let groups = groups(&call, TaskQuery::Safe(safe), |job| key.may_act_for(job.job.owner)).await?;
    Ok(json::ok(&json!({"safe_address": safe, "task_groups": groups})))
}
