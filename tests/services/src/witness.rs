//! What is durable by now. Stores tell it, and links ask it at every message, so that whatever leaves too early is
//! noticed, whichever way services wait for their stores.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use argus_domain::{
    B256,
    act::Intent,
    ids::{AttemptNo, ChainId, KeeperId, Round, TaskId},
    keeper::LiveKeeper,
    task::{Fact, FactKey, TaskRecord},
};
use argus_machine::invariant::ONE_TASK_PER_NONCE;
use argus_ports::{Kept, KeptClaim, Recorded};

/// That a process can go on from what its journal and its store hold.
const RECOVERY_FROM_FACTS: &str = "recovery-from-facts";

/// Who writes: calls of one writer may overtake each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writer {
    /// The dispatcher, facts.
    Dispatcher,
    /// The aggregator, facts.
    Aggregator,
    /// This keeper's runs, claims.
    Claims(KeeperId),
    /// This keeper's performer, intents.
    Intents(KeeperId),
}

/// Which call a keeper stands by is kept by this.
pub(crate) type ClaimKey = (KeeperId, TaskId, AttemptNo, Round);

/// Sees what becomes durable and what is said. Clones see the same.
#[derive(Clone, Default)]
pub struct Witness(Arc<Mutex<Seen>>);

#[derive(Default)]
pub(crate) struct Seen {
    facts: HashMap<TaskId, BTreeMap<FactKey, Fact>>,
    claims: HashMap<ClaimKey, B256>,
    intents: HashMap<(KeeperId, B256), Intent>,
    nonces: HashMap<(KeeperId, ChainId, u64), TaskId>,
    /// What each keeper's name was put to.
    pub signed: HashMap<ClaimKey, B256>,
    /// Of which tasks those who watch were told.
    pub told: HashSet<TaskId>,
    live: BTreeSet<KeeperId>,
    traffic: BTreeMap<Writer, Traffic>,
    broken: Vec<String>,
}

/// The calls of one writer.
#[derive(Default)]
struct Traffic {
    begun: u64,
    under_way: BTreeSet<u64>,
    at_once: usize,
    overtaken: u64,
}

impl Witness {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was broken so far, each in a sentence that begins with the invariant's name.
    pub fn broken(&self) -> Vec<String> {
        self.seen().broken.clone()
    }

    /// # Panics
    /// Where anything was broken.
    pub fn assert_unbroken(&self) {
        let broken = self.broken();
        assert!(
            broken.is_empty(),
            "{} times something left too early:\n  {}",
            broken.len(),
            broken.join("\n  ")
        );
    }

    /// How many calls of this kind of writer ended before one that was made earlier.
    pub fn overtaken(&self, of: impl Fn(Writer) -> bool) -> u64 {
        self.seen().traffic.iter().filter(|(writer, _)| of(**writer)).map(|(_, t)| t.overtaken).sum()
    }

    /// How many calls a writer of this kind had under way at once, at most.
    pub fn at_once(&self, of: impl Fn(Writer) -> bool) -> usize {
        let seen = self.seen();
        seen.traffic
            .iter()
            .filter(|(writer, _)| of(**writer))
            .map(|(_, t)| t.at_once)
            .max()
            .unwrap_or_default()
    }

    /// Whom the dispatcher was told of last.
    pub fn live(&self) -> BTreeSet<KeeperId> {
        self.seen().live.clone()
    }

    pub(crate) fn sees_live(&self, live: &[LiveKeeper]) {
        self.seen().live = live.iter().map(|keeper| keeper.hello.keeper).collect();
    }

    pub(crate) fn enter(&self, writer: Writer) -> Call {
        let mut seen = self.seen();
        let traffic = seen.traffic.entry(writer).or_default();
        let number = traffic.begun;
        traffic.begun += 1;
        traffic.under_way.insert(number);
        traffic.at_once = traffic.at_once.max(traffic.under_way.len());
        Call { witness: self.clone(), writer, number }
    }

