//! The simulated chain: blocks, a pool with replacement, nonces, the executor's guard, reorgs.

use std::collections::{BTreeMap, BTreeSet};

use argus_domain::{
    B256, Bytes,
    call::Signature,
    chain::{GasPrice, Log, SignedTx, TxDraft},
    digest::digest_of,
    ids::{KeeperId, TaskId},
    time::Timestamp,
};
use argus_machine::transaction::SendOutcome;

use crate::{rng::Rng, scenario};

/// Blocks are this far apart, milliseconds.
pub const BLOCK_MS: u64 = 2_000;
/// No reorg is deeper.
pub const REORG_MAX: usize = 3;
/// So many blocks on top make a block final.
pub const FINAL: u64 = 4;

/// What a transaction does.
#[derive(Debug, Clone)]
pub enum Deed {
    /// Through the executor.
    Guarded {
        task: TaskId,
        valid_until: Timestamp,
        /// What the contract computes from the claim.
        digest: B256,
        signatures: Vec<(KeeperId, Signature)>,
    },
    /// Straight to the target.
    Bare(TaskId),
    /// Nothing.
    Cancel,
}

#[derive(Debug, Clone)]
pub struct Tx {
    pub hash: B256,
    pub from: KeeperId,
    pub draft: TxDraft,
    pub deed: Deed,
}

pub struct Block {
    pub number: u64,
    pub hash: B256,
    pub time: Timestamp,
    pub txs: Vec<Tx>,
    /// Tasks whose call was made in it, with the transaction.
    pub calls: Vec<(TaskId, B256, KeeperId)>,
    pub logs: Vec<Log>,
}

pub struct Chain {
    pub blocks: Vec<Block>,
    pub pool: BTreeMap<(KeeperId, u64), Tx>,
    pub base_fee: u128,
    /// Logs for the next block.
    pub pending_logs: Vec<Log>,
    /// Transactions whose logs a reorg moved.
    pub moved_logs: BTreeSet<B256>,
    threshold: usize,
    forks: u64,
}

impl Chain {
    pub fn new(threshold: usize, now: Timestamp) -> Self {
        let genesis = Block {
            number: 0,
            hash: digest_of("block", &0),
            time: now,
            txs: Vec::new(),
            calls: Vec::new(),
            logs: Vec::new(),
        };
        Self {
            blocks: vec![genesis],
            pool: BTreeMap::new(),
            base_fee: 100,
            pending_logs: Vec::new(),
            moved_logs: BTreeSet::new(),
            threshold,
            forks: 0,
        }
    }

    pub fn head(&self) -> &Block {
        &self.blocks[self.blocks.len() - 1]
    }

    pub fn price(&self) -> GasPrice {
        GasPrice { base_fee: self.base_fee, priority_fee: 2 }
    }

    pub fn nonce(&self, account: KeeperId) -> u64 {
        self.blocks.iter().flat_map(|b| &b.txs).filter(|tx| tx.from == account).count() as u64
    }

    pub fn is_canonical(&self, number: u64, hash: B256) -> bool {
        self.blocks.get(number as usize).is_some_and(|b| b.hash == hash)
    }

    pub fn block_of(&self, hash: B256) -> Option<u64> {
        self.blocks.iter().find(|b| b.txs.iter().any(|tx| tx.hash == hash)).map(|b| b.number)
    }

    pub fn call_of(&self, task: TaskId) -> Option<(&Block, B256, KeeperId)> {
        self.blocks.iter().find_map(|b| {
            b.calls.iter().find(|(t, _, _)| *t == task).map(|(_, tx, keeper)| (b, *tx, *keeper))
        })
    }

    pub fn log_stands(&self, log: &Log) -> bool {
        self.blocks.iter().flat_map(|b| &b.logs).any(|l| l.transaction == log.transaction)
    }

    /// Every task whose call the chain shows, as often as it shows it.
    pub fn calls(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.blocks.iter().flat_map(|b| b.calls.iter().map(|(task, _, _)| *task))
    }

