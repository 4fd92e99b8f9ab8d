//! The way to the platform, with somebody in the middle.

use std::sync::Arc;

use argus_domain::B256;
use argus_grpc::Client;
use argus_ports::{FromKeeper, KeeperLink, KeeperSession, LinkError, SignedHello, ToKeeper};
use async_trait::async_trait;

use crate::deeds::Forger;

/// A link whose streams are tampered with.
pub struct HostileLink {
    client: Client,
    forger: Arc<Forger>,
}

impl HostileLink {
    pub fn new(client: Client, forger: Forger) -> Self {
        Self { client, forger: Arc::new(forger) }
    }
}

#[async_trait]
impl KeeperLink for HostileLink {
    async fn nonce(&self) -> Result<B256, LinkError> {
        KeeperLink::nonce(&self.client).await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let inner = self.client.connect(hello).await?;
        Ok(Box::new(HostileSession { inner, forger: self.forger.clone() }))
    }
}

struct HostileSession {
    inner: Box<dyn KeeperSession<FromKeeper, ToKeeper>>,
    forger: Arc<Forger>,
}

#[async_trait]
impl KeeperSession<FromKeeper, ToKeeper> for HostileSession {
    async fn send(&self, message: FromKeeper) -> Result<(), LinkError> {
        for message in self.forger.instead_of(message) {
            self.inner.send(message).await?;
        }
        Ok(())
    }

    async fn receive(&self) -> Option<ToKeeper> {
        let message = self.inner.receive().await?;
        self.forger.hear(&message);
        Some(message)
    }
}
