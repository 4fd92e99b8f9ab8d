// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {GasRegistry} from "../GasRegistry.sol";
import {JobRegistry} from "../JobRegistry.sol";

/// @title Makes whatever call it was loaded with, from inside the call it receives
/// @notice Loaded with a second `execute`, it tries to re-enter; the reason it was refused with comes back.
contract Reenterer {
    address private _to;
    bytes private _input;

    function load(address to, bytes calldata input) external {
        _to = to;
        _input = input;
    }

    function run() external {
        (bool ok, bytes memory returned) = _to.call(_input);
        assembly ("memory-safe") {
            if ok { return(add(returned, 0x20), mload(returned)) }
            revert(add(returned, 0x20), mload(returned))
        }
    }
}

/// @title Returns, or reverts with, far more than anyone wants to copy
contract ReturnBomb {
    uint256 private constant SIZE = 100_000;

    function give() external pure {
        assembly { return(0, SIZE) }
    }

    function fail() external pure {
        assembly { revert(0, SIZE) }
    }
}

/// @title Burns all the gas it is given
contract GasBurner {
    function burn() external pure {
        // The invalid instruction takes everything at once, as an endless loop would in time.
        assembly { invalid() }
    }

    /// @notice Reports the gas it was called with, so that a test can see that it was all there.
    function available() external view returns (uint256) {
        return gasleft();
    }
}

/// @title A job owner that withdraws its deposit while its own job runs
contract GreedyOwner {
    GasRegistry private immutable _gas;
    uint256 public jobId;

    constructor(GasRegistry gas, JobRegistry jobs) {
        _gas = gas;
        jobId = jobs.createJob("greedy", 1, 60, address(this), abi.encode(uint256(60)));
    }

    receive() external payable {}

    function grab() external {
        _gas.withdrawETHBalance(_gas.getBalance(address(this)));
    }
}
