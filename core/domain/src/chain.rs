//! What the platform reads from an EVM chain.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};

use crate::{ids::ChainId, time::Timestamp};

/// A block, as far as anyone here asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Height.
    pub number: u64,
    /// Hash.
    pub hash: B256,
    /// Hash of the block before it.
    pub parent: B256,
    /// The block's own time stamp (whole seconds on every EVM chain).
    pub time: Timestamp,
}

/// One block that every keeper of an attempt reads at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pin {
    /// Height.
    pub number: u64,
    /// Hash: what is really read at, so that a reorg is noticed and not followed.
    pub hash: B256,
}

/// A log of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// Chain it was found on.
    pub chain: ChainId,
    /// The contract that emitted it.
    pub address: Address,
    /// Zero to four topics.
    pub topics: Vec<B256>,
    /// ABI-encoded non-indexed parameters.
    pub data: Bytes,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Time of its block.
    pub block_time: Timestamp,
    /// The transaction that emitted it.
    pub transaction: B256,
    /// Index within the block, as nodes number it.
    pub index_in_block: u32,
    /// Position among the logs of its own transaction, from 0; a reorg that moves the transaction keeps it.
    pub index_in_transaction: u32,
}

/// What a node is asked for logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// First block, included.
    pub from: u64,
    /// Last block, included.
    pub to: u64,
    /// Contracts; empty: any.
    pub addresses: Vec<Address>,
    /// First topics, any of which matches; empty: any.
    pub topic0: Vec<B256>,
}

/// A transaction's receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxReceipt {
    /// The transaction.
    pub transaction: B256,
    /// Height of its block.
    pub block_number: u64,
    /// Hash of its block.
    pub block_hash: B256,
    /// Whether it ran through (EIP-658 status).
    pub success: bool,
    /// Gas used by the whole transaction.
    pub gas_used: u64,
    /// Price paid per gas, wei.
    pub gas_price: U256,
    /// Its logs.
    pub logs: Vec<Log>,
}

/// What shows that a transaction and its receipt stand in a block, to whoever has the block's hash and asks nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The block's header, RLP: its hash is the block's.
    pub header: Bytes,
    /// The transaction's place in the block, from 0: the key under which both tries have it.
    pub index: u64,
    /// The transaction as it was signed: its EIP-2718 envelope.
    pub transaction: Bytes,
    /// Nodes of the trie of transactions, from the root that the header names to the transaction.
    pub transaction_nodes: Vec<Bytes>,
    /// The receipt: its EIP-2718 envelope.
    pub receipt: Bytes,
    /// Nodes of the trie of receipts, likewise.
    pub receipt_nodes: Vec<Bytes>,
}

impl Inclusion {
    /// Bytes of all its parts.
    pub fn bytes(&self) -> usize {
        let nodes = self.transaction_nodes.iter().chain(&self.receipt_nodes);
        let parts = [&self.header, &self.transaction, &self.receipt];
        parts.into_iter().chain(nodes).map(|part| part.len()).sum()
    }
}

/// What an [`Inclusion`] shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// The block with this header.
    pub block: Block,
    /// Hash of the transaction.
    pub transaction: B256,
    /// Who signed it.
    pub signer: Address,
    /// For which chain (EIP-155); `None`: for any.
    pub chain: Option<ChainId>,
    /// What it called; `None`: it deployed a contract.
    pub to: Option<Address>,
    /// Wei sent along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Whether it ran through (EIP-658 status).
    pub success: bool,
    /// What it logged.
    pub logs: Vec<alloy_primitives::Log>,
}

/// What a transaction's sender must offer, wei per gas (EIP-1559).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasPrice {
    /// Base fee of the newest block.
    pub base_fee: u128,
    /// Tip that lately sufficed.
    pub priority_fee: u128,
}

/// An unsigned EIP-1559 transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxDraft {
    /// Chain (EIP-155).
    pub chain: ChainId,
    /// Sender's nonce.
    pub nonce: u64,
    /// Called contract.
    pub to: Address,
    /// Wei sent along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas limit.
    pub gas_limit: u64,
    /// Most that is paid per gas, wei.
    pub max_fee_per_gas: u128,
    /// Tip per gas, wei.
    pub max_priority_fee_per_gas: u128,
}

/// A transaction as it goes out: the same bytes every time it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTx {
    /// Its hash, known before anyone has seen it.
    pub hash: B256,
    /// The EIP-2718 envelope.
    pub raw: Bytes,
}

/// Where the platform's own contracts are on one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// Checks the quorum, consumes the task id, makes the call.
    pub executor: Address,
    /// Which keepers may sign.
    pub keeper_registry: Address,
    /// Which job belongs to whom.
    pub job_registry: Address,
    /// What owners have deposited and keepers have earned.
    pub gas_registry: Address,
}
