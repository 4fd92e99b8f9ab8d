//! Encrypted secrets of jobs.

use argus_domain::{
    ids::JobId,
    secret::{BadSecretName, Grants, SealedSecret, SecretName},
};
use argus_ports::{SecretStore, StoreError, StoredSecret};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use crate::{
    cell::{array, corrupt, instant, job_id, of_job, ordered},
    database::SqliteStore,
    fault::Fault,
};

pub(crate) fn secret(row: &Row<'_>) -> Result<(SecretName, SealedSecret), Fault> {
    let name: String = row.get("name")?;
    let name = name.parse().map_err(|e: BadSecretName| corrupt("name", &e.to_string()))?;
    let (key, bytes) = (array(row, "key")?, row.get("sealed")?);
    Ok((name, SealedSecret { key, bytes, set_at: instant(row, "set_at")? }))
}

pub(crate) fn put(
    db: &Connection,
    job: JobId,
    name: &SecretName,
    sealed: &SealedSecret,
) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO secrets (job, name, key, sealed, set_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let set_at = ordered(sealed.set_at.0);
    db.prepare_cached(sql)?.execute(params![of_job(job), name.as_str(), sealed.key, sealed.bytes, set_at])?;
    Ok(())
}

#[async_trait]
impl SecretStore for SqliteStore {
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError> {
        self.write(1, move |db| put(db, job, &name, &sealed)).await
    }

    async fn of_job(&self, job: JobId) -> Result<Vec<(SecretName, SealedSecret)>, StoreError> {
        self.read(move |db| {
            let mut select = db.prepare_cached("SELECT * FROM secrets WHERE job = ?1 ORDER BY name")?;
            let mut rows = select.query([of_job(job)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(secret(row)?);
            }
            Ok(found)
        })
        .await
    }

    async fn sealed_otherwise(
        &self,
        key: [u8; 8],
        after: Option<(JobId, SecretName)>,
        limit: u32,
    ) -> Result<Vec<StoredSecret>, StoreError> {
        self.read(move |db| {
            let (job, name) = match &after {
                Some((job, name)) => (of_job(*job).to_vec(), name.as_str()),
                None => (Vec::new(), ""),
            };
            let mut select = db.prepare_cached(
                "SELECT * FROM secrets WHERE key <> ?1 AND (job, name) > (?2, ?3) ORDER BY job, name LIMIT ?4",
            )?;
            let mut rows = select.query(params![key, job, name, limit])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (name, sealed) = secret(row)?;
                found.push((job_id(row, "job")?, name, sealed));
            }
            Ok(found)
        })
        .await
    }

    async fn replace(&self, (job, name, old): StoredSecret, new: SealedSecret) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let sql = "UPDATE secrets SET key = ?1, sealed = ?2, set_at = ?3
                       WHERE job = ?4 AND name = ?5 AND key = ?6 AND sealed = ?7";
            let set_at = ordered(new.set_at.0);
            let changed = db.execute(
                sql,
                params![new.key, new.bytes, set_at, of_job(job), name.as_str(), old.key, old.bytes],
            )?;
            Ok(changed > 0)
        })
        .await
    }

    async fn remove(&self, job: JobId, names: Grants) -> Result<u32, StoreError> {
        self.write(names.len(), move |db| {
            let mut remove = db.prepare_cached("DELETE FROM secrets WHERE job = ?1 AND name = ?2")?;
            let mut removed = 0;
            for name in &names {
                removed += remove.execute(params![of_job(job), name.as_str()])?;
            }
            Ok(u32::try_from(removed).unwrap_or(u32::MAX))
        })
        .await
    }
}
