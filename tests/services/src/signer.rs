//! Signatures that cost nothing: good enough to tell keepers apart, worth nothing against forgers.

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
