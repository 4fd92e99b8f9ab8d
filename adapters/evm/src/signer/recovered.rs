//! Who made a signature, and who made those that were met lately.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy::primitives::{Address, B256};
use argus_domain::call::Signature;
use secp256k1::{
    Message, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId},
};

use super::address_of;

/// Who made the signatures that were met lately. One seal covers many digests, and each of them is checked by itself;
/// what an own key signed comes back to it, too.
#[derive(Default)]
pub(super) struct Recovered(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    newer: HashMap<(B256, Signature), Option<Address>>,
    older: HashMap<(B256, Signature), Option<Address>>,
}

/// Signatures remembered at least; twice as many at most.
const KEPT: usize = 512;

impl Recovered {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`recover`] has it.
    pub fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        let key = (digest, *signature);
        let known = {
            let kept = self.kept();
            kept.newer.get(&key).or_else(|| kept.older.get(&key)).copied()
        };
        known.unwrap_or_else(|| {
            let address = recover(digest, signature);
            self.keep(key, address);
            address
        })
    }

    /// Remembers who made a signature.
    pub fn keep(&self, key: (B256, Signature), address: Option<Address>) {
        let mut kept = self.kept();
        if kept.newer.len() >= KEPT {
            kept.older = std::mem::take(&mut kept.newer);
        }
        kept.newer.insert(key, address);
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

#[cfg(test)]
mod tests {
    use alloy::primitives::keccak256;
    use argus_ports::Signer;

    use super::*;
    use crate::{LocalSigner, anvil::DEV_KEYS};

    #[tokio::test]
    async fn what_is_remembered_is_what_would_be_recovered() {
        let ours = Recovered::default();
        let theirs = LocalSigner::from_hex(&DEV_KEYS[1].into()).expect("key");
        for n in 0..3 * KEPT as u64 {
            let digest = keccak256((n % 700).to_be_bytes());
            let signature = theirs.sign_digest(digest).await.expect("signature");
            let other = keccak256(digest);
            for (digest, signature) in [(digest, signature), (other, signature), (digest, Signature([0; 65]))]
            {
                assert_eq!(ours.recover(digest, &signature), recover(digest, &signature), "{n}");
            }
        }
        let kept = ours.kept();
        assert!(kept.newer.len() + kept.older.len() <= 2 * KEPT);
    }
}
