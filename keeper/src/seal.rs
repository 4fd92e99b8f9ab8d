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
