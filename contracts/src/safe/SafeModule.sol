// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Executor} from "../Executor.sol";
import {ISafe} from "./ISafe.sol";

/// @title Has a Safe make the calls of its owner's jobs
/// @notice Enabled in a Safe, it does for a job what the job's owner could do there alone, and nothing else: the
///         executor calls it for a registered job, whose owner owns the Safe and needs no other owner's signature.
contract SafeModule {
    uint8 private constant CALL = 0;
    uint8 private constant DELEGATECALL = 1;

    Executor public immutable executor;
    /// @notice The one contract that a Safe may run as itself: it makes the calls it is given, and delegates none.
    address public immutable multiSendCallOnly;

    error NotExecutor(address caller);
    error JobNotRegistered(uint256 jobId);
    error JobOwnerMismatch(uint256 jobId, address claimed, address registered);
    error NotSafeOwner(address safe, address account);
    error OwnersMustAgree(address safe, uint256 threshold);
    error OperationRefused(uint8 operation, address target);

    constructor(Executor executor_, address multiSendCallOnly_) {
        executor = executor_;
        multiSendCallOnly = multiSendCallOnly_;
    }

    /// @notice Makes a call, or a batch of them, from the Safe. Reverts as they do.
    /// @param safe a Safe of the job's owner, with this module enabled
    /// @param target whom the Safe calls; with `operation` 1 the MultiSendCallOnly contract
    /// @param value wei of the Safe's own that go along
    /// @param operation 0: call; 1: delegatecall
    function execJobFromHub(address safe, address target, uint256 value, bytes calldata data, uint8 operation)
        external
        returns (bool success)
    {
        _registeredOwner(safe);
        return _exec(safe, target, value, data, operation);
    }

    /// @notice The same, with the owner that the job was written for.
    function execJobFromHub(
        address safe,
        address target,
        uint256 value,
        bytes calldata data,
        uint8 operation,
        address jobOwner
    ) external returns (bool success) {
        (uint256 jobId, address registered) = _registeredOwner(safe);
        if (jobOwner != registered) revert JobOwnerMismatch(jobId, jobOwner, registered);
        return _exec(safe, target, value, data, operation);
    }

    /// @dev Whose job is running, if it may act in this Safe.
    function _registeredOwner(address safe) private view returns (uint256 jobId, address registered) {
        if (msg.sender != address(executor)) revert NotExecutor(msg.sender);
        (jobId, registered) = executor.running();
        if (registered == address(0)) revert JobNotRegistered(jobId);
        if (!ISafe(safe).isOwner(registered)) revert NotSafeOwner(safe, registered);
        // Where several owners have to agree, none of them can have a job act without the others.
        uint256 threshold = ISafe(safe).getThreshold();
        if (threshold != 1) revert OwnersMustAgree(safe, threshold);
    }

    function _exec(address safe, address target, uint256 value, bytes calldata data, uint8 operation)
        private
        returns (bool)
    {
        bool allowed = operation == CALL || (operation == DELEGATECALL && target == multiSendCallOnly);
        if (!allowed) revert OperationRefused(operation, target);
        (bool success, bytes memory returned) =
            ISafe(safe).execTransactionFromModuleReturnData(target, value, data, operation);
        if (!success) {
            assembly ("memory-safe") { revert(add(returned, 0x20), mload(returned)) }
        }
        return true;
    }
}
