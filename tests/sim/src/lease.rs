//! Leases under faults: one seed, one history.
//!
//! Members have clocks that start anywhere and run up to four in a hundred fast or slow. Requests, answers and writes
//! are lost, late, repeated and reordered; members die, leave, come back, and are stopped with what they had decided in
//! hand, some with their clocks; the store is away for a while. Then all of it stops, and one thing at a time happens
//! whose effect has a bound.

mod check;
mod member;
mod plant;
mod stage;
mod store;
mod world;

pub use plant::LeasePlant;

use crate::{Broken, each_seed};
use world::World;

/// Counts of one seed, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeaseTally {
    pub steps: u64,
    pub simulated_ms: u64,
    pub requests: u64,
    /// The most of one member within a second of its clock.
    pub requests_max: u64,
    pub lost: u64,
    pub repeated: u64,
    pub crashes: u64,
    pub leaves: u64,
    pub pauses: u64,
    /// Stops with the clock.
    pub freezes: u64,
    pub cuts: u64,
    pub outages: u64,
    pub written: u64,
    pub refused: u64,
    /// Members that were gone, all of whose shards were held again.
    pub moves: u64,
    pub move_max_ms: u64,
}

impl LeaseTally {
    fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.simulated_ms += other.simulated_ms;
        self.requests += other.requests;
        self.requests_max = self.requests_max.max(other.requests_max);
        self.lost += other.lost;
        self.repeated += other.repeated;
        self.crashes += other.crashes;
        self.leaves += other.leaves;
        self.pauses += other.pauses;
        self.freezes += other.freezes;
        self.cuts += other.cuts;
        self.outages += other.outages;
        self.written += other.written;
        self.refused += other.refused;
        self.moves += other.moves;
        self.move_max_ms = self.move_max_ms.max(other.move_max_ms);
    }
}

/// One seed's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOutcome {
    pub seed: u64,
    pub tally: LeaseTally,
    pub history: u64,
    pub broken: Option<Broken>,
}

/// What many seeds came to.
#[derive(Debug)]
pub struct LeaseSummary {
    pub seeds: u64,
    pub total: LeaseTally,
    /// Seeds in which an invariant was broken, the lowest first.
    pub failed: Vec<LeaseOutcome>,
}

impl LeaseSummary {
    /// Why this is no good run, if it is none.
    pub fn fault(&self) -> Option<String> {
        let first = self.failed.first()?;
        let broken = first.broken.as_ref().map(|b| format!("{} at {} ms: {}", b.name, b.at_ms, b.what));
        Some(format!(
            "{} of {} seeds broke an invariant; seed {}: {}\nreplay: cargo run -p argus-sim -- --leases --seed {}",
            self.failed.len(),
            self.seeds,
            first.seed,
            broken.unwrap_or_default(),
            first.seed
        ))
    }
}

/// Runs one seed.
pub fn run(seed: u64, plant: Option<LeasePlant>) -> LeaseOutcome {
    let mut world = World::new(seed, plant);
    world.run();
    LeaseOutcome { seed, tally: world.tally, history: world.history, broken: world.broken }
}

/// Runs `count` seeds from `from` on. With `stop`, no further seed is begun once one has broken an invariant.
pub fn run_many(from: u64, count: u64, plant: Option<LeasePlant>, stop: bool) -> LeaseSummary {
    let mut outcomes = each_seed(from, count, |seed| run(seed, plant), |o| stop && o.broken.is_some());
    outcomes.sort_by_key(|o| o.seed);
    let mut total = LeaseTally::default();
    outcomes.iter().for_each(|outcome| total.add(&outcome.tally));
    let seeds = outcomes.len() as u64;
    LeaseSummary { seeds, total, failed: outcomes.into_iter().filter(|o| o.broken.is_some()).collect() }
}
