//! One chain behind the ports `ChainReader` and `ChainWriter`.

use std::collections::{BTreeMap, BTreeSet};

use alloy::primitives::{Address, B256, Bytes, U64, U128, U256};
use argus_domain::{
    chain::{Block, GasPrice, Inclusion, Log, LogQuery, SignedTx, TxReceipt},
    ids::ChainId,
    time::Timestamp,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, chain::At};
use async_trait::async_trait;
use serde_json::{Value, json};

use crate::{
    inclusion,
    nodes::{AskError, ChainConfig, ConnectError, Endpoint, Nodes},
    wire::{WireBlock, WireLog, WireReceipt},
};

/// One EVM chain, by JSON-RPC over HTTP or WebSocket, with as many nodes as its configuration names.
///
/// A request goes to the node that answered last; one that does not answer in time, or lacks the block, the state or
/// the method, is passed over for the next. What a node computes is believed: give it nodes that deserve it.
///
/// Logs are only asked for up to a block that is there: a range beyond the head is [`ChainError::Unreachable`], which
/// is retryable, and not an answer that leaves something out.
pub struct EvmChain {
    nodes: Nodes,
    log_range: u64,
}

impl EvmChain {
    /// Checks the chain id of every node that answers.
    ///
    /// # Errors
    /// No usable URL, a node of another chain, or nobody there: see [`ConnectError`].
    pub async fn connect(config: &ChainConfig) -> Result<Self, ConnectError> {
        Ok(Self { nodes: Nodes::connect(config).await?, log_range: config.log_range.max(1) })
    }

