//! The aggregator: attempts in hand, and their timers.

use std::collections::{BTreeMap, BTreeSet};

use argus_domain::{
    act::AttemptOutcome,
    ids::{AttemptNo, KeeperId, TaskId},
    time::Timestamp,
};

use super::{Config, Effect, Input, Misbehaviour, flight::Flight};
use crate::{Machine, Wake};

type Key = (TaskId, AttemptNo);

/// Attempts' lives.
#[derive(Debug)]
pub struct Aggregator {
    config: Config,
    flights: BTreeMap<Key, Flight>,
    timers: BTreeSet<(Timestamp, Key)>,
    timer_of: BTreeMap<Key, Wake>,
    /// Attempts that have ended and are remembered until then: whoever comes needs their room more.
    ended: BTreeSet<(Timestamp, Key)>,
    away: BTreeSet<KeeperId>,
}

impl Aggregator {
    /// Nothing in hand.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            flights: BTreeMap::new(),
            timers: BTreeSet::new(),
            timer_of: BTreeMap::new(),
            ended: BTreeSet::new(),
            away: BTreeSet::new(),
        }
    }

    /// Attempts in hand, those that have ended and are remembered included.
    pub fn flights(&self) -> usize {
        self.flights.len()
    }

    fn decide(&mut self, now: Timestamp, key: Key, out: &mut Vec<Effect>) {
        let Some(flight) = self.flights.get_mut(&key) else { return };
        flight.decide(now, &self.config, out);
        let wake = match flight.outcome {
            Some(_) => {
                flight.let_go();
                let until = flight.attempt().deadline + self.config.keep;
                self.ended.insert((until, key));
                Wake { at: until, why: "an ended attempt" }
            }
            None => flight.wake(),
        };
        self.set_wake(key, Some(wake));
    }

    fn forget(&mut self, key: Key) {
        if let Some(flight) = self.flights.remove(&key) {
            self.ended.remove(&(flight.attempt().deadline + self.config.keep, key));
        }
        self.set_wake(key, None);
    }

    /// Whether one more attempt may begin; makes room by forgetting the one that has been remembered longest.
    fn make_room(&mut self) -> bool {
        if self.flights.len() >= self.config.flights_max
            && let Some((_, key)) = self.ended.first().copied()
        {
            self.forget(key);
        }
        self.flights.len() < self.config.flights_max
    }

    fn set_wake(&mut self, key: Key, wake: Option<Wake>) {
        if let Some(old) = self.timer_of.remove(&key) {
            self.timers.remove(&(old.at, key));
        }
        if let Some(wake) = wake {
            self.timers.insert((wake.at, key));
            self.timer_of.insert(key, wake);
        }
    }

    fn of_keeper(&self, keeper: KeeperId) -> Vec<Key> {
        let open = self.flights.iter().filter(|(_, f)| f.outcome.is_none() && f.concerns(keeper));
        open.map(|(key, _)| *key).collect()
    }

    fn report(key: Key, keeper: KeeperId, what: Option<Misbehaviour>, out: &mut Vec<Effect>) {
        out.extend(what.map(|what| Effect::Misbehaved { keeper, task: key.0, attempt: key.1, what }));
    }
}

impl Machine for Aggregator {
    type Input = Input;
    type Effect = Effect;

    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Vec<Effect>) {
        match input {
            Input::Begin(assignment) => {
                let key = (assignment.attempt.task, assignment.attempt.no);
                if let Some(flight) = self.flights.get_mut(&key) {
                    match flight.outcome.clone() {
                        Some(outcome) => out.push(Effect::Ended { task: key.0, attempt: key.1, outcome }),
                        None => flight.send(None, out),
                    }
                    return;
                }
                if !self.make_room() {
                    let why = "the aggregator has no room; try later".to_owned();
                    let outcome = AttemptOutcome::Short { why, transient: true };
                    out.push(Effect::Ended { task: key.0, attempt: key.1, outcome });
                    return;
                }
                let mut flight = Flight::new(assignment);
                for keeper in &self.away {
                    flight.gone(*keeper);
                }
                flight.send(None, out);
                self.flights.insert(key, flight);
                self.decide(now, key, out);
            }
            Input::Answer(answer) => {
                let key = (answer.observation.task, answer.observation.attempt);
                let keeper = answer.observation.keeper;
                let Some(flight) = self.flights.get_mut(&key) else { return };
                let what = flight.answer(&self.config, *answer, out);
                Self::report(key, keeper, what, out);
                self.decide(now, key, out);
            }
            Input::Signed(claim) => {
                let (key, keeper) = ((claim.task, claim.attempt), claim.keeper);
                let Some(flight) = self.flights.get_mut(&key) else { return };
                let what = flight.signed(claim, out);
                Self::report(key, keeper, what, out);
                self.decide(now, key, out);
            }
            Input::Declined { task, attempt, keeper, reason, transient } => {
                let key = (task, attempt);
                if let Some(flight) = self.flights.get_mut(&key).filter(|f| f.concerns(keeper)) {
                    flight.declined(keeper, &reason, transient);
                    self.decide(now, key, out);
                }
            }
            Input::Refuted { task, attempt, keeper, accused, found } => {
                let key = (task, attempt);
                if let Some(flight) = self.flights.get_mut(&key).filter(|f| f.concerns(keeper)) {
                    flight.refuted(keeper, accused, *found, out);
                    self.decide(now, key, out);
                }
            }
            Input::Gone(keeper) => {
                self.away.insert(keeper);
                for key in self.of_keeper(keeper) {
                    if let Some(flight) = self.flights.get_mut(&key) {
                        flight.gone(keeper);
                    }
                    self.decide(now, key, out);
                }
            }
            Input::Back(keeper) => {
                self.away.remove(&keeper);
                for key in self.of_keeper(keeper) {
                    if let Some(flight) = self.flights.get_mut(&key) {
                        flight.back(keeper, out);
                    }
                }
            }
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Vec<Effect>) {
        let due: Vec<Key> =
            self.timers.iter().take_while(|(at, _)| *at <= now).map(|(_, key)| *key).collect();
        for key in due {
            let ended = self.flights.get(&key).is_none_or(|f| f.outcome.is_some());
            if ended {
                self.forget(key);
            } else {
                self.decide(now, key, out);
            }
        }
    }

    fn next_wake(&self) -> Option<Wake> {
        let (_, key) = self.timers.first()?;
        self.timer_of.get(key).copied()
    }
}
