//! A chain in memory with one executor: every transaction is mined at once, in a block of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argus_domain::{
    Address, B256, Bytes, U256,
    call::{Claim, ExecutorDomain, Signature},
    chain::{Block, GasPrice, Log, LogQuery, SignedTx, TxDraft, TxReceipt},
    ids::{ChainId, JobId, TaskId},
    keccak256,
    time::Timestamp,
};
use argus_ports::{ChainError, ChainReader, ChainWriter, Signer, chain::At};
use async_trait::async_trait;

use crate::signer::TestSigner;

/// The chain's number.
pub const CHAIN: ChainId = ChainId(31_337);
/// Its executor.
pub const EXECUTOR: Address = Address::repeat_byte(0xee);

/// Where its job owners' deposits lie.
pub const GAS_REGISTRY: Address = Address::repeat_byte(0xdd);
/// What a job owner has there, unless a test says otherwise, wei.
const DEPOSIT: u64 = 1_000_000_000_000_000_000;

/// The chain. Clones are nodes of one chain.
#[derive(Clone, Default)]
pub struct TestChain(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    head: u64,
    nonces: BTreeMap<Address, u64>,
    receipts: BTreeMap<B256, TxReceipt>,
    executed: BTreeMap<TaskId, Vec<Address>>,
    refused: u32,
    muted: BTreeSet<Address>,
    deposit: Option<U256>,
    is_job_deleted: bool,
    offered: u128,
}

impl TestChain {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who carried out a task, once per time: more than one is a duplicate.
    pub fn executions(&self, task: TaskId) -> Vec<Address> {
        self.state().executed.get(&task).cloned().unwrap_or_default()
    }

    /// Calls of tasks that were used up, refused by the executor.
    pub fn refused(&self) -> u32 {
        self.state().refused
    }

    /// From now on every job owner has so much in the gas registry, wei.
    pub fn set_deposits(&self, wei: u64) {
        self.state().deposit = Some(U256::from(wei));
    }

    /// From now on the job registry has no active job.
    pub fn delete_jobs(&self) {
        self.state().is_job_deleted = true;
    }

    /// Most per gas that the last transaction offered, wei.
    pub fn offered(&self) -> u128 {
        self.state().offered
    }

    /// From now on nothing of this account arrives, though it is told otherwise.
    pub fn mute(&self, account: Address) {
        self.state().muted.insert(account);
    }

    /// What this account sends arrives again.
    pub fn unmute(&self, account: Address) {
        self.state().muted.remove(&account);
    }

    /// Adds a transaction with these logs, in the next block.
    pub fn emit(&self, transaction: B256, mut logs: Vec<Log>) -> Vec<Log> {
        let mut state = self.state();
        state.head += 1;
        let number = state.head;
        for (index, log) in (0..).zip(&mut logs) {
            log.chain = CHAIN;
            log.block_number = number;
            log.block_hash = hash(number);
            log.block_time = block(number).time;
            log.transaction = transaction;
            log.index_in_block = index;
            log.index_in_transaction = index;
        }
        let receipt = receipt(number, transaction, true, logs.clone());
        state.receipts.insert(transaction, receipt);
        logs
    }
}

fn hash(number: u64) -> B256 {
    keccak256(number.to_be_bytes())
}

fn block(number: u64) -> Block {
    Block {
        number,
        hash: hash(number),
        parent: hash(number.saturating_sub(1)),
        time: Timestamp::from_secs(1_700_000_000 + number),
    }
}

fn receipt(number: u64, transaction: B256, success: bool, logs: Vec<Log>) -> TxReceipt {
    TxReceipt {
        transaction,
        block_number: number,
        block_hash: hash(number),
        success,
        gas_used: 100_000,
        gas_price: U256::from(1),
        logs,
    }
}

/// The task of a call to the executor: the first word of its claim.
fn task_of(data: &Bytes) -> Option<TaskId> {
    (data.len() > 36).then(|| TaskId(B256::from_slice(&data[4..36])))
}

/// Who signed the claim of a call to the executor, as [`argus_domain::contracts::encode_execute`] writes it.
fn signers(data: &[u8]) -> BTreeSet<Address> {
    let word = |n: usize| data.get(4 + 32 * n..36 + 32 * n).map(U256::from_be_slice).unwrap_or_default();
    let address = |n: usize| Address::from_word(B256::from(word(n)));
    let number = |n: usize| u64::try_from(word(n)).unwrap_or(u64::MAX);
    let claim = Claim {
        task: TaskId(word(0).into()),
        job: JobId(word(1)),
        owner: address(2),
        target: address(3),
        value: word(4),
        calldata_hash: word(5).into(),
        gas_limit: number(6),
        fee_cap: word(7),
        valid_until: Timestamp::from_secs(number(8)),
    };
    let digest = claim.digest(&ExecutorDomain { chain: CHAIN, executor: EXECUTOR });
    let at = usize::try_from(number(10)).unwrap_or(usize::MAX);
    let joined = data.get(at.saturating_add(36)..).unwrap_or_default();
    let signatures = joined.chunks_exact(65).map(|s| Signature(s.try_into().expect("65 bytes")));
    signatures.filter_map(|signature| TestSigner(0).recover(digest, &signature)).collect()
}