    /// The store has answered: what stands is durable.
    pub fn recorded(&self, facts: &[Fact], answers: &[Recorded]) {
        let mut seen = self.seen();
        for (fact, answer) in facts.iter().zip(answers) {
            match answer {
                Recorded::New => seen.durable(fact),
                Recorded::Already(stands) => seen.durable(stands),
                Recorded::Refused | Recorded::Fenced => {}
            }
        }
    }

    /// What is read is durable: how somebody goes on after a crash.
    pub(crate) fn read(&self, records: &[TaskRecord]) {
        let mut seen = self.seen();
        records.iter().flat_map(|record| &record.facts).for_each(|fact| seen.durable(fact));
    }

    pub(crate) fn claimed(&self, keeper: KeeperId, claim: &KeptClaim) {
        self.seen().claims.insert((keeper, claim.task, claim.attempt, claim.round), claim.digest);
    }

    pub(crate) fn intended(&self, keeper: KeeperId, intents: &[Intent]) {
        let mut seen = self.seen();
        intents.iter().for_each(|intent| seen.intended(keeper, intent));
    }

    pub(crate) fn read_journal(&self, keeper: KeeperId, kept: &Kept) {
        kept.claims.iter().for_each(|claim| self.claimed(keeper, claim));
        let intents = kept.intents.iter().map(|intent| ((keeper, intent.signed.hash), intent.clone()));
        self.seen().intents.extend(intents);
    }
}

impl Seen {
    pub fn breaks(&mut self, invariant: &str, how: &str) {
        self.broken.push(format!("{invariant}: {how}"));
    }

    /// The durable fact of this key.
    pub fn fact(&self, task: TaskId, key: &FactKey) -> Option<&Fact> {
        self.facts.get(&task)?.get(key)
    }

    /// All durable facts of a task.
    pub fn facts(&self, task: TaskId) -> impl Iterator<Item = &Fact> {
        self.facts.get(&task).into_iter().flat_map(BTreeMap::values)
    }

    /// The digest of the claim that a keeper's journal holds.
    pub fn claim(&self, key: &ClaimKey) -> Option<B256> {
        self.claims.get(key).copied()
    }

    /// The intent that a keeper's journal holds of a transaction.
    pub fn intent(&self, keeper: KeeperId, transaction: B256) -> Option<&Intent> {
        self.intents.get(&(keeper, transaction))
    }

    fn durable(&mut self, fact: &Fact) {
        self.facts.entry(fact.task()).or_default().entry(fact.key()).or_insert_with(|| fact.clone());
    }

    fn intended(&mut self, keeper: KeeperId, intent: &Intent) {
        let (chain, nonce, task) = (intent.draft.chain, intent.draft.nonce, intent.task);
        self.intents.insert((keeper, intent.signed.hash), intent.clone());
        let carries = *self.nonces.entry((keeper, chain, nonce)).or_insert(task);
        if carries != task {
            let how = format!("nonce {nonce} of keeper {keeper} carries task {carries} and task {task}");
            self.breaks(ONE_TASK_PER_NONCE, &how);
        }
        // Accounts begin at nonce 0 here, and nobody else uses them.
        let before = nonce.checked_sub(1);
        if let Some(before) = before.filter(|n| !self.nonces.contains_key(&(keeper, chain, *n))) {
            let how = format!(
                "the journal of keeper {keeper} holds nonce {nonce} and not nonce {before}: \
                 after a crash now nothing would ever fill it"
            );
            self.breaks(RECOVERY_FROM_FACTS, &how);
        }
    }
}

/// A call under way. One that is dropped unanswered was given up by its caller.
pub(crate) struct Call {
    witness: Witness,
    writer: Writer,
    number: u64,
}

impl Call {
    /// It is answered now.
    pub fn answered(self) {
        let mut seen = self.witness.seen();
        let traffic = seen.traffic.entry(self.writer).or_default();
        if traffic.under_way.first().is_some_and(|first| *first < self.number) {
            traffic.overtaken += 1;
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if let Some(traffic) = self.witness.seen().traffic.get_mut(&self.writer) {
            traffic.under_way.remove(&self.number);
        }
    }
}