    /// Its nodes, in the order of their URLs.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.endpoints()
    }

    async fn block_at(&self, at: At) -> Result<Option<WireBlock>, ChainError> {
        let (method, params) = match at {
            At::Hash(hash) => ("eth_getBlockByHash", json!([hash, false])),
            At::Head => ("eth_getBlockByNumber", json!(["latest", false])),
            At::Number(number) => ("eth_getBlockByNumber", json!([U64::from(number), false])),
        };
        match self.nodes.ask::<Option<WireBlock>>(method, params, hash_of(at)).await {
            Err(AskError::Chain(ChainError::UnknownBlock(_))) => Ok(None),
            other => Ok(other?),
        }
    }

    // A range that a node refuses is asked for in halves.
    async fn raw_logs(&self, query: &LogQuery) -> Result<Vec<WireLog>, ChainError> {
        let mut found = Vec::new();
        let mut span = self.log_range;
        let mut from = query.from;
        while from <= query.to {
            let to = query.to.min(from.saturating_add(span - 1));
            let mut filter = json!({ "fromBlock": U64::from(from), "toBlock": U64::from(to) });
            if !query.addresses.is_empty() {
                filter["address"] = json!(query.addresses);
            }
            if !query.topic0.is_empty() {
                filter["topics"] = json!([query.topic0]);
            }
            match self.nodes.ask_logs::<Vec<WireLog>>(to, filter).await {
                Ok(logs) => {
                    found.extend(logs);
                    let Some(next) = to.checked_add(1) else { break };
                    from = next;
                }
                Err(AskError::TooMuch(_)) if to > from => span = (to - from).div_ceil(2),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    async fn block_times(&self, blocks: BTreeSet<B256>) -> Result<BTreeMap<B256, Timestamp>, ChainError> {
        let params = blocks.iter().map(|hash| json!([hash, false])).collect();
        let found: Vec<Option<WireBlock>> = self.nodes.ask_each("eth_getBlockByHash", params).await?;
        Ok(found.into_iter().flatten().map(|block| (block.hash, block.time())).collect())
    }

    // eth_getLogs tells where a log stands in its block. Where it stands in its transaction follows from the first
    // log of the transaction's receipt.
    async fn first_logs(
        &self,
        transactions: BTreeSet<B256>,
    ) -> Result<BTreeMap<(B256, B256), u64>, ChainError> {
        let params = transactions.iter().map(|hash| json!([hash])).collect();
        let found: Vec<Option<WireReceipt>> =
            self.nodes.ask_each("eth_getTransactionReceipt", params).await?;
        Ok(found
            .into_iter()
            .flatten()
            .filter_map(|receipt| {
                let first = receipt.logs.first()?.log_index?.to();
                Some(((receipt.transaction_hash, receipt.block_hash?), first))
            })
            .collect())
    }

    fn reorganised(&self) -> ChainError {
        let reason = "the chain was reorganised while it was read; ask again".to_owned();
        ChainError::Unreachable { chain: self.nodes.chain(), reason }
    }
}

fn hash_of(at: At) -> Option<B256> {
    match at {
        At::Hash(hash) => Some(hash),
        At::Head | At::Number(_) => None,
    }
}

// EIP-1898. Canonical, because a pin that a reorg took out has to be noticed and not followed.
fn block_param(at: At) -> Value {
    match at {
        At::Head => json!("latest"),
        At::Number(number) => json!(U64::from(number)),
        At::Hash(hash) => json!({ "blockHash": hash, "requireCanonical": true }),
    }
}

#[async_trait]
impl ChainReader for EvmChain {
    fn chain(&self) -> ChainId {
        self.nodes.chain()
    }

    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        Ok(self.block_at(at).await?.map(|block| block.block()))
    }

    async fn call(
        &self,
        from: Option<Address>,
        to: Address,
        data: Bytes,
        at: At,
    ) -> Result<Bytes, ChainError> {
        let mut call = json!({ "to": to, "data": data });
        if let Some(from) = from {
            call["from"] = json!(from);
        }
        Ok(self.nodes.ask("eth_call", json!([call, block_param(at)]), hash_of(at)).await?)
    }

    async fn balance(&self, account: Address, at: At) -> Result<U256, ChainError> {
        Ok(self.nodes.ask("eth_getBalance", json!([account, block_param(at)]), hash_of(at)).await?)
    }

    async fn logs(&self, query: LogQuery) -> Result<Vec<Log>, ChainError> {
        let raw = self.raw_logs(&query).await?;
        let transactions = raw.iter().filter_map(|log| log.transaction_hash).collect();
        let untimed = raw.iter().filter(|log| log.block_timestamp.is_none()).filter_map(|log| log.block_hash);
        let untimed: BTreeSet<B256> = untimed.collect();
        let (first, times) = futures::try_join!(self.first_logs(transactions), self.block_times(untimed))?;
        let mut logs = Vec::with_capacity(raw.len());
        for log in raw {
            let (Some(transaction), Some(block), Some(index)) =
                (log.transaction_hash, log.block_hash, log.log_index)
            else {
                continue;
            };
            let time = log.block_timestamp.map(|secs| Timestamp::from_secs(secs.to()));
            let time = time.or_else(|| times.get(&block).copied()).ok_or_else(|| self.reorganised())?;
            let position = first
                .get(&(transaction, block))
                .and_then(|first| index.to::<u64>().checked_sub(*first))
                .and_then(|position| u32::try_from(position).ok())
                .ok_or_else(|| self.reorganised())?;
            logs.extend(log.log(self.nodes.chain(), time, position));
        }
        logs.sort_by_key(|log| (log.block_number, log.index_in_block));
        Ok(logs)
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        let found: Option<WireReceipt> =
            self.nodes.ask("eth_getTransactionReceipt", json!([transaction]), None).await?;
        let Some(receipt) = found else { return Ok(None) };
        // A pending receipt, as some nodes give it, is none yet.
        let (Some(number), Some(block_hash)) = (receipt.block_number, receipt.block_hash) else {
            return Ok(None);
        };
        let stamped = receipt.logs.first().map(|log| log.block_timestamp);
        let time = match stamped {
            // No log, so no time is needed.
            None => Timestamp::default(),
            Some(Some(secs)) => Timestamp::from_secs(secs.to()),
            Some(None) => {
                let times = self.block_times(BTreeSet::from([block_hash])).await?;
                times.get(&block_hash).copied().ok_or_else(|| self.reorganised())?
            }
        };
        let chain = self.nodes.chain();
        let logs =
            (0u32..).zip(receipt.logs).filter_map(|(position, log)| log.log(chain, time, position)).collect();
        Ok(Some(TxReceipt {
            transaction: receipt.transaction_hash,
            block_number: number.to(),
            block_hash,
            success: receipt.status == Some(U64::from(1)),
            gas_used: receipt.gas_used.to(),
            gas_price: receipt.effective_gas_price.unwrap_or_default(),
            logs,
        }))
    }

    async fn code(&self, account: Address) -> Result<Bytes, ChainError> {
        Ok(self.nodes.ask("eth_getCode", json!([account, "latest"]), None).await?)
    }

    async fn inclusion(&self, transaction: B256, block: B256) -> Result<Inclusion, ChainError> {
        let whole = self.nodes.ask::<Value>("eth_getBlockByHash", json!([block, true]), Some(block));
        let receipts = self.nodes.ask::<Value>("eth_getBlockReceipts", json!([block]), Some(block));
        let (whole, receipts) = futures::try_join!(whole, receipts)?;
        if whole.is_null() || receipts.is_null() {
            return Err(ChainError::UnknownBlock(block));
        }
        inclusion::of(whole, receipts, transaction, block).map_err(ChainError::Refused)
    }
}

#[async_trait]
impl ChainWriter for EvmChain {
    fn chain(&self) -> ChainId {
        self.nodes.chain()
    }

    async fn nonce(&self, account: Address) -> Result<u64, ChainError> {
        let nonce: U64 = self.nodes.ask("eth_getTransactionCount", json!([account, "latest"]), None).await?;
        Ok(nonce.to())
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        let tip = self.nodes.ask::<U128>("eth_maxPriorityFeePerGas", json!([]), None);
        let (head, tip) = futures::try_join!(self.block_at(At::Head), async { Ok(tip.await?) })?;
        let base = head.and_then(|head| head.base_fee_per_gas).ok_or_else(|| {
            ChainError::Refused(
                "the chain's blocks have no base fee; transactions of EIP-1559 are needed".to_owned(),
            )
        })?;
        Ok(GasPrice { base_fee: base.to(), priority_fee: tip.to() })
    }

    async fn estimate(
        &self,
        from: Address,
        to: Address,
        value: U256,
        data: Bytes,
    ) -> Result<u64, ChainError> {
        let call = json!({ "from": from, "to": to, "value": value, "data": data });
        let gas: U64 = self.nodes.ask("eth_estimateGas", json!([call, "latest"]), None).await?;
        Ok(gas.to())
    }

    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        let hash: B256 = self.nodes.ask("eth_sendRawTransaction", json!([tx.raw]), None).await?;
        if hash == tx.hash {
            Ok(())
        } else {
            Err(ChainError::Refused(format!("the node took {hash} for {}", tx.hash)))
        }
    }
}
