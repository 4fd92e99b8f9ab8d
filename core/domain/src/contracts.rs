//! The platform's own contracts as bytes: what is sent to them, what they answer and what they log.
//!
//! Only encoding lives here; that it is what the contracts really speak is shown by tests/e2e, whose every call goes
//! through it to the built contracts on a real chain. Sources: contracts/src.

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::{SolCall, SolError, SolEvent, SolValue};

use crate::{
    call::{Claim, Signature},
    ids::{ChainId, JobId, KeeperId, TaskId},
};

#[allow(clippy::too_many_arguments, reason = "the macro writes one constructor argument per event field")]
mod abi {
    use alloy_sol_types::sol;

    sol! {
        struct SolClaim {
            bytes32 taskId;
            uint256 jobId;
            address owner;
            address target;
            uint256 value;
            bytes32 calldataHash;
            uint256 gasLimit;
            uint256 feeCap;
            uint64 validUntil;
        }

        interface IExecutor {
            event TaskExecuted(bytes32 indexed taskId, uint256 indexed jobId, address indexed keeper, bool success, uint256 gasUsed, uint256 charged, bytes returned);
            function isUsed(bytes32 taskId) external view returns (bool);
            function fee() external view returns (uint256);
            error JobNotActive(uint256 jobId);
        }

        interface IKeeperRegistry {
            function keepers() external view returns (address[] memory);
            function keeper(address account) external view returns (uint96 stake, bool active);
            function quorum() external view returns (uint256);
        }

        interface IJobRegistry {
            event JobCreated(uint256 indexed jobId, address indexed owner, bytes32 jobHash, uint256 timestamp);
            event JobDeleted(uint256 indexed jobId, address indexed owner, uint256 timestamp);
            function job(uint256 jobId) external view returns (address owner, address target, uint8 jobType, bool active);
        }

        interface IGasRegistry {
            function getBalance(address account) external view returns (uint256);
        }

        interface ISafe {
            function isOwner(address account) external view returns (bool);
            function isModuleEnabled(address module) external view returns (bool);
            function getThreshold() external view returns (uint256);
        }
    }
}

use abi::{IExecutor, IGasRegistry, IJobRegistry, IKeeperRegistry, ISafe, SolClaim};

/// What the executor logged about a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskExecuted {
    /// The task.
    pub task: TaskId,
    /// The job.
    pub job: JobId,
    /// Who brought it.
    pub keeper: KeeperId,
    /// Whether the inner call ran through.
    pub success: bool,
    /// Gas from the start of `execute` to the end of the inner call.
    pub gas_used: u64,
    /// What the owner was charged, wei.
    pub charged: U256,
}

/// What a job registry logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A job was registered.
    Created {
        /// The job.
        job: JobId,
        /// Who registered it.
        owner: Address,
    },
    /// A job was deleted for good.
    Deleted {
        /// The job.
        job: JobId,
        /// Who had registered it.
        owner: Address,
    },
}

/// A registered job, as the chain has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisteredJob {
    /// Its owner.
    pub owner: Address,
    /// Its target; zero where its script chooses.
    pub target: Address,
    /// 1 to 7.
    pub job_type: u8,
    /// Whether it has not been deleted.
    pub active: bool,
}

/// Topic 0 of [`TaskExecuted`].
pub const TASK_EXECUTED: B256 = IExecutor::TaskExecuted::SIGNATURE_HASH;
/// Topic 0 of the job registry's creation event.
pub const JOB_CREATED: B256 = IJobRegistry::JobCreated::SIGNATURE_HASH;
/// Topic 0 of the job registry's deletion event.
pub const JOB_DELETED: B256 = IJobRegistry::JobDeleted::SIGNATURE_HASH;

/// Gas that the executor uses and charges beside its inner call: for itself, and per signature, with its registry
/// look-ups. What a node estimates for the inner call has a transaction's base cost in it, which is taken off here.
const EXECUTE_GAS: u64 = 76_000;
const SIGNATURE_GAS: u64 = 6_500;
/// Gas per byte of calldata and signatures (`Executor.OVERHEAD_GAS_PER_BYTE`).
const BYTE_GAS: u64 = 16;

