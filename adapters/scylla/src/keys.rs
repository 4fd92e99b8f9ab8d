//! API keys.

use argus_domain::{Address, B256, access::ApiKey, time::Timestamp};
use argus_ports::{KeyStore, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use futures::FutureExt as _;

use crate::{
    buckets,
    cell::{body, hash, instant, ordered, values},
    jobs::crowded,
    session::{Cas, Statement, each, token},
    store::ScyllaStore,
};

/// How often a change is tried that others come before.
const TRIES: u32 = 64;
/// Keys read or removed at the same time.
const AT_ONCE: usize = 16;
/// Milliseconds of a bucket of ends.
const HOUR_MS: i64 = 3_600_000;
/// The list of hours in which keys end.
const ENDS: &[u8] = b"key/ends";

static ONE: Statement = Statement::read("SELECT body, last_used, stamp FROM api_keys WHERE hash = ?");
static DECIDED: Statement = Statement::decided("SELECT writer FROM api_keys WHERE hash = ?");
/// Conditional, because a key's hash is there once, whoever puts it.
static PUT: Statement = Statement::conditional(
    "INSERT INTO api_keys (hash, body, stamp, writer) VALUES (?, ?, 1, ?) IF NOT EXISTS",
);
/// Conditional, because two may change a key at once, and each changes all of it.
static CHANGE: Statement =
    Statement::conditional("UPDATE api_keys SET body = ?, stamp = ?, writer = ? WHERE hash = ? IF stamp = ?");
/// Conditional, because a change may be under way, and must not bring it back.
static REMOVE: Statement = Statement::conditional("DELETE FROM api_keys WHERE hash = ? IF EXISTS");
/// The instant as the timestamp: the latest one stays.
static USED: Statement =
    Statement::write("UPDATE api_keys USING TIMESTAMP ? SET last_used = ? WHERE hash = ?");
static PUT_ID: Statement = Statement::write("INSERT INTO api_key_ids (id, hash) VALUES (?, ?)");
static REMOVE_ID: Statement = Statement::write("DELETE FROM api_key_ids WHERE id = ? AND hash = ?");
static BY_ID: Statement = Statement::read("SELECT hash FROM api_key_ids WHERE id = ?");
static PUT_IN_LIST: Statement =
    Statement::write("INSERT INTO api_key_lists (list, created_at, hash) VALUES (?, ?, ?)");
static REMOVE_FROM_LIST: Statement =
    Statement::write("DELETE FROM api_key_lists WHERE list = ? AND created_at = ? AND hash = ?");
static LISTED: Statement = Statement::read("SELECT hash FROM api_key_lists WHERE list = ?");
static PUT_END: Statement =
    Statement::write("INSERT INTO api_key_ends (bucket, expires_at, hash) VALUES (?, ?, ?)");
static REMOVE_END: Statement =
    Statement::write("DELETE FROM api_key_ends WHERE bucket = ? AND expires_at = ? AND hash = ?");
static ENDED: Statement =
    Statement::read("SELECT expires_at, hash FROM api_key_ends WHERE bucket = ? AND expires_at <= ?");
static ANY_END: Statement = Statement::read("SELECT hash FROM api_key_ends WHERE bucket = ? LIMIT 1");

const EVERYONE: &[u8] = b"*";

type Row = (Option<Vec<u8>>, Option<i64>, Option<i64>);

/// A key with the stamp of its row.
struct Kept {
    key: ApiKey,
    stamp: i64,
}

impl ScyllaStore {
    async fn api_key(&self, hash: B256) -> Result<Option<Kept>, StoreError> {
        let row: Option<Row> = self.db().one(&ONE, values![hash]).await?;
        // Of one that was removed there may be left when it was used.
        let Some((Some(bytes), last_used, Some(stamp))) = row else { return Ok(None) };
        let mut key: ApiKey = body("body", &bytes)?;
        key.last_used = key.last_used.max(last_used.map(instant));
        Ok(Some(Kept { key, stamp }))
    }

    async fn api_key_of_id(&self, id: &str) -> Result<Option<Kept>, StoreError> {
        let rows: Vec<(Vec<u8>,)> = self.db().rows(&BY_ID, values![id]).await?;
        for (bytes,) in rows {
            if let Some(kept) = self.api_key(hash("hash", &bytes)?).await? {
                return Ok(Some(kept));
            }
        }
        Ok(None)
    }

    async fn remove_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        if let Cas::Unknown(why) = self.db().cas(&REMOVE, values![key.hash]).await? {
            return Err(why);
        }
        for list in [key.owner.as_slice(), EVERYONE] {
            self.db().write(&REMOVE_FROM_LIST, values![list, key.created_at, key.hash]).await?;
        }
        self.db().write(&REMOVE_ID, values![&key.id, key.hash]).await
    }
}

