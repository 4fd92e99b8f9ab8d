//! The platform's private blobs.

use argus_domain::B256;
use argus_ports::{Archive, ContentError};
use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::{OptionalExtension, params};

use crate::database::SqliteStore;

#[async_trait]
impl Archive for SqliteStore {
    async fn put(&self, name: B256, bytes: Bytes) -> Result<(), ContentError> {
        let put = self.write(1, move |db| {
            db.prepare_cached("INSERT INTO archive (name, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?
                .execute(params![name.0, &bytes[..]])?;
            Ok(())
        });
        put.await.map_err(|e| ContentError::Unavailable(e.to_string()))
    }

    async fn get(&self, name: B256) -> Result<Option<Bytes>, ContentError> {
        let get = self.read(move |db| {
            let mut select = db.prepare_cached("SELECT bytes FROM archive WHERE name = ?1")?;
            let found = select.query_row([name.0], |row| row.get::<_, Vec<u8>>(0)).optional()?;
            Ok(found.map(Bytes::from))
        });
        get.await.map_err(|e| ContentError::Unavailable(e.to_string()))
    }
}
