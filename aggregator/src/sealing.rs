//! Work on its way to keepers, by way of the signer: sealed together, one batch at a time, so that what comes while a
//! signer takes its time shares the next signature.

use std::{collections::HashMap, sync::Arc, time::Duration};

use argus_domain::{
    B256,
    attempt::{Assignment, JobDigests, SecondRound},
    digest::digest_of,
    ids::KeeperId,
    seal::Seal,
};
use argus_ports::{Signer, SignerError};
use futures::{FutureExt, future::BoxFuture};
use tokio::time::sleep;

use crate::credits::Key;

/// Between two questions to a signer that does not answer.
const AWAY_WAIT: Duration = Duration::from_secs(1);

/// Work for a keeper: an assignment, or a second round of one.
pub struct Outgoing {
    pub keeper: KeeperId,
    pub assignment: Arc<Assignment>,
    pub second: Option<Arc<SecondRound>>,
}

impl Outgoing {
    /// Of which attempt.
    pub fn key(&self) -> Key {
        (self.assignment.task.id, self.assignment.attempt.no)
    }
}

/// What the signer came to.
pub struct Batch {
    pub work: Vec<Outgoing>,
    /// One for each piece of work, in their order.
    pub seals: Result<Vec<Seal>, SignerError>,
}

/// What waits for a seal.
pub struct Sealing {
    signer: Arc<dyn Signer>,
    digests: JobDigests,
    waiting: Vec<Outgoing>,
    under_way: Option<BoxFuture<'static, Batch>>,
    is_away: bool,
}

impl Sealing {
    pub fn new(signer: Arc<dyn Signer>) -> Self {
        Self { signer, digests: JobDigests::default(), waiting: Vec::new(), under_way: None, is_away: false }
    }

    /// Adds to what is sealed next.
    pub fn push(&mut self, work: impl IntoIterator<Item = Outgoing>) {
        self.waiting.extend(work);
    }

    /// Whether the signer did not answer when it was last asked.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// Has the signer seal what waits, where nothing is being sealed. Gives what a signer gives at once, as one with the
    /// key in this process does. One that was away is asked after a pause, even if for nothing but to learn that it is
    /// back.
    pub fn launch(&mut self) -> Option<Batch> {
        if self.under_way.is_some() || (self.waiting.is_empty() && !self.is_away) {
            return None;
        }
        let work = std::mem::take(&mut self.waiting);
        let pause = if self.is_away { AWAY_WAIT } else { Duration::ZERO };
        let (digests, places) = self.digests(&work);
        let signer = self.signer.clone();
        let mut sealing = async move {
            if !pause.is_zero() {
                sleep(pause).await;
            }
            let sealed = match digests.is_empty() {
                false => signer.seal(&digests).await,
                true => signer.sign_digest(digest_of("argus/probe/1", &())).await.map(|_| Vec::new()),
            };
            let of = |seals: Vec<Seal>| places.iter().filter_map(|n| seals.get(*n).cloned()).collect();
            Batch { seals: sealed.map(of), work }
        }
        .boxed();
        match (&mut sealing).now_or_never() {
            Some(batch) => Some(self.ended(batch)),
            None => {
                self.under_way = Some(sealing);
                None
            }
        }
    }

    /// What the signer takes its time for. Cancel safe; waits for ever where it is not asked.
    pub async fn next(&mut self) -> Batch {
        let Some(sealing) = &mut self.under_way else { return std::future::pending().await };
        let batch = sealing.await;
        self.under_way = None;
        self.ended(batch)
    }

    fn ended(&mut self, batch: Batch) -> Batch {
        self.is_away = batch.seals.as_ref().is_err_and(SignerError::is_retryable);
        batch
    }

