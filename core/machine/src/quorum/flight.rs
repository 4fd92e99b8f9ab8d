//! One attempt in hand.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use argus_domain::{
    B256,
    act::AttemptOutcome,
    attempt::{Answer, Assignment, Attempt, Observation, Output, SecondRound, SignedClaim},
    call::{Call, ExecutorDomain, Signature},
    difference::{Disagreement, Refutation},
    ids::{KeeperId, Round},
    job::{Agreement, Args, Mode},
    quorum::{Choice, answers_least, at_odds, choose, same_call, threshold},
    run::Transcript,
    task::{Agreed, AgreedHow, Fact},
    time::Timestamp,
};

use super::{Config, Effect, Misbehaviour};
use crate::{REASON_MAX, Wake, invariant};

/// An attempt in hand.
#[derive(Debug)]
pub(super) struct Flight {
    assignment: Arc<Assignment>,
    /// Asked so far: all keepers, or with trust in one performer those who were tried.
    asked: BTreeSet<KeeperId>,
    /// Each keeper's first observation.
    observations: BTreeMap<KeeperId, Arc<Observation>>,
    transcripts: BTreeMap<KeeperId, Transcript>,
    /// Each keeper's first claim, by round.
    claims: BTreeMap<(Round, KeeperId), SignedClaim>,
    digests: Vec<(Call, B256)>,
    declined: BTreeSet<KeeperId>,
    gone: BTreeSet<KeeperId>,
    /// Why keepers declined, each one's last word.
    reasons: BTreeMap<KeeperId, String>,
    /// Who declined for something that may be there later.
    lacking: BTreeSet<KeeperId>,
    /// The second rounds so far. One under way is the last; the others' runs are refuted.
    seconds: Vec<Second>,
    /// Whose runs a threshold of others refuted.
    refuted: BTreeSet<KeeperId>,
    /// The first round is not waited for any longer.
    first_over: bool,
    pub outcome: Option<AttemptOutcome>,
}

/// A second round.
#[derive(Debug)]
struct Second {
    round: Arc<SecondRound>,
    how: AgreedHow,
    call: Call,
    digest: B256,
    declined: BTreeSet<KeeperId>,
    /// Who replayed the run and came to something else, and to what.
    refuted_by: BTreeMap<KeeperId, Refutation>,
}

impl Flight {
    pub fn new(assignment: Arc<Assignment>) -> Self {
        Self {
            assignment,
            asked: BTreeSet::new(),
            observations: BTreeMap::new(),
            transcripts: BTreeMap::new(),
            claims: BTreeMap::new(),
            digests: Vec::new(),
            declined: BTreeSet::new(),
            gone: BTreeSet::new(),
            reasons: BTreeMap::new(),
            lacking: BTreeSet::new(),
            seconds: Vec::new(),
            refuted: BTreeSet::new(),
            first_over: false,
            outcome: None,
        }
    }

    pub fn attempt(&self) -> &Attempt {
        &self.assignment.attempt
    }

    pub fn concerns(&self, keeper: KeeperId) -> bool {
        self.attempt().keepers.contains(&keeper)
    }

    /// How long the first round waits for the slow: half of the attempt's time, so that a second round has the rest.
    fn first_until(&self) -> Timestamp {
        let attempt = self.attempt();
        attempt.begun_at + attempt.deadline.since(attempt.begun_at) / 2
    }

    pub fn wake(&self) -> Wake {
        if self.first_over || self.second().is_some() {
            Wake { at: self.attempt().deadline, why: "attempt deadline" }
        } else {
            Wake { at: self.first_until(), why: "first round" }
        }
    }

    fn trusting(&self) -> bool {
        matches!(self.attempt().agreement, Agreement::TrustPerformer) && threshold(self.attempt().mode) > 1
    }

    /// Sends work to whoever has to do something and has not.
    pub fn send(&mut self, only: Option<KeeperId>, out: &mut Vec<Effect>) {
        if self.outcome.is_some() {
            return;
        }
        let wanted = |k: &KeeperId| only.is_none_or(|only| only == *k);
        if let Some(second) = self.second() {
            let silent = self.attempt().keepers.iter().filter(|k| self.may_sign(second, **k) && wanted(k));
            out.extend(
                silent.filter_map(|k| {
                    Some(Effect::Second { keeper: *k, round: Arc::clone(self.round_for(*k)?) })
                }),
            );
            return;
        }
        if self.asked.is_empty() {
            self.ask_next();
        }
        let silent = self.asked.iter().filter(|k| self.may_answer(**k) && wanted(k));
        out.extend(silent.map(|k| Effect::Assign { keeper: *k, assignment: Arc::clone(&self.assignment) }));
    }

