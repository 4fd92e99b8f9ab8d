//! What becomes of nonces in use as time passes: sent again, paid better, given up.

use argus_domain::time::Timestamp;

use super::{Account, Touched, View};
use crate::{
    Wake,
    transaction::{Config, Effect, Input, fees, slot::Slot},
};

impl Account {
    /// Sends again, offers more, cancels: whatever has come due.
    pub(super) fn tend(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let Some(view) = self.view.filter(|_| self.recovered) else { return };
        let config = &self.config;
        let top = self.slots.last_key_value().map(|(n, _)| *n);
        let waiting = !self.queue.is_empty();
        let waited_for = self.waited_for(now, view);
        let lowest = self.slots.values().find(|s| s.used_at.is_none()).map(|s| s.nonce);
        for slot in self.slots.values_mut().filter(|s| s.used_at.is_none() && s.signing.is_none()) {
            if slot.is_over(now) && !slot.is_cancelled(config) {
                slot.sent_at = Some(slot.valid_until.max(now));
                // A stale call is only worth a cancellation where it could still be mined unguarded, or where
                // its nonce is in the way.
                let in_the_way = waiting || top != Some(slot.nonce);
                if (in_the_way || !slot.is_guarded(config))
                    && let Some(draft) = slot.cancel(config, view.price)
                {
                    Self::sign(slot, draft, out);
                }
            } else if slot.latest().is_none() {
                Self::begin_again(slot, config, (now, view), out);
            } else if slot.nonce < waited_for
                && let Some(draft) = slot.way_out(now, config, view.price)
            {
                // Its task may be handed over again once the cancellation is deep enough.
                Self::sign(slot, draft, out);
            } else {
                let is_next = lowest == Some(slot.nonce);
                Self::insist(slot, config, (now, view, is_next), out);
            }
        }
    }

    /// Below this nonce, one that cannot be mined keeps from the chain what could be: a call above it that is paid
    /// well enough, or one that waits for room.
    fn waited_for(&self, now: Timestamp, view: View) -> u64 {
        let fits = |cap| fees::first(view.price, cap).is_some();
        if self.queue.iter().any(|(work, _)| fits(work.max_fee_per_gas)) {
            return u64::MAX;
        }
        let payable = |slot: &&Slot| slot.used_at.is_none() && slot.is_payable(now, &self.config, view.price);
        self.slots.values().rev().find(payable).map_or(0, |slot| slot.nonce)
    }

    /// Signs the first form of a call that could not be signed before, and was handed over again since.
    fn begin_again(slot: &mut Slot, config: &Config, (now, view): (Timestamp, View), out: &mut Vec<Effect>) {
        if slot.sent_at.is_some_and(|at| now < at + config.resend && now >= at) {
            return;
        }
        slot.sent_at = Some(now);
        if let Some(work) = slot.work.as_ref()
            && let Some(fees) = fees::first(view.price, work.max_fee_per_gas)
        {
            let draft = Slot::first_draft(config, work, slot.nonce, fees);
            Self::sign(slot, draft, out);
        }
    }

    /// Offers more once it is stuck, and sends the same bytes again until then. An offer that pays the present price
    /// and is not the account's next waits for the nonces below it: more would not get it mined, and would be paid.
    fn insist(
        slot: &mut Slot,
        config: &Config,
        (now, view, is_next): (Timestamp, View, bool),
        out: &mut Vec<Effect>,
    ) {
        let Some(bytes) = slot.latest().map(|i| i.signed.clone()) else { return };
        if slot.is_stuck(now, config)
            && (is_next || slot.falls_short(view.price))
            && let Some(draft) = slot.raised(config, view.price)
        {
            Self::sign(slot, draft, out);
        } else if slot.sent_at.is_none_or(|at| now >= at + config.resend || now < at) {
            slot.sent_at = Some(now);
            out.push(Effect::Send(bytes));
        }
    }

    /// Which slots an input can change.
    pub(super) fn touched(&self, input: &Input) -> Touched {
        let nonce = match input {
            Input::Recovered { .. } | Input::Chain { .. } => return Touched::All,
            Input::Perform { work, .. } => self.of_task.get(&work.task),
            Input::Signed { task, .. } | Input::SignFailed { task, .. } => self.of_task.get(task),
            Input::Sent { transaction, .. } | Input::Receipt { transaction, .. } => {
                self.of_hash.get(transaction)
            }
        };
        nonce.copied().map_or(Touched::None, Touched::One)
    }

    pub(super) fn keep_wakes(&mut self) {
        let nonces: Vec<u64> = self.slots.keys().copied().collect();
        nonces.into_iter().for_each(|nonce| self.keep_wake(nonce));
    }

    /// Notes when a slot has to be looked after next.
    pub(super) fn keep_wake(&mut self, nonce: u64) {
        let Some(slot) = self.slots.get(&nonce) else { return };
        let (old, new) = (slot.wake, self.wake_of(slot));
        if old == new {
            return;
        }
        old.map(|wake| self.wakes.remove(&(wake, nonce)));
        self.wakes.extend(new.map(|wake| (wake, nonce)));
        if let Some(slot) = self.slots.get_mut(&nonce) {
            slot.wake = new;
        }
    }

    pub(super) fn wake_of(&self, slot: &Slot) -> Option<Wake> {
        if slot.used_at.is_some() || slot.signing.is_some() {
            return None;
        }
        let resend = slot.sent_at.map_or(Timestamp(0), |at| at + self.config.resend);
        if slot.is_cancelled(&self.config) {
            return Some(Wake { at: resend, why: "a cancellation is not mined" });
        }
        if slot.stopped {
            return None;
        }
        // Once it is over, the next look at the chain is soon enough.
        (resend < slot.valid_until).then_some(Wake { at: resend, why: "a transaction is not mined" })
    }
}
