//! What shows that a transaction and its receipt stand in a block: made of what a node tells of the whole block, and
//! checked without any node.

use alloy::{
    consensus::{Header, ReceiptEnvelope, Transaction as _, TxEnvelope},
    eips::eip2718::{Decodable2718, Encodable2718},
    primitives::{B256, Bytes, keccak256},
    rlp::{self, Decodable},
    rpc::types::{Block as RpcBlock, TransactionReceipt},
    trie::{
        HashBuilder, Nibbles,
        proof::{ProofRetainer, verify_proof},
    },
};
use argus_domain::{
    call::Signature,
    chain::{Block, Included, Inclusion},
    ids::ChainId,
    time::Timestamp,
};
use serde_json::Value;

use crate::signer::recover;

/// Largest that is made: what a transaction of the largest size that nodes pass on, and its logs, take several times.
const BYTES_MAX: usize = 1 << 20;

/// Why it shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotIncluded {
    /// Not a header.
    #[error("its block header cannot be read: {0}")]
    Header(String),
    /// Not a transaction.
    #[error("its transaction cannot be read: {0}")]
    Transaction(String),
    /// No signature of anybody's.
    #[error("nobody signed its transaction")]
    Unsigned,
    /// Not a receipt.
    #[error("its receipt cannot be read: {0}")]
    Receipt(String),
    /// The trie has another one there.
    #[error("its proof does not lead from the block header to the transaction")]
    TransactionElsewhere,
    /// The trie has another one there.
    #[error("its proof does not lead from the block header to the receipt")]
    ReceiptElsewhere,
}

/// What an inclusion shows.
///
/// # Errors
/// Where its parts do not belong together.
pub fn included(inclusion: &Inclusion) -> Result<Included, NotIncluded> {
    let mut rest = inclusion.header.as_ref();
    let header = Header::decode(&mut rest).map_err(|error| NotIncluded::Header(error.to_string()))?;
    if !rest.is_empty() {
        return Err(NotIncluded::Header("there is more behind it".to_owned()));
    }
    let is_in = |root: B256, value: &Bytes, nodes: &[Bytes]| {
        verify_proof(root, key(inclusion.index), Some(value.to_vec()), nodes).is_ok()
    };
    if !is_in(header.transactions_root, &inclusion.transaction, &inclusion.transaction_nodes) {
        return Err(NotIncluded::TransactionElsewhere);
    }
    if !is_in(header.receipts_root, &inclusion.receipt, &inclusion.receipt_nodes) {
        return Err(NotIncluded::ReceiptElsewhere);
    }
    let transaction = TxEnvelope::decode_2718_exact(&inclusion.transaction)
        .map_err(|error| NotIncluded::Transaction(error.to_string()))?;
    let receipt = ReceiptEnvelope::decode_2718_exact(&inclusion.receipt)
        .map_err(|error| NotIncluded::Receipt(error.to_string()))?;
    let signature = Signature(transaction.signature().as_bytes());
    Ok(Included {
        block: Block {
            number: header.number,
            hash: keccak256(&inclusion.header),
            parent: header.parent_hash,
            time: Timestamp::from_secs(header.timestamp),
        },
        transaction: keccak256(&inclusion.transaction),
        signer: recover(transaction.signature_hash(), &signature).ok_or(NotIncluded::Unsigned)?,
        chain: transaction.chain_id().map(ChainId),
        to: transaction.to(),
        value: transaction.value(),
        data: transaction.input().clone(),
        success: receipt.status(),
        logs: receipt.logs().to_vec(),
    })
}

/// Of a block as a node tells it; why not, where the block is not what its hash names, or has what we cannot encode.
pub(crate) fn of(block: Value, receipts: Value, transaction: B256, hash: B256) -> Result<Inclusion, String> {
    let foreign =
        |error: serde_json::Error| format!("the block has something that is not Ethereum's own: {error}");
    let block: RpcBlock = serde_json::from_value(block).map_err(foreign)?;
    let receipts: Vec<TransactionReceipt> = serde_json::from_value(receipts).map_err(foreign)?;
    let encoded = |bytes: Vec<u8>| Bytes::from(bytes);
    let transactions: Vec<Bytes> =
        block.transactions.txns().map(|one| encoded(one.inner.inner().encoded_2718())).collect();
    let receipts: Vec<Bytes> =
        receipts.into_iter().map(|one| encoded(one.inner.into_primitives_receipt().encoded_2718())).collect();
    let place = transactions.iter().position(|one| keccak256(one) == transaction);
    let (Some(place), true) = (place, receipts.len() == transactions.len()) else {
        return Err(format!(
            "the node's block {hash} does not have transaction {transaction} with a receipt"
        ));
    };
    let inclusion = Inclusion {
        header: rlp::encode(&block.header.inner).into(),
        index: place as u64,
        transaction: transactions[place].clone(),
        transaction_nodes: nodes(&transactions, place),
        receipt: receipts[place].clone(),
        receipt_nodes: nodes(&receipts, place),
    };
    let shown = included(&inclusion).map_err(|error| format!("the node's block is not its own: {error}"))?;
    if shown.block.hash != hash {
        return Err(format!("the node's block has a header of the hash {}, not {hash}", shown.block.hash));
    }
    match inclusion.bytes() {
        bytes if bytes > BYTES_MAX => Err(format!("it takes {bytes} bytes, {BYTES_MAX} at most")),
        _ => Ok(inclusion),
    }
}

/// An item's key in a block's tries.
fn key(index: u64) -> Nibbles {
    Nibbles::unpack(rlp::encode(index))
}

/// The nodes from the root of the items' trie to one of them.
fn nodes(items: &[Bytes], place: usize) -> Vec<Bytes> {
    // A trie is built in the order of its keys, which is not that of the numbers that they encode.
    let mut keyed: Vec<_> = (0..).map(key).zip(items).collect();
    keyed.sort_unstable_by_key(|(key, _)| *key);
    let retainer = ProofRetainer::new(vec![key(place as u64)]);
    let mut builder = HashBuilder::default().with_proof_retainer(retainer);
    for (key, item) in keyed {
        builder.add_leaf(key, item);
    }
    builder.root();
    builder.take_proof_nodes().into_nodes_sorted().into_iter().map(|(_, node)| node).collect()
}

#[cfg(test)]
mod tests;
