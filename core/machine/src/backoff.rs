//! Waiting longer each time, in whole milliseconds and without chance.

use std::time::Duration;

/// Doubling delays between a least and a greatest one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first_ms: u64,
    max_ms: u64,
}

impl Backoff {
    /// From `first`, doubling, up to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Self { first_ms: ms(first).max(1), max_ms: ms(max).max(1) }
    }

    /// The delay after the `failures`-th failure in a row (from 1). It is spread over its upper half by `spread`,
    /// for example bytes of a task's id, so that what failed together does not come back together.
    pub fn after(&self, failures: u16, spread: u64) -> Duration {
        let doublings = u32::from(failures.saturating_sub(1)).min(40);
        let full = self.first_ms.saturating_mul(1 << doublings).min(self.max_ms);
        let half = full / 2;
        Duration::from_millis(full - half + spread % (half + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_greatest_and_spread_over_their_upper_half() {
        let backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for (failures, spread, ms) in [
            (0, 50, 100),
            (1, 0, 50),
            (1, 50, 100),
            (2, 0, 100),
            (3, 7, 207),
            (4, 1000, 400 + 1000 % 401),
            (5, 0, 500),
            (u16::MAX, 500, 1000),
        ] {
            assert_eq!(backoff.after(failures, spread), Duration::from_millis(ms), "{failures} {spread}");
        }
    }
}
