//! Putting our contracts on a chain, and bringing what is there in line with a plan. Everything can be repeated: what
//! is done already is left alone, so a run that was cut short is finished by the next.

use std::time::Duration;

use alloy::{
    primitives::{Address, B256, Bytes, U256, address, aliases::U96, bytes, keccak256},
    sol_types::{SolCall, SolValue},
};
use argus_domain::{
    chain::{Contracts, SignedTx, TxDraft, TxReceipt},
    contracts::{
        decode_keeper, decode_keepers, decode_uint, encode_balance, encode_fee, encode_keeper,
        encode_keepers, encode_quorum,
    },
    ids::KeeperId,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, Signer, SignerError, chain::At};

use crate::{
    artefacts::Contract,
    contracts::{Executor, GasRegistry, KeeperRegistry},
};

/// The deterministic deployment proxy: there on anvil from the start and on most public chains. Contracts that go
/// through it have addresses that follow from their code and arguments, so that they are found again.
pub const CREATE2_PROXY: Address = address!("4e59b44847b379578588920cA78FbF26c0B4956C");

// The proxy's own transaction: signed by nobody (its signature is a row of twos), the same on every chain, which is
// why its address is. Its sender has to be given what its 100,000 gas at 100 gwei cost.
const PROXY_SENDER: Address = address!("3fab184622dc19b6109349b94811493bf2a45362");
const PROXY_COST: u128 = 10_000_000_000_000_000;
const PROXY_TRANSACTION: Bytes = bytes!(
    "f8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
    "1ba02222222222222222222222222222222222222222222222222222222222222222a0222222222222222222222222222222"
    "2222222222222222222222222222222222"
);

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
    /// Whether Safe's contracts, and ours that use them, are deployed too.
    pub safes: bool,
}

/// What is there now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deployed {
    /// Our contracts.
    pub contracts: Contracts,
    /// The demo target, where the plan asks for it.
    pub target: Option<Address>,
    /// What Safes need, where the plan asks for it.
    pub safes: Option<SafeContracts>,
}

