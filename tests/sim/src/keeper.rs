//! A keeper's process: its journal, its runs, its account.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_domain::{
    B256, Bytes, U256,
    act::{HandoffOrder, Intent, PerformEvent},
    attempt::{Answer, Assignment, Observation, Output, SecondRound, SignedClaim},
    call::{Call, Claim, Signature},
    chain::TxDraft,
    ids::{AttemptNo, KeeperId, Round, TaskId},
    job::{Args, Mode},
    quorum::second_round,
    run::Transcript,
    seal::Seal,
    task::TriggerFact,
};
use argus_machine::{
    Machine, invariant,
    transaction::{Account, Config, Effect, Input, SendOutcome, Work},
};

use crate::{
    chain::{Deed, FINAL, Tx, signed},
    plant::Plant,
    scenario::{self, CHAIN, Nature},
    world::{Event, Msg, Node, World},
};

/// What a keeper has on disk.
#[derive(Default)]
pub struct Journal {
    pub claims: BTreeMap<(TaskId, AttemptNo, Round), SignedClaim>,
    pub intents: BTreeMap<(TaskId, u16), Intent>,
    pub ended: Vec<TaskId>,
}

/// A keeper.
pub struct Keeper {
    pub id: KeeperId,
    pub nature: Nature,
    pub journal: Journal,
    pub account: Account,
    pub funded: bool,
    epoch: u64,
    assignments: BTreeMap<(TaskId, AttemptNo), Arc<Assignment>>,
    answers: BTreeMap<(TaskId, AttemptNo), Box<Answer>>,
    /// Whose runs it found refuted.
    refuted: BTreeMap<(TaskId, AttemptNo), BTreeSet<KeeperId>>,
    /// What the calldata of its transactions says.
    deeds: BTreeMap<Bytes, Deed>,
}

impl Keeper {
    pub fn new(id: KeeperId, nature: Nature) -> Self {
        Self {
            id,
            nature,
            journal: Journal::default(),
            account: Account::new(Self::config(id)),
            funded: true,
            epoch: 0,
            assignments: BTreeMap::new(),
            answers: BTreeMap::new(),
            refuted: BTreeMap::new(),
            deeds: BTreeMap::new(),
        }
    }

    fn config(id: KeeperId) -> Config {
        Config {
            chain: CHAIN,
            keeper: id,
            executor: Some(scenario::executor()),
            resend: Duration::from_secs(3),
            stuck: Duration::from_secs(6),
            confirmations: FINAL,
            cancel_fee_max: 100_000,
            slots_max: 8,
        }
    }

    fn intents(&self, task: TaskId) -> Vec<Intent> {
        self.journal.intents.range((task, 0)..=(task, u16::MAX)).map(|(_, i)| i.clone()).collect()
    }
}

/// What the shell of a keeper does with one thing that it heard.
impl World {
    pub fn recover_keeper(&mut self, id: KeeperId) {
        let forgets = self.plant == Some(Plant::NonceReused);
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        keeper.epoch += 1;
        keeper.account = Account::new(Keeper::config(id));
        keeper.assignments.clear();
        keeper.answers.clear();
        keeper.refuted.clear();
        let intents = keeper.journal.intents.values();
        let highest_nonce = intents.clone().map(|i| i.draft.nonce).max().filter(|_| !forgets);
        let mut pending: Vec<Intent> =
            intents.filter(|i| !forgets && !keeper.journal.ended.contains(&i.task)).cloned().collect();
        pending.sort_by_key(|i| (i.draft.nonce, i.number));
        self.tell_account(id, Input::Recovered { intents: pending, highest_nonce });
    }

    pub fn keeper_hears(&mut self, id: KeeperId, msg: Msg) {
        match msg {
            Msg::Assign(assignment) => self.assigned(id, assignment),
            Msg::Second(assignment, round) => self.second(id, &assignment, &round),
            Msg::Perform(order) => self.ordered(id, *order),
            _ => {}
        }
    }

