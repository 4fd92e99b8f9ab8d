//! The dispatcher: flights, timers and the queue for attempts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use argus_domain::{
    act::{AttemptOutcome, PerformEvent},
    attempt::Priority,
    chain::Pin,
    ids::{AttemptNo, ChainId, KeeperId, TaskId},
    job::Job,
    keeper::LiveKeeper,
    task::{Agreed, Broadcast, Fact, TaskRecord, Verdict},
    time::Timestamp,
};

use super::{
    Config, Effect, Input,
    attempt::{World, priority},
    flight::{Flight, How, Over, Stand},
};
use crate::{Machine, REASON_MAX, Wake, invariant};

/// Most urgent first, then oldest.
type Turn = (Priority, Timestamp, TaskId);

/// A task's life.
#[derive(Debug)]
pub struct Dispatcher {
    config: Config,
    heads: BTreeMap<ChainId, Pin>,
    keepers: Vec<LiveKeeper>,
    live: Vec<KeeperId>,
    flights: BTreeMap<TaskId, Flight>,
    timers: BTreeSet<(Timestamp, TaskId)>,
    /// Their next attempt may begin.
    ready: BTreeSet<Turn>,
    /// Their next attempt waits for keepers or blocks.
    blocked: BTreeSet<Turn>,
    /// An attempt is open.
    open: BTreeSet<TaskId>,
    last_now: Timestamp,
}

impl Dispatcher {
    /// Nothing in hand.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            heads: BTreeMap::new(),
            keepers: Vec::new(),
            live: Vec::new(),
            flights: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: BTreeSet::new(),
            blocked: BTreeSet::new(),
            open: BTreeSet::new(),
            last_now: Timestamp(0),
        }
    }

    /// Tasks in hand.
    pub fn flights(&self) -> usize {
        self.flights.len()
    }

    /// Attempts that are open, and tasks that wait for one.
    pub fn attempts(&self) -> (usize, usize) {
        (self.open.len(), self.ready.len() + self.blocked.len())
    }

    fn submit(
        &mut self,
        now: Timestamp,
        record: TaskRecord,
        job: Arc<Job>,
        gone: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let id = record.task.id;
        if !self.flights.contains_key(&id) {
            if record.state().is_finished() {
                return;
            }
            if self.flights.len() >= self.config.flights_max {
                out.push(Effect::Full(id));
                return;
            }
            self.flights.insert(id, Flight::new(now, record.task, job));
        }
        self.touch(now, id, record.facts, gone, out);
    }

    fn touch(
        &mut self,
        now: Timestamp,
        id: TaskId,
        facts: Vec<Fact>,
        gone: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        flight.merge(facts);
        flight.gone = flight.gone.take().or(gone);
        self.advance(now, id, out);
    }

    fn ended(
        &mut self,
        now: Timestamp,
        id: TaskId,
        no: AttemptNo,
        outcome: AttemptOutcome,
        out: &mut Vec<Effect>,
    ) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let Some(attempt) = flight.state.attempts.iter().find(|a| a.no == no) else { return };
        if flight.state.verdict.is_some() || flight.void().is_some() {
            return self.advance(now, id, out);
        }
        let over = match outcome {
            AttemptOutcome::Agreed(agreed) => {
                let fits = agreed.attempt == no
                    && agreed.valid_until == attempt.valid_until
                    && invariant::quorum_distinct(&agreed, attempt.mode, &attempt.keepers);
                match usable(&agreed, fits, now) {
                    Ok(()) => {
                        flight.settle(now, Verdict::Agreed(agreed), out);
                        None
                    }
                    Err(why) => Some((why.to_owned(), How::Declined)),
                }
            }
            AttemptOutcome::Skipped(reason) => {
                flight.settle(now, Verdict::Skipped(reason), out);
                None
            }
            AttemptOutcome::Failed(reason) => {
                flight.settle(now, Verdict::Failed(reason), out);
                None
            }
            AttemptOutcome::Disagreed(why) => Some((why, How::Disagreed)),
            AttemptOutcome::Short { why, transient: true } => Some((why, How::Lacking)),
            AttemptOutcome::Short { why, transient: false } => Some((why, How::Declined)),
        };
        if let Some((why, how)) = over {
            flight.over.entry(no).or_insert(Over { why, how, at: now });
        }
        self.advance(now, id, out);
    }

    fn performed(&mut self, now: Timestamp, event: PerformEvent, out: &mut Vec<Effect>) {
        let task = match event {
            PerformEvent::Broadcast { task, keeper, transaction } => {
                let Some(flight) = self.flights.get_mut(&task) else { return };
                if flight.state.agreed().is_some_and(|a| a.performers.contains(&keeper)) {
                    flight.note(Fact::Broadcast(Broadcast { task, keeper, transaction, at: now }), out);
                }
                task
            }
            PerformEvent::Declined { task, keeper, reason } => {
                let Some(flight) = self.flights.get_mut(&task) else { return };
                if let Some(handoff) = flight.state.handoff.as_ref().filter(|h| h.keeper == keeper) {
                    flight.declined = Some((handoff.number, reason.chars().take(REASON_MAX).collect()));
                }
                task
            }
        };
        self.advance(now, task, out);
    }

    /// Takes back what the store does not hold after all: facts that were to follow one that it did not take.
    fn take_back(&mut self, id: TaskId, dropped: &[Fact]) {
        if let Some(flight) = self.flights.get_mut(&id) {
            dropped.iter().for_each(|fact| flight.remove(fact));
        }
    }

    fn recorded_as(&mut self, now: Timestamp, id: TaskId, fact: Fact, out: &mut Vec<Effect>) {
        if let Some(flight) = self.flights.get_mut(&id) {
            flight.replace(fact);
            self.advance(now, id, out);
        }
    }

    fn refused(&mut self, now: Timestamp, id: TaskId, fact: &Fact, out: &mut Vec<Effect>) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        match fact {
            Fact::Settled(settlement) if matches!(settlement.verdict, Verdict::Agreed(_)) => {
                flight.remove(fact);
                flight.gone.get_or_insert_with(|| "its job was deleted".to_owned());
                self.advance(now, id, out);
            }
            // The store knows no such task.
            Fact::Settled(_)
            | Fact::Attempted(_)
            | Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::Announced { .. }
            | Fact::HandedOff(_)
            | Fact::Broadcast(_)
            | Fact::Received(_)
            | Fact::Revoked { .. }
            | Fact::Confirmed { .. }
            | Fact::Lapsed { .. }
            | Fact::TriggerLost { .. }
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => self.forget(id, out),
        }
    }

    /// Does what follows for one task, and keeps its timer and its place in the queues.
    fn advance(&mut self, now: Timestamp, id: TaskId, out: &mut Vec<Effect>) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        let stand = flight.advance(now, &self.config, &self.live, out);
        let turn = (priority(&self.config, &flight.task), flight.task.due, id);
        let was_blocked = self.blocked.remove(&turn);
        self.ready.remove(&turn);
        self.open.remove(&id);
        let wake = match stand {
            Stand::Open(wake) => {
                self.open.insert(id);
                Some(wake)
            }
            Stand::Ready(wake) => {
                if was_blocked { &mut self.blocked } else { &mut self.ready }.insert(turn);
                Some(wake)
            }
            Stand::Until(wake) => wake,
            Stand::Finished => return self.forget(id, out),
        };
        self.set_wake(id, wake);
    }

    fn set_wake(&mut self, id: TaskId, wake: Option<Wake>) {
        let Some(flight) = self.flights.get_mut(&id) else { return };
        if let Some(old) = std::mem::replace(&mut flight.wake, wake) {
            self.timers.remove(&(old.at, id));
        }
        if let Some(wake) = wake {
            self.timers.insert((wake.at, id));
        }
    }

    fn forget(&mut self, id: TaskId, out: &mut Vec<Effect>) {
        if self.drop_flight(id) {
            out.push(Effect::Forget(id));
        }
    }

    /// Whether it was in hand.
    fn drop_flight(&mut self, id: TaskId) -> bool {
        self.set_wake(id, None);
        let Some(flight) = self.flights.remove(&id) else { return false };
        let turn = (priority(&self.config, &flight.task), flight.task.due, id);
        self.ready.remove(&turn);
        self.blocked.remove(&turn);
        self.open.remove(&id);
        true
    }

    /// Begins attempts while there is room, the most urgent and then the oldest first.
    fn begin_ready(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        while self.open.len() < self.config.attempts_open_max {
            let Some(turn) = self.ready.pop_first() else { return };
            let id = turn.2;
            let Some(flight) = self.flights.get_mut(&id) else { continue };
            let world = World { config: &self.config, heads: &self.heads, keepers: &self.keepers };
            match world.attempt(now, &flight.job, &flight.task, (&flight.state.attempts, flight.start)) {
                Ok(attempt) => {
                    flight.begin(now, attempt, out);
                    self.advance(now, id, out);
                }
                Err(why) => {
                    flight.blocked = Some(why);
                    self.blocked.insert(turn);
                }
            }
        }
    }

    fn unblock(&mut self) {
        self.ready.append(&mut self.blocked);
    }

    /// A clock that was set back makes every timer late: look at everything again.
    fn notice_clock(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let set_back = now + self.config.remind < self.last_now;
        self.last_now = now;
        if set_back {
            let ids: Vec<TaskId> = self.flights.keys().copied().collect();
            for id in ids {
                self.advance(now, id, out);
            }
        }
    }
}

