//! The account: nonces in use, and work that waits for one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use argus_domain::{
    B256,
    act::{Intent, PerformEvent},
    chain::{GasPrice, SignedTx, TxDraft},
    ids::TaskId,
    time::Timestamp,
};

use super::{Config, Effect, Input, SendOutcome, Work, fees, slot::Slot};
use crate::{Machine, Wake};

mod tend;

/// Refusals by nodes after which a task whose bytes never left is declined.
const REFUSALS_MAX: u16 = 3;

/// Which signature.
#[derive(Debug, Clone, Copy)]
struct Signing {
    task: TaskId,
    nonce: u64,
    number: u16,
}

#[derive(Debug, Clone, Copy)]
struct View {
    head: u64,
    nonce: u64,
    price: GasPrice,
}

/// One account on one chain.
#[derive(Debug)]
pub struct Account {
    config: Config,
    recovered: bool,
    view: Option<View>,
    /// Above every nonce that the journal knows.
    floor: u64,
    /// Since this head the chain has asked for a nonce below the floor that nothing of ours in flight has.
    behind_since: Option<u64>,
    /// A nonce below others of ours that carries nothing: its call was not signed yet when an earlier life ended, one above
    /// it was.
    gap: Option<u64>,
    slots: BTreeMap<u64, Slot>,
    of_task: BTreeMap<TaskId, u64>,
    /// The nonce of every transaction of a slot.
    of_hash: BTreeMap<B256, u64>,
    /// When slots need to be looked after, by nonce.
    wakes: BTreeSet<(Wake, u64)>,
    /// Their nonce was used up without a call, for good, and they may still be handed over again: the number of the
    /// next intent, and until when.
    retired: BTreeMap<TaskId, (u16, Timestamp)>,
    /// With the number of the next intent.
    queue: VecDeque<(Work, u16)>,
}

