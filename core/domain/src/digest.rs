//! One way to hash a domain value: keccak256 over a tag and the value's canonical bytes.

mod canonical;

use alloy_primitives::{B256, Keccak256};
use serde::Serialize;

/// `keccak256(tag || 0x00 || canonical bytes of the value)`.
///
/// Canonical means: the order of fields as declared, maps sorted by key (`BTreeMap` only), every part led by what it
/// is, so that no two values of a type have the same bytes. The tag names the meaning and its version, so that no
/// value can be taken for one of another kind.
pub fn digest_of<T: Serialize>(tag: &str, value: &T) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    hasher.update(canonical::bytes(value));
    hasher.finalize()
}
