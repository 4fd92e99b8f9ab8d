//! Keys that were looked up lately: one is sent with nearly every request, and changes once in a month.
//!
//! What this process changes counts at once. Of what another one changes, this one hears within [`AGE_MAX`] of when the
//! port tells it, which may keep keys for a time of its own.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argus_domain::{B256, access::ApiKey, time::Timestamp};
use argus_ports::StoreError;

use crate::Edge;

/// How long what was read of a key counts.
pub const AGE_MAX: Duration = Duration::from_secs(1);
/// Keys that are kept, at about 300 bytes each; with one more, all are read again.
const KEPT_MAX: usize = 10_000;

/// Keys by their hashes, with the instant of their reading.
#[derive(Default)]
pub struct KnownKeys(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    keys: BTreeMap<B256, (ApiKey, Timestamp)>,
    /// Counts changes, so that what was read before one is not kept after it.
    changes: u64,
}

impl KnownKeys {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key under a hash, live or not.
pub async fn by_hash(edge: &Edge, hash: B256) -> Result<Option<ApiKey>, StoreError> {
    let now = edge.ports.clock.now();
    let changes = {
        let kept = edge.known_keys.kept();
        if let Some((key, read_at)) = kept.keys.get(&hash)
            && now.since(*read_at) <= AGE_MAX
            && *read_at <= now
        {
            return Ok(Some(key.clone()));
        }
        kept.changes
    };
    let found = edge.ports.keys.by_hash(hash).await?;
    let mut kept = edge.known_keys.kept();
    if let Some(key) = found.clone().filter(|_| kept.changes == changes) {
        if kept.keys.len() >= KEPT_MAX {
            kept.keys.clear();
        }
        kept.keys.insert(hash, (key, now));
    }
    Ok(found)
}

/// Changes what a key may do, from now on.
pub async fn change(
    edge: &Edge,
    id: &str,
    rate_limit: Option<u32>,
    revoked_at: Option<Timestamp>,
) -> Result<Option<ApiKey>, StoreError> {
    let changed = edge.ports.keys.update(id, rate_limit, revoked_at).await;
    let mut kept = edge.known_keys.kept();
    kept.changes += 1;
    match &changed {
        Ok(Some(key)) => drop(kept.keys.remove(&key.hash)),
        Ok(None) => {}
        // It may have been changed all the same.
        Err(_) => kept.keys.clear(),
    }
    changed
}
