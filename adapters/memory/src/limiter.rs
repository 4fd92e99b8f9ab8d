//! Token buckets, one table per process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_domain::time::Timestamp;
use argus_ports::{Clock, RateLimiter, time::Allowance};
use async_trait::async_trait;

use crate::lock;

/// A token in the unit in which buckets are counted: each millisecond adds `per_minute` of these.
const TOKEN: u64 = 60_000;
/// Above this many buckets, those that are full again are forgotten: an unknown bucket is a full one.
const BUCKETS_MAX: usize = 100_000;

/// Buckets over a clock. A clock that jumps forward fills them, one that jumps back stops the refill for a moment.
pub struct MemoryLimiter {
    clock: Arc<dyn Clock>,
    buckets: Mutex<HashMap<String, Bucket>>,
}

struct Bucket {
    filled: u64,
    per_minute: u32,
    seen: Timestamp,
}

impl Bucket {
    fn refill(&mut self, now: Timestamp) {
        let passed = u64::try_from(now.since(self.seen).as_millis()).unwrap_or(u64::MAX);
        let rate = u64::from(self.per_minute);
        self.filled = self.filled.saturating_add(passed.saturating_mul(rate)).min(rate * TOKEN);
        self.seen = now;
    }

    fn is_full(&self) -> bool {
        self.filled >= u64::from(self.per_minute) * TOKEN
    }
}

impl MemoryLimiter {
    /// Full buckets over this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, buckets: Mutex::default() }
    }
}

#[async_trait]
impl RateLimiter for MemoryLimiter {
    async fn take(&self, key: &str, per_minute: u32) -> Allowance {
        let now = self.clock.now();
        let mut buckets = lock(&self.buckets);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(key) {
            buckets.retain(|_, bucket| {
                bucket.refill(now);
                !bucket.is_full()
            });
        }
        let full = Bucket { filled: u64::from(per_minute) * TOKEN, per_minute, seen: now };
        let bucket = buckets.entry(key.to_owned()).or_insert(full);
        bucket.refill(now);
        bucket.per_minute = per_minute;
        let size = u64::from(per_minute) * TOKEN;
        bucket.filled = bucket.filled.min(size);
        let allowed = bucket.filled >= TOKEN;
        if allowed {
            bucket.filled -= TOKEN;
        }
        let missing = if bucket.filled >= TOKEN { size - bucket.filled } else { TOKEN - bucket.filled };
        // A bucket without any refill is asked again in a minute.
        let wait_ms = if per_minute == 0 { TOKEN } else { missing.div_ceil(u64::from(per_minute)) };
        Allowance {
            allowed,
            limit: per_minute,
            remaining: u32::try_from(bucket.filled / TOKEN).unwrap_or(u32::MAX),
            reset_after: Duration::from_millis(wait_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    #[tokio::test]
    async fn a_bucket_holds_its_size_and_refills_evenly() {
        let clock = ManualClock::new(Timestamp(1_000_000));
        let limiter = MemoryLimiter::new(Arc::new(clock.clone()));
        for left in [1, 0] {
            let allowance = limiter.take("a", 2).await;
            assert!(allowance.allowed);
            assert_eq!((allowance.limit, allowance.remaining), (2, left));
        }
        let refused = limiter.take("a", 2).await;
        assert!(!refused.allowed);
        assert_eq!(refused.reset_after, Duration::from_secs(30));
        assert!(limiter.take("b", 2).await.allowed, "another bucket is another bucket");
        clock.advance(Duration::from_millis(29_999));
        assert!(!limiter.take("a", 2).await.allowed);
        clock.advance(Duration::from_millis(1));
        assert!(limiter.take("a", 2).await.allowed);
        clock.set(Timestamp(0));
        assert!(!limiter.take("a", 2).await.allowed, "a clock set back refills nothing");
        assert!(!limiter.take("none", 0).await.allowed);
    }
}
