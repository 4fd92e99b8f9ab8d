//! ABI encoding of JSON values, through alloy's dyn-abi: every Solidity type, lossy input refused.
