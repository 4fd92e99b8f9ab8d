//! A user's wallet.

use argus_domain::{Address, B256, call::Signature, keccak256, sign_in::digest};
use secp256k1::{
    Message, SECP256K1, SecretKey,
    ecdsa::{RecoverableSignature, RecoveryId},
};

fn address_of(key: &secp256k1::PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// Who made a signature.
pub fn recover(digest: B256, signature: &Signature) -> Option<Address> {
    let id = RecoveryId::try_from(i32::from(signature.0[64]) - 27).ok()?;
    let signature = RecoverableSignature::from_compact(&signature.0[..64], id).ok()?;
    let key = SECP256K1.recover_ecdsa(Message::from_digest(digest.0), &signature).ok()?;
    Some(address_of(&key))
}

/// The n-th wallet.
pub struct Wallet(SecretKey);

impl Wallet {
    pub fn new(n: u8) -> Self {
        Self(SecretKey::from_byte_array([n; 32]).unwrap())
    }

    pub fn address(&self) -> Address {
        address_of(&self.0.public_key(SECP256K1))
    }

    /// Signs a text as `personal_sign` does.
    pub fn sign(&self, text: &str) -> String {
        let signed = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(digest(text).0), &self.0);
        let (id, rs) = signed.serialize_compact();
        let mut bytes = rs.to_vec();
        bytes.push(27 + u8::try_from(i32::from(id)).unwrap());
        argus_domain::Bytes::from(bytes).to_string()
    }
}
