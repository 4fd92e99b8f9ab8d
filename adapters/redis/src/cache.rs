//! Rows that were looked up, for as long as each kind of them is believed.

use std::time::Duration;

use redis::{Cmd, Script};

use crate::link::{Redis, Use, run_script};

/// How long a row that was changed is not cached again, at least: longer than anybody takes to read it from the store.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// What a row that was changed holds instead.
const NOTHING: &[u8] = b"";

/// Removes what is kept, and leaves a row that was changed as it is.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) ~= '' then redis.call('DEL', KEYS[1]) end";

/// Bytes of one kind under names. While Redis is away nothing is found and nothing is kept.
#[derive(Clone)]
pub struct Cache {
    redis: Redis,
    kind: &'static str,
    ttl: Duration,
    release: Script,
}

impl Cache {
    /// Rows of this kind, each believed for as long as `ttl` after it was read from the store.
    pub fn new(redis: Redis, kind: &'static str, ttl: Duration) -> Self {
        Self { redis, kind, ttl, release: Script::new(RELEASE) }
    }

    /// What is kept; nothing, or not to be had: `None`.
    pub async fn get(&self, name: &str) -> Option<Vec<u8>> {
        let mut get = Cmd::new();
        get.arg("GET").arg(self.key(name));
        let found: Option<Vec<u8>> = self.ask(get).await?;
        found.filter(|bytes| bytes != NOTHING)
    }

    /// Keeps what was read from the store, unless something is there: the row may have been changed meanwhile.
    pub async fn keep(&self, name: &str, bytes: &[u8]) {
        let mut set = Cmd::new();
        set.arg("SET").arg(self.key(name)).arg(bytes).arg("NX").arg("PX").arg(millis(self.ttl));
        let _kept: Option<Option<()>> = self.ask(set).await;
    }

    /// Forgets a row. Call it before the row is changed in the store, so that a crash between the two leaves nothing
    /// stale, and after, so that one who read the old row does not keep it.
    pub async fn forget(&self, name: &str) {
        let mut set = Cmd::new();
        set.arg("SET").arg(self.key(name)).arg(NOTHING).arg("PX").arg(millis(FORGOTTEN.max(self.ttl)));
        let _set: Option<()> = self.ask(set).await;
    }

    /// Forgets a row that may be put back as it was: what changed in it may be seen late.
    pub async fn release(&self, name: &str) {
        let key = [self.key(name)];
        let question =
            |connection| async { run_script(connection, (&self.release, RELEASE), &key, &[]).await };
        let _released: Option<()> = self.redis.ask(Use::Cache, question).await;
    }

    fn key(&self, name: &str) -> String {
        self.redis.key(self.kind, name)
    }

    async fn ask<T: redis::FromRedisValue + Send>(&self, command: Cmd) -> Option<T> {
        let question = |mut connection| async move { command.query_async(&mut connection).await };
        self.redis.ask(Use::Cache, question).await
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
