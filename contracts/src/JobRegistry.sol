// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Owner and target of each registered job
/// @notice The executor reads this to refuse a call that the job's owner did not ask for.
contract JobRegistry {
    struct Job {
        address owner;
        uint8 jobType;
        bool active;
        address target;
    }

    mapping(uint256 => Job) private _jobs;
    uint160 private _counter;

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

    constructor() {
        // A job id has 32 bits for the chain.
        if (block.chainid > type(uint32).max) revert ChainIdTooLarge(block.chainid);
    }

    /// @notice Registers a job for the caller.
    /// @param name a non-empty title; it is part of the job's hash and is not stored
    /// @param jobType 1 and 2 run on time, 3 and 4 on an event, 5 and 6 on a condition; 7 is a script on an
    ///        interval that chooses its own target. Even kinds take their arguments from a script.
    /// @param timeFrame seconds for which the job lives, at least one
    /// @param target the contract to be called; only kind 7 may leave it zero
    /// @param data kind 1: (uint256 interval); 2: (uint256 interval, bytes32 scriptHash), zero where a calendar says
    ///        when;
    ///        3, 5: (bool recurring); 4, 6: (bool recurring, bytes32 scriptHash);
    ///        7: (uint256 interval, bytes32 scriptHash, string language)
    /// @return jobId chain id << 224 | unix seconds << 160 | a counter of this contract
    function createJob(string calldata name, uint8 jobType, uint256 timeFrame, address target, bytes calldata data)
        external
        returns (uint256 jobId)
    {
        if (bytes(name).length == 0) revert EmptyJobName();
        if (timeFrame == 0) revert MissingTimeFrame();
        if (jobType == 0 || jobType > 7) revert InvalidJobType(jobType);
        if (target == address(0) && jobType != 7) revert MissingTarget();
        _checkData(jobType, data);

        jobId = (block.chainid << 224) | (uint256(uint64(block.timestamp)) << 160) | ++_counter;
        _jobs[jobId] = Job({owner: msg.sender, jobType: jobType, active: true, target: target});
        bytes32 jobHash = keccak256(abi.encode(name, jobType, timeFrame, target, data));
        emit JobCreated(jobId, msg.sender, jobHash, block.timestamp);
    }

    /// @notice Stops a job for good. The executor refuses its calls from this block on.
    function deleteJob(uint256 jobId) external {
        Job storage entry = _jobs[jobId];
        if (entry.owner != msg.sender) revert NotJobOwner(jobId, msg.sender);
        if (!entry.active) revert JobNotActive(jobId);
        entry.active = false;
        emit JobDeleted(jobId, msg.sender, block.timestamp);
    }

    /// @notice What is known of a job. A zero owner means that it was never registered here.
    function job(uint256 jobId) external view returns (address owner, address target, uint8 jobType, bool active) {
        Job storage entry = _jobs[jobId];
        return (entry.owner, entry.target, entry.jobType, entry.active);
    }

    function _checkData(uint8 jobType, bytes calldata data) private pure {
        bool scripted = jobType == 7 || jobType % 2 == 0;
        uint256 needed = scripted ? 64 : 32;
        if (data.length < needed) revert DataTooShort(data.length, needed);
        if (jobType == 7 && uint256(bytes32(data[:32])) == 0) revert MissingTimeInterval();
        if (scripted && bytes32(data[32:64]) == 0) revert MissingScriptHash();
    }
}
