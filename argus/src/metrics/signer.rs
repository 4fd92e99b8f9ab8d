//! Calls to a remote signer.

use argus_domain::{
    Address, B256,
    call::Signature,
    chain::{SignedTx, TxDraft},
};
use argus_metrics::{Figures, Unregistered, table};
use argus_ports::{Signer, SignerError};
use async_trait::async_trait;

use super::Calls;

/// A signer whose calls are counted.
pub struct CountedSigner<S> {
    inner: S,
    calls: Calls,
}

impl<S: Signer> CountedSigner<S> {
    /// By these figures, which all keys of a process share.
    pub fn new(inner: S, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

/// Registers the figures of calls to a remote signer.
pub fn register_signer(figures: &Figures) -> Result<Calls, Unregistered> {
    Calls::timed(figures, &table::SIGNER_CALLS, &table::SIGNER_SECONDS)
}

#[async_trait]
impl<S: Signer> Signer for CountedSigner<S> {
    fn address(&self) -> Address {
        self.inner.address()
    }

    /// What is signed by itself is a claim.
    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        self.calls.call(&["claim"], self.inner.sign(preimage)).await
    }

    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        self.calls.call(&["transaction"], self.inner.sign_transaction(draft)).await
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        self.inner.recover(digest, signature)
    }

    async fn sign_digest(&self, digest: B256) -> Result<Signature, SignerError> {
        self.calls.call(&["digest"], self.inner.sign_digest(digest)).await
    }
}
