//! Keys under which secrets are stored, and what they seal.

use argus_domain::{
    B256,
    ids::JobId,
    secret::{RunSecrets, SealedSecret, SecretName, SecretValue},
    time::Timestamp,
};
use argus_ports::{Vault, VaultError};
use bytes::Bytes;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

use crate::post;

const NONCE: usize = 24;
const KEY: usize = 32;

/// One key, with the public name by which what it sealed is known.
struct Kek {
    id: [u8; 8],
    cipher: XChaCha20Poly1305,
}

impl Kek {
    fn new(key: &[u8; KEY]) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&blake3::derive_key("argus secret key id 1", key)[..8]);
        Self { id, cipher: XChaCha20Poly1305::new(key.into()) }
    }
}

/// Why a text holds no keys. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it holds no keys: give 32 bytes as 64 hex digits; where keys are changed, one a line, the newest first"
)]
pub struct BadKeys;

/// Seals under its first key and opens under any of them: so a key is changed by putting another one before it.
///
/// XChaCha20-Poly1305, whose nonces are long enough to be drawn at random for ever; job and name are bound to each
/// value, so that a row moved to another job opens for none.
pub struct KeyVault {
    newest: Kek,
    older: Vec<Kek>,
}

impl KeyVault {
    /// Reads keys: 64 hex digits each, one a line.
    ///
    /// # Errors
    /// [`BadKeys`] where a line is none, or there is no line.
    pub fn from_text(text: &str) -> Result<Self, BadKeys> {
        let mut keys = Vec::new();
        for line in text.split_whitespace() {
            let mut key = Zeroizing::new([0u8; KEY]);
            hex::decode_to_slice(line, key.as_mut_slice()).map_err(|_| BadKeys)?;
            keys.push(Kek::new(&key));
        }
        let mut keys = keys.into_iter();
        Ok(Self { newest: keys.next().ok_or(BadKeys)?, older: keys.collect() })
    }
}

/// What is bound to a sealed value: the job's id, which has a fixed length, and the name.
fn bound(job: JobId, name: &SecretName) -> Vec<u8> {
    [b"argus/secret/1\0", &job.0.to_be_bytes::<32>()[..], name.as_str().as_bytes()].concat()
}

impl Vault for KeyVault {
    fn key(&self) -> [u8; 8] {
        self.newest.id
    }

    fn seal(
        &self,
        job: JobId,
        name: &SecretName,
        value: &SecretValue,
        now: Timestamp,
    ) -> Result<SealedSecret, VaultError> {
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|e| VaultError::Randomness(e.to_string()))?;
        let payload = Payload { msg: value.expose().as_bytes(), aad: &bound(job, name) };
        let sealed = self.newest.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.map_err(|_| VaultError::Altered)?;
        Ok(SealedSecret { key: self.newest.id, bytes: [&nonce[..], &sealed].concat(), set_at: now })
    }

    fn open(&self, job: JobId, name: &SecretName, sealed: &SealedSecret) -> Result<SecretValue, VaultError> {
        let kek = std::iter::once(&self.newest).chain(&self.older).find(|kek| kek.id == sealed.key);
        let kek = kek.ok_or(VaultError::OtherKey(sealed.key))?;
        let (nonce, bytes) = sealed.bytes.split_first_chunk::<NONCE>().ok_or(VaultError::Altered)?;
        let payload = Payload { msg: bytes, aad: &bound(job, name) };
        let opened = kek.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| VaultError::Altered)?;
        let text = String::from_utf8(opened).map_err(|_| VaultError::Altered)?;
        SecretValue::new(text).map_err(|_| VaultError::Altered)
    }

    fn post(&self, secrets: &RunSecrets, to: B256, purpose: B256) -> Result<Bytes, VaultError> {
        post::seal(secrets, to, purpose)
    }
}

#[cfg(test)]
mod tests {
    use argus_domain::U256;

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222222222222222222222222222";

    fn vault(text: &str) -> KeyVault {
        KeyVault::from_text(text).unwrap_or_else(|e| panic!("{e}"))
    }

    fn job(n: u64) -> JobId {
        JobId(U256::from(n))
    }

    fn name(text: &str) -> SecretName {
        text.parse().expect("a name")
    }

    #[test]
    fn a_value_opens_for_its_own_job_and_name_alone() {
        let vault = vault(OLD);
        let value = SecretValue::new("canary-value-1".to_owned()).expect("a value");
        let sealed = vault.seal(job(1), &name("A"), &value, Timestamp(5)).expect("sealed");
        assert!(!sealed.bytes.windows(6).any(|w| w == b"canary"), "it is not in the clear");
        assert_eq!(vault.open(job(1), &name("A"), &sealed), Ok(value.clone()));
        assert_eq!(vault.open(job(2), &name("A"), &sealed), Err(VaultError::Altered));
        assert_eq!(vault.open(job(1), &name("B"), &sealed), Err(VaultError::Altered));
        for at in 0..sealed.bytes.len() {
            let mut altered = sealed.clone();
            altered.bytes[at] ^= 1;
            assert_eq!(vault.open(job(1), &name("A"), &altered), Err(VaultError::Altered), "byte {at}");
        }
        let short = SealedSecret { bytes: vec![1; 3], ..sealed.clone() };
        assert_eq!(vault.open(job(1), &name("A"), &short), Err(VaultError::Altered));
        let again = vault.seal(job(1), &name("A"), &value, Timestamp(5)).expect("sealed");
        assert_ne!(again.bytes, sealed.bytes, "a nonce is used once");
    }

    #[test]
    fn keys_are_changed_by_putting_a_new_one_first() {
        let value = SecretValue::new("canary-value-1".to_owned()).expect("a value");
        let seal = |v: &KeyVault| v.seal(job(1), &name("A"), &value, Timestamp(5)).expect("sealed");
        let (old, new, both) = (vault(OLD), vault(NEW), vault(&format!("{NEW}\n{OLD}\n")));
        let (before, after) = (seal(&old), seal(&both));
        assert_eq!(both.open(job(1), &name("A"), &before), Ok(value.clone()));
        assert_eq!(new.open(job(1), &name("A"), &after), Ok(value.clone()), "the first one seals");
        let said = new.open(job(1), &name("A"), &before).expect_err("its key is gone").to_string();
        assert!(said.contains("put that key back"), "{said}");
    }

    #[test]
    fn what_holds_no_keys_is_refused() {
        for text in ["", "\n", "12", &OLD[1..], &format!("{OLD}\nx"), &format!("{OLD}{NEW}")] {
            assert!(KeyVault::from_text(text).is_err(), "{text}");
        }
    }
}