    /// The second round under way.
    fn second(&self) -> Option<&Second> {
        self.seconds.last().filter(|s| !self.refuted.contains(&s.round.chosen))
    }

    /// Which run a keeper has to judge next: of those chosen so far the first one that it has not refuted. It believes
    /// nobody that a run is refuted.
    fn round_for(&self, keeper: KeeperId) -> Option<&Arc<SecondRound>> {
        self.seconds.iter().find(|s| !s.refuted_by.contains_key(&keeper)).map(|s| &s.round)
    }

    /// Everyone at once; with trust in one performer the next one that was not asked yet.
    fn ask_next(&mut self) {
        let keepers = self.attempt().keepers.clone();
        if self.trusting() {
            let next = keepers.iter().find(|k| !self.asked.contains(k) && self.may_answer(**k));
            self.asked.extend(next);
        } else {
            self.asked.extend(keepers);
        }
    }

    /// Least number of answers that anything can follow from.
    fn answers_needed(&self) -> usize {
        if self.trusting() { 1 } else { answers_least(threshold(self.attempt().mode), self.refuted.len()) }
    }

    /// That fewer than `needed` took part and could still, with what is known of the others.
    fn short(&self, why: &str, could: impl Fn(&KeeperId) -> bool, needed: usize) -> AttemptOutcome {
        let (could, cannot): (Vec<_>, Vec<_>) = self.attempt().keepers.iter().partition(|k| could(k));
        let missing = cannot.iter().filter(|k| self.gone.contains(**k) || self.lacking.contains(**k)).count();
        let transient = could.len() < needed && could.len() + missing >= needed;
        let mut by_reason: Vec<(&str, Vec<String>)> = Vec::new();
        for keeper in &self.attempt().keepers {
            let reason = match self.reasons.get(keeper) {
                Some(reason) => reason,
                None if self.gone.contains(keeper) => "not connected",
                None => continue,
            };
            match by_reason.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, keepers)) => keepers.push(keeper.to_string()),
                None => by_reason.push((reason, vec![keeper.to_string()])),
            }
        }
        let one = |(reason, keepers): (&str, Vec<String>)| {
            let several = if keepers.len() > 1 { "s" } else { "" };
            format!("; keeper{several} {}: {reason}", keepers.join(", "))
        };
        let others: String = by_reason.into_iter().map(one).collect();
        AttemptOutcome::Short { why: format!("{why}{others}"), transient }
    }

    fn short_of_answers(&self, now: Timestamp, why: &str) -> AttemptOutcome {
        let in_time = now < self.attempt().deadline;
        let counts = |k: &KeeperId| self.observations.contains_key(k) && !self.refuted.contains(k);
        self.short(why, |k| counts(k) || (in_time && self.may_answer(*k)), self.answers_needed())
    }

    /// Whether a first answer may still come from it.
    fn may_answer(&self, keeper: KeeperId) -> bool {
        !self.observations.contains_key(&keeper)
            && !self.declined.contains(&keeper)
            && !self.gone.contains(&keeper)
    }

    /// Whether a claim of the second round may still come from it.
    fn may_sign(&self, second: &Second, keeper: KeeperId) -> bool {
        keeper != second.round.chosen
            && !self.claims.contains_key(&(Round(2), keeper))
            && !second.declined.contains(&keeper)
            && !second.refuted_by.contains_key(&keeper)
            && !self.refuted.contains(&keeper)
            && !self.gone.contains(&keeper)
    }

    pub fn gone(&mut self, keeper: KeeperId) {
        self.gone.insert(keeper);
    }

    pub fn back(&mut self, keeper: KeeperId, out: &mut Vec<Effect>) {
        self.gone.remove(&keeper);
        self.send(Some(keeper), out);
    }

    pub fn declined(&mut self, keeper: KeeperId, reason: &str, transient: bool) {
        self.reasons.insert(keeper, reason.chars().take(REASON_MAX).collect());
        // The last word counts, as with the reason.
        self.lacking.remove(&keeper);
        self.lacking.extend(transient.then_some(keeper));
        let is_second = self.second().is_some();
        match self.seconds.last_mut().filter(|_| is_second) {
            Some(second) => second.declined.insert(keeper),
            None => self.declined.insert(keeper),
        };
    }

    /// Takes in that a keeper replayed a chosen run and came to something else.
    pub fn refuted(&mut self, keeper: KeeperId, accused: KeeperId, found: Refutation, out: &mut Vec<Effect>) {
        // Of a run that is not chosen an earlier life of ours had asked it.
        let chosen = self.seconds.iter_mut().find(|s| s.round.chosen == accused && keeper != accused);
        let Some(second) = chosen else { return };
        if second.refuted_by.contains_key(&keeper) {
            return;
        }
        let reason = format!("it refutes the run of keeper {accused}: {}", found.finding);
        second.refuted_by.insert(keeper, found.bounded());
        self.reasons.insert(keeper, reason.chars().take(REASON_MAX).collect());
        if self.refuted.contains(&accused) {
            // It was late: now it can judge the run that was chosen since.
            self.send(Some(keeper), out);
        }
    }

    /// The digest that every keeper of the attempt signs for this call. Equal calls are hashed once.
    fn digest(&mut self, config: &Config, call: &Call) -> B256 {
        if let Some((_, digest)) = self.digests.iter().find(|(known, _)| same_call(known, call)) {
            return *digest;
        }
        let executor = config.executors.get(&call.chain).copied().unwrap_or_default();
        let domain = ExecutorDomain { chain: call.chain, executor };
        let digest = self.attempt().claim(&self.assignment.job, call).digest(&domain);
        self.digests.push((call.clone(), digest));
        digest
    }

    /// Takes in a first answer. The keeper's first one counts; a second, different one is reported.
    pub fn answer(&mut self, config: &Config, answer: Answer, out: &mut Vec<Effect>) -> Option<Misbehaviour> {
        let keeper = answer.observation.keeper;
        if !self.concerns(keeper) {
            return Some(Misbehaviour::Uninvited);
        }
        if let Some(known) = self.observations.get(&keeper) {
            // The claim of an answer that came before is a repeat as well, or it is the proof of a second one.
            // Its seal may be another one: it was sealed among others each time.
            let equal = known.digest() == answer.observation.digest();
            return (!equal).then_some(Misbehaviour::TwoAnswers);
        }
        let observation = &answer.observation;
        let attempt = &self.assignment.attempt;
        if observation.task != attempt.task || observation.attempt != attempt.no {
            return Some(Misbehaviour::WrongSubject);
        }
        if let Args::Computed { module, .. } = &self.assignment.job.args {
            if observation.engine != attempt.engine || observation.module != module.digest() {
                return Some(Misbehaviour::WrongSubject);
            }
            if answer.transcript.root() != observation.transcript_root {
                return Some(Misbehaviour::WrongTranscript);
            }
        }
        if !holds_state(attempt, &answer) {
            return Some(Misbehaviour::WrongState);
        }
        match (&observation.output, &answer.claim) {
            (Output::Call(call), Some(claim)) if attempt.mode != Mode::Solo => {
                let ours = (claim.task, claim.attempt, claim.round, claim.keeper)
                    == (attempt.task, attempt.no, Round(1), keeper);
                let digest = self.digest(config, call);
                if !ours || claim.digest != digest {
                    return Some(Misbehaviour::WrongClaim);
                }
            }
            (Output::Call(_), None) if attempt.mode == Mode::Solo => {}
            (Output::Skip(_) | Output::Fail(_), None) => {}
            (Output::Call(_), _) | (Output::Skip(_) | Output::Fail(_), Some(_)) => {
                return Some(Misbehaviour::WrongClaim);
            }
        }
        if self.outcome.is_some() {
            return None;
        }
        self.declined.remove(&keeper);
        out.push(Effect::Record(Fact::Observed(Arc::clone(&answer.observation))));
        if let Some(claim) = answer.claim {
            out.push(Effect::Record(Fact::Claimed(claim.clone())));
            self.claims.insert((Round(1), keeper), claim);
        }
        self.observations.insert(keeper, answer.observation);
        self.transcripts.insert(keeper, answer.transcript);
        None
    }

    /// Lets go of what nothing follows from any more once the attempt has ended: transcripts are large.
    pub fn let_go(&mut self) {
        self.transcripts.clear();
        self.seconds.clear();
    }

    /// Takes in a claim of the second round.
    pub fn signed(&mut self, claim: SignedClaim, out: &mut Vec<Effect>) -> Option<Misbehaviour> {
        if !self.concerns(claim.keeper) || claim.round != Round(2) {
            return Some(Misbehaviour::Uninvited);
        }
        if let Some(known) = self.claims.get(&(Round(2), claim.keeper)) {
            return (known.digest != claim.digest).then_some(Misbehaviour::TwoClaims);
        }
        // Over another run than any of our second rounds: one that an earlier life of this process had chosen, which an
        // honest keeper signed.
        if self.outcome.is_some() || self.seconds.iter().all(|s| s.digest != claim.digest) {
            return None;
        }
        out.push(Effect::Record(Fact::Claimed(claim.clone())));
        self.claims.insert((Round(2), claim.keeper), claim);
        None
    }

    /// Decides what can be decided at `now`.
    pub fn decide(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Effect>) {
        if self.outcome.is_some() {
            return;
        }
        self.first_over |= now >= self.first_until();
        if self.second().is_none() {
            self.first_round(now, config, out);
        }
        // At most as often as there are keepers: each time one more is out.
        while self.outcome.is_none() && self.second_round(now, out) {
            self.first_round(now, config, out);
            if self.second().is_none() && !self.trusting() {
                // Who came back meanwhile was told of the second round alone.
                self.send(None, out);
            }
        }
        if self.outcome.is_none() && now >= self.attempt().deadline {
            let (answered, of) = (self.observations.len(), self.attempt().keepers.len());
            let why = format!("{answered} of {of} keepers had answered at the deadline");
            self.outcome = Some(self.short_of_answers(now, &why));
        }
        if let Some(outcome) = self.outcome.clone() {
            self.transcripts.clear();
            self.seconds.clear();
            out.push(Effect::Ended { task: self.attempt().task, attempt: self.attempt().no, outcome });
        }
    }

    fn first_round(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Effect>) {
        let may_answer = self.attempt().keepers.iter().filter(|k| self.may_answer(**k)).count();
        let waiting = if self.first_over { 0 } else { may_answer };
        match choose(self.attempt(), &self.observations, &self.refuted, waiting) {
            Choice::Equal(keepers) => self.agree_equal(&keepers),
            Choice::Second { chosen, how } => self.begin_second(config, chosen, how, out),
            Choice::Skipped(reason) => self.outcome = Some(AttemptOutcome::Skipped(reason)),
            Choice::Failed(message) => self.outcome = Some(AttemptOutcome::Failed(message)),
            Choice::Disagreed(why) => {
                out.extend(self.disagreement(&why));
                self.outcome = Some(AttemptOutcome::Disagreed(why));
            }
            Choice::Short(why) => {
                // While the slow could still make enough of them, nothing is lost by waiting on.
                let counted = self.observations.len().saturating_sub(self.refuted.len());
                if counted + may_answer < self.answers_needed() || now >= self.attempt().deadline {
                    self.outcome = Some(self.short_of_answers(now, &why));
                } else {
                    self.ask_another(out);
                }
            }
            Choice::Waiting => self.ask_another(out),
        }
    }

    /// The first two runs that differ, for the job's owner.
    fn disagreement(&self, why: &str) -> Option<Effect> {
        let seen = self.attempt().keepers.iter().filter(|k| !self.refuted.contains(k));
        let seen: Vec<&Observation> =
            seen.filter_map(|k| self.observations.get(k)).map(AsRef::as_ref).collect();
        let (one, other) = at_odds(&seen)?;
        let transcript = |o: &Observation| self.transcripts.get(&o.keeper).cloned().unwrap_or_default();
        let (a, b) = (transcript(one), transcript(other));
        let report = Disagreement::between(self.attempt(), (one, &a), (other, &b), why.to_owned());
        Some(Effect::Record(Fact::Disagreed(report.into())))
    }

    /// With trust in one performer: asks the next one where nobody that was asked can answer any more.
    fn ask_another(&mut self, out: &mut Vec<Effect>) {
        if self.trusting() && self.asked.iter().all(|k| !self.may_answer(*k)) {
            self.ask_next();
            self.send(None, out);
        }
    }

    fn agree_equal(&mut self, keepers: &[KeeperId]) {
        let signatures: BTreeMap<KeeperId, Signature> = keepers
            .iter()
            .filter_map(|k| self.claims.get(&(Round(1), *k)))
            .map(|claim| (claim.keeper, claim.signature))
            .collect();
        let Some(first) = keepers.first().and_then(|k| self.observations.get(k)) else { return };
        let Output::Call(call) = &first.output else { return };
        let how = match self.attempt().mode {
            Mode::Quorum { .. } => AgreedHow::Equal,
            Mode::Solo => AgreedHow::Solo,
        };
        let first = Arc::clone(first);
        self.agree(call.clone(), (Round(1), how), signatures, &first);
    }

    fn begin_second(&mut self, config: &Config, chosen: KeeperId, how: AgreedHow, out: &mut Vec<Effect>) {
        let Some(observation) = self.observations.get(&chosen) else { return };
        let Output::Call(call) = observation.output.clone() else { return };
        let digest = self.digest(config, &call);
        // Whoever is trusted alone may be followed by another one.
        self.first_over |= !self.trusting();
        let order = &self.assignment.attempt.keepers;
        self.seconds.push(Second {
            digest,
            call,
            how,
            declined: BTreeSet::new(),
            refuted_by: BTreeMap::new(),
            round: Arc::new(SecondRound {
                task: self.attempt().task,
                attempt: self.attempt().no,
                observations: order.iter().filter_map(|k| self.observations.get(k)).cloned().collect(),
                chosen,
                transcript: self.transcripts.get(&chosen).cloned().unwrap_or_default(),
                refuted: order.iter().filter(|k| self.refuted.contains(k)).copied().collect(),
            }),
        });
        self.send(None, out);
    }

    /// Whether the run under way has turned out to be refuted.
    fn second_round(&mut self, now: Timestamp, out: &mut Vec<Effect>) -> bool {
        let Some(second) = self.second() else { return false };
        let chosen = second.round.chosen;
        // The chosen keeper signed its own call in the first round, and whoever came to the same call and the same
        // state did so too.
        let state = self.observations.get(&chosen).and_then(|o| o.state);
        let same = self.observations.values().filter(|o| match &o.output {
            Output::Call(call) => same_call(call, &second.call) && o.state == state,
            Output::Skip(_) | Output::Fail(_) => false,
        });
        let first = same.filter_map(|o| self.claims.get(&(Round(1), o.keeper)));
        let later = self.claims.values().filter(|c| c.round == Round(2) && c.digest == second.digest);
        let signatures: BTreeMap<KeeperId, Signature> =
            first.chain(later).map(|c| (c.keeper, c.signature)).collect();
        let needed = threshold(self.attempt().mode);
        if signatures.len() >= needed {
            let (call, how) = (second.call.clone(), second.how);
            if let Some(taken) = self.observations.get(&chosen).cloned() {
                self.agree(call, (Round(2), how), signatures, &taken);
            }
            return false;
        }
        let against = second.refuted_by.len();
        if against >= needed {
            let report = self
                .observations
                .get(&chosen)
                .and_then(|o| Disagreement::refuted(self.attempt(), o, &second.refuted_by));
            out.extend(report.map(|report| Effect::Record(Fact::Disagreed(report.into()))));
            self.refuted.insert(chosen);
            let (task, attempt) = (self.attempt().task, self.attempt().no);
            out.push(Effect::Misbehaved { keeper: chosen, task, attempt, what: Misbehaviour::Refuted });
            return true;
        }
        let open = self.attempt().keepers.iter();
        let open = open.filter(|k| self.may_sign(second, **k) && !signatures.contains_key(k)).count();
        let in_time = now < self.attempt().deadline;
        if signatures.len().max(against) + open < needed || !in_time {
            let why = format!("{} of {needed} keepers signed the run of keeper {chosen}", signatures.len());
            self.outcome = Some(self.short(
                &why,
                |k| signatures.contains_key(k) || (in_time && self.may_sign(second, *k)),
                needed,
            ));
        }
        false
    }

    fn agree(
        &mut self,
        call: Call,
        (round, how): (Round, AgreedHow),
        signatures: BTreeMap<KeeperId, Signature>,
        taken: &Observation,
    ) {
        let attempt = self.attempt();
        let ran = matches!(self.assignment.job.args, Args::Computed { .. });
        let agreed = Agreed {
            attempt: attempt.no,
            round,
            call,
            how,
            signatures: signatures.into_iter().collect(),
            valid_until: attempt.valid_until,
            fee_cap: attempt.fee_cap,
            gas_limit: attempt.gas_limit,
            performers: attempt.keepers.clone(),
            transcript_root: ran.then_some(taken.transcript_root),
            state: taken.state,
        };
        debug_assert!(
            invariant::quorum_distinct(&agreed, attempt.mode, &attempt.keepers),
            "{}",
            invariant::QUORUM_DISTINCT
        );
        self.outcome = Some(AttemptOutcome::Agreed(Arc::new(agreed)));
    }
}

/// Whether an answer has a state exactly where its attempt has one, the same where no call is made, and brings along
/// one that it changed.
fn holds_state(attempt: &Attempt, answer: &Answer) -> bool {
    let observed = answer.observation.state;
    let before = attempt.state.map(|state| state.root);
    if observed == before {
        return answer.state.is_none();
    }
    let makes_call = matches!(answer.observation.output, Output::Call(_));
    let brought = answer.state.as_ref().map(|state| state.root());
    before.is_some() && makes_call && observed.is_some() && brought == observed
}