impl Account {
    /// Knows nothing yet: hand in `Recovered` first.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            recovered: false,
            view: None,
            floor: 0,
            behind_since: None,
            gap: None,
            slots: BTreeMap::new(),
            of_task: BTreeMap::new(),
            of_hash: BTreeMap::new(),
            wakes: BTreeSet::new(),
            retired: BTreeMap::new(),
            queue: VecDeque::new(),
        }
    }

    /// Nonces in use, and tasks that wait for one.
    pub fn load(&self) -> (usize, usize) {
        (self.slots.len(), self.queue.len())
    }

    fn recover(&mut self, now: Timestamp, intents: Vec<Intent>, highest_nonce: Option<u64>) {
        self.recovered = true;
        self.floor = self.floor.max(highest_nonce.map_or(0, |n| n + 1));
        for intent in intents {
            let nonce = intent.draft.nonce;
            self.floor = self.floor.max(nonce + 1);
            let slot =
                self.slots.entry(nonce).or_insert_with(|| Slot::new(intent.task, nonce, intent.valid_until));
            // It may have left before the crash.
            slot.left = true;
            slot.recovered_at = Some(now);
            slot.next_number = slot.next_number.max(intent.number + 1);
            self.of_task.insert(intent.task, nonce);
            self.of_hash.insert(intent.signed.hash, nonce);
            slot.intents.push(intent);
            slot.intents.sort_by_key(|i| i.number);
        }
    }

    fn remove(&mut self, nonce: u64) -> Option<Slot> {
        let slot = self.slots.remove(&nonce)?;
        for intent in &slot.intents {
            self.of_hash.remove(&intent.signed.hash);
        }
        if let Some(wake) = slot.wake {
            self.wakes.remove(&(wake, nonce));
        }
        Some(slot)
    }

    fn perform(&mut self, work: Work, known: &[Intent], out: &mut Vec<Effect>) {
        if let Some(slot) = self.of_task.get(&work.task).and_then(|n| self.slots.get_mut(n)) {
            if slot.is_cancelled(&self.config) {
                out.push(decline(&self.config, work.task, "its transaction is being cancelled"));
                return;
            }
            slot.stopped = false;
            slot.work = Some(work);
            if let Some(intent) = slot.latest().filter(|_| slot.left) {
                out.push(broadcast(&self.config, intent.task, intent.signed.hash));
            }
        } else if let Some((waiting, _)) = self.queue.iter_mut().find(|(w, _)| w.task == work.task) {
            *waiting = work;
        } else if let Some((number, _)) = self.retired.remove(&work.task) {
            self.queue.push_back((work, number));
        } else if let Some(intent) = known.last() {
            // Acted on in an earlier life and ended: a second nonce could make a second call.
            out.push(broadcast(&self.config, intent.task, intent.signed.hash));
        } else {
            self.queue.push_back((work, 1));
        }
    }

    /// A look at the chain: which nonces are used up, and since when.
    fn look(&mut self, now: Timestamp, view: View, out: &mut Vec<Effect>) {
        self.view = Some(view);
        self.retired.retain(|task, (_, until)| {
            let over = now >= *until;
            out.extend(over.then_some(Effect::End(*task)));
            !over
        });
        for slot in self.slots.values_mut() {
            slot.absent.clear();
            if slot.nonce < view.nonce {
                slot.used_at.get_or_insert(view.head);
                out.extend(slot.intents.iter().map(|i| Effect::Look(i.signed.hash)));
            } else {
                // A reorg handed the nonce back: the same bytes go out again.
                slot.used_at = None;
            }
        }
        self.gap = None;
        let behind = view.nonce < self.floor && !self.slots.contains_key(&view.nonce);
        match (behind, self.behind_since) {
            (false, _) => self.behind_since = None,
            (true, None) => self.behind_since = Some(view.head),
            // Neither a slow node nor a reorg: what has that nonce in the journal was no transaction of this chain, or
            // nothing has it.
            (true, Some(since)) if view.head > since + self.config.confirmations + 2 => {
                if self.slots.is_empty() {
                    self.floor = view.nonce;
                    self.behind_since = None;
                } else {
                    self.gap = Some(view.nonce);
                }
            }
            (true, Some(_)) => {}
        }
    }

    fn receipt(&mut self, now: Timestamp, transaction: B256, block: Option<u64>, out: &mut Vec<Effect>) {
        let confirmations = self.config.confirmations;
        let Some(view) = self.view else { return };
        let Some(slot) = self.of_hash.get(&transaction).and_then(|n| self.slots.get_mut(n)) else { return };
        // By the receipt's own block, not by when the nonce was first seen to be used: a reorg that nobody here
        // noticed may have moved it up.
        let mined = match block {
            Some(block) => view.head >= block + confirmations,
            None => false,
        };
        if block.is_some() {
            slot.absent.remove(&transaction);
        } else {
            slot.absent.insert(transaction);
        }
        // Whose block it is in cannot be asked, so twice as deep.
        let used = slot.used_at.is_some_and(|at| view.head >= at + 2 * confirmations);
        let foreign = used && slot.intents.iter().all(|i| slot.absent.contains(&i.signed.hash));
        if !mined && !foreign {
            return;
        }
        let nonce = slot.nonce;
        let Some(slot) = self.remove(nonce) else { return };
        if self.of_task.get(&slot.task) != Some(&nonce) {
            return;
        }
        self.of_task.remove(&slot.task);
        match slot.work {
            // Another program used our nonce, for good: no form of this transaction can be mined any more, so a
            // new nonce cannot make a second call.
            Some(work) if foreign && !slot.stopped => {
                self.queue.push_front((work, slot.next_number));
            }
            Some(_) | None => {
                let mut made = slot.intents.iter().filter(|i| i.signed.hash == transaction);
                let called = mined && made.any(|i| !Slot::is_cancel(&i.draft, &self.config));
                if called || now >= slot.valid_until {
                    out.push(Effect::End(slot.task));
                } else {
                    self.retired.insert(slot.task, (slot.next_number, slot.valid_until));
                }
            }
        }
    }

    fn signed(&mut self, now: Timestamp, of: Signing, signed: SignedTx, out: &mut Vec<Effect>) {
        let Some((slot, draft)) = signing(&self.of_task, &mut self.slots, of) else { return };
        let Signing { task, number, .. } = of;
        let cancel = Slot::is_cancel(&draft, &self.config);
        if !cancel && slot.is_over(now) {
            if slot.intents.is_empty() {
                self.give_up(of, "it was too late to send it", out);
            }
            return;
        }
        let intent = Intent { task, number, draft, signed, valid_until: slot.valid_until, at: now };
        slot.next_number += 1;
        slot.sent_at = Some(now);
        slot.failures = 0;
        slot.intents.push(intent.clone());
        self.of_hash.insert(intent.signed.hash, slot.nonce);
        let bytes = intent.signed.clone();
        out.push(Effect::Record(Box::new(intent)));
        out.push(Effect::Send(bytes));
    }

    fn sent(&mut self, now: Timestamp, transaction: B256, outcome: SendOutcome, out: &mut Vec<Effect>) {
        let Some(slot) = self.of_hash.get(&transaction).and_then(|n| self.slots.get_mut(n)) else { return };
        let task = slot.task;
        let refused = match outcome {
            SendOutcome::Taken => {
                slot.left = true;
                let cancel = slot.is_cancelled(&self.config);
                if slot.reported.insert(transaction) && !cancel {
                    out.push(broadcast(&self.config, task, transaction));
                }
                return;
            }
            SendOutcome::Unreachable => {
                slot.left = true;
                return;
            }
            SendOutcome::NonceTooLow => {
                out.extend(slot.intents.iter().map(|i| Effect::Look(i.signed.hash)));
                return;
            }
            SendOutcome::Underpriced => {
                slot.left = true;
                return self.replace(now, task, out);
            }
            SendOutcome::InsufficientFunds => Some("the account cannot pay for it".to_owned()),
            SendOutcome::Refused(reason) => {
                slot.failures += 1;
                (slot.failures >= REFUSALS_MAX).then_some(reason)
            }
        };
        if let Some(reason) = refused
            && !slot.left
            && !slot.stopped
            && !slot.is_cancelled(&self.config)
        {
            slot.stopped = true;
            out.push(decline(&self.config, task, &reason));
        }
    }

    /// Not signed: what has an earlier form goes on with that one, and is looked after again as if it had been sent now,
    /// so that a signer that is away is not asked without pause.
    fn sign_failed(&mut self, now: Timestamp, of: Signing, reason: &str, out: &mut Vec<Effect>) {
        let Some((slot, _)) = signing(&self.of_task, &mut self.slots, of) else { return };
        slot.sent_at = Some(now);
        match slot.latest().map(|i| i.signed.clone()) {
            None => self.give_up(of, reason, out),
            Some(bytes) if !slot.is_over(now) => out.push(Effect::Send(bytes)),
            Some(_) => {}
        }
    }

    /// A call of which no form was signed will not be made now. Nothing was recorded of the nonce, so it is as good as
    /// new where none lies above it; otherwise it closes up by a cancellation.
    fn give_up(&mut self, of: Signing, reason: &str, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&of.nonce) else { return };
        if !std::mem::replace(&mut slot.stopped, true) {
            out.push(decline(&self.config, of.task, reason));
        }
        while let Some((nonce, slot)) = self.slots.last_key_value()
            && slot.is_unused()
        {
            let nonce = *nonce;
            let Some(slot) = self.remove(nonce) else { return };
            self.of_task.remove(&slot.task);
            self.floor = self.floor.min(nonce);
            if slot.next_number > 1 {
                // Acted on before, under a nonce that is used up without a call.
                self.retired.insert(slot.task, (slot.next_number, slot.valid_until));
            }
        }
    }

    /// Offers more for a task's nonce, where that is allowed.
    fn replace(&mut self, now: Timestamp, task: TaskId, out: &mut Vec<Effect>) {
        let (Some(view), Some(nonce)) = (self.view, self.of_task.get(&task)) else { return };
        let Some(slot) = self.slots.get_mut(nonce) else { return };
        let idle = slot.signing.is_none() && slot.used_at.is_none();
        if idle
            && (slot.is_cancelled(&self.config) || !slot.is_over(now))
            && let Some(draft) = slot.raised(&self.config, view.price)
        {
            Self::sign(slot, draft, out);
        }
    }

    fn sign(slot: &mut Slot, draft: TxDraft, out: &mut Vec<Effect>) {
        slot.signing = Some(draft.clone());
        out.push(Effect::Sign { task: slot.task, number: slot.next_number, draft });
    }

    /// Gives nonces to waiting work, oldest first.
    fn start(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let may_start = self.recovered && (self.behind_since.is_none() || self.gap.is_some());
        let Some(view) = self.view.filter(|_| may_start) else { return };
        let mut waiting = VecDeque::new();
        while let Some((work, number)) = self.queue.pop_front() {
            if now >= work.valid_until {
                out.push(decline(&self.config, work.task, "it was too late to send it"));
                if number > 1 {
                    out.push(Effect::End(work.task));
                }
                continue;
            }
            // What fills a gap lets those above it go on; nothing is added to them before.
            let room = match self.behind_since {
                None => self.slots.len() < self.config.slots_max,
                Some(_) => self.gap.is_some(),
            };
            let fees = fees::first(view.price, work.max_fee_per_gas).filter(|_| room);
            let Some(fees) = fees else {
                waiting.push_back((work, number));
                continue;
            };
            let above = self.slots.last_key_value().map_or(0, |(n, _)| n + 1);
            let nonce = self.gap.take().unwrap_or(view.nonce.max(self.floor).max(above));
            let mut slot = Slot::new(work.task, nonce, work.valid_until);
            slot.next_number = number;
            let draft = Slot::first_draft(&self.config, &work, nonce, fees);
            slot.work = Some(work);
            Self::sign(&mut slot, draft, out);
            self.floor = self.floor.max(nonce + 1);
            self.of_task.insert(slot.task, nonce);
            self.slots.insert(nonce, slot);
            self.keep_wake(nonce);
        }
        self.queue = waiting;
    }
}

