//! What nodes send, as far as it is read. Own types and not alloy's, because networks add transaction types and
//! header fields of their own, and a field that nobody reads must not make a block unreadable.

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use argus_domain::{
    chain::{Block, Log},
    ids::ChainId,
    time::Timestamp,
};
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireBlock {
    pub number: U64,
    pub hash: B256,
    pub parent_hash: B256,
    pub timestamp: U64,
    pub base_fee_per_gas: Option<U128>,
}

impl WireBlock {
    pub(crate) fn block(&self) -> Block {
        Block { number: self.number.to(), hash: self.hash, parent: self.parent_hash, time: self.time() }
    }

    pub(crate) fn time(&self) -> Timestamp {
        Timestamp::from_secs(self.timestamp.to())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireLog {
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
    // Null in a pending log, which nobody asks for.
    pub block_number: Option<U64>,
    pub block_hash: Option<B256>,
    // Newer nodes have it; for others it is looked up.
    pub block_timestamp: Option<U64>,
    pub transaction_hash: Option<B256>,
    pub log_index: Option<U64>,
    #[serde(default)]
    pub removed: bool,
}

impl WireLog {
    /// The log, if it is mined; `None` for one that is pending or was taken back.
    pub(crate) fn log(self, chain: ChainId, block_time: Timestamp, index_in_transaction: u32) -> Option<Log> {
        if self.removed {
            return None;
        }
        Some(Log {
            chain,
            address: self.address,
            topics: self.topics,
            data: self.data,
            block_number: self.block_number?.to(),
            block_hash: self.block_hash?,
            block_time,
            transaction: self.transaction_hash?,
            index_in_block: u32::try_from(self.log_index?.to::<u64>()).ok()?,
            index_in_transaction,
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WireReceipt {
    pub transaction_hash: B256,
    pub block_number: Option<U64>,
    pub block_hash: Option<B256>,
    // Absent before Byzantium; then nothing says whether it failed, and it counts as failed.
    pub status: Option<U64>,
    pub gas_used: U64,
    pub effective_gas_price: Option<U256>,
    pub logs: Vec<WireLog>,
}
