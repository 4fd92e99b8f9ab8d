//! API keys, looked up with every request and changed hardly ever.

use std::{sync::Arc, time::Duration};

use argus_domain::{Address, B256, access::ApiKey, time::Timestamp};
use argus_ports::{KeyStore, StoreError};
use argus_proto::{decode, encode};
use async_trait::async_trait;

use crate::{cache::Cache, link::Redis};

/// Keys of a store, those that were looked up lately in Redis: records with the key's hash, never the key. A change
/// through this forgets the record. Where Redis does not take that, or a process changes the store past it, the old
/// record is believed until its time is over.
pub struct CachedKeys {
    store: Arc<dyn KeyStore>,
    records: Cache,
    /// The hash behind a public name, for changes that name the latter.
    hashes: Cache,
}

impl CachedKeys {
    /// Each record is believed for as long as `ttl`.
    pub fn new(redis: Redis, store: Arc<dyn KeyStore>, ttl: Duration) -> Self {
        let hashes = Cache::new(redis.clone(), "key-hash", 2 * ttl);
        Self { store, records: Cache::new(redis, "key", ttl), hashes }
    }

    /// Under what the record is kept that has this public name, if it is.
    async fn kept_under(&self, id: &str) -> Option<String> {
        String::from_utf8(self.hashes.get(id).await?).ok()
    }
}

#[async_trait]
impl KeyStore for CachedKeys {
    async fn put(&self, key: ApiKey) -> Result<(), StoreError> {
        let name = key.hash.to_string();
        self.records.forget(&name).await;
        self.store.put(key).await?;
        self.records.forget(&name).await;
        Ok(())
    }

    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError> {
        let name = hash.to_string();
        if let Some(bytes) = self.records.get(&name).await {
            match decode::<ApiKey>(&bytes) {
                Ok(key) if key.hash == hash => return Ok(Some(key)),
                Ok(_) | Err(_) => tracing::debug!("a cached key is unreadable, and was read from the store"),
            }
        }
        let found = self.store.by_hash(hash).await?;
        // One that is unknown is not kept: anybody can ask for as many of those as they like.
        if let Some(key) = &found {
            self.hashes.keep(&key.id, name.as_bytes()).await;
            self.records.keep(&name, &encode(key)).await;
        }
        Ok(found)
    }

    async fn list(&self, owner: Option<Address>) -> Result<Vec<ApiKey>, StoreError> {
        self.store.list(owner).await
    }

    async fn update(
        &self,
        id: &str,
        rate_limit: Option<u32>,
        revoked_at: Option<Timestamp>,
    ) -> Result<Option<ApiKey>, StoreError> {
        if let Some(name) = self.kept_under(id).await {
            self.records.forget(&name).await;
        }
        let changed = self.store.update(id, rate_limit, revoked_at).await?;
        if let Some(key) = &changed {
            self.records.forget(&key.hash.to_string()).await;
        }
        Ok(changed)
    }

    async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        // A record says itself when it ends.
        self.store.remove_expired(now).await
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.store.used(id, at).await?;
        // Every minute, and nothing rests on it.
        if let Some(name) = self.kept_under(id).await {
            self.records.release(&name).await;
        }
        Ok(())
    }
}
