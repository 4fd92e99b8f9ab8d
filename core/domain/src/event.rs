//! Which logs set an event job off.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::ids::ChainId;

/// An event filter, compiled: what cannot be compiled is refused and never "matches all".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFilter {
    /// Chain to watch.
    pub chain: ChainId,
    /// Contract to watch.
    pub contract: Address,
    /// Canonical signature, for example `Transfer(address,address,uint256)`.
    pub signature: String,
    /// keccak256 of the signature.
    pub topic0: B256,
    /// An additional test on one parameter.
    pub test: Option<ParameterTest>,
    /// Blocks on top of the log's own before it counts (0: its own block is enough).
    pub confirmations: u64,
}

/// A parameter that must equal a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterTest {
    /// The name as the user gave it, for display.
    pub name: String,
    /// The value as the user gave it, for display.
    pub value: String,
    /// Where it is looked for.
    pub place: ParameterPlace,
}

/// Where a tested parameter is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParameterPlace {
    /// An indexed parameter: topic 1 to 3 must equal this word (the hash, for dynamic types).
    Topic {
        /// 1, 2 or 3.
        index: u8,
        /// The expected word.
        word: B256,
    },
    /// A parameter in the data: decoded by these types, the one at `index` must encode to `encoded`.
    Data {
        /// Solidity types of all non-indexed parameters, in order.
        types: Vec<String>,
        /// Which of them.
        index: usize,
        /// Its expected ABI encoding.
        encoded: alloy_primitives::Bytes,
    },
}
