//! The run's own clock, randomness, secrets and log.

use serde_json::{Value, json};

use crate::{Result, from_hex, guest, to_hex};

/// Milliseconds since 1970. It starts at the due instant and moves only while a host call is out.
pub fn now_ms() -> u64 {
    guest::env_now(json!({})).ok().as_ref().and_then(Value::as_u64).unwrap_or_default()
}

/// Bytes that follow from job and task: every keeper gets the same. At most 65,536 at a time.
pub fn random(len: u32) -> Result<Vec<u8>> {
    let reply = guest::env_random(json!({ "len": len }))?;
    Ok(from_hex(reply.as_str().unwrap_or_default())?)
}

/// The placeholder of a secret that the job was granted: the host puts the secret in as a request leaves.
pub fn secret(name: &str) -> Result<String> {
    let reply = guest::env_secret(json!({ "name": name }))?;
    Ok(reply.as_str().unwrap_or_default().to_owned())
}

/// How [`hmac`] writes a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal digits, without 0x.
    Hex,
    /// Base64, with padding.
    Base64,
}

/// HMAC-SHA256 of bytes under a secret that the job was granted, of at least 16 bytes, in a job whose agreement is
/// trust-performer. Placeholders in a text stand for their values. The result is recorded: it is no secret.
pub fn hmac(secret: &str, data: &[u8], encoding: Encoding) -> Result<String> {
    let encoding = match encoding {
        Encoding::Hex => "hex",
        Encoding::Base64 => "base64",
    };
    let reply = guest::env_hmac(json!({ "name": secret, "data": to_hex(data), "encoding": encoding }))?;
    Ok(reply.as_str().unwrap_or_default().to_owned())
}

/// A line of the log.
pub fn log(message: &str) {
    // A log that is full is cut; the run goes on and has nothing to be told.
    let _cut = guest::log(json!({ "message": message }));
}
