//! A key at a remote signer, behind the `Signer` port. Nothing that it answers is believed: each signature is put into
//! the form that contracts take, and has to lead back to the key's address.

use std::time::Duration;

use alloy::primitives::{Address, B256, hex, keccak256};
use argus_domain::{
    call::Signature,
    chain::{SignedTx, TxDraft},
};
use argus_ports::{Signer, SignerError};
use async_trait::async_trait;
use secp256k1::ecdsa::Signature as Ecdsa;
use tokio::{
    sync::OnceCell,
    time::{sleep, timeout},
};

use super::{Web3Signer, recovered::Recovered, transaction};

/// Between tries at a signer that does not answer: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// One key of a [`Web3Signer`]. What it signs need not be the same twice: some hardware draws its nonces.
pub struct RemoteSigner {
    service: Web3Signer,
    address: Address,
    /// The service's name for the key, once it was asked for.
    identifier: OnceCell<String>,
    recovered: Recovered,
}

impl RemoteSigner {
    pub(super) fn new(service: Web3Signer, address: Address) -> Self {
        Self { service, address, identifier: OnceCell::new(), recovered: Recovered::default() }
    }

    async fn asked(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        let identifier = self.identifier.get_or_try_init(|| self.service.identifier(self.address)).await?;
        let Some(text) = self.service.signature(identifier, preimage).await? else {
            let says = format!("{} has no key of {} any more", self.service.host(), self.address);
            return Err(SignerError::Refused(says));
        };
        let wrong = |what: &str| SignerError::Wrong(format!("{}: {what}", self.service.host()));
        let signature = read(&text).ok_or_else(|| wrong("it is no signature of 65 bytes in hex"))?;
        let digest = keccak256(preimage);
        match self.recovered.recover(digest, &signature) {
            Some(by) if by == self.address => Ok(signature),
            Some(by) => Err(wrong(&format!("it is signed by {by}, and not by {}", self.address))),
            None => Err(wrong("it is a signature of nobody")),
        }
    }
}

/// A signature `r || s || v` in hex, with v as 27 or 28 or as 0 or 1, in the one form that contracts take: with a low s
/// (EIP-2) and v as 27 or 28.
fn read(text: &str) -> Option<Signature> {
    let mut bytes = [0u8; 65];
    hex::decode_to_slice(text.trim().strip_prefix("0x")?, &mut bytes).ok()?;
    let mut is_odd = match bytes[64] {
        0 | 27 => false,
        1 | 28 => true,
        _ => return None,
    };
    let given = Ecdsa::from_compact(&bytes[..64]).ok()?;
    let mut low = given;
    low.normalize_s();
    // The other s is that of the mirrored point.
    is_odd ^= low != given;
    bytes[..64].copy_from_slice(&low.serialize_compact());
    bytes[64] = 27 + u8::from(is_odd);
    Some(Signature(bytes))
}

#[async_trait]
impl Signer for RemoteSigner {
    fn address(&self) -> Address {
        self.address
    }

    /// Tries again while the signer does not answer, until its time is over: one that is started anew is not missed.
    async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
        let limit = self.service.timeout();
        let mut met = None;
        let tried = async {
            let _slot = self.service.slot().await?;
            let mut wait = WAITS.0;
            loop {
                match self.asked(preimage).await {
                    Err(error) if error.is_retryable() => met = Some(error),
                    answered => return answered,
                }
                sleep(wait).await;
                wait = (wait * 2).min(WAITS.1);
            }
        };
        timeout(limit, tried).await.unwrap_or_else(|_| {
            let (host, ms) = (self.service.host(), limit.as_millis());
            Err(met.unwrap_or_else(|| SignerError::Unreachable(format!("{host}: no answer in {ms} ms"))))
        })
    }

    async fn sign_transaction(&self, draft: &TxDraft) -> Result<SignedTx, SignerError> {
        transaction(self, draft).await
    }

    fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
        self.recovered.recover(digest, signature)
    }
}
