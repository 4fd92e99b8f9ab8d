//! One task in hand: its facts, and what follows from them now.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::{
    act::HandoffOrder,
    attempt::{Assignment, Attempt},
    ids::{AttemptNo, KeeperId, TaskId},
    job::{Job, Mode},
    state::StateRef,
    status::TaskState,
    task::{Agreed, Fact, Handoff, Settlement, Task, Verdict},
    time::Timestamp,
};

use super::{Config, Effect};
use crate::{Wake, invariant};

/// How an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Its answers differ.
    Disagreed,
    /// Too many keepers declined it for what it is.
    Declined,
    /// What was missing may be there later. It is no try: only the task's time limits how often that happens.
    Lacking,
}

/// An attempt that came to nothing.
#[derive(Debug)]
pub(super) struct Over {
    pub why: String,
    pub how: How,
    pub at: Timestamp,
}

/// A task in hand.
#[derive(Debug)]
pub(super) struct Flight {
    pub task: Arc<Task>,
    pub job: Arc<Job>,
    pub gone: Option<String>,
    /// First seen in this life of the process, or set free in it.
    pub seen_at: Timestamp,
    /// The state that a job with storage is in; `None` until it is told.
    pub start: Option<StateRef>,
    /// Without observations and claims, which decide nothing here.
    facts: Vec<Fact>,
    pub state: TaskState,
    pub over: BTreeMap<AttemptNo, Over>,
    /// When the open attempt or handoff was last sent, in this life.
    pub sent_at: Option<Timestamp>,
    /// The newest handoff that was declined, and why.
    pub declined: Option<(u16, String)>,
    /// Why no attempt could begin yet.
    pub blocked: Option<String>,
    pub wake: Option<Wake>,
}

/// Where a task stands after everything that could be done at once was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// An attempt is open.
    Open(Wake),
    /// The next attempt may begin as soon as there is room.
    Ready(Wake),
    /// Nothing before then, or before it is touched.
    Until(Option<Wake>),
    /// Finished.
    Finished,
}

impl Flight {
    pub fn new(now: Timestamp, task: Task, job: Arc<Job>) -> Self {
        Self {
            task: Arc::new(task),
            job,
            gone: None,
            seen_at: now,
            start: None,
            facts: Vec::new(),
            state: TaskState::default(),
            over: BTreeMap::new(),
            sent_at: None,
            declined: None,
            blocked: None,
            wake: None,
        }
    }

    /// Takes in what others recorded. What is known by key stays, because a record read before our last write is
    /// older than what we hold.
    pub fn merge(&mut self, facts: Vec<Fact>) {
        for fact in facts {
            if matters(&fact) && !self.facts.iter().any(|f| f == &fact || f.key() == fact.key()) {
                self.facts.push(fact);
            }
        }
        self.state = TaskState::fold(&self.facts);
    }

    /// Puts the store's fact in the place of ours.
    pub fn replace(&mut self, fact: Fact) {
        self.remove(&fact);
        if matters(&fact) {
            self.facts.push(fact);
        }
        self.state = TaskState::fold(&self.facts);
        self.sent_at = None;
    }

    /// Takes back a fact that the store did not take.
    pub fn remove(&mut self, fact: &Fact) {
        let key = fact.key();
        self.facts.retain(|f| f.key() != key);
        self.state = TaskState::fold(&self.facts);
    }

    fn record(&mut self, fact: Fact, out: &mut Vec<Effect>) {
        self.facts.push(fact.clone());
        debug_assert!(invariant::verdict_once(&self.facts), "{}", invariant::VERDICT_ONCE);
        self.state.take_in(&fact);
        out.push(Effect::Record(fact));
    }

    /// Records what was not known; of what was, nothing.
    pub fn note(&mut self, fact: Fact, out: &mut Vec<Effect>) {
        if !self.facts.iter().any(|f| f.key() == fact.key()) {
            self.record(fact, out);
        }
    }

    /// The verdict. Does nothing where there is one.
    pub fn settle(&mut self, now: Timestamp, verdict: Verdict, out: &mut Vec<Effect>) {
        if self.state.verdict.is_some() {
            return;
        }
        self.sent_at = None;
        self.record(Fact::Settled(Settlement { task: self.task.id, at: now, verdict }), out);
    }

    pub fn begin(&mut self, now: Timestamp, attempt: Attempt, out: &mut Vec<Effect>) {
        self.blocked = None;
        self.sent_at = Some(now);
        let attempt = Arc::new(attempt);
        self.record(Fact::Attempted(Arc::clone(&attempt)), out);
        out.push(self.assignment(attempt));
    }

    fn assignment(&self, attempt: Arc<Attempt>) -> Effect {
        let (job, task) = (Arc::clone(&self.job), Arc::clone(&self.task));
        Effect::Begin(Arc::new(Assignment { job, task, attempt }))
    }

    /// Why it must not be acted on, where that is so.
    pub fn void(&self) -> Option<&str> {
        self.gone.as_deref().or_else(|| self.state.trigger_lost.then_some("its trigger's log is gone"))
    }

