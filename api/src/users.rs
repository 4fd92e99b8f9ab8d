//! Users: who they are follows from their jobs and from the chain.

use std::collections::BTreeSet;

use argus_domain::{Address, U256, fees::LedgerReason, ids::Serial, job::JobRecord};
use argus_ports::JobQuery;
use axum::response::Response;
use serde_json::json;

use crate::{Edge, call::Call, chain, errors::ApiError, json};

/// Jobs that are read at once.
const PAGE: u32 = 1_000;
/// Most jobs that one answer covers.
pub const JOBS_MAX: usize = 10_000;

/// All jobs of a query, newest first, up to [`JOBS_MAX`].
pub async fn all_jobs(edge: &Edge, query: JobQuery) -> Result<Vec<JobRecord>, ApiError> {
    let mut found: Vec<JobRecord> = Vec::new();
    let mut before: Option<Serial> = None;
    loop {
        let page = edge.ports.jobs.list(query.clone(), before, PAGE).await?;
        let ended = page.len() < PAGE as usize;
        before = page.last().map(|record| record.job.serial);
        found.extend(page);
        if ended || found.len() >= JOBS_MAX {
            return Ok(found);
        }
    }
}

/// What an owner has deposited on all chains together; chains that do not answer are left out.
async fn deposits(edge: &Edge, owner: Address) -> U256 {
    let mut sum = U256::ZERO;
    for id in edge.ports.chains.keys() {
        sum = sum.saturating_add(chain::deposit(edge, *id, owner).await.unwrap_or_default());
    }
    sum
}

/// `GET /api/users/{address}`: 404 for those who have neither jobs nor a key.
pub async fn show(call: Call) -> Result<Response, ApiError> {
    let owner = call.address()?;
    let jobs = all_jobs(&call.edge, JobQuery::Owner(owner)).await?;
    let keys = call.edge.ports.keys.list(Some(owner)).await?;
    let Some(first_seen) =
        jobs.iter().map(|r| r.job.accepted_at).chain(keys.iter().map(|key| key.created_at)).min()
    else {
        return Err(ApiError::absent());
    };
    let last_seen = jobs.iter().map(|record| record.updated_at).max().unwrap_or(first_seen);
    let balance = deposits(&call.edge, owner).await.to_string();
    let entries = call.edge.ports.ledger.of_account(owner, 10_000).await?;
    let points = entries
        .iter()
        .filter(|entry| entry.reason == LedgerReason::JobCreated)
        .fold(U256::ZERO, |sum, entry| sum.saturating_add(entry.amount));
    let tasks: u64 = jobs.iter().map(|record| u64::from(record.cursor.opened.0)).sum();
    Ok(json::ok(&json!({
        "user_id": json::address_number(owner),
        "user_address": owner,
        "job_ids": jobs.iter().map(|record| record.job.id.to_string()).collect::<Vec<_>>(),
        "ether_balance": balance,
        "token_balance": balance,
        "user_points": json::number(points),
        "total_jobs": jobs.len(),
        "total_tasks": tasks,
        "created_at": first_seen.to_rfc3339(),
        "last_updated_at": last_seen.to_rfc3339(),
    })))
}

/// `GET /api/users/safe-addresses/{address}`
pub async fn safes(call: Call) -> Result<Response, ApiError> {
    let jobs = all_jobs(&call.edge, JobQuery::Owner(call.address()?)).await?;
    let safes: BTreeSet<Address> =
        jobs.iter().filter_map(|record| record.job.safe.as_ref().map(|safe| safe.address)).collect();
    Ok(json::ok(&json!({"safe_addresses": safes})))
}