    fn assigned(&mut self, id: KeeperId, assignment: Arc<Assignment>) {
        let key = (assignment.task.id, assignment.attempt.no);
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        if let Some(answer) = keeper.answers.get(&key).cloned() {
            return self.send(Node::Keeper(id), Node::Aggregator, Msg::Answer(answer));
        }
        if keeper.assignments.insert(key, Arc::clone(&assignment)).is_some() {
            return;
        }
        let epoch = keeper.epoch;
        let decline = match &assignment.task.trigger {
            TriggerFact::Log(log) if !self.chain.log_stands(log) => Some("the log is gone"),
            _ => None,
        };
        if let Some(why) = decline {
            return self.decline(id, key, why);
        }
        if !self.quiet() && self.rng.permille(20) {
            let busy = Msg::Declined(key.0, key.1, id, "all its slots are taken".to_owned(), true);
            return self.send(Node::Keeper(id), Node::Aggregator, busy);
        }
        let is_slow = !self.quiet() && self.rng.permille(30);
        let ms = if is_slow { self.rng.between(3_000, 9_000) } else { self.rng.between(5, 800) };
        self.after(ms, Event::RunDone(id, epoch, assignment));
    }

    fn decline(&mut self, id: KeeperId, (task, no): (TaskId, AttemptNo), why: &str) {
        self.send(Node::Keeper(id), Node::Aggregator, Msg::Declined(task, no, id, why.to_owned(), false));
    }

    pub fn run_done(&mut self, id: KeeperId, epoch: u64, assignment: &Assignment) {
        let node = Node::Keeper(id);
        let kind = self.kinds[&assignment.job.id];
        let Some(keeper) = self.keepers.get(&id) else { return };
        if keeper.epoch != epoch || self.down.contains(&node) {
            return;
        }
        let nature = keeper.nature;
        let before = assignment.attempt.state.and_then(|state| self.store.states.get(&state.root));
        let honest = scenario::run(kind, &assignment.task, before, &mut self.rng);
        let lie = scenario::lie(kind, &assignment.task, id);
        let first = if nature == Nature::Liar { lie.clone() } else { honest };
        if !self.answered_with(id, assignment, first, true) {
            return;
        }
        if nature == Nature::Equivocator {
            // It signs a second answer beside its journal.
            self.answered_with(id, assignment, lie, false);
        }
    }

    /// Signs and sends an answer; false where the process died or the journal forbids it.
    fn answered_with(
        &mut self,
        id: KeeperId,
        assignment: &Assignment,
        (transcript, output): (Transcript, Output),
        journal: bool,
    ) -> bool {
        let (task, attempt) = (&assignment.task, &assignment.attempt);
        let key = (task.id, attempt.no);
        let claim = match &output {
            Output::Call(call) => Some(self.claim(id, assignment, call, Round(1))),
            Output::Skip(_) | Output::Fail(_) => None,
        };
        if let Some(claim) = claim.as_ref().filter(|_| journal)
            && !self.keep_claim(id, claim)
        {
            self.decline(id, key, "it signed another call before it restarted");
            return false;
        }
        if self.dies(Node::Keeper(id)) {
            return false;
        }
        let module = match &assignment.job.args {
            Args::Fixed(_) => B256::ZERO,
            Args::Computed { module, .. } => module.digest(),
        };
        let claim = claim.filter(|_| attempt.mode != Mode::Solo);
        let state = attempt.state.and_then(|_| scenario::state_after(&output)).map(Arc::new);
        let before = attempt.state.map(|state| state.root);
        let mut observation = Observation {
            task: task.id,
            attempt: attempt.no,
            keeper: id,
            module,
            engine: attempt.engine,
            input: B256::ZERO,
            transcript_root: transcript.root(),
            fuel: 1,
            output,
            state: state.as_ref().map(|state| state.root()).or(before),
            seal: Seal::alone(Signature([0; 65])),
        };
        let fingerprint = scenario::fingerprint(observation.transcript_root, &observation.output);
        observation.seal = Seal::alone(scenario::sign(id, fingerprint));
        let observation = Arc::new(observation);
        let state = state.filter(|_| observation.state != before);
        let answer = Box::new(Answer { observation, claim, transcript, log: String::new(), state });
        if let Some(keeper) = self.keepers.get_mut(&id).filter(|_| journal) {
            keeper.answers.insert(key, answer.clone());
        }
        self.send(Node::Keeper(id), Node::Aggregator, Msg::Answer(answer));
        true
    }

    fn claim(&mut self, id: KeeperId, assignment: &Assignment, call: &Call, round: Round) -> SignedClaim {
        let (task, attempt) = (assignment.task.id, assignment.attempt.no);
        let digest =
            self.digest_once(task, attempt, call, || assignment.attempt.claim(&assignment.job, call));
        SignedClaim { task, attempt, round, keeper: id, digest, signature: scenario::sign(id, digest) }
    }

