//! What every message rests on, and whether that is durable at the moment when it leaves.

use std::sync::Arc;

use argus_domain::{
    act::{AttemptOutcome, HandoffOrder, PerformEvent},
    attempt::{Answer, Attempt, Observation, Output, SecondRound, SignedClaim},
    chain::SignedTx,
    ids::{AttemptNo, KeeperId, Round, TaskId},
    quorum::{same_call, threshold},
    task::{Agreed, AgreedHow, Fact, FactKey, Verdict},
    time::Timestamp,
};
use argus_machine::invariant::{RECORD_BEFORE_ACT, SETTLED_ANNOUNCED};
use argus_ports::{Change, ChangeKind, FromKeeper, ToKeeper};

use crate::witness::{Seen, Witness};

/// That a keeper signs one call per attempt and round, and keeps it first.
pub const ONE_CLAIM_PER_ROUND: &str = "one-claim-per-round";
/// That no bytes leave a keeper that its journal does not hold.
pub const INTENT_BEFORE_BROADCAST: &str = "intent-before-broadcast";

/// Observations that a median is taken from, at least.
const MEDIAN_LEAST: usize = 3;

impl Witness {
    /// dispatcher -> aggregator, aggregator -> keeper.
    pub(crate) fn begins(&self, attempt: &Arc<Attempt>) {
        self.seen().rests_on("the attempt", &Fact::Attempted(attempt.clone()));
    }

    /// dispatcher -> aggregator -> keeper.
    pub(crate) fn hands_off(&self, order: &HandoffOrder) {
        let (task, mut seen) = (order.task.id, self.seen());
        seen.rests_on("the handoff", &Fact::HandedOff(order.handoff.clone()));
        if seen.verdict(task).is_none_or(|(verdict, _)| *verdict != Verdict::Agreed(order.agreed.clone())) {
            let how = format!("the handoff of task {task} left and its agreement is no durable verdict");
            seen.breaks(RECORD_BEFORE_ACT, &how);
        }
    }

    /// dispatcher -> bus.
    pub(crate) fn announces(&self, changes: &[Change]) {
        let mut seen = self.seen();
        for change in changes {
            let (task, at) = (change.task, change.at);
            let holds = match change.kind {
                ChangeKind::Settled => seen.verdict(task).is_some_and(|(_, settled)| settled == at),
                ChangeKind::Broadcast => {
                    seen.facts(task).any(|fact| matches!(fact, Fact::Broadcast(b) if b.at == at))
                }
                // Of others than the services here.
                ChangeKind::Created
                | ChangeKind::Received
                | ChangeKind::Revoked
                | ChangeKind::Confirmed
                | ChangeKind::Lapsed => true,
            };
            if !holds {
                let how =
                    format!("{:?} of task {task} was announced and is not what is durable", change.kind);
                seen.breaks(RECORD_BEFORE_ACT, &how);
            }
        }
    }

    /// The bus has taken these.
    pub(crate) fn announced(&self, settled: impl IntoIterator<Item = TaskId>) {
        self.seen().told.extend(settled);
    }

    /// Before facts are recorded: that a task was announced may be kept only of one that was.
    pub(crate) fn records(&self, facts: &[Fact]) {
        let mut seen = self.seen();
        for fact in facts {
            if let Fact::Announced { task, .. } = fact
                && !seen.told.contains(task)
            {
                let how = format!("task {task} is recorded as announced, and the bus has not taken it");
                seen.breaks(SETTLED_ANNOUNCED, &how);
            }
        }
    }

    /// aggregator -> dispatcher.
    pub(crate) fn ends(&self, task: TaskId, no: AttemptNo, outcome: &AttemptOutcome) {
        let mut seen = self.seen();
        let missing = match outcome {
            AttemptOutcome::Agreed(agreed) => seen.missing_of_agreed(task, agreed),
            AttemptOutcome::Skipped(_) => seen.missing_of_ended(task, no, |o| matches!(o, Output::Skip(_))),
            AttemptOutcome::Failed(_) => seen.missing_of_ended(task, no, |o| matches!(o, Output::Fail(_))),
            // They rest on what was not said.
            AttemptOutcome::Disagreed(_) | AttemptOutcome::Short { .. } => None,
        };
        if let Some(missing) = missing {
            let how = format!("attempt {} of task {task} was said to have ended without {missing}", no.0);
            seen.breaks(RECORD_BEFORE_ACT, &how);
        }
    }

    /// aggregator -> keeper.
    pub(crate) fn hears(&self, message: &ToKeeper) {
        match message {
            ToKeeper::Assign { assignment, .. } => self.begins(&assignment.assignment.attempt),
            ToKeeper::Second { assignment, round } => {
                self.begins(&assignment.assignment.attempt);
                self.begins_second(round);
            }
            ToKeeper::Perform(order) => self.hands_off(order),
        }
    }

    fn begins_second(&self, round: &SecondRound) {
        let mut seen = self.seen();
        let (task, no) = (round.task, round.attempt);
        let held: Vec<_> = seen.observations(task, no).map(|o| o.digest()).collect();
        if round.observations.iter().any(|o| !held.contains(&o.digest())) {
            let how = format!("the second round of task {task} left before its observations were durable");
            seen.breaks(RECORD_BEFORE_ACT, &how);
        }
    }

    /// keeper -> aggregator.
    pub fn says(&self, keeper: KeeperId, message: &FromKeeper) {
        match message {
            FromKeeper::Answer(answer) => self.answers(keeper, answer),
            FromKeeper::Signed(claim) => self.signs(keeper, claim),
            FromKeeper::Performed(PerformEvent::Broadcast { transaction, .. }) => {
                if self.seen().intent(keeper, *transaction).is_none() {
                    let how =
                        format!("keeper {keeper} reports {transaction}, which its journal does not hold");
                    self.seen().breaks(INTENT_BEFORE_BROADCAST, &how);
                }
            }
            FromKeeper::Performed(PerformEvent::Declined { .. })
            | FromKeeper::Declined { .. }
            | FromKeeper::Refuted { .. }
            | FromKeeper::Heartbeat { .. } => {}
        }
    }

