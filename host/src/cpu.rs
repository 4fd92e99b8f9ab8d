//! CPU time of what runs, for those who measure.
//!
//! From the kernel's clocks and not from `/proc/*/schedstat`: that one is brought up to date at ticks of some
//! milliseconds, so that a short measurement may find that no time has passed.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of this thread so far.
pub fn thread() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// CPU time of this process so far, threads that have ended included.
pub fn process() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    // A clock of CPU time is never negative.
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
