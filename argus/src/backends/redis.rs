//! What stands behind ports whose state processes share, with a Redis and without one.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use argus_memory::MemoryLimiter;
use argus_ports::{Clock, EventBus, KeyStore, PlatformStore, RateLimiter};
use argus_redis::{BusOptions, CachedKeys, Redis, RedisBus, RedisLimiter, Settings};
use secrecy::SecretString;

use crate::{
    cli::keygen::read_secret,
    config::{self, Config},
    environment,
};

/// Holds the URL of Redis where no file does.
pub const REDIS_URL: &str = "ARGUS_REDIS_URL";

/// Opens the Redis of this configuration; `None`: it names none. One that is away comes later.
pub async fn open(config: &Config) -> anyhow::Result<Option<Redis>> {
    let url = match (environment::variable(REDIS_URL), &config.redis.url_file) {
        (Some(text), _) => SecretString::from(text.to_string_lossy().into_owned()),
        (None, Some(path)) => read_secret(path, "the URL of Redis")?,
        (None, None) => return Ok(None),
    };
    let settings = Settings {
        url,
        prefix: config.redis.prefix.clone(),
        timeout: Duration::from_millis(config.redis.timeout_ms),
    };
    let opened = Redis::open(&settings).await;
    opened.map(Some).with_context(|| format!("[redis] url_file, or {REDIS_URL}"))
}

/// A Redis, if there is one, and what it is used for.
pub struct Shared<'a> {
    pub settings: &'a config::Redis,
    pub redis: Option<&'a Redis>,
}

impl Shared<'_> {
    fn redis(&self, is_used: bool) -> Option<Redis> {
        self.redis.filter(|_| is_used).cloned()
    }

    /// Budgets of all processes, or of this one.
    pub fn limiter(&self, clock: Arc<dyn Clock>) -> Arc<dyn RateLimiter> {
        let local = Arc::new(MemoryLimiter::new(clock));
        match self.redis(self.settings.limits) {
            Some(redis) => Arc::new(RedisLimiter::new(redis, local)),
            None => local,
        }
    }

    /// The store's changes, carried by Redis or by the store's own means.
    pub async fn bus(&self, store: Option<Arc<dyn PlatformStore>>) -> Option<Arc<dyn EventBus>> {
        let store = store?;
        Some(match self.redis(self.settings.bus) {
            Some(redis) => Arc::new(RedisBus::open(redis, store, BusOptions::default()).await),
            None => store,
        })
    }

    /// The store's API keys, those that were looked up in Redis or not.
    pub fn keys(&self, store: Option<Arc<dyn PlatformStore>>) -> Option<Arc<dyn KeyStore>> {
        let store = store?;
        Some(match self.redis(self.settings.cache) {
            Some(redis) => {
                Arc::new(CachedKeys::new(redis, store, Duration::from_millis(self.settings.keys_ttl_ms)))
            }
            None => store,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn the_url_is_read_from_a_file_of_its_owner_alone_and_never_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("redis.url");
        let said = async |mode, url: &str| {
            std::fs::write(&file, url).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("changed");
            let set = [format!("redis.url_file = {:?}", file.to_string_lossy())];
            let opened = open(&Config::load(None, &set).expect("a configuration")).await;
            opened.map(|redis| redis.is_some_and(|redis| redis.is_up())).map_err(|e| format!("{e:#}"))
        };
        assert!(open(&Config::load(None, &[]).expect("defaults")).await.is_ok_and(|redis| redis.is_none()));
        // Nobody listens there: it may come later.
        assert_eq!(said(0o600, "redis://:secret@127.0.0.1:1\n").await, Ok(false));
        let open_to_others = said(0o644, "redis://:secret@127.0.0.1:1").await.expect_err("refused");
        assert!(open_to_others.contains("chmod 600"), "{open_to_others}");
        let wrong = said(0o600, "postgres://:secret@host").await.expect_err("refused");
        assert!(wrong.contains("[redis] url_file") && wrong.contains("redis://host"), "{wrong}");
        assert!(!wrong.contains("secret"), "{wrong}");
    }
}
