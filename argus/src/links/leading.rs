//! A conversation with whoever leads, of several processes of which one does.
//!
//! None of them says which one it is, and none needs to: one that stands by says so at once, and the next one is asked.
//! The one that answered last comes first. One that does not answer at all, as a process that was stopped, takes its
//! share of a call's time once, and comes last until it answers again.

use std::{
    collections::VecDeque,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use argus_domain::{B256, attempt::Assignment, keeper::LiveKeeper};
use argus_ports::{
    Aggregate, FromKeeper, HandoffOrder, KeeperLink, KeeperSession, LinkError, SignedHello, ToKeeper,
};
use async_trait::async_trait;
use tokio::time::timeout;

/// How long all of them together may take to answer: less than the shortest time that a caller gives a call, which is
/// the dispatcher's with 3 s.
const ROUND: Duration = Duration::from_millis(2_500);
/// How long one of several may take at most. One that leads answers in this time, if only that it is busy.
const TRY: Duration = Duration::from_secs(1);
/// How long a gate may take to let a keeper in that has its nonce: it reads the keeper set, for which it gives itself
/// 3 s. Less than the keeper waits.
const ADMITS_WITHIN: Duration = Duration::from_secs(4);
/// Keepers of this process that are between nonce and hello at one time.
const DIALS_MAX: usize = 256;

/// Those of which one leads.
pub struct Leading<T: ?Sized> {
    ends: Vec<(String, Arc<T>)>,
    /// Which one is asked first.
    first: AtomicUsize,
}

impl<T: ?Sized> Leading<T> {
    /// Of these, each with a name for people; there is one at least.
    pub fn new(ends: Vec<(String, Arc<T>)>) -> Self {
        Self { ends, first: AtomicUsize::new(0) }
    }

    /// Asks one after the other until one does not say that it is gone. Where there is but one, nobody waits for its turn,
    /// and it has as long as its link gives it. Gives the place of the one that answered, too.
    async fn ask<A, F>(&self, call: impl Fn(Arc<T>) -> F) -> Result<(usize, A), LinkError>
    where
        F: Future<Output = Result<A, LinkError>>,
    {
        let count = self.ends.len();
        if let [(_, only)] = &self.ends[..] {
            return call(only.clone()).await.map(|answer| (0, answer));
        }
        let share = TRY.min(ROUND / u32::try_from(count).unwrap_or(u32::MAX).max(1));
        let first = self.first.load(Ordering::Relaxed);
        let mut said = Vec::new();
        for place in (0..count).map(|n| (first + n) % count) {
            match self.ask_one(place, share, &call).await {
                Err(LinkError::Gone(why)) => said.push(format!("{}: {why}", self.ends[place].0)),
                answered => return answered.map(|answer| (place, answer)),
            }
        }
        Err(LinkError::Gone(format!("nobody leads: {}", said.join("; "))))
    }

    /// Asks one. Whoever answers is asked first from then on, and one that is silent is not.
    async fn ask_one<A, F>(
        &self,
        place: usize,
        within: Duration,
        call: impl Fn(Arc<T>) -> F,
    ) -> Result<A, LinkError>
    where
        F: Future<Output = Result<A, LinkError>>,
    {
        let answer = timeout(within, call(self.ends[place].1.clone())).await;
        match &answer {
            Ok(Ok(_) | Err(LinkError::Busy | LinkError::Refused(_))) => {
                self.first.store(place, Ordering::Relaxed);
            }
            Ok(Err(LinkError::Gone(_))) => {}
            Err(_) => {
                let next = (place + 1) % self.ends.len();
                // Where another one is first by now, it stays so.
                let _ = self.first.compare_exchange(place, next, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
        let silent = || LinkError::Gone(format!("no answer within {} ms", within.as_millis()));
        answer.unwrap_or_else(|_| Err(silent()))
    }
}

#[async_trait]
impl Aggregate for Leading<dyn Aggregate> {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        let call = |end: Arc<dyn Aggregate>| {
            let assignment = assignment.clone();
            async move { end.begin(assignment).await }
        };
        self.ask(call).await.map(|(_, done)| done)
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        let call = |end: Arc<dyn Aggregate>| {
            let order = order.clone();
            async move { end.hand_off(order).await }
        };
        self.ask(call).await.map(|(_, done)| done)
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        self.ask(|end| async move { end.live().await }).await.map(|(_, live)| live)
    }
}

/// The gates of those of which one leads. A keeper says its hello where it got its nonce.
pub struct LeadingGate {
    gates: Leading<dyn KeeperLink>,
    /// Which gate gave which nonce.
    given: Mutex<VecDeque<(B256, usize)>>,
}

impl LeadingGate {
    /// Of these, each with a name for people; there is one at least.
    pub fn new(gates: Vec<(String, Arc<dyn KeeperLink>)>) -> Self {
        Self { gates: Leading::new(gates), given: Mutex::default() }
    }
}

#[async_trait]
impl KeeperLink for LeadingGate {
    async fn nonce(&self) -> Result<B256, LinkError> {
        let (place, nonce) = self.gates.ask(|gate| async move { gate.nonce().await }).await?;
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() >= DIALS_MAX {
            given.pop_front();
        }
        given.push_back((nonce, place));
        Ok(nonce)
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let place = {
            let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
            let at = given.iter().position(|(nonce, _)| *nonce == hello.nonce);
            at.and_then(|at| given.remove(at)).map(|(_, place)| place)
        };
        let Some(place) = place else {
            return Err(LinkError::Gone("its nonce is too old: ask for another".to_owned()));
        };
        let call = |gate: Arc<dyn KeeperLink>| {
            let hello = hello.clone();
            async move { gate.connect(hello).await }
        };
        self.gates.ask_one(place, ADMITS_WITHIN, call).await
    }
}

#[cfg(test)]
mod tests;
