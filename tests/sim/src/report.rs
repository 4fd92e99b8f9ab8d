//! What a run comes to.

use crate::{
    live::{self, Table},
    world::Broken,
};

/// Counts of one seed, or of many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    pub steps: u64,
    pub simulated_ms: u64,
    pub messages_lost: u64,
    pub messages_repeated: u64,
    pub crashes: u64,
    pub partitions: u64,
    pub reorgs: u64,
    pub clock_jumps: u64,
    pub tasks: u64,
    pub agreed: u64,
    pub called: u64,
    pub lapsed: u64,
    pub misbehaved: u64,
    pub declined: u64,
    pub full: u64,
    pub handoffs: u64,
    pub second_rounds: u64,
    pub refuted: u64,
    pub recoveries: u64,
    pub recovery_max_ms: u64,
    pub lost: u64,
    pub duplicate: u64,
    pub early: u64,
    /// Calls whose number came from storage.
    pub counted: u64,
    /// What became of live values.
    pub live: Table,
}

impl Tally {
    /// Faults of any kind.
    pub fn faults(&self) -> u64 {
        self.messages_lost
            + self.messages_repeated
            + self.crashes
            + self.partitions
            + self.reorgs
            + self.clock_jumps
    }

    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.simulated_ms += other.simulated_ms;
        self.messages_lost += other.messages_lost;
        self.messages_repeated += other.messages_repeated;
        self.crashes += other.crashes;
        self.partitions += other.partitions;
        self.reorgs += other.reorgs;
        self.clock_jumps += other.clock_jumps;
        self.tasks += other.tasks;
        self.agreed += other.agreed;
        self.called += other.called;
        self.lapsed += other.lapsed;
        self.misbehaved += other.misbehaved;
        self.declined += other.declined;
        self.full += other.full;
        self.handoffs += other.handoffs;
        self.second_rounds += other.second_rounds;
        self.refuted += other.refuted;
        self.recoveries += other.recoveries;
        self.recovery_max_ms = self.recovery_max_ms.max(other.recovery_max_ms);
        self.lost += other.lost;
        self.duplicate += other.duplicate;
        self.early += other.early;
        self.counted += other.counted;
        live::add(&mut self.live, &other.live);
    }
}

/// One seed's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub seed: u64,
    pub tally: Tally,
    pub history: u64,
    pub broken: Option<Broken>,
}
