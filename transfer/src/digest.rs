//! What many records come to, in whichever order they are read.

use std::fmt;

use argus_domain::{B256, U256, keccak256};

use crate::canon::Canonical;

/// How many records there are, and the sum of their Keccak-256 hashes modulo 2^256. Stores give records in orders of
/// their own, so it has none. Two that are equal hold the same, unless somebody made one up to be like the other: it is
/// there to find what was lost or changed, not to be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest {
    /// How many.
    pub count: u64,
    sum: U256,
}

impl Digest {
    pub(crate) fn add(&mut self, record: &Canonical) {
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.wrapping_add(record.hash().into());
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", B256::from(self.sum))
    }
}

/// Parts that records of a kind are counted in by their keys, so that a difference is looked for in one of them.
pub(crate) const PARTS: usize = 4096;

/// In which part a record is.
pub(crate) fn part(key: &str) -> usize {
    let [a, b, ..] = keccak256(key.as_bytes()).0;
    usize::from(u16::from_be_bytes([a, b])) % PARTS
}
