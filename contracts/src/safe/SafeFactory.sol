// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

import {ISafe, ISafeProxyFactory} from "./ISafe.sol";

/// @title Makes Safes that one account owns alone
/// @notice Whoever pays for it, a Safe belongs to the account that it is made for; no module is enabled in it.
contract SafeFactory {
    ISafeProxyFactory public immutable proxyFactory;
    address public immutable singleton;
    address public immutable fallbackHandler;

    mapping(address => address[]) private _wallets;

    event SafeWalletCreated(address indexed user, address indexed safeWallet, uint256 saltNonce);

    error ZeroAddress();

    constructor(ISafeProxyFactory proxyFactory_, address singleton_, address fallbackHandler_) {
        proxyFactory = proxyFactory_;
        singleton = singleton_;
        fallbackHandler = fallbackHandler_;
    }

    /// @notice Makes the user's next Safe, with a threshold of one.
    function createSafeWallet(address user) external returns (address wallet) {
        if (user == address(0)) revert ZeroAddress();
        uint256 saltNonce = _wallets[user].length;
        wallet = predictSafeAddress(user);
        // Anybody can make the same Safe at the proxy factory itself; then it is this one, and nothing is in the way.
        if (wallet.code.length == 0) proxyFactory.createProxyWithNonce(singleton, _initializer(user), saltNonce);
        _wallets[user].push(wallet);
        emit SafeWalletCreated(user, wallet, saltNonce);
    }

    /// @notice The newest Safe that was made here for the user; zero where there is none.
    function latestSafeWallet(address user) external view returns (address) {
        uint256 count = _wallets[user].length;
        return count == 0 ? address(0) : _wallets[user][count - 1];
    }

    /// @notice Every Safe that was made here for the user, oldest first.
    function getSafeWallets(address user) external view returns (address[] memory) {
        return _wallets[user];
    }

    /// @notice Where the user's next Safe will be.
    function predictSafeAddress(address user) public view returns (address) {
        bytes32 salt = keccak256(abi.encodePacked(keccak256(_initializer(user)), _wallets[user].length));
        bytes memory code = abi.encodePacked(proxyFactory.proxyCreationCode(), uint256(uint160(singleton)));
        return address(
            uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(proxyFactory), salt, keccak256(code)))))
        );
    }

    function _initializer(address user) private view returns (bytes memory) {
        address[] memory owners = new address[](1);
        owners[0] = user;
        return abi.encodeCall(
            ISafe.setup, (owners, 1, address(0), "", fallbackHandler, address(0), 0, payable(address(0)))
        );
    }
}
