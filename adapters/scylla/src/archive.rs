//! The platform's private blobs.

use argus_domain::B256;
use argus_ports::{Archive, ContentError, StoreError};
use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    cell::values,
    session::{Statement, token},
    store::ScyllaStore,
};

/// Bytes of a row: a node takes some MB at a time, and prefers less.
const CHUNK: usize = 512 << 10;

static PUT: Statement =
    Statement::write("INSERT INTO archive (name, bytes, chunks, writer) VALUES (?, ?, ?, ?)");
static PUT_CHUNK: Statement =
    Statement::write("INSERT INTO archive_chunks (name, writer, chunk, bytes) VALUES (?, ?, ?, ?)");
static HEAD: Statement = Statement::read("SELECT chunks FROM archive WHERE name = ?");
static GET: Statement = Statement::read("SELECT bytes, chunks, writer FROM archive WHERE name = ?");
static GET_CHUNK: Statement =
    Statement::read("SELECT bytes FROM archive_chunks WHERE name = ? AND writer = ? AND chunk = ?");

#[async_trait]
impl Archive for ScyllaStore {
    async fn put(&self, name: B256, bytes: Bytes) -> Result<(), ContentError> {
        self.put_blob(name, &bytes).await.map_err(|e| ContentError::Unavailable(e.to_string()))
    }

    async fn get(&self, name: B256) -> Result<Option<Bytes>, ContentError> {
        self.get_blob(name).await.map_err(|e| ContentError::Unavailable(e.to_string()))
    }
}

impl ScyllaStore {
    /// What is there stays. Names are hashes of what they name, or of what it is made from, so no condition is paid for:
    /// of two who put one name in the same instant either's bytes stay, whole.
    pub(crate) async fn put_blob(&self, name: B256, bytes: &Bytes) -> Result<(), StoreError> {
        if self.db().one::<(Option<i32>,)>(&HEAD, values![name]).await?.is_some() {
            return Ok(());
        }
        let token = token()?;
        if bytes.len() <= CHUNK {
            return self.db().write(&PUT, values![name, bytes, 0, token]).await;
        }
        let mut chunks = 0;
        for chunk in bytes.chunks(CHUNK) {
            self.db().write(&PUT_CHUNK, values![name, token, chunks, chunk]).await?;
            chunks += 1;
        }
        self.db().write(&PUT, values![name, None::<&[u8]>, chunks, token]).await
    }

    pub(crate) async fn get_blob(&self, name: B256) -> Result<Option<Bytes>, StoreError> {
        let row: Option<(Option<Vec<u8>>, i32, i64)> = self.db().one(&GET, values![name]).await?;
        let Some((bytes, chunks, token)) = row else { return Ok(None) };
        let mut bytes = bytes.unwrap_or_default();
        for chunk in 0..chunks {
            let part: Option<(Vec<u8>,)> = self.db().one(&GET_CHUNK, values![name, token, chunk]).await?;
            let (part,) =
                part.ok_or_else(|| StoreError::Corrupt(format!("chunk {chunk} of blob {name} is missing")))?;
            bytes.extend(part);
        }
        Ok(Some(bytes.into()))
    }
}
