//! One seed, one history: every machine in one thread, with a simulated store, network, clock and chain.
//!
//! Links lose, repeat, delay and reorder; processes die between any two effects; keepers lie, sign two answers, sign
//! and never act, or are dead; accounts run dry; the platform's clock jumps; the chain takes blocks back. After two
//! simulated minutes the faults stop, and then every task has to end. What must hold meanwhile is checked after every
//! step under the names of [`argus_machine::invariant`].
#![allow(missing_docs, reason = "a program, not a library: its only users are its own test and binary")]

mod chain;
mod check;
mod keeper;
pub mod lease;
pub mod live;
mod plant;
mod platform;
pub mod replicas;
mod report;
mod rng;
mod roles;
mod scenario;
mod store;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

pub use plant::Plant;
pub use report::{Outcome, Tally};
pub use world::{Broken, World};

/// Runs one seed.
pub fn run(seed: u64, plant: Option<Plant>) -> Outcome {
    let mut world = World::new(seed, plant);
    world.run();
    Outcome { seed, tally: world.tally, history: world.history, broken: world.broken }
}

/// What many seeds came to.
#[derive(Debug)]
pub struct Summary {
    pub seeds: u64,
    pub total: Tally,
    /// Seeds in which an invariant was broken, the lowest first.
    pub failed: Vec<Outcome>,
    pub real_ms: u64,
}

impl Summary {
    /// Why this is no good run, if it is none.
    pub fn fault(&self) -> Option<String> {
        if let Some(first) = self.failed.first() {
            let broken = first.broken.as_ref().map(|b| format!("{} at {} ms: {}", b.name, b.at_ms, b.what));
            return Some(format!(
                "{} of {} seeds broke an invariant; seed {}: {}\nreplay: cargo run -p argus-sim -- --seed {}",
                self.failed.len(),
                self.seeds,
                first.seed,
                broken.unwrap_or_default(),
                first.seed
            ));
        }
        (self.total.faults() == 0).then(|| "no fault was injected: nothing was shown".to_owned())
    }

    /// One line of figures.
    pub fn line(&self) -> String {
        let t = &self.total;
        format!(
            "seeds {} steps {} tasks {} agreed {} called {} lapsed {} | faults {} (lost messages {}, repeated {}, \
             crashes {}, partitions {}, reorgs {}, clock jumps {}) | lost {} duplicate {} early {} | \
             counted {} handoffs {} second rounds {} refuted {} misbehaviour {} refused for room {} | recovery max {} ms of {} | \
             {}x real time",
            self.seeds,
            t.steps,
            t.tasks,
            t.agreed,
            t.called,
            t.lapsed,
            t.faults(),
            t.messages_lost,
            t.messages_repeated,
            t.crashes,
            t.partitions,
            t.reorgs,
            t.clock_jumps,
            t.lost,
            t.duplicate,
            t.early,
            t.counted,
            t.handoffs,
            t.second_rounds,
            t.refuted,
            t.misbehaved,
            t.full,
            t.recovery_max_ms,
            t.recoveries,
            t.simulated_ms / self.real_ms.max(1)
        )
    }
}

/// Runs `count` seeds from `from` on, on as many threads as there are processors. With `stop`, no further seed is
/// begun once one has broken an invariant.
pub fn run_many(from: u64, count: u64, plant: Option<Plant>, stop: bool) -> Summary {
    let started = Instant::now();
    let mut outcomes = each_seed(from, count, |seed| run(seed, plant), |o| stop && o.broken.is_some());
    outcomes.sort_by_key(|o| o.seed);
    let mut total = Tally::default();
    for outcome in &outcomes {
        total.add(&outcome.tally);
    }
    let seeds = outcomes.len() as u64;
    let failed = outcomes.into_iter().filter(|o| o.broken.is_some()).collect();
    let real_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Summary { seeds, total, failed, real_ms }
}

/// Runs so many seeds on as many threads as there are processors, in any order; no further one is begun once one is
/// `last`.
fn each_seed<T: Send>(
    from: u64,
    count: u64,
    run: impl Fn(u64) -> T + Sync,
    last: impl Fn(&T) -> bool + Sync,
) -> Vec<T> {
    let next = AtomicU64::new(from);
    let end = from.saturating_add(count);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let worker = || {
        let mut found = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return found;
            }
            let outcome = run(seed);
            if last(&outcome) {
                next.store(end, Ordering::Relaxed);
            }
            found.push(outcome);
        }
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        handles
            .into_iter()
            .flat_map(|handle| match handle.join() {
                Ok(found) => found,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}