/// Whether an agreement can still be acted on.
fn usable(agreed: &Agreed, fits: bool, now: Timestamp) -> Result<(), &'static str> {
    if !fits {
        Err("what was agreed does not fit its attempt")
    } else if agreed.valid_until <= now {
        Err("agreed after its last moment")
    } else {
        Ok(())
    }
}

impl Machine for Dispatcher {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Vec<Effect>) {
        self.notice_clock(now, out);
        match input {
            Input::Submit { record, job, gone } => self.submit(now, *record, job, gone, out),
            Input::Free { task, state } => {
                if let Some(flight) = self.flights.get_mut(&task) {
                    flight.free(now, state);
                    self.advance(now, task, out);
                }
            }
            Input::Heads(heads) => {
                self.heads.extend(heads);
                self.unblock();
            }
            Input::Keepers(keepers) => {
                self.live = keepers.iter().map(|k| k.hello.keeper).collect();
                self.keepers = keepers;
                self.unblock();
            }
            Input::Ended { task, attempt, outcome } => self.ended(now, task, attempt, outcome, out),
            Input::Performed(event) => self.performed(now, event, out),
            Input::Elsewhere { task } => {
                self.drop_flight(task);
            }
            Input::Touched { record, gone } => self.touch(now, record.task.id, record.facts, gone, out),
            Input::RecordedAs { task, fact, dropped } => {
                self.take_back(task, &dropped);
                self.recorded_as(now, task, *fact, out);
            }
            Input::Refused { task, fact, dropped } => {
                self.take_back(task, &dropped);
                self.refused(now, task, &fact, out);
            }
        }
        self.begin_ready(now, out);
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        self.notice_clock(now, out);
        let due: Vec<TaskId> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.advance(now, id, out);
        }
        self.begin_ready(now, out);
    }

    fn next_wake(&self) -> Option<Wake> {
        let (_, id) = self.timers.first()?;
        self.flights.get(id)?.wake
    }
}
