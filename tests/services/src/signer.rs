//! Signatures that cost nothing: good enough to tell keepers apart, worth nothing against forgers.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    Address, B256,
    call::Signature,
    chain::{SignedTx, TxDraft},
    keccak256,
};
use argus_ports::{Signer, SignerError};
use async_trait::async_trait;

/// The key whose address is this byte, twenty times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestSigner(pub u8);

impl TestSigner {
    /// Its signature over a digest as it is.
    pub fn over(&self, digest: B256) -> Signature {
        let mut bytes = [0; 65];
        bytes[..20].copy_from_slice(self.address().as_slice());
        bytes[20..52].copy_from_slice(seal(self.address(), digest).as_slice());
        Signature(bytes)
    }
}

fn seal(address: Address, digest: B256) -> B256 {
    keccak256([address.as_slice(), digest.as_slice()].concat())
}

#[async_trait]
impl Signer for TestSigner {
    fn address(&self) -> Address {
        Address::repeat_byte(self.0)
    }

    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        Ok(self.over(keccak256(preimage)))
    }

    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        let raw = serde_json::to_vec(&(self.address(), draft));
        let raw = raw.map_err(|e| SignerError::Refused(e.to_string()))?;
        Ok(SignedTx { hash: keccak256(&raw), raw: raw.into() })
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        let address = Address::from_slice(&signature.0[..20]);
        (signature.0[20..52] == *seal(address, digest)).then_some(address)
    }
}

/// Longest that a signer that is away has whoever asks it wait.
const AWAY: Duration = Duration::from_millis(150);

/// Keys that lie elsewhere: they may be away, and sign the same bytes differently each time.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    away: Arc<AtomicBool>,
    signed: Arc<AtomicU64>,
}

impl Elsewhere {
    /// Whether nobody gets a signature from now on.
    pub fn leave(&self, is_away: bool) {
        self.away.store(is_away, Ordering::SeqCst);
    }

    /// One of the keys.
    pub fn signer(&self, key: TestSigner) -> Arc<dyn Signer> {
        Arc::new(Remote { key, place: self.clone() })
    }

    async fn reach(&self) -> Result<(), SignerError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if !self.away.load(Ordering::SeqCst) {
            return Ok(());
        }
        tokio::time::sleep(AWAY).await;
        Err(SignerError::Unreachable("it is away".to_owned()))
    }
}

struct Remote {
    key: TestSigner,
    place: Elsewhere,
}

#[async_trait]
impl Signer for Remote {
    fn address(&self) -> Address {
        self.key.address()
    }

    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        self.place.reach().await?;
        let mut signature = self.key.sign(preimage).await?;
        let nth = self.place.signed.fetch_add(1, Ordering::SeqCst);
        signature.0[52..60].copy_from_slice(&nth.to_be_bytes());
        Ok(signature)
    }

    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        self.place.reach().await?;
        self.key.sign_transaction(draft).await
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        self.key.recover(digest, signature)
    }
}
