//! Whether a job owner's deposit, within the job's cap, pays for a call: whoever brings it to the executor pays its gas
//! first.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    Address, U256,
    attempt::Assignment,
    call::Call,
    chain::GasPrice,
    contracts::{decode_uint, encode_balance, encode_fee, execute_gas},
    ids::ChainId,
    job::Mode,
    time::Timestamp,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, chain::At};

use crate::{Inner, run::Decline, verify::Objection};

/// What was read so lately is not read again before a claim is signed: a task at a time of each owner is the rule,
/// and whoever acts looks once more.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// Owners whose means are remembered; past them all are forgotten.
const OWNERS: usize = 4096;

/// What does not cover a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Short {
    /// What the owner has.
    #[error(
        "the deposit of {owner} is {deposit} wei, and this call needs about {needed}: add to it with depositETH at \
         {registry} on chain {chain}"
    )]
    Deposit {
        /// Whose.
        owner: Address,
        /// Wei.
        deposit: U256,
        /// Wei.
        needed: U256,
        /// The gas registry.
        registry: Address,
        /// Its chain.
        chain: ChainId,
    },
    /// What the job lets a task cost.
    #[error(
        "the job's fee_cap is {cap} wei, and this call needs about {needed}: raise fee_cap with PUT /api/jobs/update/ID"
    )]
    Cap {
        /// Wei.
        cap: U256,
        /// Wei.
        needed: U256,
    },
}

/// What a call through the executor meets: the owner's means and the price of gas.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// In the gas registry, wei; all that there is where the keeper knows no registry.
    pub deposit: U256,
    /// The executor's own fee, wei.
    pub fee: U256,
    /// Per gas.
    pub price: GasPrice,
}

/// Means that were read lately.
#[derive(Default)]
pub struct Known(Mutex<BTreeMap<(ChainId, Address), (Means, Timestamp)>>);

impl Known {
    fn get(&self, key: &(ChainId, Address), now: Timestamp) -> Option<Means> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|(_, at)| now >= *at && now.since(*at) < GOOD_FOR).map(|(means, _)| *means)
    }

    fn put(&self, key: (ChainId, Address), means: Means, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= OWNERS {
            known.clear();
        }
        known.insert(key, (means, now));
    }
}

/// Reads an owner's means.
pub async fn means(
    keeper: &Inner,
    (reader, writer): (&dyn ChainReader, &dyn ChainWriter),
    owner: Address,
) -> Result<Means, ChainError> {
    let chain = reader.chain();
    let executor = keeper.config.domain(chain).executor;
    let deposit = async {
        match keeper.config.gas_registries.get(&chain) {
            Some(registry) => reader.call(None, *registry, encode_balance(owner), At::Head).await.map(Some),
            None => Ok(None),
        }
    };
    let (deposit, fee, price) =
        tokio::try_join!(deposit, reader.call(None, executor, encode_fee(), At::Head), writer.gas_price())?;
    let deposit = deposit.map_or(Some(U256::MAX), |answer| decode_uint(&answer)).unwrap_or_default();
    let means = Means { deposit, fee: decode_uint(&fee).unwrap_or_default(), price };
    keeper.means.put((chain, owner), means, keeper.ports.clock.now());
    Ok(means)
}

/// Whether the deposit and the job's cap cover `gas` at the present price.
pub fn weigh(
    keeper: &Inner,
    chain: ChainId,
    owner: Address,
    (means, cap): (&Means, U256),
    gas: u64,
) -> Result<(), Short> {
    let per_gas = means.price.base_fee.saturating_add(means.price.priority_fee);
    let needed = U256::from(gas).saturating_mul(U256::from(per_gas)).saturating_add(means.fee);
    if means.deposit >= needed {
        return if cap >= needed { Ok(()) } else { Err(Short::Cap { cap, needed }) };
    }
    let registry = keeper.config.gas_registries.get(&chain).copied().unwrap_or_default();
    Err(Short::Deposit { owner, deposit: means.deposit, needed, registry, chain })
}

/// Before a claim is signed: nobody would be paid for bringing a call that its owner cannot pay for.
pub async fn covers(keeper: &Inner, assignment: &Assignment, call: &Call) -> Result<(), Decline> {
    let (attempt, owner) = (&assignment.attempt, assignment.job.owner);
    let Mode::Quorum { threshold, .. } = attempt.mode else { return Ok(()) };
    let ports = &keeper.ports;
    // One that does not act on this chain has nothing to lose.
    let (Some(reader), Some(writer)) = (ports.readers.get(&call.chain), ports.writers.get(&call.chain))
    else {
        return Ok(());
    };
    let means = match keeper.means.get(&(call.chain, owner), ports.clock.now()) {
        Some(means) => means,
        None => means(keeper, (reader.as_ref(), writer.as_ref()), owner).await.map_err(Objection::Chain)?,
    };
    let gas = |inner| execute_gas(inner, usize::from(threshold), call.calldata.len());
    let has = (&means, attempt.fee_cap);
    // Most deposits and caps pay even for the most that the call may use, and nothing has to be simulated.
    if weigh(keeper, call.chain, owner, has, gas(attempt.gas_limit)).is_ok() {
        return Ok(());
    }
    let executor = keeper.config.domain(call.chain).executor;
    let inner = match writer.estimate(executor, call.target, U256::ZERO, call.calldata.clone()).await {
        Ok(used) => used.min(attempt.gas_limit),
        Err(error) if error.is_retryable() => return Err(Objection::Chain(error).into()),
        // A call that fails by itself may use all that it is given.
        Err(_) => attempt.gas_limit,
    };
    Ok(weigh(keeper, call.chain, owner, has, gas(inner))?)
}
