//! A secp256k1 key in memory, behind the `Signer` port.

use alloy::primitives::{Address, B256, hex, keccak256};
use argus_domain::{
    call::Signature,
    chain::{SignedTx, TxDraft},
};
use argus_ports::{Signer, SignerError};
use async_trait::async_trait;
use secp256k1::{Message, SECP256K1, SecretKey, ecdsa::RecoveryId};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use zeroize::Zeroizing;

use super::{address_of, recovered::Recovered, transaction};

/// One key. Its bytes are wiped when it is dropped, and it never prints them.
pub struct LocalSigner {
    key: SecretBox<[u8; 32]>,
    address: Address,
    recovered: Recovered,
}

/// Why a text is no key. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a private key is 32 bytes in hex (64 digits, 0x in front or not), above zero and below the curve's order"
)]
pub struct BadKey;

impl LocalSigner {
    /// A key from its 64 hex digits, with or without `0x`.
    ///
    /// # Errors
    /// [`BadKey`] when it isn't one.
    pub fn from_hex(text: &SecretString) -> Result<Self, BadKey> {
        let text = text.expose_secret().trim();
        let mut bytes = Zeroizing::new([0u8; 32]);
        hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| BadKey)?;
        Self::from_bytes(&bytes)
    }

    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadKey> {
        let mut key = SecretBox::new(Box::new([0u8; 32]));
        key.expose_secret_mut().copy_from_slice(bytes);
        let mut secret = SecretKey::from_byte_array(*key.expose_secret()).map_err(|_| BadKey)?;
        let address = address_of(&secret.public_key(SECP256K1));
        secret.non_secure_erase();
        Ok(Self { key, address, recovered: Recovered::default() })
    }

    pub(crate) fn bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.key.expose_secret())
    }

    fn signature(&self, digest: B256) -> Result<Signature, SignerError> {
        let mut secret = SecretKey::from_byte_array(*self.key.expose_secret())
            .map_err(|e| SignerError::Refused(e.to_string()))?;
        // libsecp256k1 only makes signatures with a low s (EIP-2), with nonces after RFC 6979.
        let recoverable = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
        secret.non_secure_erase();
        let (recovery, rs) = recoverable.serialize_compact();
        // Ids 2 and 3 need an r of at least the curve's order, which nobody has ever met (p = 2^-128).
        let is_odd = matches!(recovery, RecoveryId::One | RecoveryId::Three);
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(&rs);
        bytes[64] = 27 + u8::from(is_odd);
        let signature = Signature(bytes);
        self.recovered.keep((digest, signature), Some(self.address));
        Ok(signature)
    }
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Deterministic (RFC 6979): the same bytes have the same signature.
#[async_trait]
impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        self.signature(keccak256(preimage))
    }

    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        transaction(self, draft).await
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        self.recovered.recover(digest, signature)
    }

    /// The digest itself, which programs of every version take.
    async fn sign_digest(&self, digest: B256) -> Result<Signature, SignerError> {
        self.signature(digest)
    }
}

#[cfg(test)]
mod tests {
    use alloy::{
        consensus::TxEnvelope,
        eips::eip2718::Decodable2718,
        primitives::{U256, address, b256},
    };
    use argus_domain::ids::ChainId;

    use super::*;
    use crate::{anvil::DEV_KEYS, recover};

    fn dev(n: usize) -> LocalSigner {
        LocalSigner::from_hex(&DEV_KEYS[n].into()).expect("key")
    }

    #[test]
    fn addresses_are_those_that_anvil_shows() {
        assert_eq!(dev(0).address(), address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"));
        assert_eq!(dev(9).address(), address!("a0Ee7A142d267C1f36714E4a8F75612F20a79720"));
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        for bad in ["", "0x", "0x00", "zz", &"0".repeat(64), &"f".repeat(64), &"1".repeat(66)] {
            assert_eq!(LocalSigner::from_hex(&bad.to_owned().into()).err(), Some(BadKey), "{bad}");
        }
        assert!(LocalSigner::from_hex(&format!(" {}\n", &DEV_KEYS[0][2..]).into()).is_ok());
    }

    #[test]
    fn nothing_prints_the_key() {
        assert!(!format!("{:?}", dev(0)).contains("ac0974"));
    }

    #[tokio::test]
    async fn what_was_signed_is_recovered_and_nothing_else_is() {
        let signer = dev(0);
        let digest = keccak256("a");
        let good = signer.sign_digest(digest).await.expect("signature");
        assert_eq!(signer.sign_digest(digest).await.expect("again"), good, "deterministic");
        assert_eq!(recover(digest, &good), Some(signer.address()));
        assert_ne!(recover(keccak256("b"), &good), Some(signer.address()));

        // The same signature in its second form: n - s, and the other v.
        let order =
            U256::from_be_bytes(b256!("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141").0);
        let mut high = good;
        let s = U256::from_be_slice(&good.0[32..64]);
        high.0[32..64].copy_from_slice(&(order - s).to_be_bytes::<32>());
        high.0[64] = if good.0[64] == 27 { 28 } else { 27 };
        assert_eq!(recover(digest, &high), None);

        for v in [0, 1, 26, 29, 255] {
            let mut odd = good;
            odd.0[64] = v;
            assert_eq!(recover(digest, &odd), None, "v = {v}");
        }
        assert_eq!(recover(digest, &Signature([0; 65])), None);
    }

    #[tokio::test]
    async fn a_transaction_decodes_to_what_was_drafted() {
        let signer = dev(1);
        let draft = TxDraft {
            chain: ChainId(31_337),
            nonce: 7,
            to: Address::repeat_byte(9),
            value: U256::from(5),
            data: vec![1, 2, 3].into(),
            gas_limit: 100_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
        };
        let signed = signer.sign_transaction(&draft).await.expect("signed");
        assert_eq!(signer.sign_transaction(&draft).await.expect("again"), signed, "the same bytes each time");
        assert_eq!(keccak256(&signed.raw), signed.hash);
        let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).expect("decodes");
        let TxEnvelope::Eip1559(inner) = envelope else { panic!("type 2") };
        let made = Signature(inner.signature().as_bytes());
        assert_eq!(recover(inner.signature_hash(), &made), Some(signer.address()));
        assert_eq!(inner.tx().nonce, 7);
        assert_eq!(inner.tx().input, draft.data);
    }
}
