//! The store as records, for copies of it.

mod export;
mod import;
mod place;

use std::{path::Path, time::Duration};

use argus_domain::time::Timestamp;
use argus_ports::{
    StoreError,
    records::{CopyMark, CopyStage, Page, Record, RecordKind, RecordStore},
};
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use crate::{
    cell::corrupt,
    database::{OpenError, SqliteStore},
    fault::Fault,
};

const IDENTITY: &str = "identity";
const COPY: &str = "copy";

#[async_trait]
impl RecordStore for SqliteStore {
    async fn identity(&self, fresh: String) -> Result<String, StoreError> {
        self.write(1, move |db| {
            let first = "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            db.execute(first, params![IDENTITY, fresh.as_bytes()])?;
            let known = setting(db, IDENTITY)?.unwrap_or_default();
            String::from_utf8(known).map_err(|e| corrupt(IDENTITY, &e.to_string()))
        })
        .await
    }

    async fn export(
        &self,
        kind: RecordKind,
        after: Option<String>,
        at: Timestamp,
        limit: u32,
    ) -> Result<Page, StoreError> {
        self.read(move |db| export::page(db, kind, after.as_deref(), (at, limit))).await
    }

    async fn import(&self, records: Vec<Record>, _: Timestamp) -> Result<(), StoreError> {
        self.write(records.len(), move |db| import::all(db, &records)).await
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>, StoreError> {
        self.read(mark).await
    }

    async fn set_copy_mark(&self, mark: CopyMark) -> Result<(), StoreError> {
        self.write(1, move |db| {
            let bytes = serde_json::to_vec(&mark).map_err(|e| corrupt(COPY, &e.to_string()))?;
            let put = "INSERT OR REPLACE INTO settings (name, value) VALUES (?1, ?2)";
            db.prepare_cached(put)?.execute(params![COPY, bytes])?;
            Ok(())
        })
        .await
    }
}

fn setting(db: &Connection, name: &str) -> Result<Option<Vec<u8>>, Fault> {
    let mut select = db.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
    Ok(select.query_row([name], |row| row.get(0)).optional()?)
}

fn mark(db: &Connection) -> Result<Option<CopyMark>, Fault> {
    let Some(bytes) = setting(db, COPY)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|e| corrupt(COPY, &e.to_string()))
}

/// Whether a copy into this file has begun and has not come to its end.
pub(crate) fn is_half_copied(db: &Connection) -> Result<bool, OpenError> {
    Ok(mark(db)?.is_some_and(|mark| mark.stage != CopyStage::Done))
}

/// Whether anybody else has the file open, whatever they do with it. One that is not there nobody has.
///
/// # Errors
/// [`OpenError`].
pub fn is_in_use(path: &Path) -> Result<bool, OpenError> {
    if !path.try_exists()? {
        return Ok(false);
    }
    let asked = || -> Result<(), OpenError> {
        // A connection in WAL mode holds a part of the lock for as long as it is open.
        let db = Connection::open(path)?;
        // For a process that is just going away.
        db.busy_timeout(Duration::from_millis(500))?;
        db.pragma_update(None, "locking_mode", "exclusive")?;
        db.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(())
    };
    match asked() {
        Ok(()) => Ok(false),
        Err(OpenError::Sqlite(e)) => match e.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(true),
            _ => Err(OpenError::Sqlite(e)),
        },
        Err(other) => Err(other),
    }
}
