// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Owned} from "./Owned.sol";

/// @title Who may sign and act
/// @notice The set of keeper addresses with their stake weight, and the number of signatures a call needs.
/// @dev A quorum larger than the set is allowed: it stops every call until keepers are registered, which is
///      the safe side to err on.
contract KeeperRegistry is Owned {
    struct Entry {
        uint96 stake;
        // One more than the position in `_list`; zero means not registered.
        uint32 slot;
    }

    mapping(address => Entry) private _entries;
    address[] private _list;
    uint256 private _quorum;

    event KeeperRegistered(address indexed keeper, uint96 stake);
    event KeeperRemoved(address indexed keeper);
    event QuorumChanged(uint256 previous, uint256 current);

    error ZeroQuorum();
    error UnknownKeeper(address keeper);

    constructor(address initialOwner, uint256 initialQuorum) Owned(initialOwner) {
        _setQuorum(initialQuorum);
    }

    /// @notice Adds a keeper, or changes the stake of one that is registered.
    function registerKeeper(address keeper_, uint96 stake) external onlyOwner {
        if (keeper_ == address(0)) revert ZeroAddress();
        Entry storage entry = _entries[keeper_];
        if (entry.slot == 0) {
            _list.push(keeper_);
            entry.slot = uint32(_list.length);
        }
        entry.stake = stake;
        emit KeeperRegistered(keeper_, stake);
    }

    /// @notice Takes a keeper out at once; its signatures count for nothing from this block on.
    function removeKeeper(address keeper_) external onlyOwner {
        uint32 slot = _entries[keeper_].slot;
        if (slot == 0) revert UnknownKeeper(keeper_);
        address last = _list[_list.length - 1];
        _list[slot - 1] = last;
        _entries[last].slot = slot;
        _list.pop();
        delete _entries[keeper_];
        emit KeeperRemoved(keeper_);
    }

    function setQuorum(uint256 value) external onlyOwner {
        _setQuorum(value);
    }

    /// @notice Distinct keeper signatures that a call needs; at least one.
    function quorum() external view returns (uint256) {
        return _quorum;
    }

    function isKeeper(address account) external view returns (bool) {
        return _entries[account].slot != 0;
    }

    function keeper(address account) external view returns (uint96 stake, bool active) {
        Entry storage entry = _entries[account];
        return (entry.stake, entry.slot != 0);
    }

    function keeperCount() external view returns (uint256) {
        return _list.length;
    }

    /// @notice Every registered keeper, in no particular order.
    function keepers() external view returns (address[] memory) {
        return _list;
    }

    function _setQuorum(uint256 value) private {
        if (value == 0) revert ZeroQuorum();
        emit QuorumChanged(_quorum, value);
        _quorum = value;
    }
}
