//! Putting our contracts on a chain, and bringing what is there in line with a plan. Everything can be repeated: what
//! is done already is left alone, so a run that was cut short is finished by the next.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, aliases::U96, keccak256},
    sol_types::{SolCall, SolValue},
};
use argus_domain::chain::{Contracts, TxDraft, TxReceipt};
use argus_ports::{ChainError, ChainReader, ChainWriter, Signer, SignerError, chain::At};

use crate::{
    artefacts::Contract,
    contracts::{Executor, GasRegistry, KeeperRegistry},
};

/// The deterministic deployment proxy: there on anvil from the start and on most public chains. Contracts that go
/// through it have addresses that follow from their code and arguments, so that they are found again.
pub const CREATE2_PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

const MINED_WITHIN: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(50);

/// What shall be there.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Keepers with their stake weight. Keepers that the registry has and this lacks are removed.
    pub keepers: Vec<(Address, u128)>,
    /// Signatures that a call needs, at least one.
    pub quorum: u64,
    /// Wei added to each charge.
    pub fee: U256,
    /// Whose deposit in the gas registry is made up to how many wei, if it is zero.
    pub deposits: Vec<(Address, U256)>,
    /// Whether the demo target is deployed too.
    pub demo: bool,
}

/// What is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployed {
    /// Our contracts.
    pub contracts: Contracts,
    /// The demo target, where the plan asks for it.
    pub target: Option<Address>,
}

/// Why the chain is not as planned.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The chain, or a contract on it.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The key.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The chain lacks the proxy.
    #[error("the chain has no deployment proxy at {CREATE2_PROXY}; deploy that first")]
    NoProxy,
    /// A transaction was not mined.
    #[error("transaction {0} was not mined within 120 s")]
    NotMined(B256),
    /// A transaction was mined and failed.
    #[error("transaction {0} failed on the chain")]
    Failed(B256),
    /// Code is not where it should be now.
    #[error("{what:?} is not at {at} after it was deployed")]
    Missing {
        /// Which contract.
        what: Contract,
        /// Where it should be.
        at: Address,
    },
    /// A stake weight of more than 96 bits.
    #[error("the stake of keeper {0} does not fit into 96 bits")]
    StakeTooLarge(Address),
    /// A view gave something that cannot be read.
    #[error("the answer of {0} cannot be read")]
    BadAnswer(Address),
}

/// Deploys what is missing. `signer` pays, and owns the contracts.
///
/// One set belongs to one owner and one version of the code: another owner or other code gives other addresses.
///
/// # Errors
/// See [`DeployError`]. What was done until then stays, and the next call goes on from there.
pub async fn ensure<C>(chain: &C, signer: &dyn Signer, plan: &Plan) -> Result<Deployed, DeployError>
where
    C: ChainReader + ChainWriter,
{
    let hand = Hand { chain, signer };
    let owner = signer.address();
    if chain.code(CREATE2_PROXY).await?.is_empty() {
        return Err(DeployError::NoProxy);
    }
    let keeper_registry =
        hand.deploy(Contract::KeeperRegistry, &(owner, U256::from(1)).abi_encode_params()).await?;
    let job_registry = hand.deploy(Contract::JobRegistry, &[]).await?;
    let gas_registry = hand.deploy(Contract::GasRegistry, &owner.abi_encode()).await?;
    let arguments = (owner, keeper_registry, job_registry, gas_registry, U256::ZERO).abi_encode_params();
    let executor = hand.deploy(Contract::Executor, &arguments).await?;
    let target = if plan.demo { Some(hand.deploy(Contract::Target, &[]).await?) } else { None };

    if hand.view(gas_registry, &GasRegistry::executorCall {}).await? != executor {
        hand.send(gas_registry, U256::ZERO, &GasRegistry::setExecutorCall { executor_: executor }).await?;
    }
    hand.keepers(keeper_registry, plan).await?;
    if hand.view(executor, &Executor::feeCall {}).await? != plan.fee {
        hand.send(executor, U256::ZERO, &Executor::setFeeCall { value: plan.fee }).await?;
    }
    for (account, amount) in &plan.deposits {
        let account = *account;
        if hand.view(gas_registry, &GasRegistry::getBalanceCall { account }).await?.is_zero() {
            hand.send(gas_registry, *amount, &GasRegistry::depositForCall { account }).await?;
        }
    }
    Ok(Deployed { contracts: Contracts { executor, keeper_registry, job_registry, gas_registry }, target })
}

/// Where [`ensure`] puts a contract: the CREATE2 address of its code behind the proxy.
pub fn address_of(code: &[u8]) -> Address {
    CREATE2_PROXY.create2(salt(), keccak256(code))
}

