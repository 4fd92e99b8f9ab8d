//! Scheduler replicas that share the jobs of one store: one seed, one history.
//!
//! Three replicas decide by the real machines, over the real store in memory, in virtual time. Their clocks run up to
//! four in a hundred fast or slow; what they ask of the store is late; they die, leave, and are stopped with what they
//! had decided in hand, one at a time. Every occurrence has to be opened once, soon, by whoever holds its job's shard.

mod replica;
mod world;

use clap::ValueEnum;

use crate::{Broken, each_seed};
use world::World;

/// A bug, planted in the simulated shell. Production code has no hook for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplicaPlant {
    /// Writes carry no fence.
    FenceForgotten,
    /// Jobs of all shards are looked at.
    ShardsIgnored,
    /// Nobody looks again at what it gained.
    GainUnheard,
}

/// Counts of one seed, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplicaTally {
    pub opened: u64,
    pub refused: u64,
    pub stale: u64,
    pub crashes: u64,
    pub leaves: u64,
    pub pauses: u64,
    /// The longest time from an instant to its opening.
    pub late_max_ms: u64,
}

impl ReplicaTally {
    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.refused += other.refused;
        self.stale += other.stale;
        self.crashes += other.crashes;
        self.leaves += other.leaves;
        self.pauses += other.pauses;
        self.late_max_ms = self.late_max_ms.max(other.late_max_ms);
    }
}

/// One seed's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaOutcome {
    pub seed: u64,
    pub tally: ReplicaTally,
    pub broken: Option<Broken>,
}

/// What many seeds came to.
#[derive(Debug)]
pub struct ReplicaSummary {
    pub total: ReplicaTally,
    /// Seeds in which an invariant was broken, the lowest first.
    pub failed: Vec<ReplicaOutcome>,
}

/// Runs one seed.
pub fn run(seed: u64, plant: Option<ReplicaPlant>) -> ReplicaOutcome {
    let mut world = World::new(seed, plant);
    world.run();
    ReplicaOutcome { seed, tally: world.tally, broken: world.broken }
}

/// Runs `count` seeds from `from` on. With `stop`, no further seed is begun once one has broken an invariant.
pub fn run_many(from: u64, count: u64, plant: Option<ReplicaPlant>, stop: bool) -> ReplicaSummary {
    let mut outcomes = each_seed(from, count, |seed| run(seed, plant), |o| stop && o.broken.is_some());
    outcomes.sort_by_key(|o| o.seed);
    let mut total = ReplicaTally::default();
    outcomes.iter().for_each(|outcome| total.add(&outcome.tally));
    ReplicaSummary { total, failed: outcomes.into_iter().filter(|o| o.broken.is_some()).collect() }
}
