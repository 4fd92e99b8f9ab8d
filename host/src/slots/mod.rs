//! Where scripts run: memory that begins as the JavaScript engine's snapshot, and stacks. Both are kept for the next
//! runs.
//!
//! A run writes some fifteen of the snapshot's three hundred pages. wasmtime's own pool, which all other modules use,
//! writes the whole memory anew, or asks the kernel only for pages that are present, and so passes over one that is
//! swapped out or being moved at that moment. Here what a run may have written is put back, and no more.

mod mapping;
mod regions;
mod stacks;
mod written;

use std::sync::{Mutex, PoisonError};

pub(crate) use regions::{Regions, Snapshot};
pub(crate) use stacks::Stacks;

/// What nobody uses at the moment. The one used last goes first: it is still in the processor's cache.
struct Free<T> {
    kept: Mutex<Vec<T>>,
    max: usize,
}

impl<T> Free<T> {
    fn new(max: usize) -> Self {
        Self { kept: Mutex::default(), max }
    }

    fn take(&self) -> Option<T> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn give(&self, one: T) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.max {
            kept.push(one);
        }
    }
}