    /// A claim's digest. Equal claims are hashed once: hashing is most of a run's time.
    pub fn digest_once(
        &mut self,
        task: TaskId,
        attempt: AttemptNo,
        call: &Call,
        claim: impl FnOnce() -> Claim,
    ) -> B256 {
        let key = (task, attempt, call.calldata.clone());
        *self.digests.entry(key).or_insert_with(|| claim().digest(&Self::domain()))
    }

    /// Keeps a claim before it is sent; false where another one was kept for its attempt and round.
    fn keep_claim(&mut self, id: KeeperId, claim: &SignedClaim) -> bool {
        let Some(keeper) = self.keepers.get_mut(&id) else { return false };
        let key = (claim.task, claim.attempt, claim.round);
        keeper.journal.claims.entry(key).or_insert_with(|| claim.clone()).digest == claim.digest
    }

    fn second(&mut self, id: KeeperId, assignment: &Assignment, round: &SecondRound) {
        let key = (round.task, round.attempt);
        let genuine = |o: &Arc<Observation>| {
            let fingerprint = scenario::fingerprint(o.transcript_root, &o.output);
            o.seal == Seal::alone(scenario::sign(o.keeper, fingerprint))
        };
        let Some(taken) = round.observations.iter().find(|o| o.keeper == round.chosen) else { return };
        let known = self.keepers.get(&id).and_then(|k| k.refuted.get(&key)).cloned().unwrap_or_default();
        let refuted = round.refuted.iter().copied().collect::<BTreeSet<_>>();
        let chosen_by_rule = second_round(&assignment.attempt, &round.observations, &refuted).map(|(k, _)| k);
        let right = chosen_by_rule == Some(round.chosen)
            && refuted.is_subset(&known)
            && round.observations.iter().all(genuine)
            && taken.transcript_root == round.transcript.root();
        let is_bound = self.natures.get(&id).is_none_or(|nature| !nature.lies());
        if is_bound && !right {
            return self.decline(id, key, "the second round is not right");
        }
        let output = scenario::replay(self.kinds[&assignment.job.id], &round.transcript);
        // A liar stands by liars, and speaks against honest keepers now and then.
        let is_refuted = if is_bound || self.natures.get(&round.chosen).is_none_or(|n| !n.lies()) {
            output != taken.output || (!is_bound && self.rng.permille(500))
        } else {
            false
        };
        if is_refuted {
            if let Some(keeper) = self.keepers.get_mut(&id) {
                keeper.refuted.entry(key).or_default().insert(round.chosen);
            }
            let msg = Msg::Refuted(round.task, round.attempt, id, round.chosen);
            return self.send(Node::Keeper(id), Node::Aggregator, msg);
        }
        let Output::Call(call) = &taken.output else { return };
        let claim = self.claim(id, assignment, call, Round(2));
        if !self.keep_claim(id, &claim) {
            return self.decline(id, key, "it signed another call in this round");
        }
        if !self.dies(Node::Keeper(id)) {
            self.send(Node::Keeper(id), Node::Aggregator, Msg::Signed(claim));
        }
    }

    fn ordered(&mut self, id: KeeperId, order: HandoffOrder) {
        let task = order.task.id;
        let acts = self.keepers.get(&id).is_some_and(|k| k.nature.acts());
        if !acts || order.handoff.keeper != id {
            return;
        }
        let solo = matches!(order.job.policy.mode, Mode::Solo);
        let agreed = &order.agreed;
        let digest = self.digest_once(task, agreed.attempt, &agreed.call, || agreed.claim(&order.job, task));
        let valid_until = agreed.valid_until;
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let (to, deed) = if solo {
            (order.agreed.call.target, Deed::Bare(task))
        } else {
            let signatures = order.agreed.signatures.clone();
            (scenario::executor(), Deed::Guarded { task, valid_until, digest, signatures })
        };
        let data = Bytes::copy_from_slice(task.0.as_slice());
        keeper.deeds.insert(data.clone(), deed);
        let known = keeper.intents(task);
        let work = Work {
            task,
            to,
            value: U256::ZERO,
            data,
            gas_limit: 200_000,
            max_fee_per_gas: 2_000,
            valid_until: order.agreed.valid_until,
        };
        if known.is_empty() && self.chain.call_of(task).is_some() {
            return;
        }
        self.tell_account(id, Input::Perform { work: Box::new(work), known });
    }

    pub fn poll_keeper(&mut self, id: KeeperId) {
        self.send(Node::Keeper(id), Node::Aggregator, Msg::Heartbeat(id));
        if self.quiet() || !self.rng.permille(100) {
            let head = self.chain.head().number;
            let (nonce, price) = (self.chain.nonce(id), self.chain.price());
            self.tell_account(id, Input::Chain { head, nonce, price });
        }
    }

