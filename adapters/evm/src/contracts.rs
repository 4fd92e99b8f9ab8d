//! Our own contracts as Rust sees them: calls, events, errors and bytecode.
//!
//! The interfaces are written out here and held against the committed ABI by a test; the bytecode is the committed
//! build of `contracts/src`.

// An event's constructor, as the macro writes it, has as many arguments as the event has fields.
#![allow(clippy::too_many_arguments)]

use alloy::{
    primitives::{Address, B256, Bytes, U256, hex},
    sol,
    sol_types::{SolCall, SolEvent, SolInterface, SolValue},
};
use argus_domain::{
    call::{Claim, Signature},
    chain::Log,
    ids::{JobId, KeeperId, TaskId},
};

sol! {
    /// Who may sign and act.
    #[derive(Debug)]
    interface KeeperRegistry {
        event KeeperRegistered(address indexed keeper, uint96 stake);
        event KeeperRemoved(address indexed keeper);
        event QuorumChanged(uint256 previous, uint256 current);
        error NotOwner(address caller);
        error ZeroAddress();
        error ZeroQuorum();
        error UnknownKeeper(address keeper);
        function registerKeeper(address keeper_, uint96 stake) external;
        function removeKeeper(address keeper_) external;
        function setQuorum(uint256 value) external;
        function quorum() external view returns (uint256);
        function isKeeper(address account) external view returns (bool);
        function keeper(address account) external view returns (uint96 stake, bool active);
        function keeperCount() external view returns (uint256);
        function keepers() external view returns (address[] memory);
    }

    /// Owner and target of each registered job.
    #[derive(Debug)]
    interface JobRegistry {
        event JobCreated(uint256 indexed jobId, address indexed owner, bytes32 jobHash, uint256 timestamp);
        event JobDeleted(uint256 indexed jobId, address indexed owner, uint256 timestamp);
        error EmptyJobName();
        error InvalidJobType(uint8 jobType);
        error MissingTimeFrame();
        error MissingTarget();
        error MissingTimeInterval();
        error MissingScriptHash();
        error DataTooShort(uint256 given, uint256 needed);
        error ChainIdTooLarge(uint256 chainId);
        error NotJobOwner(uint256 jobId, address caller);
        error JobNotActive(uint256 jobId);
        function createJob(string name, uint8 jobType, uint256 timeFrame, address target, bytes data) external returns (uint256 jobId);
        function deleteJob(uint256 jobId) external;
        function job(uint256 jobId) external view returns (address owner, address target, uint8 jobType, bool active);
    }

    /// Deposits and earnings, wei.
    #[derive(Debug)]
    interface GasRegistry {
        event Deposited(address indexed account, address indexed from, uint256 amount);
        event Withdrawn(address indexed account, uint256 amount);
        event Settled(address indexed owner, address indexed keeper, uint256 amount);
        event ExecutorSet(address indexed executor);
        error AmountMismatch(uint256 stated, uint256 sent);
        error InsufficientBalance(address account, uint256 balance, uint256 needed);
        error WithdrawalFailed(address account, uint256 amount);
        error NotExecutor(address caller);
        error ExecutorAlreadySet(address executor);
        error HoldOpen(address owner);
        error NoHold(address owner);
        error AboveHold(uint256 amount, uint256 held);
        function setExecutor(address executor_) external;
        function executor() external view returns (address);
        function getBalance(address account) external view returns (uint256);
        function depositETH(uint256 amount) external payable;
        function depositFor(address account) external payable;
        function withdrawETHBalance(uint256 amount) external;
        function hold(address owner_, uint256 amount) external;
        function settle(address owner_, address keeper, uint256 amount) external;
    }

    /// Carries out what a quorum signed, once.
    #[derive(Debug)]
    interface Executor {
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
        event TaskExecuted(bytes32 indexed taskId, uint256 indexed jobId, address indexed keeper, bool success, uint256 gasUsed, uint256 charged, bytes returned);
        event FeeChanged(uint256 previous, uint256 current);
        error Reentered();
        error CallerNotKeeper(address caller);
        error TaskUsed(bytes32 taskId);
        error Expired(uint64 validUntil, uint256 timestamp);
        error CalldataMismatch(bytes32 claimed, bytes32 given);
        error ValueNotSupported(uint256 value);
        error TargetRefused(address target);
        error JobNotActive(uint256 jobId);
        error OwnerMismatch(uint256 jobId, address claimed, address registered);
        error TargetMismatch(uint256 jobId, address claimed, address registered);
        error SignatureLength(uint256 length);
        error QuorumNotMet(uint256 given, uint256 needed);
        error InvalidSignature(uint256 index);
        error MalleableSignature(uint256 index);
        error SignersNotAscending(address previous, address signer);
        error SignerNotKeeper(address signer);
        error GasTooLow(uint256 available, uint256 needed);
        error InsufficientBalance(address account, uint256 balance, uint256 needed);
        function execute(SolClaim claim, bytes data, bytes signatures) external returns (bool success);
        function isUsed(bytes32 taskId) external view returns (bool);
        function claimDigest(SolClaim claim) external view returns (bytes32);
        function overhead(uint256 dataLength, uint256 signaturesLength) external pure returns (uint256);
        function fee() external view returns (uint256);
        function setFee(uint256 value) external;
        function keeperRegistry() external view returns (address);
        function jobRegistry() external view returns (address);
        function gasRegistry() external view returns (address);
    }

    /// The demo target.
    #[derive(Debug)]
    interface Target {
        event Recorded(string key, uint256 value, uint256 count);
        event Pinged(address indexed from, uint256 indexed topic, uint256 amount);
        error Refused(string why);
        function record(string key, uint256 value) external;
        function ping(uint256 topic) external;
        function fail(string why) external pure;
        function valueOf(string key) external view returns (uint256);
        function countOf(string key) external view returns (uint256);
        function total() external view returns (uint256);
        function pings() external view returns (uint256);
    }
}