/// What users of Safes have to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeContracts {
    /// Makes Safes.
    pub factory: Address,
    /// Has them make the calls of jobs.
    pub module: Address,
    /// Makes several calls in one.
    pub multi_send_call_only: Address,
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
    /// The chain lacks the proxy, and does not take the transaction that makes it (EIP-155 is younger).
    #[error(
        "the chain has no deployment proxy at {CREATE2_PROXY}, and does not take the transaction that makes it: {0}"
    )]
    NoProxy(ChainError),
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
    hand.proxy().await?;
    let keeper_registry =
        hand.deploy(Contract::KeeperRegistry, &(owner, U256::from(1)).abi_encode_params()).await?;
    let job_registry = hand.deploy(Contract::JobRegistry, &[]).await?;
    let gas_registry = hand.deploy(Contract::GasRegistry, &owner.abi_encode()).await?;
    let arguments = (owner, keeper_registry, job_registry, gas_registry, U256::ZERO).abi_encode_params();
    let executor = hand.deploy(Contract::Executor, &arguments).await?;
    let target = if plan.demo { Some(hand.deploy(Contract::Target, &[]).await?) } else { None };
    let safes = if plan.safes { Some(hand.safes(executor).await?) } else { None };

    if hand.view(gas_registry, &GasRegistry::executorCall {}).await? != executor {
        hand.send(gas_registry, U256::ZERO, &GasRegistry::setExecutorCall { executor_: executor }).await?;
    }
    hand.keepers(keeper_registry, plan).await?;
    if hand.number(executor, encode_fee()).await? != plan.fee {
        hand.send(executor, U256::ZERO, &Executor::setFeeCall { value: plan.fee }).await?;
    }
    for (account, amount) in &plan.deposits {
        let account = *account;
        if hand.number(gas_registry, encode_balance(account)).await?.is_zero() {
            hand.send(gas_registry, *amount, &GasRegistry::depositForCall { account }).await?;
        }
    }
    let contracts = Contracts { executor, keeper_registry, job_registry, gas_registry };
    Ok(Deployed { contracts, target, safes })
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
    async fn proxy(&self) -> Result<(), DeployError> {
        if !self.chain.code(CREATE2_PROXY).await?.is_empty() {
            return Ok(());
        }
        let has = self.chain.balance(PROXY_SENDER, At::Head).await?;
        let lacks = U256::from(PROXY_COST).saturating_sub(has);
        if !lacks.is_zero() {
            transact(self.chain, self.signer, PROXY_SENDER, lacks, Bytes::new()).await?;
        }
        let transaction = SignedTx { hash: keccak256(PROXY_TRANSACTION), raw: PROXY_TRANSACTION };
        match self.chain.send(&transaction).await {
            Ok(()) | Err(ChainError::AlreadyKnown) => mined(self.chain, transaction.hash).await.map(|_| ()),
            Err(error) => Err(DeployError::NoProxy(error)),
        }
    }

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

    async fn safes(&self, executor: Address) -> Result<SafeContracts, DeployError> {
        let singleton = self.deploy(Contract::SafeSingleton, &[]).await?;
        let proxies = self.deploy(Contract::SafeProxyFactory, &[]).await?;
        let handler = self.deploy(Contract::SafeFallbackHandler, &[]).await?;
        let multi_send_call_only = self.deploy(Contract::MultiSendCallOnly, &[]).await?;
        let made_of = (proxies, singleton, handler).abi_encode_params();
        Ok(SafeContracts {
            factory: self.deploy(Contract::SafeFactory, &made_of).await?,
            module: self
                .deploy(Contract::SafeModule, &(executor, multi_send_call_only).abi_encode_params())
                .await?,
            multi_send_call_only,
        })
    }

    async fn keepers(&self, registry: Address, plan: &Plan) -> Result<(), DeployError> {
        for (keeper, stake) in &plan.keepers {
            let stake = stake_of(*keeper, *stake)?;
            let found = self.ask(registry, encode_keeper(KeeperId(*keeper))).await?;
            if decode_keeper(&found) != Some(stake.to()) {
                let call = KeeperRegistry::registerKeeperCall { keeper_: *keeper, stake };
                self.send(registry, U256::ZERO, &call).await?;
            }
        }
        let listed = self.ask(registry, encode_keepers()).await?;
        for KeeperId(keeper_) in decode_keepers(&listed).ok_or(DeployError::BadAnswer(registry))? {
            if !plan.keepers.iter().any(|(planned, _)| *planned == keeper_) {
                self.send(registry, U256::ZERO, &KeeperRegistry::removeKeeperCall { keeper_ }).await?;
            }
        }
        let value = U256::from(plan.quorum);
        if self.number(registry, encode_quorum()).await? != value {
            self.send(registry, U256::ZERO, &KeeperRegistry::setQuorumCall { value }).await?;
        }
        Ok(())
    }

    async fn ask(&self, at: Address, input: Bytes) -> Result<Bytes, DeployError> {
        Ok(self.chain.call(None, at, input, At::Head).await?)
    }

    async fn number(&self, at: Address, input: Bytes) -> Result<U256, DeployError> {
        decode_uint(&self.ask(at, input).await?).ok_or(DeployError::BadAnswer(at))
    }

    async fn view<V: SolCall + Sync>(&self, at: Address, call: &V) -> Result<V::Return, DeployError> {
        let data = self.ask(at, call.abi_encode().into()).await?;
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
    let signed = signer.sign_transaction(&draft).await?;
    match chain.send(&signed).await {
        Ok(()) | Err(ChainError::AlreadyKnown) => {}
        Err(error) => return Err(error.into()),
    }
    mined(chain, signed.hash).await
}

async fn mined<C: ChainReader>(chain: &C, transaction: B256) -> Result<TxReceipt, DeployError> {
    let wait = async {
        loop {
            if let Some(receipt) = chain.receipt(transaction).await? {
                return Ok::<_, DeployError>(receipt);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let receipt =
        tokio::time::timeout(MINED_WITHIN, wait).await.map_err(|_| DeployError::NotMined(transaction))??;
    if receipt.success { Ok(receipt) } else { Err(DeployError::Failed(transaction)) }
}
