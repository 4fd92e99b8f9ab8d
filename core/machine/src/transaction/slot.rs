//! One nonce: the task that it carries, and every form in which its transaction was signed.

use std::collections::BTreeSet;

use argus_domain::{
    B256, Bytes, U256,
    act::Intent,
    chain::{GasPrice, TxDraft},
    ids::TaskId,
    time::Timestamp,
};

use super::{
    Config, Work,
    fees::{self, Fees},
};
use crate::Wake;

/// Gas of a transfer, which a cancellation is.
const TRANSFER_GAS: u64 = 21_000;

/// A nonce in use.
#[derive(Debug)]
pub(super) struct Slot {
    pub task: TaskId,
    pub nonce: u64,
    /// Known again after a crash as soon as the task is handed over again.
    pub work: Option<Work>,
    /// When this life found it in the journal, which does not say what the call may cost: that comes with the next
    /// handoff, if one comes.
    pub recovered_at: Option<Timestamp>,
    pub valid_until: Timestamp,
    /// Those of this nonce, oldest first.
    pub intents: Vec<Intent>,
    /// The number of the task's next intent.
    pub next_number: u16,
    /// Being signed.
    pub signing: Option<TxDraft>,
    pub sent_at: Option<Timestamp>,
    /// Some node has, or may have, some of its bytes.
    pub left: bool,
    /// It will not act any more: it said so.
    pub stopped: bool,
    pub failures: u16,
    pub reported: BTreeSet<B256>,
    /// The head at which the nonce was first seen to be used up.
    pub used_at: Option<u64>,
    /// Transactions without a receipt at the last look.
    pub absent: BTreeSet<B256>,
    /// When it is looked after next, as the account has noted it.
    pub wake: Option<Wake>,
}

impl Slot {
    pub fn new(task: TaskId, nonce: u64, valid_until: Timestamp) -> Self {
        Self {
            task,
            nonce,
            work: None,
            recovered_at: None,
            valid_until,
            intents: Vec::new(),
            next_number: 1,
            signing: None,
            sent_at: None,
            left: false,
            stopped: false,
            failures: 0,
            reported: BTreeSet::new(),
            used_at: None,
            absent: BTreeSet::new(),
            wake: None,
        }
    }

    pub fn latest(&self) -> Option<&Intent> {
        self.intents.last()
    }

    /// Whether nothing was signed for its nonce, nor will be.
    pub fn is_unused(&self) -> bool {
        self.stopped && self.intents.is_empty() && self.signing.is_none()
    }

    pub fn is_cancel(draft: &TxDraft, config: &Config) -> bool {
        draft.to == config.keeper.0 && draft.data.is_empty()
    }

    /// Whether its newest form makes no call any more.
    pub fn is_cancelled(&self, config: &Config) -> bool {
        self.latest().is_some_and(|i| Self::is_cancel(&i.draft, config))
            || self.signing.as_ref().is_some_and(|d| Self::is_cancel(d, config))
    }

    /// Whether its call must not be sent (again).
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.stopped || now >= self.valid_until
    }

    /// Whether it has not been mined for so long that its offer needs a second thought.
    pub fn is_stuck(&self, now: Timestamp, config: &Config) -> bool {
        self.latest().is_some_and(|i| now >= i.at + config.stuck || now < i.at)
    }

    /// Whether its newest offer is less than what gas costs now.
    pub fn falls_short(&self, price: GasPrice) -> bool {
        self.latest().is_some_and(|i| {
            let tip = i.draft.max_priority_fee_per_gas;
            tip < price.priority_fee
                || i.draft.max_fee_per_gas < price.base_fee.saturating_add(price.priority_fee)
        })
    }

    /// Whether its call would be mined at the present price, as it is or with a better offer, once every nonce below
    /// its own is used.
    pub fn is_payable(&self, now: Timestamp, config: &Config, price: GasPrice) -> bool {
        let newest = self.signing.as_ref().or_else(|| self.latest().map(|i| &i.draft));
        let is_call = !self.is_over(now) && !self.is_cancelled(config);
        is_call
            && (newest.is_some_and(|d| suffices(d, price))
                || self.raised(config, price).is_some_and(|d| suffices(&d, price)))
    }

    /// Whether no block takes its call at the present price, and nobody here may offer more for it: its cap is reached,
    /// or it is not known since a crash and the task was not handed over again in a while.
    fn is_priced_out(&self, now: Timestamp, config: &Config, price: GasPrice) -> bool {
        let waited = self.recovered_at.is_none_or(|at| now >= at + config.stuck || now < at);
        waited
            && self.is_stuck(now, config)
            && !self.is_cancelled(config)
            && !self.is_payable(now, config, price)
            && self.raised(config, price).is_none()
    }

    /// Whether the chain itself refuses the call when it is late or made twice.
    pub fn is_guarded(&self, config: &Config) -> bool {
        config.executor.is_some() && self.intents.first().is_some_and(|i| Some(i.draft.to) == config.executor)
    }

    /// The first form of a call.
    pub fn first_draft(config: &Config, work: &Work, nonce: u64, fees: Fees) -> TxDraft {
        TxDraft {
            chain: config.chain,
            nonce,
            to: work.to,
            value: work.value,
            data: work.data.clone(),
            gas_limit: work.gas_limit,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
        }
    }

    /// Its newest form with a better offer; `None` where the cap, or ignorance of it, forbids one.
    pub fn raised(&self, config: &Config, price: GasPrice) -> Option<TxDraft> {
        let draft = &self.latest()?.draft;
        let cap = if Self::is_cancel(draft, config) {
            config.cancel_fee_max
        } else {
            self.work.as_ref()?.max_fee_per_gas
        };
        let fees = fees::replacement(offer(draft), price, cap)?;
        Some(TxDraft { max_fee_per_gas: fees.max, max_priority_fee_per_gas: fees.tip, ..draft.clone() })
    }

    /// A transfer of nothing to ourselves, which uses the nonce up.
    pub fn cancel(&self, config: &Config, price: GasPrice) -> Option<TxDraft> {
        let fees = match self.latest() {
            Some(intent) => fees::replacement(offer(&intent.draft), price, config.cancel_fee_max)?,
            None => fees::first(price, config.cancel_fee_max)?,
        };
        Some(TxDraft {
            chain: config.chain,
            nonce: self.nonce,
            to: config.keeper.0,
            value: U256::ZERO,
            data: Bytes::new(),
            gas_limit: TRANSFER_GAS,
            max_fee_per_gas: fees.max,
            max_priority_fee_per_gas: fees.tip,
        })
    }

    /// The cancellation by which a priced-out call makes way for others; `None`: it is not priced out, or what a
    /// cancellation may cost is below the present price as well.
    pub fn way_out(&self, now: Timestamp, config: &Config, price: GasPrice) -> Option<TxDraft> {
        let draft = self.is_priced_out(now, config, price).then(|| self.cancel(config, price))?;
        draft.filter(|d| suffices(d, price))
    }
}

fn offer(draft: &TxDraft) -> Fees {
    Fees { max: draft.max_fee_per_gas, tip: draft.max_priority_fee_per_gas }
}

/// Whether a block at this price takes it.
fn suffices(draft: &TxDraft, price: GasPrice) -> bool {
    draft.max_fee_per_gas > price.base_fee
}