    /// Sets a task of a job with storage free to begin, and its time to do so begins now.
    pub fn free(&mut self, now: Timestamp, state: StateRef) {
        if self.job.has_storage() && self.start.is_none() {
            self.start = Some(state);
            self.seen_at = now;
        }
    }

    /// Whether tasks before it may still change the state that it would run on.
    fn is_held(&self) -> bool {
        self.job.has_storage() && self.start.is_none()
    }

    /// The last instant at which an attempt may begin.
    pub fn give_up_at(&self, config: &Config) -> Timestamp {
        (self.task.opened_at + config.budget).max(self.seen_at + config.grace)
    }

    /// Does everything that follows from the facts at `now`, and says what is waited for.
    pub fn advance(
        &mut self,
        now: Timestamp,
        config: &Config,
        live: &[KeeperId],
        out: &mut Vec<Effect>,
    ) -> Stand {
        if self.state.verdict.is_none() {
            let stand = self.undecided(now, config, out);
            if self.state.verdict.is_none() {
                return stand;
            }
        }
        let wake = self.act(now, config, live, out);
        if !self.state.announced {
            self.announce(now, out);
        }
        if self.state.is_finished() { Stand::Finished } else { Stand::Until(wake) }
    }

    fn announce(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let Some((verdict, at)) = self.state.verdict.clone() else { return };
        out.push(Effect::Announce {
            job: Arc::clone(&self.job),
            task: Arc::clone(&self.task),
            settlement: Box::new(Settlement { task: self.task.id, at, verdict }),
        });
        self.record(Fact::Announced { task: self.task.id, at: now }, out);
    }

    fn undecided(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Effect>) -> Stand {
        if let Some(why) = self.void() {
            let why = why.to_owned();
            self.settle(now, Verdict::Withdrawn(why), out);
            return Stand::Until(None);
        }
        if self.is_held() {
            return Stand::Until(None);
        }
        let Some(last) = self.state.attempts.last() else { return self.next(now, config, out) };
        let no = last.no;
        if !self.over.contains_key(&no) {
            // An attempt that begins in the future began before our clock was set back; its deadline says nothing.
            let set_back = last.begun_at > now + config.remind;
            if now < last.deadline && !set_back {
                return self.await_outcome(now, config, out);
            }
            let waited = last.deadline.since(last.begun_at).as_secs();
            let why = format!("no quorum within {waited} s");
            self.over.insert(no, Over { why, how: How::Lacking, at: now });
        }
        self.next(now, config, out)
    }

    fn await_outcome(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Effect>) -> Stand {
        let due = self.sent_at.is_none_or(|at| now >= at + config.remind || now < at);
        let Some(last) = self.state.attempts.last() else { return Stand::Until(None) };
        if due {
            out.push(self.assignment(Arc::clone(last)));
            self.sent_at = Some(now);
        }
        let remind = self.sent_at.unwrap_or(now) + config.remind;
        Stand::Open(if last.deadline <= remind {
            Wake { at: last.deadline, why: "attempt deadline" }
        } else {
            Wake { at: remind, why: "attempt reminder" }
        })
    }

    fn next(&mut self, now: Timestamp, config: &Config, out: &mut Vec<Effect>) -> Stand {
        let made = self.state.attempts.len();
        let last = self.state.attempts.last().and_then(|a| self.over.get(&a.no));
        let give_up = self.give_up_at(config);
        let tries = self.over.values().filter(|over| over.how != How::Lacking).count();
        if tries >= usize::from(config.tries_max) || now >= give_up {
            let verdict = match last {
                Some(over) if over.how == How::Disagreed => Verdict::Failed(over.why.clone()),
                Some(over) => Verdict::Exhausted(format!("attempt {made}, the last one: {}", over.why)),
                None => {
                    let why = self.blocked.as_deref().unwrap_or("there was no room for it");
                    Verdict::Exhausted(format!("no attempt began in time: {why}"))
                }
            };
            self.settle(now, verdict, out);
            return Stand::Until(None);
        }
        let pause = last.map_or(now, |over| {
            let failures = u16::try_from(made).unwrap_or(u16::MAX);
            over.at + config.backoff.after(failures, spread(self.task.id))
        });
        if now < pause && last.is_some_and(|over| over.at <= now) {
            return Stand::Until(Some(Wake { at: pause.min(give_up), why: "next attempt" }));
        }
        Stand::Ready(Wake { at: give_up, why: "a task's budget of time" })
    }

