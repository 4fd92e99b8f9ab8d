//! Signatures that cost nothing: good enough to tell keepers apart, worth nothing against forgers.

use argus_domain::{
    Address, B256,
    call::Signature,
    chain::{SignedTx, TxDraft},
    keccak256,
};
use argus_ports::{Signer, SignerError};

/// The key whose address is this byte, twenty times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestSigner(pub u8);

fn seal(address: Address, digest: B256) -> B256 {
    keccak256([address.as_slice(), digest.as_slice()].concat())
}

impl Signer for TestSigner {
    fn address(&self) -> Address {
        Address::repeat_byte(self.0)
    }

    fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
        let mut bytes = [0; 65];
        bytes[..20].copy_from_slice(self.address().as_slice());
        bytes[20..52].copy_from_slice(seal(self.address(), digest).as_slice());
        Ok(Signature(bytes))
    }

    fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        let raw = serde_json::to_vec(&(self.address(), draft)).map_err(|e| SignerError(e.to_string()))?;
        Ok(SignedTx { hash: keccak256(&raw), raw: raw.into() })
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        let address = Address::from_slice(&signature.0[..20]);
        (signature.0[20..52] == *seal(address, digest)).then_some(address)
    }
}