    pub fn send(&mut self, tx: Tx, funded: bool) -> SendOutcome {
        if self.pool.values().any(|t| t.hash == tx.hash) {
            return SendOutcome::Taken;
        }
        if tx.draft.nonce < self.nonce(tx.from) {
            return SendOutcome::NonceTooLow;
        }
        if !funded {
            return SendOutcome::InsufficientFunds;
        }
        let key = (tx.from, tx.draft.nonce);
        if let Some(old) = self.pool.get(&key) {
            let enough = |old: u128, new: u128| new >= old + old / 10;
            if !enough(old.draft.max_fee_per_gas, tx.draft.max_fee_per_gas)
                || !enough(old.draft.max_priority_fee_per_gas, tx.draft.max_priority_fee_per_gas)
            {
                return SendOutcome::Underpriced;
            }
        }
        self.pool.insert(key, tx);
        SendOutcome::Taken
    }

    /// Puts the next block on top.
    pub fn mine(&mut self, now: Timestamp) {
        let time = Timestamp::from_secs(now.as_secs());
        let number = self.head().number + 1;
        let hash = digest_of("block", &(number, self.forks, self.head().hash));
        let mut used: BTreeSet<TaskId> = self.calls().collect();
        let mut nonces: BTreeMap<KeeperId, u64> = BTreeMap::new();
        let (mut txs, mut calls) = (Vec::new(), Vec::new());
        for key in self.pool.keys().copied().collect::<Vec<_>>() {
            let next = *nonces.entry(key.0).or_insert_with(|| self.nonce(key.0));
            if key.1 < next {
                self.pool.remove(&key);
                continue;
            }
            let pays = self.pool.get(&key).is_some_and(|tx| tx.draft.max_fee_per_gas > self.base_fee);
            if key.1 != next || !pays {
                continue;
            }
            let Some(tx) = self.pool.remove(&key) else { continue };
            nonces.insert(key.0, next + 1);
            if let Some(task) = self.execute(&tx, time, &used) {
                used.insert(task);
                calls.push((task, tx.hash, tx.from));
            }
            txs.push(tx);
        }
        let mut logs = std::mem::take(&mut self.pending_logs);
        for (index, log) in logs.iter_mut().enumerate() {
            (log.block_number, log.block_hash, log.block_time) = (number, hash, time);
            log.index_in_block = index as u32;
        }
        self.blocks.push(Block { number, hash, time, txs, calls, logs });
    }

    /// The call that a transaction makes, if it makes one: the executor's guard.
    fn execute(&self, tx: &Tx, time: Timestamp, used: &BTreeSet<TaskId>) -> Option<TaskId> {
        match &tx.deed {
            Deed::Cancel => None,
            Deed::Bare(task) => Some(*task),
            Deed::Guarded { task, valid_until, digest, signatures } => {
                let ascending = signatures.windows(2).all(|pair| pair[0].0 < pair[1].0);
                let signed = signatures.iter().all(|(k, s)| *s == scenario::sign(*k, *digest));
                let enough = signatures.len() >= self.threshold;
                let free = !used.contains(task) && time <= *valid_until;
                (ascending && signed && enough && free).then_some(*task)
            }
        }
    }

    /// Takes the newest blocks back. Their transactions return to the pool, their logs to the next block, unless
    /// they are lost on the way.
    pub fn reorg(&mut self, rng: &mut Rng, now: Timestamp) {
        let depth = rng.between(1, REORG_MAX as u64) as usize;
        let depth = depth.min(self.blocks.len() - 1);
        self.forks += 1;
        for block in self.blocks.split_off(self.blocks.len() - depth) {
            for tx in block.txs {
                if !rng.permille(150) {
                    self.pool.insert((tx.from, tx.draft.nonce), tx);
                }
            }
            self.moved_logs.extend(block.logs.iter().map(|l| l.transaction));
            self.pending_logs.extend(block.logs.into_iter().filter(|_| !rng.permille(300)));
        }
        for _ in 0..=depth {
            self.mine(now);
        }
    }
}

/// Signs a draft.
pub fn signed(from: KeeperId, draft: &TxDraft) -> SignedTx {
    SignedTx { hash: digest_of("tx", &(from, draft)), raw: Bytes::new() }
}
