//! Keepers, modules and API keys.

use argus_domain::{
    Address, B256,
    access::ApiKey,
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    module::{Cid, ModuleRecord},
    time::Timestamp,
};
use argus_ports::{KeeperStore, KeyStore, ModuleStore, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use rusqlite::{Connection, params};

use crate::{
    cell::{address, all, body, ordered},
    database::SqliteStore,
    fault::Fault,
};

#[async_trait]
impl KeeperStore for SqliteStore {
    async fn put(&self, keepers: Vec<KeeperRecord>) -> Result<(), StoreError> {
        self.write(keepers.len(), move |db| keepers.iter().try_for_each(|keeper| put_keeper(db, keeper)))
            .await
    }

    async fn remove(&self, keeper: KeeperId) -> Result<(), StoreError> {
        self.write(1, move |db| {
            db.execute("DELETE FROM keepers WHERE keeper = ?1", [keeper.0.0.0])?;
            Ok(())
        })
        .await
    }

    async fn all(&self) -> Result<Vec<KeeperRecord>, StoreError> {
        self.read(|db| {
            let sql = "SELECT body, (SELECT count(*) FROM faults f WHERE f.keeper = k.keeper) AS faults
                       FROM keepers k ORDER BY keeper";
            all(db, sql, &[], |row| Ok(KeeperRecord { faults: row.get("faults")?, ..body(row, "body")? }))
        })
        .await
    }

    async fn fault(&self, keeper: KeeperId, task: TaskId) -> Result<(), StoreError> {
        self.write(1, move |db| put_fault(db, keeper, task)).await
    }
}

#[async_trait]
impl ModuleStore for SqliteStore {
    async fn put(&self, record: ModuleRecord, publisher: Address) -> Result<(), StoreError> {
        self.write(1, move |db| put_module(db, &record, publisher)).await
    }

    async fn by_cid(&self, cid: &Cid) -> Result<Vec<(ModuleRecord, Address)>, StoreError> {
        let source = cid.0.clone();
        self.read(move |db| {
            let sql = "SELECT body, publisher FROM modules WHERE source = ?1 ORDER BY row";
            all(db, sql, &[&source], |row| Ok((body(row, "body")?, address(row, "publisher")?)))
        })
        .await
    }
}

#[async_trait]
impl KeyStore for SqliteStore {
    async fn put(&self, key: ApiKey) -> Result<(), StoreError> {
        self.write(1, move |db| put_key(db, &key)).await
    }

    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError> {
        self.find(move |db| {
            let sql = "SELECT body FROM api_keys WHERE hash = ?1";
            Ok(all(db, sql, &[&hash.0], |row| body(row, "body"))?.pop())
        })
        .await
    }

    async fn list(&self, owner: Option<Address>) -> Result<Vec<ApiKey>, StoreError> {
        self.read(move |db| match owner {
            Some(owner) => {
                let sql = "SELECT body FROM api_keys WHERE owner = ?1 ORDER BY created_at DESC, row DESC";
                all(db, sql, &[&owner.0.0], |row| body(row, "body"))
            }
            None => {
                let sql = "SELECT body FROM api_keys ORDER BY created_at DESC, row DESC";
                all(db, sql, &[], |row| body(row, "body"))
            }
        })
        .await
    }

    async fn update(
        &self,
        id: &str,
        rate_limit: Option<u32>,
        revoked_at: Option<Timestamp>,
    ) -> Result<Option<ApiKey>, StoreError> {
        self.change_key(id, move |key| {
            key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
            key.revoked_at = key.revoked_at.or(revoked_at);
        })
        .await
    }

    async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError> {
        self.write(1, move |db| {
            db.execute("DELETE FROM api_keys WHERE expires_at <= ?1", [ordered(now.0)])?;
            Ok(())
        })
        .await
    }

    async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError> {
        self.change_key(id, move |key| key.last_used = key.last_used.max(Some(at))).await.map(drop)
    }
}

pub(crate) fn put_keeper(db: &Connection, keeper: &KeeperRecord) -> Result<(), Fault> {
    db.prepare_cached("INSERT OR REPLACE INTO keepers (keeper, name, body) VALUES (?1, ?2, ?3)")?
        .execute(params![keeper.keeper.0.0.0, keeper.name, encode(keeper)])?;
    Ok(())
}

pub(crate) fn put_fault(db: &Connection, keeper: KeeperId, task: TaskId) -> Result<(), Fault> {
    db.prepare_cached("INSERT INTO faults (keeper, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
        .execute(params![keeper.0.0.0, task.0.0])?;
    Ok(())
}

pub(crate) fn put_module(db: &Connection, record: &ModuleRecord, publisher: Address) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO modules (source, language, publisher, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        record.module.source.0,
        record.module.language.to_string(),
        publisher.0.0,
        encode(record)
    ])?;
    Ok(())
}

pub(crate) fn put_key(db: &Connection, key: &ApiKey) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO api_keys (hash, id, owner, created_at, expires_at, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        key.hash.0,
        key.id,
        key.owner.0.0,
        ordered(key.created_at.0),
        key.expires_at.map(|at| ordered(at.0)),
        encode(key)
    ])?;
    Ok(())
}

impl SqliteStore {
    async fn change_key(
        &self,
        id: &str,
        change: impl Fn(&mut ApiKey) + Send + 'static,
    ) -> Result<Option<ApiKey>, StoreError> {
        let id = id.to_owned();
        self.write(1, move |db| {
            let sql = "SELECT body FROM api_keys WHERE id = ?1 ORDER BY row LIMIT 1";
            let Some(mut key): Option<ApiKey> = all(db, sql, &[&id], |row| body(row, "body"))?.pop() else {
                return Ok(None);
            };
            change(&mut key);
            db.execute("UPDATE api_keys SET body = ?2 WHERE hash = ?1", params![key.hash.0, encode(&key)])?;
            Ok(Some(key))
        })
        .await
    }
}
