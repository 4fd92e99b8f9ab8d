//! Keepers, ledger, modules and API keys.

use argus_domain::{
    Address, B256, U256,
    access::ApiKey,
    fees::{LedgerEntry, LedgerReason},
    ids::{KeeperId, TaskId},
    keeper::KeeperRecord,
    module::{Cid, ModuleRecord},
    time::Timestamp,
};
use argus_ports::{KeeperStore, KeyStore, Ledger, ModuleStore, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use rusqlite::{Connection, Row, ToSql, params};

use crate::{
    cell::{address, body, corrupt, hash, ordered},
    database::SqliteStore,
    fault::Fault,
};

fn all<T>(
    db: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
    read: fn(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

#[async_trait]
impl KeeperStore for SqliteStore {
    async fn put(&self, keepers: Vec<KeeperRecord>) -> Result<(), StoreError> {
        self.write(keepers.len(), move |db| {
            let mut put =
                db.prepare_cached("INSERT OR REPLACE INTO keepers (keeper, name, body) VALUES (?1, ?2, ?3)")?;
            for keeper in &keepers {
                put.execute(params![keeper.keeper.0.0.0, keeper.name, encode(keeper)])?;
            }
            Ok(())
        })
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
        self.write(1, move |db| {
            let sql = "INSERT INTO faults (keeper, task) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            db.execute(sql, params![keeper.0.0.0, task.0.0])?;
            Ok(())
        })
        .await
    }
}

fn number(reason: LedgerReason) -> u8 {
    match reason {
        LedgerReason::Charged => 1,
        LedgerReason::Earned => 2,
        LedgerReason::JobCreated => 3,
    }
}

fn entry(row: &Row<'_>) -> Result<LedgerEntry, Fault> {
    let reason = match row.get::<_, u8>("reason")? {
        1 => LedgerReason::Charged,
        2 => LedgerReason::Earned,
        3 => LedgerReason::JobCreated,
        other => return Err(corrupt("reason", &format!("{other} means nothing here"))),
    };
    let amount: String = row.get("amount")?;
    let amount = U256::from_str_radix(&amount, 10).map_err(|e| corrupt("amount", &e.to_string()))?;
    Ok(LedgerEntry { key: hash(row, "key")?, reason, account: address(row, "account")?, amount })
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn book(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.write(entries.len(), move |db| {
            let mut book = db.prepare_cached(
                "INSERT INTO ledger (key, reason, account, amount) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
            )?;
            for entry in &entries {
                let amount = entry.amount.to_string();
                book.execute(params![entry.key.0, number(entry.reason), entry.account.0.0, amount])?;
            }
            Ok(())
        })
        .await
    }

    async fn of_key(&self, key: B256) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(move |db| all(db, "SELECT * FROM ledger WHERE key = ?1 ORDER BY row", &[&key.0], entry))
            .await
    }

    async fn of_account(&self, account: Address, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT * FROM ledger WHERE account = ?1 ORDER BY row DESC LIMIT ?2";
            all(db, sql, &[&account.0.0, &limit], entry)
        })
        .await
    }
}

#[async_trait]
impl ModuleStore for SqliteStore {
    async fn put(&self, record: ModuleRecord, publisher: Address) -> Result<(), StoreError> {
        self.write(1, move |db| {
            db.prepare_cached(
                "INSERT INTO modules (source, language, publisher, body) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                record.module.source.0,
                record.module.language.to_string(),
                publisher.0.0,
                encode(&record)
            ])?;
            Ok(())
        })
        .await
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
        self.write(1, move |db| {
            db.prepare_cached(
                "INSERT INTO api_keys (hash, id, owner, created_at, body) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                key.hash.0,
                key.id,
                key.owner.0.0,
                ordered(key.created_at.0),
                encode(&key)
            ])?;
            Ok(())
        })
        .await
    }

    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError> {
        self.read(move |db| {
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
        let id = id.to_owned();
        self.write(1, move |db| {
            let sql = "SELECT body FROM api_keys WHERE id = ?1 ORDER BY row LIMIT 1";
            let Some(mut key): Option<ApiKey> = all(db, sql, &[&id], |row| body(row, "body"))?.pop() else {
                return Ok(None);
            };
            key.rate_limit = rate_limit.unwrap_or(key.rate_limit);
            key.revoked_at = key.revoked_at.or(revoked_at);
            db.execute("UPDATE api_keys SET body = ?2 WHERE hash = ?1", params![key.hash.0, encode(&key)])?;
            Ok(Some(key))
        })
        .await
    }
}
