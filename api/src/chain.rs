//! What the edge reads from the platform's own contracts.

use argus_domain::{
    Address, U256,
    chain::Pin,
    contracts::{RegisteredJob, decode_job, decode_uint, encode_balance, encode_job},
    ids::{ChainId, JobId},
};
use argus_ports::{ChainError, chain::At};

use crate::{Edge, ports::Chain};

/// What an owner has deposited in a chain's gas registry, wei; `None` without a registry or an answer.
pub async fn deposit(edge: &Edge, chain: ChainId, owner: Address) -> Option<U256> {
    let chain = edge.ports.chains.get(&chain)?;
    let registry = chain.contracts.as_ref()?.gas_registry;
    match chain.reader.call(None, registry, encode_balance(owner), At::Head).await {
        Ok(answer) => decode_uint(&answer),
        Err(cause) => {
            tracing::warn!(%cause, "a deposit could not be read");
            None
        }
    }
}

/// What the chain's job registry says of a job; unregistered, or no registry: `None`.
pub async fn registered(chain: &Chain, job: JobId) -> Result<Option<RegisteredJob>, ChainError> {
    let Some(contracts) = &chain.contracts else { return Ok(None) };
    let answer = chain.reader.call(None, contracts.job_registry, encode_job(job), At::Head).await?;
    Ok(decode_job(&answer))
}

/// The newest block of every chain that answers: where a dry run reads.
pub async fn pins(edge: &Edge) -> std::collections::BTreeMap<ChainId, Pin> {
    let mut pins = std::collections::BTreeMap::new();
    for (id, chain) in &edge.ports.chains {
        if let Ok(Some(block)) = chain.reader.block(At::Head).await {
            pins.insert(*id, Pin { number: block.number, hash: block.hash });
        }
    }
    pins
}
