//! Reads of tasks.

use std::collections::BTreeMap;

use argus_domain::{Address, access::Role, ids::JobId};
use argus_ports::TaskQuery;
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::{
    auth,
    call::Call,
    errors::ApiError,
    json,
    pages::{self, Page, Seen},
    shape::task,
};

/// Most tasks in one list.
pub const TASKS_MAX: usize = 1_000;
/// Most of the newest tasks.
const RECENT_MAX: usize = 200;

/// `GET /api/tasks/{id}`
pub async fn one(call: Call) -> Result<Response, ApiError> {
    let (record, job) = (call.task()?, &call.job()?.job);
    let mut shown = task::shown(&call.edge, record, job);
    shown.extend(task::details(record, job));
    Ok(json::ok(&shown))
}

/// `GET /api/tasks/job/{id}`: a bare array, newest first.
pub async fn of_job(call: Call) -> Result<Response, ApiError> {
    let page = Page::of(&call, TASKS_MAX)?;
    let part = pages::tasks(&call, TaskQuery::Job(call.job()?.job.id), &page).await?;
    let shown: Vec<_> = part.elements.iter().map(|one| shown(&call, one)).collect();
    let mut response = json::ok(&shown);
    page.lead_on(&call, &mut response, part.next.as_deref());
    Ok(response)
}

fn shown(call: &Call, (record, job): &Seen) -> Map<String, Value> {
    task::shown(&call.edge, record, &job.job)
}

/// `GET /api/tasks/recent`: a user's or keeper's key sees its owner's, others see all.
pub async fn recent(call: Call) -> Result<Response, ApiError> {
    let (page, key) = (Page::of(&call, RECENT_MAX)?, call.key()?);
    let query = match key.role {
        Role::User | Role::Keeper => TaskQuery::Owner(key.owner),
        Role::App | Role::Admin => TaskQuery::Recent,
    };
    let part = pages::tasks(&call, query, &page).await?;
    let tasks: Vec<_> = part.elements.iter().map(|one| shown(&call, one)).collect();
    let mut response = json::ok(&json!({"count": tasks.len(), "limit": page.limit(), "tasks": tasks}));
    page.lead_on(&call, &mut response, part.next.as_deref());
    Ok(response)
}

/// Tasks by job, jobs in the order of their newest task, beside whose they are.
async fn groups(call: &Call, query: TaskQuery, whose: Value) -> Result<Response, ApiError> {
    let page = Page::of(call, TASKS_MAX)?;
    let part = pages::tasks(call, query, &page).await?;
    let mut order: Vec<JobId> = Vec::new();
    let mut grouped: BTreeMap<JobId, Vec<Map<String, Value>>> = BTreeMap::new();
    for one in &part.elements {
        let id = one.0.task.job;
        let tasks = grouped.entry(id).or_default();
        if tasks.is_empty() {
            order.push(id);
        }
        tasks.push(shown(call, one));
    }
    let groups: Vec<Value> = order
        .into_iter()
        .map(|id| json!({"job_id": id.to_string(), "tasks": grouped.remove(&id).unwrap_or_default()}))
        .collect();
    let mut answer = whose;
    answer["task_groups"] = Value::Array(groups);
    let mut response = json::ok(&answer);
    page.lead_on(call, &mut response, part.next.as_deref());
    Ok(response)
}

async fn of_owner(call: &Call, owner: Address) -> Result<Response, ApiError> {
    groups(call, TaskQuery::Owner(owner), json!({"user_address": owner})).await
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
    let safe = call.address()?;
    groups(&call, TaskQuery::Safe(safe), json!({"safe_address": safe})).await
}
