//! Reads of tasks.

use std::collections::BTreeMap;

use argus_domain::{Address, access::Role, ids::JobId};
use argus_ports::TaskQuery;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    auth,
    call::Call,
    errors::ApiError,
    pages::{self, Page, Seen},
    reply::Reply,
    shape::{
        formats::{Account, JobNumber},
        task,
        task_types::{ShownTask, WholeTask},
    },
};

/// Most tasks in one list.
pub const TASKS_MAX: usize = 1_000;
/// Most of the newest tasks.
const RECENT_MAX: usize = 200;

/// `GET /api/tasks/{id}`
pub async fn one(call: Call) -> Result<Reply<WholeTask>, ApiError> {
    Ok(Reply::of(task::whole(&call.edge, call.task()?, &call.job()?.job)))
}

/// `GET /api/tasks/job/{id}`: a bare array, newest first.
pub async fn of_job(call: Call) -> Result<Reply<Vec<ShownTask>>, ApiError> {
    let page = Page::of(&call, TASKS_MAX)?;
    let part = pages::tasks(&call, TaskQuery::Job(call.job()?.job.id), &page).await?;
    let shown = part.elements.iter().map(|one| shown(&call, one)).collect();
    Ok(page.lead_on(&call, Reply::of(shown), part.next.as_deref()))
}

fn shown(call: &Call, (record, job): &Seen) -> ShownTask {
    task::shown(&call.edge, record, &job.job)
}

/// The newest tasks.
#[derive(Serialize, JsonSchema)]
pub struct RecentTasks {
    count: usize,
    /// Most that were asked for.
    limit: usize,
    tasks: Vec<ShownTask>,
}

/// `GET /api/tasks/recent`: a user's or keeper's key sees its owner's, others see all.
pub async fn recent(call: Call) -> Result<Reply<RecentTasks>, ApiError> {
    let (page, key) = (Page::of(&call, RECENT_MAX)?, call.key()?);
    let query = match key.role {
        Role::User | Role::Keeper => TaskQuery::Owner(key.owner),
        Role::App | Role::Admin => TaskQuery::Recent,
    };
    let part = pages::tasks(&call, query, &page).await?;
    let tasks: Vec<_> = part.elements.iter().map(|one| shown(&call, one)).collect();
    let recent = RecentTasks { count: tasks.len(), limit: page.limit(), tasks };
    Ok(page.lead_on(&call, Reply::of(recent), part.next.as_deref()))
}

/// Tasks by job, jobs in the order of their newest task.
#[derive(Serialize, JsonSchema)]
pub struct TaskGroups {
    #[serde(flatten)]
    whose: Whose,
    task_groups: Vec<TaskGroup>,
}

/// Whose tasks they are.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Whose {
    UserAddress(Account),
    SafeAddress(Account),
}

#[derive(Serialize, JsonSchema)]
struct TaskGroup {
    job_id: JobNumber,
    tasks: Vec<ShownTask>,
}

async fn groups(call: &Call, query: TaskQuery, whose: Whose) -> Result<Reply<TaskGroups>, ApiError> {
    let page = Page::of(call, TASKS_MAX)?;
    let part = pages::tasks(call, query, &page).await?;
    let mut task_groups: Vec<TaskGroup> = Vec::new();
    let mut places: BTreeMap<JobId, usize> = BTreeMap::new();
    for one in &part.elements {
        let id = one.0.task.job;
        let place = *places.entry(id).or_insert_with(|| {
            task_groups.push(TaskGroup { job_id: JobNumber(id), tasks: Vec::new() });
            task_groups.len() - 1
        });
        if let Some(group) = task_groups.get_mut(place) {
            group.tasks.push(shown(call, one));
        }
    }
    Ok(page.lead_on(call, Reply::of(TaskGroups { whose, task_groups }), part.next.as_deref()))
}

async fn of_owner(call: &Call, owner: Address) -> Result<Reply<TaskGroups>, ApiError> {
    groups(call, TaskQuery::Owner(owner), Whose::UserAddress(Account(owner))).await
}

/// `GET /api/tasks/user/{address}`
pub async fn of_user(call: Call) -> Result<Reply<TaskGroups>, ApiError> {
    of_owner(&call, call.address()?).await
}

/// `GET /api/tasks/by-apikey/{key}`: the caller's own key or its public name; a front end may name any.
pub async fn of_key(call: Call) -> Result<Reply<TaskGroups>, ApiError> {
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
pub async fn of_safe(call: Call) -> Result<Reply<TaskGroups>, ApiError> {
    let safe = call.address()?;
    groups(&call, TaskQuery::Safe(safe), Whose::SafeAddress(Account(safe))).await
}