/// Gas that the executor charges an owner for a call for which a node estimates `inner`, with so many signatures and
/// bytes of calldata. tests/contracts holds it against what the contract really charges.
pub fn execute_gas(inner: u64, signatures: usize, calldata: usize) -> u64 {
    let (signatures, calldata) = (signatures as u64, calldata as u64);
    let bytes = signatures.saturating_mul(65).saturating_add(calldata);
    let own = SIGNATURE_GAS.saturating_mul(signatures).saturating_add(BYTE_GAS.saturating_mul(bytes));
    inner.saturating_add(EXECUTE_GAS).saturating_add(own)
}

/// Calldata of `Executor.execute(claim, data, signatures)`. Signatures have to be in ascending order of signer.
pub fn encode_execute(claim: &Claim, calldata: &Bytes, signatures: &[Signature]) -> Bytes {
    let joined: Vec<u8> = signatures.iter().flat_map(|s| s.0).collect();
    let claim = SolClaim {
        taskId: claim.task.0,
        jobId: claim.job.0,
        owner: claim.owner,
        target: claim.target,
        value: claim.value,
        calldataHash: claim.calldata_hash,
        gasLimit: U256::from(claim.gas_limit),
        feeCap: claim.fee_cap,
        validUntil: claim.valid_until.as_secs(),
    };
    // The claim struct of the call is the struct above under the contract's own name for it; its selector is
    // that of the tuple.
    let selector = &alloy_primitives::keccak256(
        b"execute((bytes32,uint256,address,address,uint256,bytes32,uint256,uint256,uint64),bytes,bytes)",
    )[..4];
    let body = (claim, calldata.clone(), Bytes::from(joined)).abi_encode_params();
    Bytes::from([selector, &body].concat())
}

/// Whether this calldata is `Executor.execute` with this claim and calldata, whoever's signatures stand beside them.
pub fn is_execute(data: &Bytes, claim: &Claim, calldata: &Bytes) -> bool {
    let body = data.get(4..).unwrap_or_default();
    let Ok((_, _, joined)) = <(SolClaim, Bytes, Bytes)>::abi_decode_params(body) else { return false };
    let (signatures, rest) = joined.as_chunks::<65>();
    let signatures: Vec<_> = signatures.iter().copied().map(Signature).collect();
    rest.is_empty() && encode_execute(claim, calldata, &signatures) == *data
}

/// Reads an executor's log; `None` where it is another event or malformed.
pub fn decode_task_executed(topics: &[B256], data: &Bytes) -> Option<TaskExecuted> {
    let e = IExecutor::TaskExecuted::decode_raw_log(topics.iter().copied(), data).ok()?;
    Some(TaskExecuted {
        task: TaskId(e.taskId),
        job: JobId(e.jobId),
        keeper: KeeperId(e.keeper),
        success: e.success,
        gas_used: u64::try_from(e.gasUsed).unwrap_or(u64::MAX),
        charged: e.charged,
    })
}

/// Calldata of `Executor.isUsed(task)`.
pub fn encode_is_used(task: TaskId) -> Bytes {
    IExecutor::isUsedCall { taskId: task.0 }.abi_encode().into()
}

/// Whether the executor reverted with this because the job was deleted in its registry.
pub fn is_job_not_active(revert: &Bytes) -> bool {
    IExecutor::JobNotActive::abi_decode(revert).is_ok()
}

/// Why the executor makes no more calls of a job that was deleted in its registry.
pub fn refuses_deleted(chain: ChainId) -> String {
    format!("the job was deleted in the registry of chain {chain}, so the executor refuses its calls")
}

/// Why it makes none of a job that its registry has under another owner.
pub fn refuses_owner(chain: ChainId) -> String {
    format!(
        "the registry of chain {chain} has the job under another owner, so the executor refuses its calls"
    )
}

