// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {GasRegistry} from "./GasRegistry.sol";
import {JobRegistry} from "./JobRegistry.sol";
import {KeeperRegistry} from "./KeeperRegistry.sol";
import {Owned} from "./Owned.sol";

/// @title Carries out what a quorum of keepers signed, once
/// @notice A keeper brings a claim, its calldata and the signatures. Everything that the claim promises is
///         checked here, the task id is used up, the call is made, and its cost moves from the job owner's
///         deposit to the keeper.
///
///         Targets see this contract as `msg.sender`, whoever's job it is. So never give it an allowance, a role or
///         an asset: every other owner's job could use it.
/// @dev A call that fails inside is a result, not a refusal: it is reported with `success = false`, charged,
///      and its task id stays used. A refusal reverts, and leaves the task id free.
///
///      Two bindings. *Owner-bound*: the job is in the JobRegistry, so owner and target have to be the
///      registered ones (kind 7 chooses its own target). *Quorum-bound*: the registry does not know the job,
///      and the quorum alone vouches for owner and target.
contract Executor is Owned {
    /// @param taskId one occurrence of a job; used at most once
    /// @param jobId the job in the JobRegistry, or an id that it does not know
    /// @param owner whose deposit pays
    /// @param target the contract to be called
    /// @param value wei to send along; has to be zero. A deposit pays for running a job and for nothing else:
    ///        if it could be sent to a target, `feeCap` would no longer bound what a quorum can take from it
    /// @param calldataHash keccak256 of the calldata
    /// @param gasLimit gas that the call gets, no less and no more
    /// @param feeCap the most wei that the owner can be charged
    /// @param validUntil unix seconds; the last instant at which the call may happen
    struct Claim {
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

    bytes32 private constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant CLAIM_TYPEHASH = keccak256(
        "Claim(bytes32 taskId,uint256 jobId,address owner,address target,uint256 value,bytes32 calldataHash,uint256 gasLimit,uint256 feeCap,uint64 validUntil)"
    );
    // Half of secp256k1's order. Above it lies the second valid form of every signature (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    // EIP-1352 keeps the addresses up to this one for precompiles.
    uint160 private constant LAST_RESERVED = 0xffff;
    uint256 private constant RETURNED_MAX = 256;

    /// @notice Gas that `execute` cannot see itself using, whatever the call: the transaction's 21,000, the
    ///         fixed part of its input, and settling after the measurement. Held against real receipts by a test.
    ///         A keeper's very first credit costs 17,100 more (its balance comes into being); that is the keeper's.
    uint256 public constant OVERHEAD_GAS = 43_000;
    /// @notice Gas per byte of calldata and signatures: the price of a non-zero byte (EIP-2028).
    uint256 public constant OVERHEAD_GAS_PER_BYTE = 16;
    /// @notice Gas kept back for the call instruction and for settling, so that a call which burns all it was
    ///         given still ends in a settlement.
    uint256 public constant SETTLE_GAS = 60_000;

    KeeperRegistry public immutable keeperRegistry;
    JobRegistry public immutable jobRegistry;
    GasRegistry public immutable gasRegistry;

    /// @notice Wei added to each charge, on top of gas; within the claim's `feeCap`.
    uint256 public fee;

    bool private transient _running;
    uint256 private transient _runningJob;
    address private transient _runningOwner;
    mapping(bytes32 => bool) private _used;

    /// @param gasUsed gas from the start of `execute` to the end of the inner call
    /// @param charged wei: min(feeCap, the owner's deposit, (gasUsed + overhead) * gas price + fee)
    /// @param returned the first 256 bytes of what the target returned, or of its revert reason
    event TaskExecuted(
        bytes32 indexed taskId,
        uint256 indexed jobId,
        address indexed keeper,
        bool success,
        uint256 gasUsed,
        uint256 charged,
        bytes returned
    );
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
    /// @dev Raised by the GasRegistry when the owner has no deposit; here so that it is in the ABI.
    error InsufficientBalance(address account, uint256 balance, uint256 needed);

    constructor(address initialOwner, KeeperRegistry keepers_, JobRegistry jobs_, GasRegistry gas_, uint256 initialFee)
        Owned(initialOwner)
    {
        keeperRegistry = keepers_;
        jobRegistry = jobs_;
        gasRegistry = gas_;
        _setFee(initialFee);
    }

    function setFee(uint256 value) external onlyOwner {
        _setFee(value);
    }

    /// @notice Makes the call that the claim describes.
    /// @param claim what was agreed
    /// @param data the calldata, whose hash is in the claim
    /// @param signatures r || s || v of each signer, 65 bytes apiece, ordered by signer address
    /// @return success whether the inner call succeeded
    function execute(Claim calldata claim, bytes calldata data, bytes calldata signatures)
        external
        returns (bool success)
    {
        uint256 gasAtStart = gasleft();
        if (_running) revert Reentered();
        _running = true;

        if (!keeperRegistry.isKeeper(msg.sender)) revert CallerNotKeeper(msg.sender);
        _checkClaim(claim, data);
        address registered = _checkBinding(claim);
        _checkSignatures(claimDigest(claim), signatures);

        _used[claim.taskId] = true;
        uint256 held = gasRegistry.hold(claim.owner, claim.feeCap);

        _runningJob = claim.jobId;
        _runningOwner = registered;
        bytes memory returned;
        (success, returned) = _call(claim.target, claim.gasLimit, data);

        uint256 gasUsed = gasAtStart - gasleft();
        uint256 charged = _cost(gasUsed + overhead(data.length, signatures.length), held);
        gasRegistry.settle(claim.owner, msg.sender, charged);
        emit TaskExecuted(claim.taskId, claim.jobId, msg.sender, success, gasUsed, charged, returned);
        _running = false;
        _runningOwner = address(0);
    }

    /// @notice Whose call is being made: for targets that act on behalf of a job's owner.
    /// @return jobId the job
    /// @return registered its owner; zero where the registry does not know the job, and where no call is being made
    function running() external view returns (uint256 jobId, address registered) {
        return (_runningJob, _runningOwner);
    }

    function isUsed(bytes32 taskId) external view returns (bool) {
        return _used[taskId];
    }

    /// @notice What keepers sign: the EIP-712 digest of a claim for this contract on this chain.
    function claimDigest(Claim calldata claim) public view returns (bytes32) {
        // Computed anew each time, because a fork of the chain changes its id.
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPEHASH, keccak256("Argus"), keccak256("1"), block.chainid, address(this))
        );
        // A struct of static members encodes to the same words as its members one after the other.
        return keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(CLAIM_TYPEHASH, claim))));
    }

    /// @notice Gas added to what `execute` measures, for calldata and signatures of these lengths in bytes.
    /// @dev By length and not by counting zeros, which would cost more than it settles; by the lengths that are
    ///      bound by a hash or a count, and not by that of the transaction's input, which a keeper could pad.
    function overhead(uint256 dataLength, uint256 signaturesLength) public pure returns (uint256) {
        return OVERHEAD_GAS + OVERHEAD_GAS_PER_BYTE * (dataLength + signaturesLength);
    }

    function _checkClaim(Claim calldata claim, bytes calldata data) private view {
        if (_used[claim.taskId]) revert TaskUsed(claim.taskId);
        if (block.timestamp > claim.validUntil) revert Expired(claim.validUntil, block.timestamp);
        bytes32 hash = keccak256(data);
        if (hash != claim.calldataHash) revert CalldataMismatch(claim.calldataHash, hash);
        if (claim.value != 0) revert ValueNotSupported(claim.value);
        address target = claim.target;
        // The gas registry obeys this contract, and the others have no business being a job's target.
        if (
            uint160(target) <= LAST_RESERVED || target == address(this) || target == address(gasRegistry)
                || target == address(jobRegistry) || target == address(keeperRegistry)
        ) revert TargetRefused(target);
    }

    /// @return the registered owner; zero for a job that the registry does not know
    function _checkBinding(Claim calldata claim) private view returns (address) {
        (address owner_, address target, uint8 jobType, bool active) = jobRegistry.job(claim.jobId);
        if (owner_ == address(0)) return address(0);
        if (!active) revert JobNotActive(claim.jobId);
        if (claim.owner != owner_) revert OwnerMismatch(claim.jobId, claim.owner, owner_);
        if (jobType != 7 && claim.target != target) revert TargetMismatch(claim.jobId, claim.target, target);
        return owner_;
    }

    function _checkSignatures(bytes32 digest, bytes calldata signatures) private view {
        if (signatures.length % 65 != 0) revert SignatureLength(signatures.length);
        uint256 count = signatures.length / 65;
        uint256 needed = keeperRegistry.quorum();
        if (count < needed) revert QuorumNotMet(count, needed);
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            address signer = _recover(digest, signatures[i * 65:i * 65 + 65], i);
            // Strict order is what makes the signers distinct.
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (!keeperRegistry.isKeeper(signer)) revert SignerNotKeeper(signer);
            previous = signer;
        }
    }

    function _recover(bytes32 digest, bytes calldata signature, uint256 index) private pure returns (address signer) {
        bytes32 s = bytes32(signature[32:64]);
        if (uint256(s) > HALF_ORDER) revert MalleableSignature(index);
        signer = ecrecover(digest, uint8(signature[64]), bytes32(signature[:32]), s);
        if (signer == address(0)) revert InvalidSignature(index);
    }

    /// @dev Gives the target exactly `gasLimit`. The call instruction passes on at most 63/64 of what is left
    ///      (EIP-150) and silently gives less than it was asked for; so whoever sends a transaction could starve
    ///      the inner call and have its failure charged. Hence the check, after everything that costs gas.
    function _call(address target, uint256 gasLimit, bytes calldata data)
        private
        returns (bool success, bytes memory returned)
    {
        bytes memory input = data;
        uint256 available = gasleft();
        // No block holds 2^64 gas; the bound keeps the sum below from overflowing.
        uint256 needed =
            gasLimit > type(uint64).max ? type(uint256).max : gasLimit + gasLimit / 63 + 1 + SETTLE_GAS;
        if (available < needed) revert GasTooLow(available, needed);
        // By hand, because Solidity copies all that a target returns, at the caller's expense.
        assembly ("memory-safe") {
            success := call(gasLimit, target, 0, add(input, 0x20), mload(input), 0, 0)
            let size := returndatasize()
            if gt(size, RETURNED_MAX) { size := RETURNED_MAX }
            returned := mload(0x40)
            mstore(returned, size)
            returndatacopy(add(returned, 0x20), 0, size)
            mstore(0x40, add(returned, and(add(size, 0x3f), not(0x1f))))
        }
    }

    /// @dev Saturates instead of overflowing: a gas price is whatever the sender wrote.
    function _cost(uint256 gas, uint256 cap) private view returns (uint256) {
        if (fee >= cap) return cap;
        if (gas > (cap - fee) / (tx.gasprice == 0 ? 1 : tx.gasprice)) return cap;
        return gas * tx.gasprice + fee;
    }

    function _setFee(uint256 value) private {
        emit FeeChanged(fee, value);
        fee = value;
    }
}