// The gas registry is bound to its executor for good, so a new executor needs a new gas registry: the salt covers the
// code of all that belong together.
fn salt() -> B256 {
    let all = [Contract::KeeperRegistry, Contract::JobRegistry, Contract::GasRegistry, Contract::Executor];
    keccak256(all.map(|contract| keccak256(contract.creation_code(&[])).0).concat())
}

struct Hand<'a, C> {
    chain: &'a C,
    signer: &'a dyn Signer,
}

impl<C: ChainReader + ChainWriter> Hand<'_, C> {
    async fn deploy(&self, what: Contract, arguments: &[u8]) -> Result<Address, DeployError> {
        let code = what.creation_code(arguments);
        let at = address_of(&code);
        if self.chain.code(at).await?.is_empty() {
            let input = [salt().as_slice(), &code].concat();
            transact(self.chain, self.signer, CREATE2_PROXY, U256::ZERO, input.into()).await?;
            if self.chain.code(at).await?.is_empty() {
                return Err(DeployError::Missing { what, at });
            }
        }
        Ok(at)
    }

    async fn keepers(&self, registry: Address, plan: &Plan) -> Result<(), DeployError> {
        for (keeper, stake) in &plan.keepers {
            let stake = stake_of(*keeper, *stake)?;
            let call = KeeperRegistry::keeperCall { account: *keeper };
            let found = self.view(registry, &call).await?;
            if !found.active || found.stake != stake {
                let call = KeeperRegistry::registerKeeperCall { keeper_: *keeper, stake };
                self.send(registry, U256::ZERO, &call).await?;
            }
        }
        for keeper_ in self.view(registry, &KeeperRegistry::keepersCall {}).await? {
            if !plan.keepers.iter().any(|(planned, _)| *planned == keeper_) {
                self.send(registry, U256::ZERO, &KeeperRegistry::removeKeeperCall { keeper_ }).await?;
            }
        }
        let value = U256::from(plan.quorum);
        if self.view(registry, &KeeperRegistry::quorumCall {}).await? != value {
            self.send(registry, U256::ZERO, &KeeperRegistry::setQuorumCall { value }).await?;
        }
        Ok(())
    }

    async fn view<V: SolCall + Sync>(&self, at: Address, call: &V) -> Result<V::Return, DeployError> {
        let data = self.chain.call(None, at, call.abi_encode().into(), At::Head).await?;
        V::abi_decode_returns(&data).map_err(|_| DeployError::BadAnswer(at))
    }

    async fn send<V: SolCall + Sync>(
        &self,
        to: Address,
        value: U256,
        call: &V,
    ) -> Result<TxReceipt, DeployError> {
        transact(self.chain, self.signer, to, value, call.abi_encode().into()).await
    }
}

fn stake_of(keeper: Address, stake: u128) -> Result<U96, DeployError> {
    U96::try_from(stake).map_err(|_| DeployError::StakeTooLarge(keeper))
}

/// Sends one transaction and waits until it is mined. For set-up by one hand: nothing else may send from the same
/// account meanwhile.
///
/// # Errors
/// What the chain or the signer refuses; [`DeployError::Failed`] when it was mined and failed.
pub async fn transact<C>(
    chain: &C,
    signer: &dyn Signer,
    to: Address,
    value: U256,
    data: Bytes,
) -> Result<TxReceipt, DeployError>
where
    C: ChainReader + ChainWriter,
{
    let from = signer.address();
    let gas = chain.estimate(from, to, value, data.clone()).await?;
    let price = chain.gas_price().await?;
    let draft = TxDraft {
        chain: ChainWriter::chain(chain),
        nonce: chain.nonce(from).await?,
        to,
        value,
        data,
        // The state may have moved since the estimate.
        gas_limit: gas.saturating_add(gas / 4),
        // The base fee can double within six full blocks (EIP-1559: an eighth each).
        max_fee_per_gas: price.base_fee.saturating_mul(2).saturating_add(price.priority_fee),
        max_priority_fee_per_gas: price.priority_fee,
    };
    let signed = signer.sign_transaction(&draft)?;
    match chain.send(&signed).await {
        Ok(()) | Err(ChainError::AlreadyKnown) => {}
        Err(error) => return Err(error.into()),
    }
    let mined = async {
        loop {
            if let Some(receipt) = chain.receipt(signed.hash).await? {
                return Ok::<_, DeployError>(receipt);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let receipt =
        tokio::time::timeout(MINED_WITHIN, mined).await.map_err(|_| DeployError::NotMined(signed.hash))??;
    if receipt.success { Ok(receipt) } else { Err(DeployError::Failed(signed.hash)) }
}
