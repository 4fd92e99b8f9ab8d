//! What only the holder of a key can make.

use argus_domain::B256;
use hmac::{Hmac, Mac, digest::InvalidLength};
use sha2::Sha256;

/// HMAC-SHA256 (RFC 2104). It takes a key of any length, and so fails for none.
pub fn hmac(key: &[u8], data: &[u8]) -> Result<B256, InvalidLength> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(data);
    Ok(B256::from_slice(&mac.finalize().into_bytes()))
}
