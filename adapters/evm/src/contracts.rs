//! Our own contracts as those see them who set them up, and the reasons that they refuse with.
//!
//! What services say to them and read from them is described in `argus_domain::contracts`, and not again here. Both
//! are held against the committed ABI by a test.

use alloy::{
    primitives::{U256, hex},
    sol,
    sol_types::{SolInterface, SolValue},
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
        function isKeeper(address account) external view returns (bool);
        function keeperCount() external view returns (uint256);
    }

    /// Owner and target of each registered job.
    #[derive(Debug)]
    interface JobRegistry {
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
        function depositETH(uint256 amount) external payable;
        function depositFor(address account) external payable;
        function withdrawETHBalance(uint256 amount) external;
        function hold(address owner_, uint256 amount) external returns (uint256 held);
        function settle(address owner_, address keeper, uint256 amount) external;
    }

    /// Carries out what a quorum signed, once.
    #[derive(Debug)]
    interface Executor {
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
        function overhead(uint256 dataLength, uint256 signaturesLength) external pure returns (uint256);
        function setFee(uint256 value) external;
        function keeperRegistry() external view returns (address);
        function jobRegistry() external view returns (address);
        function gasRegistry() external view returns (address);
        function running() external view returns (uint256 jobId, address registered);
    }

    /// Makes Safes that one account owns alone.
    #[derive(Debug)]
    interface SafeFactory {
        event SafeWalletCreated(address indexed user, address indexed safeWallet, uint256 saltNonce);
        error ZeroAddress();
        function createSafeWallet(address user) external returns (address wallet);
        function latestSafeWallet(address user) external view returns (address);
        function getSafeWallets(address user) external view returns (address[] memory);
        function predictSafeAddress(address user) external view returns (address);
    }

    /// Has a Safe make the calls of its owner's jobs.
    #[derive(Debug)]
    interface SafeModule {
        error NotExecutor(address caller);
        error JobNotRegistered(uint256 jobId);
        error JobOwnerMismatch(uint256 jobId, address claimed, address registered);
        error NotSafeOwner(address safe, address account);
        error OwnersMustAgree(address safe, uint256 threshold);
        error OperationRefused(uint8 operation, address target);
        function execJobFromHub(address safe, address target, uint256 value, bytes data, uint8 operation) external returns (bool success);
        function execJobFromHub(address safe, address target, uint256 value, bytes data, uint8 operation, address jobOwner) external returns (bool success);
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
    if let Ok(error) = SafeModule::SafeModuleErrors::abi_decode(data) {
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
