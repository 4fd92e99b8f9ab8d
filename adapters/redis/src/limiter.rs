//! Token buckets that several processes share.

use std::{sync::Arc, time::Duration};

use argus_ports::{RateLimiter, time::Allowance};
use async_trait::async_trait;
use redis::Script;

use crate::link::{Redis, Use, run_script};

const TAKE: &str = include_str!("take.lua");
/// A token in the unit in which buckets are counted: each millisecond adds `per_minute` of these.
const TOKEN: u64 = 60_000;

/// Buckets in Redis, whose clock they follow. Each token is taken from a bucket of this process too: that one decides
/// while Redis is away, and says what a bucket held that Redis has lost.
pub struct RedisLimiter {
    redis: Redis,
    local: Arc<dyn RateLimiter>,
    take: Script,
}

impl RedisLimiter {
    /// Shared buckets before those of this process.
    pub fn new(redis: Redis, local: Arc<dyn RateLimiter>) -> Self {
        Self { redis, local, take: Script::new(TAKE) }
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn take(&self, key: &str, per_minute: u32) -> Allowance {
        let local = self.local.take(key, per_minute).await;
        let held = local.remaining.saturating_add(u32::from(local.allowed));
        let bucket = self.redis.key("limit", key);
        let arguments = [per_minute, held].map(|number| number.to_string().into_bytes());
        let question =
            |connection| async { run_script(connection, (&self.take, TAKE), &bucket, &arguments).await };
        match self.redis.ask(Use::Limits, question).await {
            Some((allowed, filled)) => allowance(allowed, filled, per_minute),
            None => local,
        }
    }
}

/// What a bucket says that holds so much after the question.
fn allowance(allowed: bool, filled: u64, per_minute: u32) -> Allowance {
    let size = u64::from(per_minute) * TOKEN;
    let missing = if filled >= TOKEN { size.saturating_sub(filled) } else { TOKEN - filled };
    // A bucket without any refill is asked again in a minute.
    let wait_ms = if per_minute == 0 { TOKEN } else { missing.div_ceil(u64::from(per_minute)) };
    Allowance {
        allowed,
        limit: per_minute,
        remaining: u32::try_from(filled / TOKEN).unwrap_or(u32::MAX),
        reset_after: Duration::from_millis(wait_ms),
    }
}
