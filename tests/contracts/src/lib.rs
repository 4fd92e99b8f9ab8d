//! A small world on a real anvil: our contracts, three keepers of whom two have to sign, an owner with a deposit.
//!
//! Where there is no anvil, a test in CI fails and any other says loudly that it was skipped.

use std::path::PathBuf;

use alloy::{
    primitives::{Address, B256, Bytes, U256, keccak256},
    sol_types::{SolCall, SolValue},
};
use argus_domain::{
    call::{Claim, ExecutorDomain, Signature},
    chain::{Contracts, TxDraft, TxReceipt},
    contracts::{
        JOB_CREATED, TaskExecuted, decode_bool, decode_task_executed, decode_uint, encode_balance,
        encode_execute, encode_is_used,
    },
    ids::{ChainId, JobId, KeeperId, TaskId},
    time::Timestamp,
};
use argus_evm::{
    ChainConfig, EvmChain, LocalSigner,
    anvil::{self, Anvil, AnvilConfig, DEV_CHAIN, DEV_KEYS},
    contracts::{JobRegistry, Target},
    deploy::{CREATE2_PROXY, Plan, SafeContracts, ensure, transact},
};
use argus_ports::{ChainError, ChainReader, ChainWriter, Signer, chain::At};
use futures::FutureExt;

/// Wei per gas that the transactions of these tests pay: the tip, on top of the base fee.
pub const TIP: u128 = 1_000_000_000;
/// What the owner has in the gas registry at the start, wei.
pub const DEPOSIT: u128 = 10u128.pow(18);
/// Gas of the inner call in these tests, unless they say otherwise.
pub const CALL_GAS: u64 = 200_000;
/// Gas that a keeper's transaction gets, unless they say otherwise: plenty.
pub const TX_GAS: u64 = 3_000_000;

/// The anvil that tests use; `None` where there is none and this is not CI.
///
/// # Panics
/// In CI, where a test that cannot run is a failure.
pub fn anvil_program() -> Option<PathBuf> {
    let named = std::env::var_os("ARGUS_ANVIL").map(PathBuf::from);
    let path: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_default();
    match anvil::find(named.as_deref(), &path, &cache) {
        Ok(program) => Some(program),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("\n*** SKIPPED, nothing was tested: {error} ***\n");
            None
        }
    }
}

/// The n-th development account of anvil.
pub fn dev(n: usize) -> LocalSigner {
    LocalSigner::from_hex(&DEV_KEYS[n].into()).expect("a development key")
}

/// A chain with our contracts, and everybody who matters.
pub struct World {
    /// The chain's process; it ends with this.
    pub anvil: Anvil,
    /// The chain.
    pub chain: EvmChain,
    /// Our contracts.
    pub contracts: Contracts,
    /// The demo target.
    pub target: Address,
    /// What Safes need.
    pub safes: SafeContracts,
    /// Owns the contracts.
    pub admin: LocalSigner,
    /// Three registered keepers, ascending by address.
    pub keepers: Vec<LocalSigner>,
    /// A key that is no keeper's.
    pub stranger: LocalSigner,
    /// Has jobs and a deposit.
    pub owner: LocalSigner,
}

impl World {
    /// Starts it; `None` where there is no anvil.
    pub async fn start() -> Option<Self> {
        let anvil = Anvil::start(&AnvilConfig::new(anvil_program()?)).await.expect("anvil");
        let chain = EvmChain::connect(&ChainConfig::new(ChainId(DEV_CHAIN), vec![anvil.http_url()])).await;
        let chain = chain.expect("connected");
        let (admin, stranger, owner) = (dev(0), dev(4), dev(5));
        let mut keepers = vec![dev(1), dev(2), dev(3)];
        keepers.sort_by_key(|keeper| keeper.address());
        let plan = Plan {
            keepers: keepers.iter().map(|keeper| (keeper.address(), 1)).collect(),
            quorum: 2,
            fee: U256::from(1_000),
            deposits: vec![(owner.address(), U256::from(DEPOSIT))],
            demo: true,
            safes: true,
        };
        let deployed = ensure(&chain, &admin, &plan).await.expect("deployed");
        let target = deployed.target.expect("the demo target");
        let safes = deployed.safes.expect("Safe's contracts");
        let contracts = deployed.contracts;
        Some(Self { anvil, chain, contracts, target, safes, admin, keepers, stranger, owner })
    }

