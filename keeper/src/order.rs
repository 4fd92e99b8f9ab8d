//! Whether a handed-off call may be made, and what it takes.

use std::time::Duration;

use argus_domain::{
    Address, Bytes, U256,
    act::{HandoffOrder, Intent},
    call::{Claim, Signature},
    contracts::{
        decode_bool, encode_execute, encode_is_used, execute_gas, is_job_not_active, refuses_deleted,
    },
    ids::{ChainId, KeeperId, TaskId},
    job::Mode,
    task::Agreed,
};
use argus_machine::transaction::Work;
use argus_ports::{ChainError, ChainReader, ChainWriter, KeptClaim, chain::At};
use tokio::time::sleep;

use crate::{
    Inner,
    config::Config,
    deposit::{self, Short},
    ports::Ports,
};

/// Why a keeper does not act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its parts do not belong together, or it is not for this keeper.
    #[error("the order does not hold: {0}")]
    Inconsistent(&'static str),
    /// Too few valid signatures.
    #[error("{valid} valid signatures over this call, {needed} needed")]
    NoQuorum {
        /// Valid ones.
        valid: usize,
        /// Needed.
        needed: usize,
    },
    /// Mode `Solo`: it never signed this call itself.
    #[error("this keeper has not signed this call")]
    NotOurs,
    /// The chain would refuse.
    #[error("the call would be refused: {0}")]
    Reverts(String),
    /// Its owner deleted the job on the chain.
    #[error("{}", refuses_deleted(*.0))]
    Deleted(ChainId),
    /// Its owner cannot pay.
    #[error(transparent)]
    Short(#[from] Short),
    /// The executor has this task already.
    #[error("the task was executed already")]
    Used,
    /// Its time is over.
    #[error("the call's time is over")]
    Late,
    /// The chain or the journal does not answer.
    #[error("{0}")]
    Unreachable(String),
}

/// Between two tries at a chain that does not answer.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Everything that is needed to act on an order: checked, simulated, weighed.
pub async fn prepare(keeper: &Inner, order: &HandoffOrder) -> Result<(Work, Vec<Intent>), Refusal> {
    let (config, ports) = (&keeper.config, &keeper.ports);
    let kept = ports.journal.of_task(order.task.id).await.map_err(|e| Refusal::Unreachable(e.to_string()))?;
    if let Some(last) = kept.intents.last() {
        // It was acted on before: the journal says how, and the platform is only told again.
        return Ok((again(last), kept.intents));
    }
    check(config, ports, order, &kept.claims)?;
    let chain = order.agreed.call.chain;
    let missing = || Refusal::Unreachable(format!("this keeper has no node of chain {chain}"));
    let writer = ports.writers.get(&chain).ok_or_else(missing)?.as_ref();
    let reader = ports.readers.get(&chain).ok_or_else(missing)?.as_ref();
    let weighed = async {
        loop {
            let tried = match order.job.policy.mode {
                Mode::Quorum { .. } => through_executor(keeper, reader, writer, order).await,
                Mode::Solo => directly(keeper, writer, order).await,
            };
            match tried {
                Err(Refusal::Unreachable(why)) => tracing::debug!(why, "asking the chain again"),
                done => return done,
            }
            sleep(ASK_AGAIN).await;
        }
    };
    let left = order.handoff.patience_until.since(ports.clock.now());
    let work = tokio::time::timeout(left, weighed).await.map_err(|_| Refusal::Late)??;
    Ok((work, Vec::new()))
}

fn again(intent: &Intent) -> Work {
    let draft = &intent.draft;
    Work {
        task: intent.task,
        to: draft.to,
        value: draft.value,
        data: draft.data.clone(),
        gas_limit: draft.gas_limit,
        max_fee_per_gas: draft.max_fee_per_gas,
        valid_until: intent.valid_until,
    }
}

/// Whether the order holds: it is for this keeper, in time, and its call is what a quorum signed.
fn check(config: &Config, ports: &Ports, order: &HandoffOrder, ours: &[KeptClaim]) -> Result<(), Refusal> {
    let HandoffOrder { handoff, job, task, agreed } = order;
    let me = ports.signer.address();
    let holds = |holds: bool, what: &'static str| holds.then_some(()).ok_or(Refusal::Inconsistent(what));
    holds(handoff.keeper.0 == me, "it is for another keeper")?;
    holds(handoff.task == task.id && task.job == job.id, "its parts belong to different tasks")?;
    holds(task.id == TaskId::of(job.id, &task.occurrence), "the task's id is not its occurrence's")?;
    holds(agreed.call.chain == job.target_chain(), "the call is for another chain than the job")?;
    let now = ports.clock.now();
    if now >= agreed.valid_until || now >= handoff.patience_until {
        return Err(Refusal::Late);
    }
    match job.policy.mode {
        Mode::Quorum { threshold, .. } => {
            holds(config.executors.contains_key(&agreed.call.chain), "no executor is known on its chain")?;
            check_signers(agreed, usize::from(threshold))
        }
        Mode::Solo => {
            let digest = agreed.claim(job, task.id).digest(&config.domain(agreed.call.chain));
            let mut of_round = ours.iter().filter(|c| (c.attempt, c.round) == (agreed.attempt, agreed.round));
            of_round.any(|claim| claim.digest == digest).then_some(()).ok_or(Refusal::NotOurs)
        }
    }
}

/// Whether enough keepers are named as signers. What they signed is the executor's to check, in the simulation that
/// follows: recovering signatures is the dearest computation of a task, and its answer is the one that counts.
fn check_signers(agreed: &Agreed, needed: usize) -> Result<(), Refusal> {
    // Strict order is what makes the signers distinct, here as in the contract.
    let ascending = agreed.signatures.windows(2).all(|pair| pair[0].0 < pair[1].0);
    if !ascending {
        return Err(Refusal::Inconsistent("its signatures are not in ascending order of signer"));
    }
    let named = agreed.signatures.len();
    if named < needed.max(1) { Err(Refusal::NoQuorum { valid: named, needed }) } else { Ok(()) }
}

/// Why the executor refuses an order, as far as can be found out.
async fn refused(
    keeper: &Inner,
    reader: &dyn ChainReader,
    order: &HandoffOrder,
    claim: &Claim,
    reason: String,
) -> Refusal {
    let HandoffOrder { job, task, agreed, .. } = order;
    let domain = keeper.config.domain(agreed.call.chain);
    let used = reader.call(None, domain.executor, encode_is_used(task.id), At::Head).await;
    if used.ok().as_ref().and_then(decode_bool) == Some(true) {
        return Refusal::Used;
    }
    let digest = claim.digest(&domain);
    let signed = |(keeper_id, signature): &&(KeeperId, Signature)| {
        keeper.ports.signer.recover(digest, signature) == Some(keeper_id.0)
    };
    let valid = agreed.signatures.iter().filter(signed).count();
    match job.policy.mode {
        Mode::Quorum { threshold, .. } if valid < agreed.signatures.len() => {
            Refusal::NoQuorum { valid, needed: usize::from(threshold) }
        }
        Mode::Quorum { .. } | Mode::Solo => Refusal::Reverts(reason),
    }
}

async fn through_executor(
    keeper: &Inner,
    reader: &dyn ChainReader,
    writer: &dyn ChainWriter,
    order: &HandoffOrder,
) -> Result<Work, Refusal> {
    let HandoffOrder { job, task, agreed, .. } = order;
    let executor = keeper.config.domain(agreed.call.chain).executor;
    let signatures: Vec<_> = agreed.signatures.iter().map(|(_, s)| *s).collect();
    let claim = agreed.claim(job, task.id);
    let data = encode_execute(&claim, &agreed.call.calldata, &signatures);
    let (whole, inner, means) = tokio::join!(
        writer.estimate(keeper.id.0, executor, U256::ZERO, data.clone()),
        writer.estimate(executor, agreed.call.target, U256::ZERO, agreed.call.calldata.clone()),
        deposit::means(keeper, (reader, writer), job.owner),
    );
    let means = means.map_err(refusal)?;
    // An inner call that fails is a result like any other; it may use all that it is given.
    let inner = inner.map_or(agreed.gas_limit, |gas| gas.min(agreed.gas_limit));
    let likely = execute_gas(inner, signatures.len(), agreed.call.calldata.len());
    deposit::weigh(keeper, agreed.call.chain, job.owner, (&means, agreed.fee_cap), likely)?;
    let whole = match whole {
        Ok(gas) => gas,
        Err(ChainError::Reverted { data, .. }) if is_job_not_active(&data) => {
            return Err(Refusal::Deleted(agreed.call.chain));
        }
        Err(ChainError::Reverted { reason, .. }) => {
            return Err(refused(keeper, reader, order, &claim, reason).await);
        }
        Err(error) => return Err(refusal(error)),
    };
    // The executor charges within the cap and within what there is.
    let payable = agreed.fee_cap.min(means.deposit).saturating_sub(means.fee);
    Ok(work(&keeper.config, order, (executor, U256::ZERO, data), whole, (payable, likely)))
}

async fn directly(keeper: &Inner, writer: &dyn ChainWriter, order: &HandoffOrder) -> Result<Work, Refusal> {
    let agreed = &order.agreed;
    let call = &agreed.call;
    let gas = writer.estimate(keeper.id.0, call.target, call.value, call.calldata.clone()).await;
    let gas = gas.map_err(refusal)?;
    // Nobody pays the keeper back here: its own ceiling counts, and the job's where it names one.
    let cap = if agreed.fee_cap.is_zero() { U256::MAX } else { agreed.fee_cap };
    Ok(work(&keeper.config, order, (call.target, call.value, call.calldata.clone()), gas, (cap, gas)))
}

/// `gas` is what the simulation needed; what the owner can be charged, in wei, is spread over the gas that it is likely to pay for.
fn work(
    config: &Config,
    order: &HandoffOrder,
    (to, value, data): (Address, U256, Bytes),
    gas: u64,
    (cap, likely): (U256, u64),
) -> Work {
    let affordable = cap / U256::from(likely.max(1));
    let affordable = u128::try_from(affordable).unwrap_or(u128::MAX);
    Work {
        task: order.task.id,
        to,
        value,
        data,
        // The state moves on between simulation and inclusion.
        gas_limit: gas.saturating_add(gas / 5),
        max_fee_per_gas: affordable.min(config.fees.per_gas_max),
        valid_until: order.agreed.valid_until,
    }
}

fn refusal(error: ChainError) -> Refusal {
    match error {
        ChainError::Reverted { reason, .. } => Refusal::Reverts(reason),
        ChainError::InsufficientFunds | ChainError::Refused(_) => Refusal::Reverts(error.to_string()),
        ChainError::Unreachable { .. }
        | ChainError::UnknownBlock(_)
        | ChainError::AlreadyKnown
        | ChainError::NonceTooLow
        | ChainError::Underpriced => Refusal::Unreachable(error.to_string()),
    }
}
