//! Time and rates.

use std::time::Duration;

use argus_domain::time::Timestamp;
use async_trait::async_trait;

/// The one source of time.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Now. May jump either way; nobody derives a duration from two readings where a jump would hurt.
    fn now(&self) -> Timestamp;

    /// Returns once `now() >= at`, checking again after every wake-up so that a clock set back wakes nobody early.
    async fn sleep_until(&self, at: Timestamp);
}

/// Token buckets by name.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes one token from the bucket `key`, which holds at most `per_minute` and refills evenly.
    /// Not idempotent. An unknown bucket is a full one. A limiter that cannot be reached allows.
    async fn take(&self, key: &str, per_minute: u32) -> Allowance;
}

/// What a bucket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Whether a token was there.
    pub allowed: bool,
    /// Size of the bucket.
    pub limit: u32,
    /// Whole tokens left.
    pub remaining: u32,
    /// Until a token is there again, or until the bucket is full where one is.
    pub reset_after: Duration,
}