    /// Hands an agreed call to one performer after the other until the chain has had its last word.
    fn act(
        &mut self,
        now: Timestamp,
        config: &Config,
        live: &[KeeperId],
        out: &mut Vec<Effect>,
    ) -> Option<Wake> {
        let agreed = self.state.agreed()?;
        let ended = self.state.receipt.is_some() || self.state.confirmed || self.state.lapsed;
        if ended || now >= agreed.valid_until || self.void().is_some() {
            return None;
        }
        let valid_until = agreed.valid_until;
        let Some(handoff) = &self.state.handoff else { return self.hand_off(now, config, live, out) };
        let sent = self.state.broadcasts.iter().filter(|b| b.keeper == handoff.keeper).map(|b| b.at).max();
        let refused =
            sent.is_none() && self.declined.as_ref().is_some_and(|(number, _)| *number >= handoff.number);
        // Once everyone has declined, asking again at once would only be declined again: each such round is waited out
        // for twice as long as the one before.
        let (round, is_last) = round(handoff.number, agreed.performers.len());
        let silent_at = match sent {
            Some(at) => handoff.patience_until.max(at + config.landing),
            None if refused => handoff.at + config.patience * (1 << round.min(ROUND_DOUBLINGS)),
            None => handoff.patience_until,
        };
        let declined = refused && !is_last;
        let set_back = handoff.at > now + config.remind;
        let gone = sent.is_none() && self.is_gone(handoff, now, config, live);
        if now >= silent_at || declined || set_back || gone {
            return self.hand_off(now, config, live, out);
        }
        if sent.is_some() || refused {
            return Some(Wake { at: silent_at.min(valid_until), why: "a performer's patience" });
        }
        if self.sent_at.is_none_or(|at| now >= at + config.remind || now < at) {
            let order = self.order(handoff.clone(), Arc::clone(agreed));
            self.sent_at = Some(now);
            out.push(order);
        }
        let remind = self.sent_at.unwrap_or(now) + config.remind;
        Some(Wake { at: remind.min(silent_at).min(valid_until), why: "a performer is silent" })
    }

    /// Whether a performer has left while another one is here. One that comes straight back has its chance; in mode
    /// `Solo` nobody else may act.
    fn is_gone(&self, handoff: &Handoff, now: Timestamp, config: &Config, live: &[KeeperId]) -> bool {
        let may_move = matches!(self.job.policy.mode, Mode::Quorum { .. });
        let others = self.state.agreed().is_some_and(|a| a.performers.iter().any(|p| live.contains(p)));
        may_move && others && !live.contains(&handoff.keeper) && now >= handoff.at + config.remind
    }

    fn hand_off(
        &mut self,
        now: Timestamp,
        config: &Config,
        live: &[KeeperId],
        out: &mut Vec<Effect>,
    ) -> Option<Wake> {
        let agreed = Arc::clone(self.state.agreed()?);
        let previous = self.state.handoff.as_ref();
        let keeper = performer(&agreed, self.job.policy.mode, previous, live)?;
        let handoff = Handoff {
            task: self.task.id,
            number: previous.map_or(1, |h| h.number.saturating_add(1)),
            keeper,
            patience_until: (now + config.patience).min(agreed.valid_until),
            at: now,
            declined: self.declined.as_ref().map(|(_, why)| why.clone()),
        };
        self.record(Fact::HandedOff(handoff.clone()), out);
        self.sent_at = Some(now);
        out.push(self.order(handoff.clone(), agreed));
        let remind = now + config.remind;
        Some(Wake { at: remind.min(handoff.patience_until), why: "a performer is silent" })
    }

    fn order(&self, handoff: Handoff, agreed: Arc<Agreed>) -> Effect {
        let (job, task) = (Arc::clone(&self.job), Arc::clone(&self.task));
        Effect::HandOff(Box::new(HandoffOrder { handoff, job, task, agreed }))
    }
}

/// Doublings of the wait between rounds, at most: any call's time is over before.
const ROUND_DOUBLINGS: u16 = 8;

/// In which round of all performers a handoff is, from 0, and whether it is that round's last.
fn round(number: u16, performers: usize) -> (u16, bool) {
    let performers = u16::try_from(performers).unwrap_or(u16::MAX).max(1);
    (number.saturating_sub(1) / performers, number.is_multiple_of(performers))
}

/// Who may act after `previous`: the next in the agreed order that is live, or the next one where none is. In mode
/// `Solo` nothing on chain refuses a second call, so the right to act never moves.
fn performer(agreed: &Agreed, mode: Mode, previous: Option<&Handoff>, live: &[KeeperId]) -> Option<KeeperId> {
    let performers = &agreed.performers;
    let first = performers.first()?;
    match (mode, previous) {
        (Mode::Solo, _) => Some(previous.map_or(*first, |h| h.keeper)),
        (Mode::Quorum { .. }, previous) => {
            let start =
                previous.and_then(|h| performers.iter().position(|p| *p == h.keeper)).map_or(0, |at| at + 1);
            let order: Vec<_> = performers.iter().cycle().skip(start).take(performers.len()).collect();
            order.iter().find(|p| live.contains(p)).or(order.first()).map(|p| **p)
        }
    }
}

fn matters(fact: &Fact) -> bool {
    !matches!(fact, Fact::Observed(_) | Fact::Claimed(_) | Fact::Challenged(_) | Fact::Disagreed(_))
}

/// A task's own number for spreading delays.
fn spread(task: TaskId) -> u64 {
    let mut tail = [0u8; 8];
    tail.copy_from_slice(&task.0[24..]);
    u64::from_be_bytes(tail)
}