#[async_trait]
impl ChainReader for TestChain {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn block(&self, at: At) -> Result<Option<Block>, ChainError> {
        let head = self.state().head;
        let number = match at {
            At::Head => head,
            At::Number(number) => number,
            At::Hash(wanted) => (0..=head).find(|n| hash(*n) == wanted).unwrap_or(u64::MAX),
        };
        Ok((number <= head).then(|| block(number)))
    }

    async fn call(
        &self,
        _from: Option<Address>,
        to: Address,
        data: Bytes,
        _at: At,
    ) -> Result<Bytes, ChainError> {
        if to == GAS_REGISTRY {
            let deposit = self.state().deposit.unwrap_or(U256::from(DEPOSIT));
            return Ok(B256::from(deposit).0.to_vec().into());
        }
        let used = (data.len() == 36)
            .then(|| TaskId(B256::from_slice(&data[4..36])))
            .is_some_and(|task| self.state().executed.contains_key(&task));
        Ok(B256::from(U256::from(u8::from(used))).0.to_vec().into())
    }

    async fn balance(&self, _account: Address, _at: At) -> Result<U256, ChainError> {
        Ok(U256::from(10).pow(U256::from(18)))
    }

    async fn logs(&self, _query: LogQuery) -> Result<Vec<Log>, ChainError> {
        Ok(Vec::new())
    }

    async fn receipt(&self, transaction: B256) -> Result<Option<TxReceipt>, ChainError> {
        Ok(self.state().receipts.get(&transaction).cloned())
    }

    async fn code(&self, _account: Address) -> Result<Bytes, ChainError> {
        Ok(Bytes::new())
    }
}

#[async_trait]
impl ChainWriter for TestChain {
    fn chain(&self) -> ChainId {
        CHAIN
    }

    async fn nonce(&self, account: Address) -> Result<u64, ChainError> {
        Ok(self.state().nonces.get(&account).copied().unwrap_or_default())
    }

    async fn gas_price(&self) -> Result<GasPrice, ChainError> {
        Ok(GasPrice { base_fee: 1_000, priority_fee: 10 })
    }

    async fn estimate(
        &self,
        _from: Address,
        to: Address,
        _value: U256,
        data: Bytes,
    ) -> Result<u64, ChainError> {
        let is_used = task_of(&data).is_some_and(|task| self.state().executed.contains_key(&task));
        if to == EXECUTOR && is_used {
            return Err(ChainError::Reverted { reason: "TaskUsed".to_owned(), data: Bytes::new() });
        }
        if to == EXECUTOR && self.state().is_job_deleted {
            let data = [&keccak256("JobNotActive(uint256)")[..4], &[0; 32]].concat().into();
            return Err(ChainError::Reverted { reason: "execution reverted".to_owned(), data });
        }
        if to == EXECUTOR && signers(&data).len() < 2 {
            return Err(ChainError::Reverted { reason: "QuorumNotReached".to_owned(), data: Bytes::new() });
        }
        Ok(100_000)
    }

    async fn send(&self, tx: &SignedTx) -> Result<(), ChainError> {
        let (from, draft): (Address, TxDraft) =
            serde_json::from_slice(&tx.raw).map_err(|e| ChainError::Refused(e.to_string()))?;
        let mut state = self.state();
        if state.receipts.contains_key(&tx.hash) {
            return Err(ChainError::AlreadyKnown);
        }
        if state.muted.contains(&from) {
            return Ok(());
        }
        let next = state.nonces.get(&from).copied().unwrap_or_default();
        if draft.nonce < next {
            return Err(ChainError::NonceTooLow);
        }
        if draft.nonce > next {
            return Err(ChainError::Refused("this chain keeps no transactions ahead".to_owned()));
        }
        state.nonces.insert(from, next + 1);
        state.offered = draft.max_fee_per_gas;
        state.head += 1;
        let mut success = true;
        if draft.to == EXECUTOR
            && let Some(task) = task_of(&draft.data)
        {
            success = !state.executed.contains_key(&task);
            if success {
                state.executed.entry(task).or_default().push(from);
            } else {
                state.refused += 1;
            }
        } else if draft.to != EXECUTOR && !draft.data.is_empty() {
            // Mode `Solo`: the target keeps count by calldata.
            state.executed.entry(TaskId(keccak256(&draft.data))).or_default().push(from);
        }
        let receipt = receipt(state.head, tx.hash, success, Vec::new());
        state.receipts.insert(tx.hash, receipt);
        Ok(())
    }
}
