//! What the job remembers from run to run. Writes count once the run's call is on the chain.

use serde_json::json;

use crate::{Result, from_hex, guest, to_hex};

/// The value under a key; absent: `None`.
pub fn get(key: &str) -> Result<Option<Vec<u8>>> {
    let reply = guest::storage_get(json!({ "key": key }))?;
    Ok(reply.as_str().map(from_hex).transpose()?)
}

/// Remembers a value.
pub fn set(key: &str, value: &[u8]) -> Result<()> {
    guest::storage_set(json!({ "key": key, "value": to_hex(value) }))?;
    Ok(())
}

/// Forgets a value.
pub fn delete(key: &str) -> Result<()> {
    guest::storage_delete(json!({ "key": key }))?;
    Ok(())
}
