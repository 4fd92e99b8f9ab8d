//! Why a job fired, or did not.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use argus_domain::job::Job;
use argus_ports::{StoreError, TaskQuery};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    errors::ApiError,
    pages::Page,
    registrations,
    reply::Reply,
    shape::{decision, formats::JobNumber},
};

/// Most rows that are shown.
const ROWS_MAX: usize = 200;

/// Why a job fired or did not, newest first.
#[derive(Serialize, JsonSchema)]
pub struct Decisions {
    job_id: JobNumber,
    now: decision::Waiting,
    decisions: Vec<decision::Row>,
}

/// `GET /api/jobs/{id}/decisions`: what the trigger waits for now, and what it came to before, newest first. What opened
/// no task is what the scheduler kept; that a task was opened, the task itself says.
pub async fn of_job(call: Call) -> Result<Reply<Decisions>, ApiError> {
    let record = call.job()?;
    let (id, limit) = (record.job.id, Page::of(&call, ROWS_MAX)?.rows());
    let looks = call.edge.ports.decisions.of_job(id, limit).await?;
    let tasks = call.edge.ports.tasks.list(TaskQuery::Job(id), None, limit).await?;
    let versions = versions(&call.edge, &record.job, tasks.iter().map(|one| one.task.job_version)).await?;
    let why_deleted = match record.deleted_at {
        Some(_) => registrations::why_deleted(&call.edge, id).await?,
        None => None,
    };
    // What led to a task, or stood against it, comes before that task.
    let mut rows: Vec<_> = looks
        .iter()
        .map(|look| ((look.task, false, look.last_at), decision::look(look)))
        .chain(tasks.iter().map(|one| {
            let job = versions.get(&one.task.job_version).map(|job| &**job);
            ((one.task.number, true, one.task.opened_at), decision::opened(&one.task, job))
        }))
        .collect();
    rows.sort_by_key(|(place, _)| Reverse(*place));
    Ok(Reply::of(Decisions {
        job_id: JobNumber(id),
        now: decision::now(record, call.now, why_deleted),
        decisions: rows.into_iter().take(limit as usize).map(|(_, row)| row).collect(),
    }))
}

async fn versions(
    edge: &Edge,
    job: &Job,
    wanted: impl Iterator<Item = u32>,
) -> Result<BTreeMap<u32, Arc<Job>>, StoreError> {
    let mut found = BTreeMap::new();
    for version in wanted {
        if !found.contains_key(&version)
            && let Some(one) = edge.ports.jobs.version(job.id, version).await?
        {
            found.insert(version, one);
        }
    }
    Ok(found)
}