#[async_trait]
impl KeyStore for ScyllaStore {
    async fn put(&self, key: ApiKey) -> Result<(), StoreError> {
        self.db().write(&PUT_ID, values![&key.id, key.hash]).await?;
        for list in [key.owner.as_slice(), EVERYONE] {
            self.db().write(&PUT_IN_LIST, values![list, key.created_at, key.hash]).await?;
        }
        if let Some(end) = key.expires_at {
            let bucket = ordered(end.0) / HOUR_MS;
            self.db().write(&PUT_END, values![bucket, end, key.hash]).await?;
            self.notes().passing(self.db(), ENDS, bucket).await?;
        }
        match self.db().cas(&PUT, values![key.hash, encode(&key), token()?]).await? {
            // Whatever stands there stays.
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }

    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.api_key(hash).await?.map(|kept| kept.key))
    }

    async fn list(&self, owner: Option<Address>) -> Result<Vec<ApiKey>, StoreError> {
        let list = owner.map_or_else(|| EVERYONE.to_vec(), |owner| owner.to_vec());
        let rows: Vec<(Vec<u8>,)> = self.db().rows(&LISTED, values![list]).await?;
        let mut hashes = Vec::with_capacity(rows.len());
        for (bytes,) in rows {
            hashes.push(hash("hash", &bytes)?);
        }
        let keys = hashes.into_iter().map(|hash| self.api_key(hash).boxed());
        let keys = each(AT_ONCE, keys.collect()).await?.into_iter().flatten().map(|kept| kept.key);
        Ok(keys.filter(|key| owner.is_none_or(|owner| key.owner == owner)).collect())
    }

    async fn update(
        &self,
        id: &str,
        rate_limit: Option<u32>,
        revoked_at: Option<Timestamp>,
    ) -> Result<Option<ApiKey>, StoreError> {
        for _ in 0..TRIES {
            let Some(Kept { mut key, stamp }) = self.api_key_of_id(id).await? else { return Ok(None) };
            key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
            key.revoked_at = key.revoked_at.or(revoked_at);
            let token = token()?;
            let cells = values![encode(&key), stamp.saturating_add(1), token, key.hash, stamp];
            match self.db().cas(&CHANGE, cells).await? {
                Cas::Applied => return Ok(Some(key)),
                Cas::Refused => {}
                Cas::Unknown(_) => {
                    let row: Option<(i64,)> = self.db().one(&DECIDED, values![key.hash]).await?;
                    if row == Some((token,)) {
                        return Ok(Some(key));
                    }
                }
            }
        }
        Err(crowded("this key"))
    }

    async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        let now = ordered(now.0);
        for noted in buckets::between(self.db(), ENDS, i64::MIN, now / HOUR_MS).await? {
            let rows: Vec<(i64, Vec<u8>)> = self.db().rows(&ENDED, values![noted.bucket, now]).await?;
            for (end, bytes) in rows {
                let found = self.api_key(hash("hash", &bytes)?).await?;
                if let Some(kept) = found.filter(|kept| kept.key.expires_at == Some(instant(end))) {
                    self.remove_key(&kept.key).await?;
                }
                self.db().write(&REMOVE_END, values![noted.bucket, end, bytes]).await?;
            }
            if self.db().one::<(Vec<u8>,)>(&ANY_END, values![noted.bucket]).await?.is_none() {
                buckets::forget(self.db(), ENDS, noted).await?;
            }
        }
        Ok(())
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        match self.api_key_of_id(id).await? {
            Some(kept) => self.db().write(&USED, values![at, at, kept.key.hash]).await,
            None => Ok(()),
        }
    }
}
