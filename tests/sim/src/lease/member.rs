//! A process: its clock, its machine, and what waits while it is stopped.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use argus_domain::lease::{Fence, MemberId, Shard, Token};
use argus_machine::lease::{Config, Moment, Shards};

use super::{
    plant::LeasePlant,
    store::KIND,
    world::{Event, SECOND},
};

/// A monotonic clock that runs a little fast or slow, from anywhere.
#[derive(Clone, Copy)]
pub struct Clock {
    base: u64,
    since: u64,
    /// How much faster than true time, millionths.
    ppm: i64,
}

impl Clock {
    pub fn new(now: u64, base: u64, ppm: i64) -> Self {
        Self { base, since: now, ppm }
    }

    fn rate(self) -> u64 {
        1_000_000u64.saturating_add_signed(self.ppm)
    }

    /// What it shows, microseconds.
    pub fn shows(self, now: u64) -> u64 {
        self.base + (now - self.since) * self.rate() / 1_000_000
    }

    pub fn moment(self, now: u64) -> Moment {
        Moment(Duration::from_micros(self.shows(now)))
    }

    /// When it shows this, or a little later.
    pub fn when(self, moment: Moment) -> u64 {
        let shown = u64::try_from(moment.0.as_micros()).expect("a simulation is short");
        self.since + (shown.saturating_sub(self.base) * 1_000_000).div_ceil(self.rate()) + 1
    }

    /// Goes on from what it showed then.
    pub fn stood_still(&mut self, from: u64, to: u64) {
        self.base = self.shows(from);
        self.since = to;
    }
}

pub struct Member {
    pub id: MemberId,
    /// Counts its processes: what was meant for an earlier one is lost.
    pub life: u64,
    /// None while no process runs.
    pub machine: Option<Shards>,
    pub clock: Clock,
    pub leaving: bool,
    /// It is stopped, and its clock with it or not.
    pub stopped: Option<Stop>,
    /// What waits while it is stopped.
    pub inbox: Vec<Event>,
    pub cut_out: bool,
    pub cut_in: bool,
    /// Its clock stood still: until then nothing is asked of what it believes.
    pub exempt_until: u64,
    pub wake: Option<u64>,
    /// When it asked something lately, by its own clock.
    pub asked: VecDeque<u64>,
    /// What a bent shell believes.
    pub bent: Bent,
}

#[derive(Clone, Copy)]
pub struct Stop {
    pub since: u64,
    pub clock_too: bool,
}

#[derive(Default)]
pub struct Bent {
    pub until: u64,
    pub held: BTreeMap<u16, Token>,
    pub releasing: BTreeMap<u64, Vec<Fence>>,
}

impl Member {
    pub fn new(id: MemberId, clock: Clock) -> Self {
        Self {
            id,
            life: 0,
            machine: None,
            clock,
            leaving: false,
            stopped: None,
            inbox: Vec::new(),
            cut_out: false,
            cut_in: false,
            exempt_until: 0,
            wake: None,
            asked: VecDeque::new(),
            bent: Bent::default(),
        }
    }

    pub fn is_up(&self) -> bool {
        self.machine.is_some() && !self.leaving
    }

    pub fn is_calm(&self) -> bool {
        self.is_up() && self.stopped.is_none()
    }

    /// The shards that its service takes for its own now.
    pub fn believes(&self, now: u64, plant: Option<LeasePlant>) -> BTreeMap<u16, Token> {
        let Some(machine) = &self.machine else { return BTreeMap::new() };
        let shown = self.clock.shows(now);
        let moment = self.clock.moment(now);
        if plant == Some(LeasePlant::BelieveFromAnswer) {
            return if shown < self.bent.until { self.bent.held.clone() } else { BTreeMap::new() };
        }
        let Some((until, held)) = machine.held() else { return BTreeMap::new() };
        let mut held = held.clone();
        if plant == Some(LeasePlant::BelieveWhileReleasing) {
            held.extend(self.bent.releasing.values().flatten().map(|fence| (fence.shard.no, fence.token)));
        }
        if moment < until || plant == Some(LeasePlant::ClockUnread) { held } else { BTreeMap::new() }
    }

    /// Notes a request: whether there were more within a second than there may be.
    pub fn asks(&mut self, now: u64, config: &Config) -> bool {
        let shown = self.clock.shows(now);
        self.asked.push_back(shown);
        while self.asked.front().is_some_and(|at| at + SECOND <= shown) {
            self.asked.pop_front();
        }
        self.asked.len() as u128 > config.requests_max()
    }
}

pub fn fence(no: u16, token: Token) -> Fence {
    Fence { shard: Shard { kind: KIND, no }, token }
}
