//! Plain numbers that a service or an adapter keeps of itself, for whoever shows them. Nothing is decided by them.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many more.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }
}

/// A number as it was last seen.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// It is this now.
    pub fn set(&self, value: usize) {
        self.0.store(u64::try_from(value).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Counters by name: the few ways in which something ends.
#[derive(Debug)]
pub struct Tally(Vec<(&'static str, Counter)>);

impl Tally {
    /// All at nothing.
    pub fn new(names: &[&'static str]) -> Self {
        Self(names.iter().map(|name| (*name, Counter::default())).collect())
    }

    /// One more of a name; a name that is not among them is not counted.
    pub fn add(&self, name: &str) {
        if let Some((_, counter)) = self.0.iter().find(|(known, _)| *known == name) {
            counter.add(1);
        }
    }

    /// All of them.
    pub fn get(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(name, counter)| (*name, counter.get()))
    }
}

/// What waits in a queue, and how much at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// What waits.
    pub length: usize,
    /// What it holds.
    pub bound: usize,
}
