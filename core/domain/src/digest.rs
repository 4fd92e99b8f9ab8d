//! One way to hash a domain value: BLAKE3 over a tag and the value's canonical bytes. What contracts check is hashed as
//! they hash it, with Keccak ([`crate::call`]); this is several times faster, and nearly all hashing of a task is here.

mod canonical;

use alloy_primitives::B256;
use serde::Serialize;

/// `BLAKE3(tag || 0x00 || canonical bytes of the value)`, 32 bytes.
///
/// Canonical means: the order of fields as declared, maps sorted by key (`BTreeMap` only), every part led by what it
/// is, so that no two values of a type have the same bytes. The tag names the meaning and its version, so that no
/// value can be taken for one of another kind.
pub fn digest_of<T: Serialize>(tag: &str, value: &T) -> B256 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(tag.as_bytes());
    hasher.update(&[0]);
    hasher.update(&canonical::bytes(value));
    B256::new(hasher.finalize().into())
}