    /// Deploys one of the hostile contracts from its committed build.
    pub async fn deploy(&self, artefact: &str, arguments: &[u8]) -> Address {
        let code = argus_evm::artefacts::creation_code(artefact, arguments).expect("creation code");
        let input = [B256::ZERO.as_slice(), &code].concat();
        transact(&self.chain, &self.admin, CREATE2_PROXY, U256::ZERO, input.into()).await.expect("deployed");
        CREATE2_PROXY.create2(B256::ZERO, keccak256(&code))
    }

    /// Registers a job of the owner's.
    pub async fn job(&self, kind: u8, target: Address) -> JobId {
        let word = U256::from(60);
        let data = match kind {
            1 => word.abi_encode(),
            3 | 5 => true.abi_encode(),
            4 | 6 => (true, B256::repeat_byte(1)).abi_encode_params(),
            2 => (word, B256::repeat_byte(1)).abi_encode_params(),
            _ => (word, B256::repeat_byte(1), "ts".to_owned()).abi_encode_params(),
        };
        let call = JobRegistry::createJobCall {
            name: "a job".to_owned(),
            jobType: kind,
            timeFrame: U256::from(3_600),
            target,
            data: data.into(),
        };
        let registry = self.contracts.job_registry;
        let receipt = self.tell(&self.owner, registry, U256::ZERO, &call).await.expect("a job");
        let log = receipt.logs.iter().find(|log| log.topics.first() == Some(&JOB_CREATED));
        JobId(log.expect("JobCreated").topics[1].into())
    }

    /// A claim for `data` on the demo target, paid by the owner, good for an hour; each with a task id of its own.
    pub fn claim(&self, job: JobId, data: &Bytes) -> Claim {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Claim {
            task: TaskId(keccak256(n.to_be_bytes())),
            job,
            owner: self.owner.address(),
            target: self.target,
            value: U256::ZERO,
            calldata_hash: keccak256(data),
            gas_limit: CALL_GAS,
            fee_cap: U256::from(DEPOSIT / 10),
            valid_until: Timestamp::from_secs(now.as_secs() + 3_600),
        }
    }

    /// Calldata of `record(key, value)`.
    pub fn record(&self, value: u64) -> Bytes {
        Target::recordCall { key: "k".to_owned(), value: U256::from(value) }.abi_encode().into()
    }

    /// The digest that keepers sign.
    pub fn digest(&self, claim: &Claim) -> B256 {
        claim.digest(&self.domain())
    }

    fn domain(&self) -> ExecutorDomain {
        ExecutorDomain { chain: ChainId(DEV_CHAIN), executor: self.contracts.executor }
    }

    /// Signatures in the order of the signers given.
    pub fn sign(&self, claim: &Claim, signers: &[&LocalSigner]) -> Vec<Signature> {
        let preimage = claim.preimage(&self.domain());
        signers
            .iter()
            .map(|signer| signer.sign(&preimage).now_or_never().and_then(Result::ok).expect("signed"))
            .collect()
    }

    /// Signatures of the first two keepers, in order: a quorum.
    pub fn quorum(&self, claim: &Claim) -> Vec<Signature> {
        self.sign(claim, &[&self.keepers[0], &self.keepers[1]])
    }

