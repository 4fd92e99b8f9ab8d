//! A chain that costs nothing: it takes every transaction at once, in blocks that pass by the clock. One per account.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use argus_domain::{
    Address, B256, Bytes, U256,
    chain::{Block, GasPrice, Log, LogQuery, SignedTx, TxReceipt},
    ids::ChainId,
    keccak256,
    time::Timestamp,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, chain::At};
use async_trait::async_trait;

/// Its number.
pub const CHAIN: ChainId = ChainId(31_337);
/// Its executor.
pub const EXECUTOR: Address = Address::repeat_byte(0xee);
/// Blocks a second.
const BLOCKS_PER_SECOND: u128 = 10;
/// A node that has some past.
const FIRST: u64 = 1_000;

/// The chain, as one account sees it.
pub struct StubChain {
    began: Instant,
    sent: Mutex<HashMap<B256, u64>>,
}

impl StubChain {
    /// Blocks pass since `began`: chains with one beginning have the same blocks.
    pub fn new(began: Instant) -> Self {
        Self { began, sent: Mutex::default() }
    }

    /// Transactions taken: each once, however often it was sent.
    pub fn taken(&self) -> usize {
        self.sent().len()
    }

    fn sent(&self) -> MutexGuard<'_, HashMap<B256, u64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> u64 {
        let passed = self.began.elapsed().as_millis() * BLOCKS_PER_SECOND / 1000;
        FIRST + u64::try_from(passed).unwrap_or_default()
    }
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

#[async_trait]
impl ChainReader for StubChain {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        let head = self.head();
        let number = match at {
            At::Head => head,
            At::Number(number) => number,
            At::Hash(wanted) => (0..=head).rev().find(|n| hash(*n) == wanted).unwrap_or(u64::MAX),
        };
        Ok((number <= head).then(|| Block {
            number,
            hash: hash(number),
            parent: hash(number.saturating_sub(1)),
            time: Timestamp::from_secs(1_700_000_000 + number),
        }))
    }

    async fn call(&self, _: Option<Address>, _: Address, _: Bytes, _: At) -> Result<Bytes, ChainError> {
        Ok(Bytes::from_static(&[0; 32]))
    }

    async fn balance(&self, _: Address, _: At) -> Result<U256, ChainError> {
        Ok(U256::from(10).pow(U256::from(20)))
    }

    async fn logs(&self, _: LogQuery) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        let block = self.sent().get(&transaction).copied();
        Ok(block.map(|number| TxReceipt {
            transaction,
            block_number: number,
            block_hash: hash(number),
            success: true,
            gas_used: 100_000,
            gas_price: U256::from(1),
            logs: Vec::new(),
        }))
    }

    async fn code(&self, _: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }
}

#[async_trait]
impl ChainWriter for StubChain {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn nonce(&self, _: Address) -> Result<u64, ChainError> {
        Ok(self.sent().len() as u64)
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        Ok(GasPrice { base_fee: 1_000, priority_fee: 10 })
    }

    async fn estimate(&self, _: Address, _: Address, _: U256, _: Bytes) -> Result<u64, ChainError> {
        Ok(100_000)
    }

    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        let head = self.head();
        match self.sent().insert(tx.hash, head) {
            None => Ok(()),
            Some(_) => Err(ChainError::AlreadyKnown),
        }
    }
}
