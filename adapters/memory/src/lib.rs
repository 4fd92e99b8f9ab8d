//! Ports in memory: the stores for unit tests and simulation, and what is local to a process by nature: its clock,
//! its rate limiter, its event bus and the two ends of a keeper's stream; and a recorded outer world for scripts.
//!
//! Nothing here survives its process. The stores keep the same contract as the durable ones
//! (tests/conformance runs on both), so a service tested on them meets no other behaviour in production.

mod answers;
mod blobs;
mod bus;
mod clock;
mod decisions;
mod jobs;
mod journal;
mod leases;
mod limiter;
mod people;
mod profiles;
pub mod recorded;
mod registrations;
mod secrets;
mod session;
mod state;
mod tasks;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use blobs::{MemoryArchive, MemoryContent};
pub use bus::MemoryBus;
pub use clock::{ManualClock, SystemClock};
pub use journal::MemoryJournal;
pub use limiter::MemoryLimiter;
pub use session::{MemorySession, session};
pub use state::MemoryStore;

/// A panic while the lock was held leaves the state as it is: every change here is complete before it can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
