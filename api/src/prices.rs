//! What gas costs on each chain: asked for once in a while, and believed for a bounded time where the node is silent.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use argus_domain::{
    U256,
    contracts::{decode_uint, encode_fee},
    ids::ChainId,
    time::Timestamp,
};
use argus_ports::{ChainError, chain::At};

use crate::{Edge, errors::ApiError, ports::Chain};

/// What was last read of each chain.
#[derive(Default)]
pub struct Prices(Mutex<BTreeMap<ChainId, Known>>);

impl Prices {
    fn known(&self) -> MutexGuard<'_, BTreeMap<ChainId, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prices of a chain at one time.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// Of a unit of gas, wei.
    pub gas_price: U256,
    /// What the executor takes beside the gas, wei; zero where the chain has none.
    pub executor_fee: U256,
    /// When it was read.
    pub at: Timestamp,
}

/// The prices of a chain, as old as the configuration allows.
///
/// # Errors
/// Where the node does not answer and what it said last is too old.
pub async fn of(edge: &Edge, chain: &Chain) -> Result<Known, ApiError> {
    let (rules, id) = (&edge.config.prices, chain.reader.chain());
    let known = edge.prices.known().get(&id).copied();
    let age = |known: &Known| edge.ports.clock.now().since(known.at);
    if let Some(known) = known.filter(|known| age(known) <= rules.fresh) {
        return Ok(known);
    }
    match read(edge, chain).await {
        Ok(read) => {
            edge.prices.known().insert(id, read);
            Ok(read)
        }
        Err(cause) => match known.filter(|known| age(known) <= rules.stale_max) {
            Some(known) => {
                tracing::warn!(%cause, chain = id.0, "a quote rests on an earlier price of gas");
                Ok(known)
            }
            None => Err(cause.into()),
        },
    }
}

async fn read(edge: &Edge, chain: &Chain) -> Result<Known, ChainError> {
    let price = chain.writer.gas_price().await?;
    let executor_fee = match &chain.contracts {
        None => U256::ZERO,
        Some(contracts) => {
            let answer = chain.reader.call(None, contracts.executor, encode_fee(), At::Head).await?;
            decode_uint(&answer).unwrap_or_default()
        }
    };
    Ok(Known {
        gas_price: U256::from(price.base_fee).saturating_add(U256::from(price.priority_fee)),
        executor_fee,
        at: edge.ports.clock.now(),
    })
}
