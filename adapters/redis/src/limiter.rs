//! Token buckets that several processes share.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_ports::{RateLimiter, time::Allowance};
use async_trait::async_trait;
use redis::Script;

use crate::link::{Redis, Use, run_script};

const TAKE: &str = include_str!("take.lua");
/// A token in the unit in which buckets are counted: each millisecond adds `per_minute` of these.
const TOKEN: u64 = 60_000;

/// Buckets in Redis, whose clock they follow. Each token is taken from a bucket of this process too: that one decides
/// while Redis is away, and says what a bucket holds that Redis has lost.
pub struct RedisLimiter {
    redis: Redis,
    local: Arc<dyn RateLimiter>,
    take: Script,
    /// When the first of the buckets was made that this process met, by the clock of Redis; 0: it met none. Later ones
    /// are there because Redis has lost those.
    met: AtomicU64,
}

impl RedisLimiter {
    /// Shared buckets before those of this process.
    pub fn new(redis: Redis, local: Arc<dyn RateLimiter>) -> Self {
        Self { redis, local, take: Script::new(TAKE), met: AtomicU64::new(0) }
    }
}

#[async_trait]
impl RateLimiter for RedisLimiter {
    async fn take(&self, key: &str, per_minute: u32) -> Allowance {
        let local = self.local.take(key, per_minute).await;
        let held = local.remaining.saturating_add(u32::from(local.allowed));
        let keys = [self.redis.key("limit", key), self.redis.key("limits", "born")];
        let met = self.met.load(Ordering::Relaxed);
        let arguments =
            [u64::from(per_minute), u64::from(held), met].map(|number| number.to_string().into_bytes());
        let question =
            |connection| async { run_script(connection, (&self.take, TAKE), &keys, &arguments).await };
        match self.redis.ask(Use::Limits, question).await {
            Some((allowed, filled, born)) => {
                if met == 0 {
                    self.met.store(born, Ordering::Relaxed);
                }
                allowance(allowed, filled, per_minute)
            }
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
