//! Users: who they are follows from their jobs and from the chain.

use std::collections::BTreeSet;

use argus_domain::{Address, U256, fees::Board, ids::Serial, job::JobRecord, profile::ProfileChange};
use argus_ports::JobQuery;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    chain, contact,
    create::Faults,
    errors::ApiError,
    json,
    reply::{Done, Reply},
    shape::formats::{Account, Ether, Instant, JobNumber, Wei},
};

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

/// A user.
#[derive(Serialize, JsonSchema)]
pub struct User {
    user_id: u64,
    user_address: Account,
    /// Empty: nobody said.
    email_id: String,
    /// Newest first, at most 10,000.
    job_ids: Vec<JobNumber>,
    /// What they have deposited on all chains.
    ether_balance: Wei,
    token_balance: Wei,
    user_points: Ether,
    total_jobs: usize,
    total_tasks: u64,
    created_at: Instant,
    last_updated_at: Instant,
}

/// `GET /api/users/{address}`: 404 for those who have neither jobs, nor a key, nor said where mail reaches them. Policy
/// lets those through alone who may act for them.
pub async fn show(call: Call) -> Result<Reply<User>, ApiError> {
    let owner = call.address()?;
    let jobs = all_jobs(&call.edge, JobQuery::Owner(owner)).await?;
    let keys = call.edge.ports.keys.list(Some(owner)).await?;
    let email = call.edge.ports.profiles.profile(owner).await?.and_then(|profile| profile.email);
    let seen = jobs.iter().map(|r| r.job.accepted_at).chain(keys.iter().map(|key| key.created_at)).min();
    let Some(first_seen) = seen.or(email.as_ref().map(|_| call.now)) else {
        return Err(ApiError::absent());
    };
    let last_seen = jobs.iter().map(|record| record.updated_at).max().unwrap_or(first_seen);
    let balance = deposits(&call.edge, owner).await;
    let standing = call.edge.ports.ledger.standing(Board::Users, owner).await?;
    Ok(Reply::of(User {
        user_id: json::address_number(owner),
        user_address: Account(owner),
        email_id: email.unwrap_or_default(),
        job_ids: jobs.iter().map(|record| JobNumber(record.job.id)).collect(),
        ether_balance: Wei(balance),
        token_balance: Wei(balance),
        user_points: Ether(standing.points),
        total_jobs: jobs.len(),
        total_tasks: standing.tasks,
        created_at: Instant(first_seen),
        last_updated_at: Instant(last_seen),
    }))
}

/// Safes that a user's jobs act through.
#[derive(Serialize, JsonSchema)]
pub struct Safes {
    safe_addresses: Vec<Account>,
}

/// `GET /api/users/safe-addresses/{address}`
pub async fn safes(call: Call) -> Result<Reply<Safes>, ApiError> {
    let jobs = all_jobs(&call.edge, JobQuery::Owner(call.address()?)).await?;
    let safes: BTreeSet<Address> =
        jobs.iter().filter_map(|record| record.job.safe.as_ref().map(|safe| safe.address)).collect();
    Ok(Reply::of(Safes { safe_addresses: safes.into_iter().map(Account).collect() }))
}

/// `POST /api/users/email {"user_address", "email_id"}`
pub async fn set_email(call: Call) -> Result<Reply<Done>, ApiError> {
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
    let message = match email.as_deref() {
        Some("") => "no e-mail address is kept",
        _ => "the e-mail address is kept",
    };
    let change = ProfileChange { email, ..ProfileChange::default() };
    call.edge.ports.profiles.change_profile(owner, change).await?;
    Ok(Reply::of(Done { message }))
}
