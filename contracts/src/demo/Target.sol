// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @title Something to call
/// @notice For demos and tests: remembers what it was told, raises an event to trigger on, and fails on demand.
contract Target {
    mapping(string => uint256) public valueOf;
    mapping(string => uint256) public countOf;
    uint256 public total;
    uint256 public pings;

    event Recorded(string key, uint256 value, uint256 count);
    event Pinged(address indexed from, uint256 indexed topic, uint256 amount);

    error Refused(string why);

    /// @notice Stores `value` under `key`. `count` in the event is the number of calls for that key so far, this one included.
    function record(string calldata key, uint256 value) external {
        valueOf[key] = value;
        uint256 count = ++countOf[key];
        ++total;
        emit Recorded(key, value, count);
    }

    /// @notice Raises `Pinged` with the caller, `topic`, and the number of pings so far as its amount.
    function ping(uint256 topic) external {
        emit Pinged(msg.sender, topic, ++pings);
    }

    function fail(string calldata why) external pure {
        revert Refused(why);
    }
}
