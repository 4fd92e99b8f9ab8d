//! Encrypted secrets of jobs.

use argus_domain::{
    ids::JobId,
    secret::{BadSecretName, Grants, SealedSecret, SecretName},
};
use argus_ports::{SecretStore, StoreError};
use async_trait::async_trait;
use rusqlite::{Row, params};

use crate::{
    cell::{array, corrupt, instant, of_job, ordered},
    database::SqliteStore,
    fault::Fault,
};

fn secret(row: &Row<'_>) -> Result<(SecretName, SealedSecret), Fault> {
    let name: String = row.get("name")?;
    let name = name.parse().map_err(|e: BadSecretName| corrupt("name", &e.to_string()))?;
    let (key, bytes) = (array(row, "key")?, row.get("sealed")?);
    Ok((name, SealedSecret { key, bytes, set_at: instant(row, "set_at")? }))
}

#[async_trait]
impl SecretStore for SqliteStore {
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError> {
        self.write(1, move |db| {
            let sql =
                "INSERT OR REPLACE INTO secrets (job, name, key, sealed, set_at) VALUES (?1, ?2, ?3, ?4, ?5)";
            let set_at = ordered(sealed.set_at.0);
            db.execute(sql, params![of_job(job), name.as_str(), sealed.key, sealed.bytes, set_at])?;
            Ok(())
        })
        .await
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
