//! Bytes by name.

use argus_domain::{B256, module::Cid, state::State};
use async_trait::async_trait;
use bytes::Bytes;

/// What a content store can answer instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// The text is no CID that we read.
    #[error("{0:?} is no CID: give a CIDv0 or CIDv1 with sha2-256")]
    BadCid(String),
    /// Nobody has it, or not within the time.
    #[error("{0} was not found")]
    Absent(Cid),
    /// What came is not what was named.
    #[error("the bytes that came for {0} are not what the CID names")]
    Mismatch(Cid),
    /// Larger than the caller takes.
    #[error("the content is larger than {max} bytes")]
    TooLarge {
        /// The caller's cap.
        max: u64,
    },
    /// What was kept is not there any more, or is something else.
    #[error("the archive {0}: restore the platform's store from a copy")]
    Lost(String),
    /// Not now.
    #[error("the content store cannot be reached: {0}")]
    Unavailable(String),
}

/// Public content under its CID. Every byte is hashed again, whatever its source.
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// Keeps bytes durably and names them: CIDv1 with sha2-256, up to 256 KiB as one raw block. Idempotent.
    async fn put(&self, bytes: Bytes) -> Result<Cid, ContentError>;
    /// The bytes, `max` at most. Idempotent.
    async fn get(&self, cid: &Cid, max: u64) -> Result<Bytes, ContentError>;
    /// The CID of what a path names: a CID, or `CID/folder/file`. Idempotent.
    async fn resolve(&self, path: &str) -> Result<Cid, ContentError>;
    /// The canonical form of a CID's text.
    fn parse(&self, text: &str) -> Result<Cid, ContentError>;
}

/// The platform's private blobs (transcripts, logs, states), by a name of the caller's.
#[async_trait]
pub trait Archive: Send + Sync {
    /// Keeps bytes durably. Idempotent: the first bytes under a name stay.
    async fn put(&self, name: B256, bytes: Bytes) -> Result<(), ContentError>;
    /// The bytes; absent: `None`.
    async fn get(&self, name: B256) -> Result<Option<Bytes>, ContentError>;

    /// Keeps a job's state under its root. All of it follows from [`Archive::put`].
    async fn put_state(&self, state: &State) -> Result<(), ContentError> {
        let bytes = serde_json::to_vec(state).map_err(|e| ContentError::Unavailable(e.to_string()))?;
        self.put(state.root(), bytes.into()).await
    }

    /// The state with this root, hashed again. That it is absent, or not what its name says, is an error: nothing
    /// names a state that was not kept. The empty one is always there. All of it follows from [`Archive::get`].
    async fn state(&self, root: B256) -> Result<State, ContentError> {
        let empty = State::default();
        if root == empty.root() {
            return Ok(empty);
        }
        let wrong = |what: &str| ContentError::Lost(format!("{what} the state {root}"));
        let bytes = self.get(root).await?.ok_or_else(|| wrong("does not have"))?;
        let state: State = serde_json::from_slice(&bytes).map_err(|_| wrong("cannot read"))?;
        if state.root() == root { Ok(state) } else { Err(wrong("has something else as")) }
    }
}