/// The slot that waits for just this signature, and what was to be signed. A signer takes its time: meanwhile the nonce may
/// have been used, and the task have got another.
fn signing<'a>(
    of_task: &BTreeMap<TaskId, u64>,
    slots: &'a mut BTreeMap<u64, Slot>,
    of: Signing,
) -> Option<(&'a mut Slot, TxDraft)> {
    let nonce = of_task.get(&of.task).filter(|nonce| **nonce == of.nonce)?;
    let slot = slots.get_mut(nonce).filter(|slot| slot.next_number == of.number)?;
    let draft = slot.signing.take()?;
    Some((slot, draft))
}

fn broadcast(config: &Config, task: TaskId, transaction: B256) -> Effect {
    Effect::Report(PerformEvent::Broadcast { task, keeper: config.keeper, transaction })
}

fn decline(config: &Config, task: TaskId, reason: &str) -> Effect {
    Effect::Report(PerformEvent::Declined { task, keeper: config.keeper, reason: reason.to_owned() })
}

/// Which slots an input can change, besides those that it opens.
enum Touched {
    None,
    One(u64),
    All,
}

impl Machine for Account {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Vec<Effect>) {
        let touched = self.touched(&input);
        match input {
            Input::Recovered { intents, highest_nonce } => self.recover(now, intents, highest_nonce),
            Input::Perform { work, known } => {
                self.perform(*work, &known, out);
                self.start(now, out);
            }
            Input::Chain { head, nonce, price } => {
                self.look(now, View { head, nonce, price }, out);
                self.start(now, out);
                self.tend(now, out);
            }
            Input::Signed { task, nonce, number, signed } => {
                self.signed(now, Signing { task, nonce, number }, signed, out);
            }
            Input::SignFailed { task, nonce, number, reason } => {
                self.sign_failed(now, Signing { task, nonce, number }, &reason, out);
            }
            Input::Sent { transaction, outcome } => self.sent(now, transaction, outcome, out),
            Input::Receipt { transaction, block } => {
                self.receipt(now, transaction, block, out);
                self.start(now, out);
            }
        }
        match touched {
            Touched::One(nonce) => self.keep_wake(nonce),
            Touched::All => self.keep_wakes(),
            Touched::None => {}
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.start(now, out);
        self.tend(now, out);
        self.keep_wakes();
    }

    fn next_wake(&self) -> Option<Wake> {
        self.view?;
        let first = self.wakes.first().map(|(wake, _)| *wake);
        debug_assert_eq!(first, self.slots.values().filter_map(|slot| self.wake_of(slot)).min());
        first
    }
}