    pub fn tick_keeper(&mut self, id: KeeperId) {
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let mut out = Vec::new();
        keeper.account.tick(self.now, &mut out);
        self.perform_account(id, out);
    }

    pub fn tell_account(&mut self, id: KeeperId, input: Input) {
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let mut out = Vec::new();
        keeper.account.handle(self.now, input, &mut out);
        self.perform_account(id, out);
    }

    fn perform_account(&mut self, id: KeeperId, out: Vec<Effect>) {
        let node = Node::Keeper(id);
        for effect in out {
            if self.down.contains(&node) || self.dies(node) {
                return;
            }
            match effect {
                Effect::Sign { task, number, draft } => self.sign(id, task, number, &draft),
                Effect::Record(intent) => self.intend(id, *intent),
                Effect::Send(tx) => {
                    let outcome = self.broadcast(id, tx.hash);
                    self.tell_account(id, Input::Sent { transaction: tx.hash, outcome });
                }
                Effect::Look(transaction) => {
                    let block = self.chain.block_of(transaction);
                    self.tell_account(id, Input::Receipt { transaction, block });
                }
                Effect::Report(event) => {
                    if matches!(event, PerformEvent::Declined { .. }) {
                        self.tally.declined += 1;
                    }
                    self.send(node, Node::Dispatcher, Msg::Performed(event));
                }
                Effect::End(task) => {
                    if let Some(keeper) = self.keepers.get_mut(&id) {
                        keeper.journal.ended.push(task);
                    }
                }
            }
        }
        self.set_wake(node);
    }

    /// Mostly at once; a remote signer may also take its time, or be away.
    fn sign(&mut self, id: KeeperId, task: TaskId, number: u16, draft: &TxDraft) {
        let (nonce, signed) = (draft.nonce, signed(id, draft));
        let answer = if !self.quiet() && self.rng.permille(60) {
            Input::SignFailed { task, nonce, number, reason: "the signer does not answer".to_owned() }
        } else {
            Input::Signed { task, nonce, number, signed }
        };
        if !self.quiet() && self.rng.permille(60) {
            let Some(keeper) = self.keepers.get(&id) else { return };
            let event = Event::SignerAnswered(id, keeper.epoch, Box::new(answer));
            let takes = self.rng.between(1, 20_000);
            self.after(takes, event);
        } else {
            self.tell_account(id, answer);
        }
    }

    /// A signature that took its time, for the process that asked for it.
    pub fn signer_answered(&mut self, id: KeeperId, epoch: u64, answer: Input) {
        let is_same = self.keepers.get(&id).is_some_and(|keeper| keeper.epoch == epoch);
        if is_same && !self.down.contains(&Node::Keeper(id)) {
            self.tell_account(id, answer);
        }
    }

    fn intend(&mut self, id: KeeperId, intent: Intent) {
        let Some(keeper) = self.keepers.get_mut(&id) else { return };
        let (task, nonce) = (intent.task, intent.draft.nonce);
        let other = keeper.journal.intents.values().find(|i| i.draft.nonce == nonce && i.task != task);
        let other = other.map(|i| i.task);
        keeper.journal.intents.entry((task, intent.number)).or_insert(intent);
        self.expect(other.is_none(), invariant::ONE_TASK_PER_NONCE, || {
            format!("keeper {id} gives nonce {nonce} to {task} and to {other:?}")
        });
    }

    fn broadcast(&mut self, id: KeeperId, hash: B256) -> SendOutcome {
        let Some(keeper) = self.keepers.get(&id) else { return SendOutcome::Unreachable };
        let intent = keeper.journal.intents.values().find(|i| i.signed.hash == hash).cloned();
        let funded = keeper.funded;
        let Some(intent) = intent else {
            self.fail(invariant::RECORD_BEFORE_ACT, format!("{hash} left before it was kept"));
            return SendOutcome::Unreachable;
        };
        let deed = if intent.draft.data.is_empty() {
            Deed::Cancel
        } else {
            keeper.deeds.get(&intent.draft.data).cloned().unwrap_or(Deed::Cancel)
        };
        if !self.quiet() && self.rng.permille(80) {
            // Lost on the way, or only the reply was.
            if self.rng.permille(500) {
                self.chain.send(Tx { hash, from: id, draft: intent.draft, deed }, funded);
            }
            return SendOutcome::Unreachable;
        }
        self.chain.send(Tx { hash, from: id, draft: intent.draft, deed }, funded)
    }
}
