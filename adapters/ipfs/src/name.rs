//! CIDs that we can check: sha2-256 over a raw or a dag-pb block.

use argus_domain::module::Cid;
use argus_ports::ContentError;
use cid::{Cid as RawCid, Version, multibase::Base};
use multihash::Multihash;
use sha2::{Digest, Sha256};

// Multicodec numbers.
const RAW: u64 = 0x55;
const DAG_PB: u64 = 0x70;
const SHA2_256: u64 = 0x12;

/// Longest text that is read as a CID: in base2, its longest form, one of ours has about 300 characters.
const TEXT_MAX: usize = 400;

/// A CID of that kind, version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    digest: [u8; 32],
    codec: u64,
}

impl Name {
    pub(crate) fn of_raw(bytes: &[u8]) -> Self {
        Self { digest: Sha256::digest(bytes).into(), codec: RAW }
    }

    /// Of a dag-pb block.
    pub(crate) fn of_node(block: &[u8]) -> Self {
        Self { digest: Sha256::digest(block).into(), codec: DAG_PB }
    }

    pub(crate) fn parse(text: &str) -> Result<Self, ContentError> {
        let bad = || ContentError::BadCid(text.chars().take(100).collect());
        if text.len() > TEXT_MAX || text.contains('/') {
            return Err(bad());
        }
        RawCid::try_from(text).ok().and_then(|cid| Self::of(&cid)).ok_or_else(bad)
    }

    /// From its binary form, as links within blocks have it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        RawCid::try_from(bytes).ok().and_then(|cid| Self::of(&cid))
    }

    fn of(cid: &RawCid) -> Option<Self> {
        let codec = if cid.version() == Version::V0 { DAG_PB } else { cid.codec() };
        let known = cid.hash().code() == SHA2_256 && [RAW, DAG_PB].contains(&codec);
        let digest = cid.hash().digest().try_into().ok()?;
        known.then_some(Self { digest, codec })
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.codec == RAW
    }

    /// Whether these are the bytes that it names.
    pub(crate) fn names(&self, bytes: &[u8]) -> bool {
        <[u8; 32]>::from(Sha256::digest(bytes)) == self.digest
    }

    /// The canonical text: base32 in lower case.
    pub(crate) fn cid(&self) -> Cid {
        // Base32 writes every CIDv1.
        Cid(self.raw().and_then(|cid| cid.to_string_of_base(Base::Base32Lower).ok()).unwrap_or_default())
    }

    /// Its binary form.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.raw().map(|cid| cid.to_bytes()).unwrap_or_default()
    }

    /// A digest of 32 bytes always fits into the 64 of a multihash.
    fn raw(&self) -> Option<RawCid> {
        Multihash::<64>::wrap(SHA2_256, &self.digest).ok().map(|hash| RawCid::new_v1(self.codec, hash))
    }
}
