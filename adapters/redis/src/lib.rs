//! What several processes of one platform share through Redis: the budgets of a rate limit, the news that something
//! changed, and rows that are looked up with every request.
//!
//! Redis holds nothing that cannot be lost. Each use has something to fall back to, at once and in this process: a
//! bucket in memory, the store's own rows, the store itself. Whether Redis answers is decided in one place ([`Redis`]):
//! after one failure nobody asks it, until a probe of its own was answered. Every question has a deadline.

mod bus;
mod cache;
mod keys;
mod limiter;
mod link;
mod prober;

pub use bus::{BusOptions, RedisBus};
pub use cache::Cache;
pub use keys::CachedKeys;
pub use limiter::RedisLimiter;
pub use link::{OpenError, Redis, Settings, Use};
