// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {Owned} from "./Owned.sol";

/// @title Deposits of job owners and earnings of keepers, in wei
/// @notice One balance per address, whoever it is: an owner deposits into it, a keeper earns into it, and each
///         takes its own out. No payment is ever pushed to anyone, so nobody's fallback can stop a settlement.
/// @dev Invariant: the contract holds at least the sum of all balances plus what is held for the running call.
contract GasRegistry is Owned {
    mapping(address => uint256) private _balances;

    /// @notice The one contract that may charge owners. Set once, and then fixed even for the administrator:
    ///         whoever could replace it could take every deposit.
    address public executor;

    // What the running call may cost is set aside before it starts, so that its target cannot spend or
    // withdraw the money its own charge depends on. Transient: one call runs at a time, within a transaction.
    address private transient _heldFrom;
    uint256 private transient _heldAmount;

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

    modifier onlyExecutor() {
        if (msg.sender != executor) revert NotExecutor(msg.sender);
        _;
    }

    constructor(address initialOwner) Owned(initialOwner) {}

    function setExecutor(address executor_) external onlyOwner {
        if (executor != address(0)) revert ExecutorAlreadySet(executor);
        if (executor_ == address(0)) revert ZeroAddress();
        executor = executor_;
        emit ExecutorSet(executor_);
    }

    /// @notice Wei that `account` may spend or withdraw. During a call, less what that call may cost.
    function getBalance(address account) external view returns (uint256) {
        return _balances[account];
    }

    /// @notice Adds to the caller's balance. `amount` has to equal the wei sent along.
    function depositETH(uint256 amount) external payable {
        if (amount != msg.value) revert AmountMismatch(amount, msg.value);
        _deposit(msg.sender);
    }

    /// @notice Adds what is sent to somebody else's balance.
    function depositFor(address account) external payable {
        if (account == address(0)) revert ZeroAddress();
        _deposit(account);
    }

    /// @notice Pays `amount` wei of the caller's balance out to the caller.
    function withdrawETHBalance(uint256 amount) external {
        _debit(msg.sender, amount);
        emit Withdrawn(msg.sender, amount);
        (bool sent,) = msg.sender.call{value: amount}("");
        if (!sent) revert WithdrawalFailed(msg.sender, amount);
    }

    /// @notice Sets `amount` wei of the owner's balance aside for the call that is about to run, or all that it has
    ///         where that is less. An owner who has nothing is refused.
    /// @return held wei that the call can cost at most
    function hold(address owner_, uint256 amount) external onlyExecutor returns (uint256 held) {
        if (_heldFrom != address(0)) revert HoldOpen(_heldFrom);
        if (owner_ == address(0)) revert ZeroAddress();
        uint256 balance = _balances[owner_];
        if (balance == 0) revert InsufficientBalance(owner_, balance, amount);
        held = amount < balance ? amount : balance;
        _debit(owner_, held);
        _heldFrom = owner_;
        _heldAmount = held;
    }

    /// @notice Credits `amount` wei of what was held to the keeper, and returns the rest to the owner.
    function settle(address owner_, address keeper, uint256 amount) external onlyExecutor {
        if (_heldFrom != owner_) revert NoHold(owner_);
        uint256 held = _heldAmount;
        if (amount > held) revert AboveHold(amount, held);
        _heldFrom = address(0);
        _heldAmount = 0;
        _balances[keeper] += amount;
        _balances[owner_] += held - amount;
        emit Settled(owner_, keeper, amount);
    }

    function _deposit(address account) private {
        _balances[account] += msg.value;
        emit Deposited(account, msg.sender, msg.value);
    }

    function _debit(address account, uint256 amount) private {
        uint256 balance = _balances[account];
        if (balance < amount) revert InsufficientBalance(account, balance, amount);
        unchecked {
            _balances[account] = balance - amount;
        }
    }
}
