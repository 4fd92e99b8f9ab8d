//! A keeper's transactions on one chain from one account: one actor gives out nonces, and nothing leaves before it
//! is durable.
//!
//! A nonce is given at send time; the intent (nonce, fees, signed bytes) is recorded before its bytes leave; the same
//! bytes are sent again until they are mined; a replacement has the same nonce, pays at least an eighth more and is a
//! new intent. So whatever happens, one nonce carries a task's call at a time, and the journal alone is enough to go
//! on after a crash.

mod fees;
mod machine;
mod slot;
#[cfg(test)]
mod tests;

use std::time::Duration;

use argus_domain::{
    Address, B256, Bytes, U256,
    act::{Intent, PerformEvent},
    chain::{GasPrice, SignedTx, TxDraft},
    ids::{ChainId, KeeperId, TaskId},
    time::Timestamp,
};

pub use machine::Account;

/// Settings of one account on one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The chain.
    pub chain: ChainId,
    /// The keeper whose account it is; transactions come from its address.
    pub keeper: KeeperId,
    /// The executor, where the chain has one: calls to it are refused by the chain when late or made twice.
    pub executor: Option<Address>,
    /// Between two sendings of the same bytes.
    pub resend: Duration,
    /// Without being mined for this long a transaction is replaced where its cap allows and more would help: it is the
    /// account's next, or its offer is below the price. A call that may not pay the price is cancelled after as long,
    /// where others wait for its nonce.
    pub stuck: Duration,
    /// Blocks on top of a used nonce before it is forgotten: a reorg may hand it back.
    pub confirmations: u64,
    /// Most that a cancellation pays per gas, wei.
    pub cancel_fee_max: u128,
    /// Transactions in flight at most; nodes drop what is further ahead.
    pub slots_max: usize,
}

/// A handed-off task, ready to be sent: the shell has simulated it, encoded it and weighed its cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The task.
    pub task: TaskId,
    /// Called contract: the executor, or in mode `Solo` the target itself.
    pub to: Address,
    /// Wei sent along.
    pub value: U256,
    /// Calldata.
    pub data: Bytes,
    /// Gas limit of the transaction.
    pub gas_limit: u64,
    /// Most that is paid per gas, wei: what the job's fee cap leaves.
    pub max_fee_per_gas: u128,
    /// Not to be sent later.
    pub valid_until: Timestamp,
}

/// What the machine hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What the journal holds, before anything else: intents of tasks that have not ended, and the highest nonce
    /// ever used.
    Recovered {
        /// As `Journal::pending` gives them.
        intents: Vec<Intent>,
        /// As `Journal::highest_nonce` gives it.
        highest_nonce: Option<u64>,
    },
    /// Act on this task. Repeating it changes nothing.
    Perform {
        /// What to send.
        work: Box<Work>,
        /// What the journal holds of this task, ended or not: a task that was acted on gets no second nonce.
        known: Vec<Intent>,
    },
    /// A look at the chain, about once a block. Nothing is sent before the first one.
    Chain {
        /// Height of its head.
        head: u64,
        /// Next nonce of the account by mined transactions.
        nonce: u64,
        /// What gas costs.
        price: GasPrice,
    },
    /// The draft of this intent, signed. It may come after its nonce was given up, and then counts for nothing.
    Signed {
        /// The task.
        task: TaskId,
        /// The draft's nonce.
        nonce: u64,
        /// The intent's number.
        number: u16,
        /// The bytes.
        signed: SignedTx,
    },
    /// The draft could not be signed.
    SignFailed {
        /// The task.
        task: TaskId,
        /// The draft's nonce.
        nonce: u64,
        /// The intent's number.
        number: u16,
        /// Why.
        reason: String,
    },
    /// What became of sending these bytes.
    Sent {
        /// The transaction.
        transaction: B256,
        /// What the node said.
        outcome: SendOutcome,
    },
    /// What became of looking for a receipt.
    Receipt {
        /// The transaction.
        transaction: B256,
        /// Height of the block that it is in; `None`: the chain has none.
        block: Option<u64>,
    },
}

/// What a node says to signed bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendOutcome {
    /// Taken, or known already.
    Taken,
    /// The nonce is used up: by this transaction, by one it replaces, or by another program with the same key.
    NonceTooLow,
    /// Another transaction with this nonce waits and pays too much for this one to replace it.
    Underpriced,
    /// The account cannot pay.
    InsufficientFunds,
    /// No node answered: it may or may not have left.
    Unreachable,
    /// Refused for another reason.
    Refused(String),
}

/// What the machine wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Sign this; hand in `Signed` or `SignFailed`.
    Sign {
        /// The task.
        task: TaskId,
        /// The number that the intent will have.
        number: u16,
        /// What to sign.
        draft: TxDraft,
    },
    /// Keep this intent, durably, before any later effect.
    Record(Box<Intent>),
    /// Send these bytes; hand in `Sent`.
    Send(SignedTx),
    /// Look whether this transaction has a receipt; hand in `Receipt`.
    Look(B256),
    /// Tell the platform.
    Report(PerformEvent),
    /// The task needs no further sending: note it in the journal.
    End(TaskId),
}
