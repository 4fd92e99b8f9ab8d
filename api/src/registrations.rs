//! Job registries against what is stored, for operators; and why a job was deleted that nobody deleted here.

use argus_domain::{
    ids::{ChainId, JobId},
    registration::{Discrepancy, Registration},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    Edge,
    call::Call,
    errors::ApiError,
    pages::Page,
    reply::Reply,
    shape::formats::{Account, ChainNumber, Hash, Instant, JobNumber},
};

/// Most registrations in one answer.
const ROWS_MAX: usize = 500;

/// Where job registries say otherwise than what is stored.
#[derive(Serialize, JsonSchema)]
pub struct Reconciliation {
    registrations: Vec<ShownRegistration>,
    /// The next page begins after it; null: there is none.
    next: Option<String>,
    /// Of all pages.
    counts: Counts,
    chains: Vec<ReadChain>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Registration")]
struct ShownRegistration {
    chain_id: ChainNumber,
    job_id: JobNumber,
    reason: Reason,
    /// For people.
    says: String,
    owner: Account,
    stored_owner: Option<Account>,
    block_number: u64,
    transaction_hash: Hash,
    at: Instant,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Reason {
    Orphan,
    DeletedOnChain,
    OwnerDiffers,
}

#[derive(Serialize, JsonSchema)]
struct Counts {
    orphan: u64,
    deleted_on_chain: u64,
    owner_differs: u64,
}

/// How far a chain's registry was read.
#[derive(Serialize, JsonSchema)]
struct ReadChain {
    chain_id: ChainNumber,
    registry: Account,
    read_to_block: Option<u64>,
}

/// `GET /api/admin/reconciliation`: registrations that are not as what is stored, by chain and job. `next` goes on, as
/// `after`.
pub async fn list(call: Call) -> Result<Reply<Reconciliation>, ApiError> {
    let query = call.query();
    let limit = Page::of(&call, ROWS_MAX)?.rows();
    let after = query.get("after").map(|text| place(text)).transpose()?;
    let grace = call.edge.config.registration_grace;
    let store = &call.edge.ports.registrations;
    let until = call.now.before(grace);
    let found = store.list(None, until, after, limit).await?;
    let counts = store.counts(until).await?;
    let last = found.last().filter(|_| found.len() == limit as usize);
    let mut chains = Vec::new();
    for (id, chain) in &call.edge.ports.chains {
        if let Some(registry) = chain.contracts.map(|ours| ours.job_registry) {
            let read_to = store.read_to(*id, registry).await?;
            let (chain_id, registry) = (ChainNumber(*id), Account(registry));
            chains.push(ReadChain { chain_id, registry, read_to_block: read_to });
        }
    }
    Ok(Reply::of(Reconciliation {
        registrations: found.iter().map(shown).collect(),
        next: last.map(|one| format!("{}:{}", one.chain, one.job)),
        counts: Counts {
            orphan: counts.orphans,
            deleted_on_chain: counts.deleted_on_chain,
            owner_differs: counts.owner_differs,
        },
        chains,
    }))
}

fn place(text: &str) -> Result<(ChainId, JobId), ApiError> {
    let parts = text.split_once(':').and_then(|(chain, job)| {
        let chain = chain.parse().map(ChainId).ok()?;
        Some((chain, job.parse().ok()?))
    });
    parts.ok_or_else(|| ApiError::bad_request("after is the next of the page before"))
}

fn shown(found: &Registration) -> ShownRegistration {
    let (reason, stored) = match found.discrepancy {
        Discrepancy::Orphan | Discrepancy::Gone => (Reason::Orphan, None),
        Discrepancy::DeletedOnChain => (Reason::DeletedOnChain, None),
        Discrepancy::OwnerDiffers(stored) => (Reason::OwnerDiffers, Some(stored)),
    };
    ShownRegistration {
        chain_id: ChainNumber(found.chain),
        job_id: JobNumber(found.job),
        reason,
        says: says(found),
        owner: Account(found.owner),
        stored_owner: stored.map(Account),
        block_number: found.block,
        transaction_hash: Hash(found.transaction),
        at: Instant(found.at),
    }
}

fn says(found: &Registration) -> String {
    let transaction = found.transaction;
    match found.discrepancy {
        Discrepancy::Orphan | Discrepancy::Gone => {
            format!("registered on chain, transaction {transaction}, and never created here")
        }
        Discrepancy::DeletedOnChain => format!("deleted on chain, transaction {transaction}"),
        Discrepancy::OwnerDiffers(_) => {
            format!("registered on chain by another owner, {}, transaction {transaction}", found.owner)
        }
    }
}

/// Why a job was deleted, where its registry is the reason.
pub async fn why_deleted(edge: &Edge, job: JobId) -> Result<Option<String>, ApiError> {
    let found = edge.ports.registrations.list(Some(job), argus_domain::time::Timestamp(0), None, 1).await?;
    Ok(found.first().map(says))
}
