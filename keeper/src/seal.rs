//! Sealing what runs come to: those that end at about the same time share one signature.

use std::sync::{Mutex, PoisonError};

use argus_domain::{B256, seal::Seal};
use argus_ports::{Signer, SignerError};
use tokio::{sync::oneshot, task::yield_now};

type Waiting = Vec<(B256, oneshot::Sender<Result<Seal, SignerError>>)>;

/// What waits to be sealed: one digest of each run in hand at most.
#[derive(Default)]
pub struct Sealer(Mutex<Waiting>);

impl Sealer {
    /// Seals a digest, together with those that others hand in before the first of them gets to it.
    pub async fn seal(&self, signer: &dyn Signer, digest: B256) -> Result<Seal, SignerError> {
        let (reply, answer) = oneshot::channel();
        let is_first = {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.push((digest, reply));
            waiting.len() == 1
        };
        if is_first {
            let _turn = Turn { sealer: self, signer };
            // A commit of the journal wakes many runs at once: let them come.
            yield_now().await;
        }
        answer.await.unwrap_or_else(|_| Err(SignerError("nobody sealed it".to_owned())))
    }
}

/// The first one's duty to the others. Done when dropped, so that a run that is cut off at its deadline leaves none of
/// them waiting.
struct Turn<'a> {
    sealer: &'a Sealer,
    signer: &'a dyn Signer,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let waiting = std::mem::take(&mut *self.sealer.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (digests, replies): (Vec<_>, Vec<_>) = waiting.into_iter().unzip();
        match self.signer.seal(&digests) {
            Ok(seals) => seals.into_iter().zip(replies).for_each(|(seal, reply)| {
                // Whoever was cut off meanwhile needs none.
                let _ = reply.send(Ok(seal));
            }),
            Err(error) => replies.into_iter().for_each(|reply| {
                let _ = reply.send(Err(error.clone()));
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use argus_domain::{
        Address,
        call::Signature,
        chain::{SignedTx, TxDraft},
        keccak256,
    };
    use futures::{FutureExt, future::join_all};

    use super::*;

    /// Signs with the digest itself, and counts.
    #[derive(Default)]
    struct Plain(AtomicUsize);

    impl Signer for Plain {
        fn address(&self) -> Address {
            Address::repeat_byte(1)
        }

        fn sign(&self, digest: B256) -> Result<Signature, SignerError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut bytes = [0; 65];
            bytes[..32].copy_from_slice(digest.as_slice());
            Ok(Signature(bytes))
        }

        fn sign_transaction(&self, _: &TxDraft) -> Result<SignedTx, SignerError> {
            Err(SignerError("not here".to_owned()))
        }

        fn recover(&self, digest: B256, signature: &Signature) -> Option<Address> {
            (signature.0[..32] == *digest.as_slice()).then(|| self.address())
        }
    }

    fn digests(n: u8) -> Vec<B256> {
        (0..n).map(|i| keccak256([i])).collect()
    }

    #[tokio::test]
    async fn what_comes_together_is_signed_once() {
        let (sealer, signer, digests) = (Sealer::default(), Plain::default(), digests(20));
        let seals = join_all(digests.iter().map(|digest| sealer.seal(&signer, *digest))).await;
        for (digest, seal) in digests.iter().zip(seals) {
            assert!(signer.is_sealed_by(signer.address(), *digest, &seal.expect("sealed")));
        }
        assert_eq!(signer.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_first_one_leaves_nobody_waiting_when_it_is_cut_off() {
        let (sealer, signer) = (Arc::new(Sealer::default()), Arc::new(Plain::default()));
        let (first, second) = (keccak256([1]), keccak256([2]));
        let mut cut_off = Box::pin(sealer.seal(signer.as_ref(), first));
        assert!(cut_off.as_mut().now_or_never().is_none());
        let mut waits = Box::pin(sealer.seal(signer.as_ref(), second));
        assert!(waits.as_mut().now_or_never().is_none());
        drop(cut_off);
        assert!(signer.is_sealed_by(signer.address(), second, &waits.await.expect("sealed")));
    }
}
