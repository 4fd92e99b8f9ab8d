//! A secp256k1 key in memory, behind the `Signer` port.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::eip2718::Encodable2718,
    primitives::{Address, B256, Signature as AlloySignature, TxKind, hex, keccak256},
};
use argus_domain::{
    call::Signature,
    chain::{SignedTx, TxDraft},
};
use argus_ports::{Signer, SignerError};
use secp256k1::{
    Message, PublicKey, SECP256K1, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use zeroize::Zeroizing;

/// One key. Its bytes are wiped when it is dropped, and it never prints them.
pub struct LocalSigner {
    key: SecretBox<[u8; 32]>,
    address: Address,
    recovered: Mutex<Recovered>,
}

/// Who made the signatures that were met lately. One seal covers many digests, and each of them is checked by itself;
/// what this key signed comes back to it, too.
#[derive(Default)]
struct Recovered {
    newer: HashMap<(B256, Signature), Option<Address>>,
    older: HashMap<(B256, Signature), Option<Address>>,
}

/// Signatures remembered at least; twice as many at most.
const RECOVERED_KEPT: usize = 512;

impl Recovered {
    fn get(&self, key: &(B256, Signature)) -> Option<Option<Address>> {
        self.newer.get(key).or_else(|| self.older.get(key)).copied()
    }

    fn keep(&mut self, key: (B256, Signature), address: Option<Address>) {
        if self.newer.len() >= RECOVERED_KEPT {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, address);
    }
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
        Ok(Self { key, address, recovered: Mutex::default() })
    }

    pub(crate) fn bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.key.expose_secret())
    }

    fn recovered(&self) -> MutexGuard<'_, Recovered> {
        self.recovered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sign_recoverable(&self, digest: B256) -> Result<RecoverableSignature, SignerError> {
        let mut secret =
            SecretKey::from_byte_array(*self.key.expose_secret()).map_err(|e| SignerError(e.to_string()))?;
        // libsecp256k1 only makes signatures with a low s (EIP-2), with nonces after RFC 6979.
        let signature = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
        secret.non_secure_erase();
        Ok(signature)
    }
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSigner").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Signer for LocalSigner {
    fn address(&self) -> Address {
        self.address
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        let (recovery, rs) = self.sign_recoverable(digest)?.serialize_compact();
        let mut bytes = [0u8; 65];
        bytes[..64].copy_from_slice(&rs);
        bytes[64] = 27 + u8::from(recovery_bit(recovery));
        let signature = Signature(bytes);
        self.recovered().keep((digest, signature), Some(self.address));
        Ok(signature)
    }

    fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        let transaction = TxEip1559 {
            chain_id: draft.chain.0,
            nonce: draft.nonce,
            gas_limit: draft.gas_limit,
            max_fee_per_gas: draft.max_fee_per_gas,
            max_priority_fee_per_gas: draft.max_priority_fee_per_gas,
            to: TxKind::Call(draft.to),
            value: draft.value,
            access_list: Default::default(),
            input: draft.data.clone(),
        };
        let (recovery, rs) = self.sign_recoverable(transaction.signature_hash())?.serialize_compact();
        let signature = AlloySignature::from_bytes_and_parity(&rs, recovery_bit(recovery));
        let signed = transaction.into_signed(signature);
        Ok(SignedTx { hash: *signed.hash(), raw: signed.encoded_2718().into() })
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        let key = (digest, *signature);
        let known = self.recovered().get(&key);
        known.unwrap_or_else(|| {
            let address = recover(digest, signature);
            self.recovered().keep(key, address);
            address
        })
    }
}

/// The address that made a signature over a digest; `None` where it is none, or has a high s (EIP-2), or a v other
/// than 27 and 28: the same signatures that the executor contract takes.
pub fn recover(digest: B256, signature: &Signature) -> Option<Address> {
    let recovery = match signature.0[64] {
        27 => RecoveryId::Zero,
        28 => RecoveryId::One,
        _ => return None,
    };
    let recoverable = RecoverableSignature::from_compact(&signature.0[..64], recovery).ok()?;
    let standard = recoverable.to_standard();
    let mut low = standard;
    low.normalize_s();
    if low != standard {
        return None;
    }
    SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &recoverable).ok().map(|key| address_of(&key))
}

// Ids 2 and 3 need an r of at least the curve's order, which nobody has ever met (p = 2^-128).
fn recovery_bit(recovery: RecoveryId) -> bool {
    matches!(recovery, RecoveryId::One | RecoveryId::Three)
}

fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
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
    use crate::anvil::DEV_KEYS;

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

    #[test]
    fn what_was_signed_is_recovered_and_nothing_else_is() {
        let signer = dev(0);
        let digest = keccak256("a");
        let good = signer.sign(digest).expect("signature");
        assert_eq!(signer.sign(digest).expect("again"), good, "deterministic");
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

    #[test]
    fn what_is_remembered_is_what_would_be_recovered() {
        let (ours, theirs) = (dev(0), dev(1));
        for n in 0..3 * RECOVERED_KEPT as u64 {
            let digest = keccak256((n % 700).to_be_bytes());
            let signature = theirs.sign(digest).expect("signature");
            let other = keccak256(digest);
            for (digest, signature) in [(digest, signature), (other, signature), (digest, Signature([0; 65]))]
            {
                assert_eq!(ours.recover(digest, &signature), recover(digest, &signature), "{n}");
            }
        }
        let kept = ours.recovered();
        assert!(kept.newer.len() + kept.older.len() <= 2 * RECOVERED_KEPT);
    }

    #[test]
    fn a_transaction_decodes_to_what_was_drafted() {
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
        let signed = signer.sign_transaction(&draft).expect("signed");
        assert_eq!(signer.sign_transaction(&draft).expect("again"), signed, "the same bytes each time");
        assert_eq!(keccak256(&signed.raw), signed.hash);
        let envelope = TxEnvelope::decode_2718(&mut signed.raw.as_ref()).expect("decodes");
        let TxEnvelope::Eip1559(inner) = envelope else { panic!("type 2") };
        let made = Signature(inner.signature().as_bytes());
        assert_eq!(recover(inner.signature_hash(), &made), Some(signer.address()));
        assert_eq!(inner.tx().nonce, 7);
        assert_eq!(inner.tx().input, draft.data);
    }
}
