//! From the platform to one keeper: HPKE (RFC 9180), base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.

use argus_domain::{
    B256,
    secret::{RunSecrets, SecretValue},
};
use argus_ports::{Letterbox, VaultError};
use bytes::Bytes;
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal,
};
use zeroize::Zeroizing;

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapped = <X25519HkdfSha256 as Kem>::EncappedKey;

/// Says of what version and kind the plaintext is.
const INFO: &[u8] = b"argus/secrets/1";
/// Bytes of an encapsulated key, which stands before the ciphertext.
const ENCAPPED: usize = 32;

/// Seals a run's secrets to a keeper's key.
pub(crate) fn seal(secrets: &RunSecrets, to: B256, purpose: B256) -> Result<Bytes, VaultError> {
    let to = Public::from_bytes(to.as_slice()).map_err(|_| VaultError::BadKey)?;
    let (encapped, sealed) = single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeS::Base,
        &to,
        INFO,
        &written(secrets),
        purpose.as_slice(),
    )
    .map_err(|_| VaultError::BadKey)?;
    Ok([encapped.to_bytes().as_slice(), &sealed].concat().into())
}

/// A keeper's key pair: made at its start, kept in memory alone. What was sealed to it opens for nobody once the
/// keeper has stopped, and the keeper's Ethereum key stays behind a port that can only sign.
pub struct OwnLetterbox {
    public: B256,
    private: Private,
}

impl OwnLetterbox {
    /// A fresh pair.
    ///
    /// # Errors
    /// [`VaultError::Randomness`].
    pub fn new() -> Result<Self, VaultError> {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut_slice()).map_err(|e| VaultError::Randomness(e.to_string()))?;
        let (private, public) = X25519HkdfSha256::derive_keypair(seed.as_slice());
        Ok(Self { public: B256::from_slice(&public.to_bytes()), private })
    }
}

impl Letterbox for OwnLetterbox {
    fn key(&self) -> B256 {
        self.public
    }

    fn open(&self, posted: &[u8], purpose: B256) -> Result<RunSecrets, VaultError> {
        let (encapped, sealed) = posted.split_at_checked(ENCAPPED).ok_or(VaultError::Altered)?;
        let encapped = Encapped::from_bytes(encapped).map_err(|_| VaultError::Altered)?;
        let opened = single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.private,
            &encapped,
            INFO,
            sealed,
            purpose.as_slice(),
        )
        .map_err(|_| VaultError::Altered)?;
        read(&Zeroizing::new(opened)).ok_or(VaultError::Altered)
    }
}

/// A name and its value a line: neither has a line break or, the name, a space.
fn written(secrets: &RunSecrets) -> Zeroizing<Vec<u8>> {
    let size = secrets.iter().map(|(name, value)| name.as_str().len() + value.expose().len() + 2).sum();
    // Made once in its full size: growing would leave copies behind that nobody wipes.
    let mut out = Zeroizing::new(Vec::with_capacity(size));
    for (name, value) in secrets {
        for part in [name.as_str(), " ", value.expose(), "\n"] {
            out.extend_from_slice(part.as_bytes());
        }
    }
    out
}

fn read(bytes: &[u8]) -> Option<RunSecrets> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.lines()
        .map(|line| {
            let (name, value) = line.split_once(' ')?;
            Some((name.parse().ok()?, SecretValue::new(value.to_owned()).ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> RunSecrets {
        let secret = |name: &str, value: &str| {
            (name.parse().expect("a name"), SecretValue::new(value.to_owned()).expect("a value"))
        };
        [secret("A", "canary-value one"), secret("B_2", "canary-value-2")].into()
    }

    #[test]
    fn what_is_posted_opens_for_its_keeper_and_purpose_alone() {
        let (one, other) = (OwnLetterbox::new().expect("a key"), OwnLetterbox::new().expect("a key"));
        let purpose = B256::repeat_byte(1);
        let posted = seal(&secrets(), one.key(), purpose).expect("sealed");
        assert!(!posted.windows(6).any(|w| w == b"canary"), "it is not in the clear");
        assert_eq!(one.open(&posted, purpose), Ok(secrets()));
        assert_eq!(one.open(&posted, B256::repeat_byte(2)), Err(VaultError::Altered));
        assert_eq!(other.open(&posted, purpose), Err(VaultError::Altered));
        for cut in 0..posted.len() {
            assert_eq!(one.open(&posted[..cut], purpose), Err(VaultError::Altered), "{cut} bytes");
        }
        assert_eq!(
            one.open(&seal(&RunSecrets::new(), one.key(), purpose).expect("sealed"), purpose),
            Ok([].into())
        );
        assert_eq!(seal(&secrets(), B256::ZERO, purpose), Err(VaultError::BadKey), "a point of no use");
    }
}