    fn answers(&self, keeper: KeeperId, answer: &Answer) {
        if let Some(claim) = &answer.claim {
            return self.signs(keeper, claim);
        }
        // In mode `Solo` nothing is signed, and the journal keeps which call the keeper stands by.
        let Observation { task, attempt, output, .. } = answer.observation.as_ref();
        let mut seen = self.seen();
        if matches!(output, Output::Call(_)) && seen.claim(&(keeper, *task, *attempt, Round(1))).is_none() {
            let how =
                format!("keeper {keeper} stands by a call of task {task} that its journal does not hold");
            seen.breaks(ONE_CLAIM_PER_ROUND, &how);
        }
    }

    fn signs(&self, keeper: KeeperId, claim: &SignedClaim) {
        let mut seen = self.seen();
        let (task, key) = (claim.task, (keeper, claim.task, claim.attempt, claim.round));
        if seen.claim(&key) != Some(claim.digest) {
            let how =
                format!("a claim of keeper {keeper} over task {task} left, and its journal has no such");
            seen.breaks(ONE_CLAIM_PER_ROUND, &how);
        }
        let first = *seen.signed.entry(key).or_insert(claim.digest);
        if first != claim.digest {
            let (no, round) = (claim.attempt.0, claim.round.0);
            let how = format!("keeper {keeper} signed two calls: task {task}, attempt {no}, round {round}");
            seen.breaks(ONE_CLAIM_PER_ROUND, &how);
        }
    }

    /// keeper -> chain.
    pub(crate) fn sends(&self, keeper: KeeperId, tx: &SignedTx) {
        let mut seen = self.seen();
        if seen.intent(keeper, tx.hash).is_none_or(|intent| intent.signed != *tx) {
            let how =
                format!("the bytes of {} left keeper {keeper}, and its journal has no such intent", tx.hash);
            seen.breaks(INTENT_BEFORE_BROADCAST, &how);
        }
    }
}

impl Seen {
    fn rests_on(&mut self, what: &str, fact: &Fact) {
        let (task, FactKey(key)) = (fact.task(), fact.key());
        let fault = match self.fact(task, &fact.key()) {
            Some(stands) if stands == fact => return,
            Some(_) => "and another fact stands under",
            None => "before the store had answered to",
        };
        let how = format!("{what} of task {task} left, {fault} `{key}`");
        self.breaks(RECORD_BEFORE_ACT, &how);
    }

    fn verdict(&self, task: TaskId) -> Option<(&Verdict, Timestamp)> {
        match self.fact(task, &FactKey("settled".to_owned()))? {
            Fact::Settled(settlement) => Some((&settlement.verdict, settlement.at)),
            other => panic!("{other:?} under the key of a verdict"),
        }
    }

    fn observations(&self, task: TaskId, no: AttemptNo) -> impl Iterator<Item = &Arc<Observation>> {
        self.facts(task).filter_map(move |fact| match fact {
            Fact::Observed(observation) if observation.attempt == no => Some(observation),
            _ => None,
        })
    }

    fn claims(&self, task: TaskId, no: AttemptNo) -> impl Iterator<Item = &SignedClaim> {
        self.facts(task).filter_map(move |fact| match fact {
            Fact::Claimed(claim) if claim.attempt == no => Some(claim),
            _ => None,
        })
    }

    /// What an agreement rests on and is not durable.
    fn missing_of_agreed(&self, task: TaskId, agreed: &Agreed) -> Option<String> {
        let no = agreed.attempt;
        let claimed = |(keeper, signature)| {
            self.claims(task, no).any(|claim| claim.keeper == keeper && claim.signature == signature)
        };
        if let Some((keeper, _)) = agreed.signatures.iter().find(|signature| !claimed(**signature)) {
            return Some(format!("the durable claim of keeper {keeper}"));
        }
        let is_call = |o: &Output| matches!(o, Output::Call(call) if same_call(call, &agreed.call));
        let ran: Vec<_> =
            self.observations(task, no).filter(|o| is_call(&o.output)).map(|o| o.keeper).collect();
        let (runs, observed) = match agreed.how {
            AgreedHow::Equal => (agreed.keepers(), 1),
            AgreedHow::Solo => (agreed.keepers(), 1),
            AgreedHow::Median => (Vec::new(), MEDIAN_LEAST),
            AgreedHow::Tolerance => (Vec::new(), 2),
            AgreedHow::Performer => (Vec::new(), 1),
        };
        if let Some(keeper) = runs.iter().find(|keeper| !ran.contains(keeper)) {
            return Some(format!("the durable observation of keeper {keeper}"));
        }
        let enough = !ran.is_empty() && self.observations(task, no).count() >= observed;
        (!enough).then(|| format!("{observed} durable observations, one of them of its call"))
    }

    /// Whether a quorum's observations of this kind are durable; what is missing, if not.
    fn missing_of_ended(&self, task: TaskId, no: AttemptNo, is: impl Fn(&Output) -> bool) -> Option<String> {
        let attempts = self.facts(task).filter_map(|fact| match fact {
            Fact::Attempted(attempt) if attempt.no == no => Some(attempt.mode),
            _ => None,
        });
        let needed = attempts.map(threshold).next().unwrap_or(1);
        let found = self.observations(task, no).filter(|o| is(&o.output)).count();
        (found < needed).then(|| format!("{needed} durable observations that say so: {found}"))
    }
}