impl From<&Claim> for Executor::SolClaim {
    fn from(claim: &Claim) -> Self {
        Self {
            taskId: claim.task.0,
            jobId: claim.job.0,
            owner: claim.owner,
            target: claim.target,
            value: claim.value,
            calldataHash: claim.calldata_hash,
            gasLimit: U256::from(claim.gas_limit),
            feeCap: claim.fee_cap,
            validUntil: claim.valid_until.as_secs(),
        }
    }
}

/// Calldata of `Executor.execute`.
///
/// The executor wants its signers in ascending order of their addresses; they are sorted here.
pub fn execute_calldata(claim: &Claim, data: &Bytes, signatures: &[(KeeperId, Signature)]) -> Bytes {
    let mut ordered: Vec<_> = signatures.iter().collect();
    ordered.sort_by_key(|(keeper, _)| *keeper);
    let joined: Vec<u8> = ordered.iter().flat_map(|(_, signature)| signature.0).collect();
    Executor::executeCall { claim: claim.into(), data: data.clone(), signatures: joined.into() }
        .abi_encode()
        .into()
}

/// What the executor reported of one task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executed {
    /// The task, whose id is used from now on.
    pub task: TaskId,
    /// Its job.
    pub job: JobId,
    /// Who acted and was credited.
    pub keeper: KeeperId,
    /// Whether the inner call succeeded.
    pub success: bool,
    /// Gas of the inner call and the checks before it.
    pub gas_used: U256,
    /// Wei moved from the owner's deposit to the keeper.
    pub charged: U256,
    /// First 256 bytes of what the target returned, or of its revert reason.
    pub returned: Bytes,
}

/// Reads a `TaskExecuted` event. `None`: the log is another event, or another contract's.
pub fn executed(executor: Address, log: &Log) -> Option<Executed> {
    if log.address != executor {
        return None;
    }
    let event = Executor::TaskExecuted::decode_raw_log(log.topics.iter().copied(), &log.data).ok()?;
    Some(Executed {
        task: TaskId(event.taskId),
        job: JobId(event.jobId),
        keeper: KeeperId(event.keeper),
        success: event.success,
        gas_used: event.gasUsed,
        charged: event.charged,
        returned: event.returned,
    })
}

/// Topic 0 of `TaskExecuted`.
pub const TASK_EXECUTED: B256 = Executor::TaskExecuted::SIGNATURE_HASH;
/// Topic 0 of `JobCreated`.
pub const JOB_CREATED: B256 = JobRegistry::JobCreated::SIGNATURE_HASH;
/// Topic 0 of `JobDeleted`.
pub const JOB_DELETED: B256 = JobRegistry::JobDeleted::SIGNATURE_HASH;

/// The reason in revert data, in words: one of our contracts' errors by name, `Error(string)`, a panic, or hex.
pub fn revert_reason(data: &[u8]) -> String {
    if data.is_empty() {
        return "no reason given".to_owned();
    }
    if let Ok(error) = Executor::ExecutorErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    if let Ok(error) = JobRegistry::JobRegistryErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    if let Ok(error) = GasRegistry::GasRegistryErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    if let Ok(error) = KeeperRegistry::KeeperRegistryErrors::abi_decode(data) {
        return format!("{error:?}");
    }
    match data.split_first_chunk::<4>() {
        // Error(string)
        Some(([0x08, 0xc3, 0x79, 0xa0], rest)) => {
            String::abi_decode(rest).unwrap_or_else(|_| hex::encode_prefixed(data))
        }
        // Panic(uint256)
        Some(([0x4e, 0x48, 0x7b, 0x71], rest)) => U256::abi_decode(rest)
            .map_or_else(|_| hex::encode_prefixed(data), |code| format!("panic 0x{code:x}")),
        _ => hex::encode_prefixed(data),
    }
}
