//! Clocks: the process's own, and one that a test turns by hand.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use argus_domain::time::Timestamp;
use argus_ports::Clock;
use async_trait::async_trait;
use tokio::sync::watch;

/// The longest sleep between two looks at the clock: a clock that is set forward is noticed after this at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The operating system's clock; sleeps on tokio's timer, which is granular to the millisecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(0) + since
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_EVERY)).await;
        }
    }
}

/// Stands still until it is told. Clones share one time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<watch::Sender<Timestamp>>);

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(now)))
    }

    /// Sets it, forward or back, and wakes whom that wakes.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(now);
    }

    /// Turns it forward.
    pub fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now = *now + by);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut seen = self.0.subscribe();
        // The sender lives in `self`, so waiting ends with the time alone.
        let _ = seen.wait_for(|now| *now >= at).await;
    }
}
