//! Users: who they are follows from their jobs and from the chain.

use std::collections::BTreeSet;

use argus_domain::{Address, U256, fees::Board, ids::Serial, job::JobRecord, profile::ProfileChange};
use argus_ports::JobQuery;
use axum::response::Response;
use serde_json::json;

use crate::{Edge, call::Call, chain, contact, create::Faults, errors::ApiError, json};

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

/// `GET /api/users/{address}`: 404 for those who have neither jobs, nor a key, nor said where mail reaches them. Policy
/// lets those through alone who may act for them.
pub async fn show(call: Call) -> Result<Response, ApiError> {
    let owner = call.address()?;
    let jobs = all_jobs(&call.edge, JobQuery::Owner(owner)).await?;
    let keys = call.edge.ports.keys.list(Some(owner)).await?;
    let email = call.edge.ports.profiles.profile(owner).await?.and_then(|profile| profile.email);
    let seen = jobs.iter().map(|r| r.job.accepted_at).chain(keys.iter().map(|key| key.created_at)).min();
    let Some(first_seen) = seen.or(email.as_ref().map(|_| call.now)) else {
        return Err(ApiError::absent());
    };
    let last_seen = jobs.iter().map(|record| record.updated_at).max().unwrap_or(first_seen);
    let balance = deposits(&call.edge, owner).await.to_string();
    let standing = call.edge.ports.ledger.standing(Board::Users, owner).await?;
    Ok(json::ok(&json!({
        "user_id": json::address_number(owner),
        "user_address": owner,
        "email_id": email.unwrap_or_default(),
        "job_ids": jobs.iter().map(|record| record.job.id.to_string()).collect::<Vec<_>>(),
        "ether_balance": balance,
        "token_balance": balance,
        "user_points": json::ether(standing.points),
        "total_jobs": jobs.len(),
        "total_tasks": standing.tasks,
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

/// `POST /api/users/email {"user_address", "email_id"}`
pub async fn set_email(call: Call) -> Result<Response, ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let owner = contact::address(&body, "user_address", &mut faults);
    let email = contact::email(&body, &mut faults);
    if body.get("email_id").is_none_or(serde_json::Value::is_null) {
        faults.add(
            "email_id",
            "MISSING",
            "email_id is missing; an empty one takes back what was said before",
        );
    }
    let Some(owner) = owner.filter(|_| faults.is_empty()) else { return Err(faults.into_error()) };
    if !call.key()?.may_act_for(owner) {
        return Err(ApiError::not_yours());
    }
    let change = ProfileChange { email, ..ProfileChange::default() };
    call.edge.ports.profiles.change_profile(owner, change).await?;
    Ok(json::ok(&json!({"message": "the e-mail address is kept"})))
}
