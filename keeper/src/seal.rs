//! Sealing what runs come to: those that end at about the same time share one signature.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argus_domain::{B256, seal::Seal};
use argus_ports::{Signer, SignerError};
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use tokio::task::yield_now;

type Sealed = Result<Arc<[Seal]>, SignerError>;

/// Digests that are sealed together. Whoever waits for it has it done, so that a run that is cut off at its deadline
/// leaves none of the others waiting.
struct Batch {
    digests: Vec<B256>,
    sealed: Shared<BoxFuture<'static, Sealed>>,
}

/// What waits to be sealed: one digest of each run in hand at most. While a signer takes its time, others gather.
#[derive(Default)]
pub struct Sealer(Arc<Mutex<Option<Batch>>>);

impl Sealer {
    /// Seals a digest, together with those that others hand in before the first of them gets to it.
    pub async fn seal(&self, signer: &Arc<dyn Signer>, digest: B256) -> Result<Seal, SignerError> {
        let (place, sealed) = {
            let mut open = waiting(&self.0);
            let batch = open.get_or_insert_with(|| Batch {
                digests: Vec::new(),
                sealed: seal(self.0.clone(), signer.clone()).boxed().shared(),
            });
            batch.digests.push(digest);
            (batch.digests.len() - 1, batch.sealed.clone())
        };
        // A commit of the journal wakes many runs at once: let them come.
        yield_now().await;
        let seals = sealed.await?;
        let own = seals.get(place).cloned();
        own.ok_or_else(|| SignerError::Wrong("it sealed fewer digests than it was given".to_owned()))
    }
}

fn waiting(open: &Mutex<Option<Batch>>) -> MutexGuard<'_, Option<Batch>> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seals the batch that is open, which no other digest joins from then on.
async fn seal(open: Arc<Mutex<Option<Batch>>>, signer: Arc<dyn Signer>) -> Sealed {
    let batch = waiting(&open).take();
    let digests = batch.map(|batch| batch.digests).unwrap_or_default();
    signer.seal(&digests).await.map(Into::into)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use argus_domain::{
        Address,
        call::Signature,
        chain::{SignedTx, TxDraft},
        keccak256,
    };
    use async_trait::async_trait;
    use futures::future::join_all;
    use tokio::sync::Semaphore;

    use super::*;

    /// Signs with the digest itself as often as it is let, and counts.
    struct Plain {
        signed: AtomicUsize,
        lets: Semaphore,
    }

    fn plain(lets: usize) -> (Arc<Plain>, Arc<dyn Signer>) {
        let plain = Arc::new(Plain { signed: AtomicUsize::new(0), lets: Semaphore::new(lets) });
        (plain.clone(), plain)
    }

    #[async_trait]
    impl Signer for Plain {
        fn address(&self) -> Address {
            Address::repeat_byte(1)
        }

        async fn sign(&self, preimage: &[u8]) -> Result<Signature, SignerError> {
            let let_to = self.lets.acquire().await.map_err(|e| SignerError::Refused(e.to_string()))?;
            let_to.forget();
            self.signed.fetch_add(1, Ordering::Relaxed);
            let mut bytes = [0; 65];
            bytes[..32].copy_from_slice(keccak256(preimage).as_slice());
            Ok(Signature(bytes))
        }

        async fn sign_transaction(&self, _: &TxDraft) -> Result<SignedTx, SignerError> {
            Err(SignerError::Refused("not here".to_owned()))
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
        let (sealer, (plain, signer), digests) = (Sealer::default(), plain(100), digests(20));
        let seals = join_all(digests.iter().map(|digest| sealer.seal(&signer, *digest))).await;
        for (digest, seal) in digests.iter().zip(seals) {
            assert!(signer.is_sealed_by(signer.address(), *digest, &seal.expect("sealed")));
        }
        assert_eq!(plain.signed.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn the_first_one_leaves_nobody_waiting_when_it_is_cut_off() {
        let (sealer, (plain, signer)) = (Sealer::default(), plain(0));
        let (first, second, third) = (keccak256([1]), keccak256([2]), keccak256([3]));
        let mut cut_off = Box::pin(sealer.seal(&signer, first));
        assert!(cut_off.as_mut().now_or_never().is_none());
        let mut waits = Box::pin(sealer.seal(&signer, second));
        assert!(waits.as_mut().now_or_never().is_none());
        // The signer is being asked for both: what comes now is sealed after that.
        yield_now().await;
        assert!(cut_off.as_mut().now_or_never().is_none());
        let mut later = Box::pin(sealer.seal(&signer, third));
        assert!(later.as_mut().now_or_never().is_none());
        drop(cut_off);
        plain.lets.add_permits(2);
        assert!(signer.is_sealed_by(signer.address(), second, &waits.await.expect("sealed")));
        assert!(signer.is_sealed_by(signer.address(), third, &later.await.expect("sealed")));
        assert_eq!(plain.signed.load(Ordering::Relaxed), 2);
    }
}
