//! Content under its CID, and private blobs under a name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use argus_domain::{B256, module::Cid};
use argus_ports::{Archive, ContentError, ContentStore};
use async_trait::async_trait;
use bytes::Bytes;
use cid::{Cid as RawCid, Version, multibase::Base};
use multihash::Multihash;
use sha2::{Digest, Sha256};

use crate::lock;

/// Multicodec numbers.
const RAW: u64 = 0x55;
const SHA2_256: u64 = 0x12;

/// Content that was put here, named as everywhere. Clones share one store.
#[derive(Clone, Default)]
pub struct MemoryContent(Arc<Mutex<BTreeMap<Cid, Bytes>>>);

impl MemoryContent {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl ContentStore for MemoryContent {
    async fn put(&self, bytes: Bytes) -> Result<Cid, ContentError> {
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hash = Multihash::<64>::wrap(SHA2_256, &digest)
            .map_err(|e| ContentError::Unavailable(format!("hashing failed: {e}")))?;
        let cid = Cid(RawCid::new_v1(RAW, hash).to_string());
        lock(&self.0).insert(cid.clone(), bytes);
        Ok(cid)
    }

    async fn get(&self, cid: &Cid, max: u64) -> Result<Bytes, ContentError> {
        let cid = self.parse(&cid.0)?;
        let bytes = lock(&self.0).get(&cid).cloned().ok_or(ContentError::Absent(cid))?;
        if bytes.len() as u64 > max { Err(ContentError::TooLarge { max }) } else { Ok(bytes) }
    }

    async fn resolve(&self, path: &str) -> Result<Cid, ContentError> {
        match path.split_once('/') {
            None => self.parse(path),
            // Nobody puts folders here.
            Some((folder, _)) => Err(ContentError::Absent(self.parse(folder)?)),
        }
    }

    fn parse(&self, text: &str) -> Result<Cid, ContentError> {
        let bad = || ContentError::BadCid(text.chars().take(100).collect());
        let cid = RawCid::try_from(text).map_err(|_| bad())?;
        if cid.hash().code() != SHA2_256 || cid.hash().size() != 32 {
            return Err(bad());
        }
        let cid = if cid.version() == Version::V0 { cid.into_v1().map_err(|_| bad())? } else { cid };
        cid.to_string_of_base(Base::Base32Lower).map(Cid).map_err(|_| bad())
    }
}

/// Private blobs. Clones share one archive.
#[derive(Clone, Default)]
pub struct MemoryArchive(Arc<Mutex<BTreeMap<B256, Bytes>>>);

impl MemoryArchive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Archive for MemoryArchive {
    async fn put(&self, name: B256, bytes: Bytes) -> Result<(), ContentError> {
        lock(&self.0).entry(name).or_insert(bytes);
        Ok(())
    }

    async fn get(&self, name: B256) -> Result<Option<Bytes>, ContentError> {
        Ok(lock(&self.0).get(&name).cloned())
    }
}