    /// Every attempt once, and the place of each piece of work among them.
    fn digests(&mut self, work: &[Outgoing]) -> (Vec<B256>, Vec<usize>) {
        let (mut places, mut digests) = (HashMap::new(), Vec::new());
        let each = work.iter().map(|one| {
            *places.entry(one.key()).or_insert_with(|| {
                digests.push(one.assignment.digest(self.digests.of(&one.assignment.job)));
                digests.len() - 1
            })
        });
        let each = each.collect();
        (digests, each)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use argus_conformance::samples::assignment;
    use argus_domain::{
        Address,
        call::Signature,
        chain::{SignedTx, TxDraft},
    };
    use async_trait::async_trait;
    use tokio::{sync::Semaphore, time::Instant};

    use super::*;

    /// Answers as often as it is let, with what was said last, and notes how much it was given.
    pub(crate) struct Slow {
        pub lets: Semaphore,
        pub says: Mutex<Result<(), SignerError>>,
        pub asked: Mutex<u32>,
    }

    #[async_trait]
    impl Signer for Slow {
        fn address(&self) -> Address {
            Address::ZERO
        }

        async fn sign(&self, _: &[u8]) -> Result<Signature, SignerError> {
            *self.asked.lock().unwrap() += 1;
            self.lets.acquire().await.unwrap().forget();
            let says = self.says.lock().unwrap().clone();
            says.map(|()| Signature([1; 65]))
        }

        async fn sign_transaction(&self, _: &TxDraft) -> Result<SignedTx, SignerError> {
            Err(SignerError::Refused("not here".to_owned()))
        }

        fn recover(&self, _: B256, _: &Signature) -> Option<Address> {
            None
        }
    }

    pub(crate) fn sealing(lets: usize) -> (Arc<Slow>, Sealing) {
        let slow = Slow { lets: Semaphore::new(lets), says: Mutex::new(Ok(())), asked: Mutex::default() };
        let slow = Arc::new(slow);
        (slow.clone(), Sealing::new(slow))
    }

    fn work(n: u16) -> Outgoing {
        Outgoing { keeper: KeeperId(Address::ZERO), assignment: assignment(n), second: None }
    }

    #[tokio::test]
    async fn what_a_signer_gives_at_once_waits_for_nothing() {
        let (slow, mut sealing) = sealing(9);
        assert!(sealing.launch().is_none(), "there is nothing to seal");
        sealing.push([work(1), work(2), work(1)]);
        let batch = sealing.launch().expect("at once");
        let seals = batch.seals.expect("sealed");
        assert_eq!(seals.len(), 3, "one for each piece of work");
        assert_eq!((&seals[0], *slow.asked.lock().unwrap()), (&seals[2], 1), "an attempt is sealed once");
    }

    #[tokio::test]
    async fn what_comes_while_a_signer_takes_its_time_shares_the_next_signature() {
        let (slow, mut sealing) = sealing(0);
        sealing.push([work(1)]);
        assert!(sealing.launch().is_none());
        sealing.push([work(2)]);
        sealing.push([work(3)]);
        assert!(sealing.launch().is_none(), "one batch at a time");
        slow.lets.add_permits(2);
        assert_eq!(sealing.next().await.work.len(), 1);
        assert_eq!(sealing.launch().expect("at once").work.len(), 2);
        assert_eq!(*slow.asked.lock().unwrap(), 2);
    }

    #[tokio::test]
    async fn a_signer_that_is_away_is_asked_after_a_pause_even_for_nothing() {
        let (slow, mut sealing) = sealing(9);
        *slow.says.lock().unwrap() = Err(SignerError::Unreachable("gone".to_owned()));
        sealing.push([work(1)]);
        let batch = sealing.launch().expect("at once");
        assert!(batch.seals.is_err() && batch.work.len() == 1 && sealing.is_away());
        let began = Instant::now();
        assert!(sealing.launch().is_none(), "not without a pause");
        *slow.says.lock().unwrap() = Ok(());
        let batch = sealing.next().await;
        assert!(batch.seals.is_ok_and(|seals| seals.is_empty()) && !sealing.is_away());
        assert!(began.elapsed() >= AWAY_WAIT);
        *slow.says.lock().unwrap() = Err(SignerError::Refused("no".to_owned()));
        sealing.push([work(1)]);
        assert!(sealing.launch().expect("at once").seals.is_err() && !sealing.is_away(), "it is there");
    }
}
