//! The store as records, for copies of it. What decides is read in the order of its partitions' tokens; what is written
//! goes the ways of the ports where those have conditions, so that later writes of processes come after it.

mod export;
mod follow;
mod import;
mod scan;
mod within;

use argus_domain::time::Timestamp;
use argus_ports::{
    StoreError,
    records::{CopyMark, CopyStage, Page, Record, RecordKind, RecordStore},
};
use async_trait::async_trait;

use crate::{
    cell::{corrupt, values},
    session::{Cas, Db, Statement},
    store::ScyllaStore,
};

/// Conditional, because the first name stays.
static FIRST_NAME: Statement =
    Statement::conditional("INSERT INTO settings (name, value) VALUES ('identity', ?) IF NOT EXISTS");
static NAME: Statement = Statement::decided("SELECT value FROM settings WHERE name = 'identity'");
static MARK: Statement = Statement::read("SELECT value FROM settings WHERE name = 'copy'");
static SET_MARK: Statement = Statement::write("INSERT INTO settings (name, value) VALUES ('copy', ?)");

#[async_trait]
impl RecordStore for ScyllaStore {
    async fn identity(&self, fresh: String) -> Result<String, StoreError> {
        if let Cas::Applied = self.db().cas(&FIRST_NAME, values![fresh.as_bytes()]).await? {
            return Ok(fresh);
        }
        let row: Option<(Vec<u8>,)> = self.db().one(&NAME, vec![]).await?;
        let (name,) = row.ok_or_else(|| StoreError::Unavailable("the store has no name yet".to_owned()))?;
        String::from_utf8(name).map_err(|e| corrupt("identity", &e.to_string()))
    }

    async fn export(
        &self,
        kind: RecordKind,
        after: Option<String>,
        at: Timestamp,
        limit: u32,
    ) -> Result<Page, StoreError> {
        self.export_page(kind, after.as_deref(), at, limit.max(1)).await
    }

    async fn import(&self, records: Vec<Record>, at: Timestamp) -> Result<(), StoreError> {
        self.import_all(records, at).await
    }

    async fn copy_mark(&self) -> Result<Option<CopyMark>, StoreError> {
        mark(self.db()).await
    }

    async fn set_copy_mark(&self, mark: CopyMark) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(&mark).map_err(|e| corrupt("copy", &e.to_string()))?;
        self.db().write(&SET_MARK, values![bytes]).await
    }
}

async fn mark(db: &Db) -> Result<Option<CopyMark>, StoreError> {
    let row: Option<(Vec<u8>,)> = db.one(&MARK, vec![]).await?;
    let read =
        |(bytes,): (Vec<u8>,)| serde_json::from_slice(&bytes).map_err(|e| corrupt("copy", &e.to_string()));
    row.map(read).transpose()
}

/// Whether a copy into this keyspace has begun and has not come to its end.
pub(crate) async fn is_half_copied(db: &Db) -> Result<bool, StoreError> {
    Ok(mark(db).await?.is_some_and(|mark| mark.stage != CopyStage::Done))
}