    /// Sends whatever a keeper likes to the executor, without asking first whether it would work.
    pub async fn send(&self, keeper: &LocalSigner, input: Bytes, gas_limit: u64) -> TxReceipt {
        let base = self.chain.gas_price().await.expect("a price").base_fee;
        let draft = TxDraft {
            chain: ChainId(DEV_CHAIN),
            nonce: self.chain.nonce(keeper.address()).await.expect("a nonce"),
            to: self.contracts.executor,
            value: U256::ZERO,
            data: input,
            gas_limit,
            max_fee_per_gas: base * 2 + TIP,
            max_priority_fee_per_gas: TIP,
        };
        let signed = keeper.sign_transaction(&draft).await.expect("signed");
        self.chain.send(&signed).await.expect("sent");
        loop {
            if let Some(receipt) = self.chain.receipt(signed.hash).await.expect("a receipt") {
                return receipt;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// Executes a claim with a good quorum, and returns what the executor reported.
    pub async fn execute(&self, claim: &Claim, data: &Bytes) -> (TaskExecuted, TxReceipt) {
        let input = encode_execute(claim, data, &self.quorum(claim));
        let receipt = self.send(&self.keepers[0], input, TX_GAS).await;
        assert!(receipt.success, "refused");
        (self.reported(&receipt), receipt)
    }

    /// What the executor reported in a transaction.
    pub fn reported(&self, receipt: &TxReceipt) -> TaskExecuted {
        let mut own = receipt.logs.iter().filter(|log| log.address == self.contracts.executor);
        own.find_map(|log| decode_task_executed(&log.topics, &log.data)).expect("TaskExecuted")
    }

    /// What the target returned, as the executor reported it: the last field of its event.
    pub fn returned(&self, receipt: &TxReceipt) -> Bytes {
        let log = receipt.logs.iter().find(|log| log.address == self.contracts.executor);
        let data = &log.expect("TaskExecuted").data;
        <(bool, U256, U256, Bytes)>::abi_decode_params(data).expect("its fields").3
    }

    /// Sends a call that must be refused, and checks that it left no trace: the transaction failed, the task id is as
    /// it was, and no balance in the gas registry moved. Returns why it was refused.
    pub async fn refused(&self, keeper: &LocalSigner, claim: &Claim, input: Bytes, gas_limit: u64) -> String {
        let before = (self.balances().await, self.is_used(claim.task).await);
        let asked =
            self.chain.call(Some(keeper.address()), self.contracts.executor, input.clone(), At::Head).await;
        let receipt = self.send(keeper, input, gas_limit).await;
        assert!(!receipt.success, "it went through");
        assert_eq!((self.balances().await, self.is_used(claim.task).await), before, "it left a trace");
        match asked {
            Err(ChainError::Reverted { reason, .. }) => reason,
            other => format!("{other:?}"),
        }
    }

    /// Whether a task id is used up.
    pub async fn is_used(&self, task: TaskId) -> bool {
        let answer = self.ask(self.contracts.executor, encode_is_used(task)).await;
        decode_bool(&answer).expect("an answer")
    }

    /// Balance in the gas registry, wei.
    pub async fn credit(&self, account: Address) -> U256 {
        let answer = self.ask(self.contracts.gas_registry, encode_balance(account)).await;
        decode_uint(&answer).expect("an answer")
    }

    /// Balances in the gas registry of the owner and of each keeper, and the wei that the registry really has.
    pub async fn balances(&self) -> Vec<U256> {
        let mut all = vec![self.credit(self.owner.address()).await];
        for keeper in &self.keepers {
            all.push(self.credit(keeper.address()).await);
        }
        all.push(self.chain.balance(self.contracts.gas_registry, At::Head).await.expect("a balance"));
        all
    }

    /// Reads a view.
    pub async fn view<V: SolCall + Sync>(&self, at: Address, call: &V) -> V::Return {
        V::abi_decode_returns(&self.ask(at, call.abi_encode().into()).await).expect("an answer")
    }

    /// Asks a view.
    pub async fn ask(&self, at: Address, input: Bytes) -> Bytes {
        self.chain.call(None, at, input, At::Head).await.expect("a view")
    }

    /// Sends a call that is expected to go through; the reason where it would revert.
    pub async fn tell<V: SolCall>(
        &self,
        from: &LocalSigner,
        to: Address,
        value: U256,
        call: &V,
    ) -> Result<TxReceipt, String> {
        transact(&self.chain, from, to, value, call.abi_encode().into())
            .await
            .map_err(|error| error.to_string())
    }
}

/// How keepers are known inside.
pub fn keeper_id(signer: &LocalSigner) -> KeeperId {
    KeeperId(signer.address())
}
