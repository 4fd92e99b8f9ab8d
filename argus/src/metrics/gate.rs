//! The door for keepers: who asked, and what those inside say.

use std::sync::Arc;

use argus_domain::B256;
use argus_metrics::{Counters, Figures, Unregistered, table};
use argus_ports::{FromKeeper, KeeperGate, KeeperSession, LinkError, SignedHello, ToKeeper};
use async_trait::async_trait;

use super::calls::Ended as _;

/// A gate that counts.
pub struct CountedGate {
    inner: Arc<dyn KeeperGate>,
    admissions: Counters,
    messages: Counters,
}

impl CountedGate {
    /// Registers the figures.
    pub fn register(inner: Arc<dyn KeeperGate>, figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self {
            inner,
            admissions: figures.counters(&table::AGGREGATOR_ADMISSIONS)?,
            messages: figures.counters(&table::AGGREGATOR_MESSAGES)?,
        })
    }
}

#[async_trait]
impl KeeperGate for CountedGate {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.inner.nonce().await
    }

    async fn admit(
        &self,
        hello: SignedHello,
        session: Box<dyn KeeperSession<ToKeeper, FromKeeper>>,
    ) -> Result<(), LinkError> {
        let session = Box::new(CountedSession { inner: session, messages: self.messages.clone() });
        let answer = self.inner.admit(hello, session).await;
        let result = answer.as_ref().map_or_else(LinkError::name, |()| "ok");
        self.admissions.of(&[result]).inc();
        answer
    }
}

struct CountedSession {
    inner: Box<dyn KeeperSession<ToKeeper, FromKeeper>>,
    messages: Counters,
}

#[async_trait]
impl KeeperSession<ToKeeper, FromKeeper> for CountedSession {
    async fn send(&self, message: ToKeeper) -> Result<(), LinkError> {
        self.inner.send(message).await
    }

    async fn receive(&self) -> Option<FromKeeper> {
        let message = self.inner.receive().await?;
        self.messages.of(&[name(&message)]).inc();
        Some(message)
    }
}

fn name(message: &FromKeeper) -> &'static str {
    match message {
        FromKeeper::Answer(_) => "answer",
        FromKeeper::Signed(_) => "signed",
        FromKeeper::Declined { .. } => "declined",
        FromKeeper::Refuted { .. } => "refuted",
        FromKeeper::Performed(_) => "performed",
        FromKeeper::Heartbeat { .. } => "heartbeat",
    }
}
