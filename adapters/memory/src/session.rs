//! The two ends of a keeper's stream within one process.

use std::time::Duration;

use argus_ports::{KeeperSession, LinkError};
use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};

/// One end. The stream has ended once either is dropped; messages that were on their way still arrive.
pub struct MemorySession<Out, In> {
    out: mpsc::Sender<Out>,
    inbox: Mutex<mpsc::Receiver<In>>,
    deadline: Duration,
}

/// A stream's two ends, with room for `credits` messages in either direction. A sender waits for room as long as
/// `deadline` and is then told [`LinkError::Busy`].
pub fn session<A: Send, B: Send>(
    credits: usize,
    deadline: Duration,
) -> (MemorySession<A, B>, MemorySession<B, A>) {
    let (to_b, from_a) = mpsc::channel(credits.max(1));
    let (to_a, from_b) = mpsc::channel(credits.max(1));
    (
        MemorySession { out: to_b, inbox: Mutex::new(from_b), deadline },
        MemorySession { out: to_a, inbox: Mutex::new(from_a), deadline },
    )
}

#[async_trait]
impl<Out: Send, In: Send> KeeperSession<Out, In> for MemorySession<Out, In> {
    async fn send(&self, message: Out) -> Result<(), LinkError> {
        match self.out.send_timeout(message, self.deadline).await {
            Ok(()) => Ok(()),
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => Err(LinkError::Busy),
            Err(mpsc::error::SendTimeoutError::Closed(_)) => {
                Err(LinkError::Gone("the other end has closed the stream".to_owned()))
            }
        }
    }

    async fn receive(&self) -> Option<In> {
        self.inbox.lock().await.recv().await
    }
}