/// Calldata of `Executor.fee()`: wei per call on top of gas.
pub fn encode_fee() -> Bytes {
    IExecutor::feeCall {}.abi_encode().into()
}

/// An answer that is one uint256; `None`: malformed.
pub fn decode_uint(answer: &Bytes) -> Option<U256> {
    U256::abi_decode(answer).ok()
}

/// Calldata of `KeeperRegistry.keepers()`.
pub fn encode_keepers() -> Bytes {
    IKeeperRegistry::keepersCall {}.abi_encode().into()
}

/// Answer of `KeeperRegistry.keepers()`; `None`: malformed.
pub fn decode_keepers(answer: &Bytes) -> Option<Vec<KeeperId>> {
    let list = IKeeperRegistry::keepersCall::abi_decode_returns(answer).ok()?;
    Some(list.into_iter().map(KeeperId).collect())
}

/// Calldata of `KeeperRegistry.keeper(keeper)`.
pub fn encode_keeper(keeper: KeeperId) -> Bytes {
    IKeeperRegistry::keeperCall { account: keeper.0 }.abi_encode().into()
}

/// Answer of `KeeperRegistry.keeper`: its stake where it is active; `None`: malformed or not active.
pub fn decode_keeper(answer: &Bytes) -> Option<u128> {
    let r = IKeeperRegistry::keeperCall::abi_decode_returns(answer).ok()?;
    r.active.then(|| r.stake.to::<u128>())
}

/// Calldata of `KeeperRegistry.quorum()`.
pub fn encode_quorum() -> Bytes {
    IKeeperRegistry::quorumCall {}.abi_encode().into()
}

/// Calldata of `JobRegistry.job(id)`.
pub fn encode_job(job: JobId) -> Bytes {
    IJobRegistry::jobCall { jobId: job.0 }.abi_encode().into()
}

/// Answer of `JobRegistry.job`; `None`: malformed, or no such job.
pub fn decode_job(answer: &Bytes) -> Option<RegisteredJob> {
    let r = IJobRegistry::jobCall::abi_decode_returns(answer).ok()?;
    (r.owner != Address::ZERO).then_some(RegisteredJob {
        owner: r.owner,
        target: r.target,
        job_type: r.jobType,
        active: r.active,
    })
}

/// Reads a job registry's log; `None` where it is another event or malformed.
pub fn decode_registry_event(topics: &[B256], data: &Bytes) -> Option<RegistryEvent> {
    match topics.first() {
        Some(&JOB_CREATED) => {
            let e = IJobRegistry::JobCreated::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(RegistryEvent::Created { job: JobId(e.jobId), owner: e.owner })
        }
        Some(&JOB_DELETED) => {
            let e = IJobRegistry::JobDeleted::decode_raw_log(topics.iter().copied(), data).ok()?;
            Some(RegistryEvent::Deleted { job: JobId(e.jobId), owner: e.owner })
        }
        Some(_) | None => None,
    }
}

/// Calldata of a Safe's `isOwner(account)`.
pub fn encode_is_owner(account: Address) -> Bytes {
    ISafe::isOwnerCall { account }.abi_encode().into()
}

/// Calldata of a Safe's `isModuleEnabled(module)`.
pub fn encode_is_module_enabled(module: Address) -> Bytes {
    ISafe::isModuleEnabledCall { module }.abi_encode().into()
}

/// Calldata of a Safe's `getThreshold()`: how many owners have to agree.
pub fn encode_threshold() -> Bytes {
    ISafe::getThresholdCall {}.abi_encode().into()
}

/// An answer that is one bool; `None`: malformed.
pub fn decode_bool(answer: &Bytes) -> Option<bool> {
    bool::abi_decode(answer).ok()
}

/// Calldata of `GasRegistry.getBalance(account)`.
pub fn encode_balance(account: Address) -> Bytes {
    IGasRegistry::getBalanceCall { account }.abi_encode().into()
}
