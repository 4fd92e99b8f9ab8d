//! One way to hash a domain value: keccak256 over a tag and the value's canonical text.

use alloy_primitives::{B256, Keccak256};
use serde::Serialize;

/// `keccak256(tag || 0x00 || canonical JSON of the value)`.
///
/// Canonical means: the order of fields as declared, maps sorted by key (`BTreeMap` only), numbers as written.
/// The tag names the meaning and its version, so that no value can be taken for one of another kind.
pub fn digest_of<T: Serialize>(tag: &str, value: &T) -> B256 {
    let mut hasher = Keccak256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    // Most values are of about this size.
    let mut text = Vec::with_capacity(1024);
    // Serialisation into memory of a type without maps keyed by non-strings cannot fail; a text cut short would
    // still be bound to its tag.
    let _ = serde_json::to_writer(&mut text, value);
    hasher.update(&text);
    hasher.finalize()
}
