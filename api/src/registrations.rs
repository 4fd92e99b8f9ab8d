//! Job registries against what is stored, for operators; and why a job was deleted that nobody deleted here.

use argus_domain::{
    ids::{ChainId, JobId},
    registration::{Discrepancy, Registration},
};
use axum::response::Response;
use serde_json::{Value, json};

use crate::{Edge, call::Call, errors::ApiError, json, pages::Page};

/// Most registrations in one answer.
const ROWS_MAX: usize = 500;

/// `GET /api/admin/reconciliation`: registrations that are not as what is stored, by chain and job. `next` goes on, as
/// `after`.
pub async fn list(call: Call) -> Result<Response, ApiError> {
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
            chains.push(json!({"chain_id": id.to_string(), "registry": registry, "read_to_block": read_to}));
        }
    }
    Ok(json::ok(&json!({
        "registrations": found.iter().map(shown).collect::<Vec<_>>(),
        "next": last.map(|one| format!("{}:{}", one.chain, one.job)),
        "counts": {
            "orphan": counts.orphans,
            "deleted_on_chain": counts.deleted_on_chain,
            "owner_differs": counts.owner_differs,
        },
        "chains": chains,
    })))
}

fn place(text: &str) -> Result<(ChainId, JobId), ApiError> {
    let parts = text.split_once(':').and_then(|(chain, job)| {
        let chain = chain.parse().map(ChainId).ok()?;
        Some((chain, job.parse().ok()?))
    });
    parts.ok_or_else(|| ApiError::bad_request("after is the next of the page before"))
}

fn shown(found: &Registration) -> Value {
    let (reason, stored) = match found.discrepancy {
        Discrepancy::Orphan | Discrepancy::Gone => ("orphan", None),
        Discrepancy::DeletedOnChain => ("deleted_on_chain", None),
        Discrepancy::OwnerDiffers(stored) => ("owner_differs", Some(stored)),
    };
    json!({
        "chain_id": found.chain.to_string(),
        "job_id": found.job.to_string(),
        "reason": reason,
        "says": says(found),
        "owner": found.owner,
        "stored_owner": stored,
        "block_number": found.block,
        "transaction_hash": found.transaction,
        "at": found.at.to_rfc3339(),
    })
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
