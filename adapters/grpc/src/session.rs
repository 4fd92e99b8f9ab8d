//! A keeper's stream, at either end: credits, batches, and the task that reads.

use std::{sync::Arc, time::Duration};

use argus_ports::{KeeperSession, LinkError};
use async_trait::async_trait;
use futures::{Stream, StreamExt};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tonic::Status;

use crate::frames::{Framed, Item};

/// Messages that one side may have sent and the other not yet taken: some batches of a busy keeper.
pub(crate) const CREDITS: usize = 256;
/// Credits go back in portions, so that they cost little beside the messages.
const PORTION: u32 = 64;

/// One end of the stream.
pub(crate) struct Session<Out: Framed, In: Framed> {
    out: mpsc::Sender<Out::Frame>,
    credits: Arc<Semaphore>,
    inbox: Mutex<Inbox<In>>,
    deadline: Duration,
    // Ends with the session.
    _reader: JoinSet<()>,
}

struct Inbox<In> {
    messages: mpsc::Receiver<In>,
    taken: u32,
}

/// What waits to be sent: all credits' worth of messages, and the other side's credits.
pub(crate) fn queue<Out: Framed>() -> (mpsc::Sender<Out::Frame>, mpsc::Receiver<Out::Frame>) {
    mpsc::channel(CREDITS + CREDITS / PORTION as usize + 1)
}

impl<Out: Framed, In: Framed> Session<Out, In> {
    /// An end that sends through `out` and reads `frames`, batch by batch, until either ends.
    pub(crate) fn start<B: Send + 'static>(
        out: mpsc::Sender<Out::Frame>,
        frames: impl Stream<Item = Result<B, Status>> + Send + Unpin + 'static,
        unpack: fn(B) -> Vec<In::Frame>,
        deadline: Duration,
    ) -> Self {
        let (to_inbox, messages) = mpsc::channel(CREDITS);
        let credits = Arc::new(Semaphore::new(CREDITS));
        let mut reader = JoinSet::new();
        reader.spawn(read(frames, unpack, to_inbox, credits.clone()));
        Self { out, credits, inbox: Mutex::new(Inbox { messages, taken: 0 }), deadline, _reader: reader }
    }
}

fn ended() -> LinkError {
    LinkError::Gone("the stream has ended".to_owned())
}

#[async_trait]
impl<Out: Framed + Sync, In: Framed> KeeperSession<Out, In> for Session<Out, In> {
    async fn send(&self, message: Out) -> Result<(), LinkError> {
        let credit = timeout(self.deadline, self.credits.acquire()).await.map_err(|_| LinkError::Busy)?;
        credit.map_err(|_| ended())?.forget();
        self.out.send(message.frame()).await.map_err(|_| ended())
    }

    async fn receive(&self) -> Option<In> {
        let mut inbox = self.inbox.lock().await;
        let message = inbox.messages.recv().await?;
        inbox.taken += 1;
        // Where the queue has no room for it, the next message tries again.
        if inbox.taken >= PORTION && self.out.try_send(Out::credits(inbox.taken)).is_ok() {
            inbox.taken = 0;
        }
        Some(message)
    }
}

async fn read<In: Framed, B>(
    mut frames: impl Stream<Item = Result<B, Status>> + Unpin,
    unpack: fn(B) -> Vec<In::Frame>,
    inbox: mpsc::Sender<In>,
    credits: Arc<Semaphore>,
) {
    'stream: while let Some(Ok(batch)) = frames.next().await {
        for frame in unpack(batch) {
            match In::item(frame) {
                Ok(Item::Credits(more)) => {
                    // Never more than there are in all, whatever the other side says.
                    let room = CREDITS.saturating_sub(credits.available_permits());
                    credits.add_permits(room.min(more as usize));
                }
                // There is room for all that the other side had credits for.
                Ok(Item::Message(message)) => match inbox.try_send(message) {
                    Ok(()) => {}
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        tracing::warn!("a keeper's stream is ended: it sent more than it had credits for");
                        break 'stream;
                    }
                    Err(mpsc::error::TrySendError::Closed(_)) => break 'stream,
                },
                Err(e) => {
                    tracing::warn!(error = %e, "a keeper's stream is ended: it sent what cannot be read");
                    break 'stream;
                }
            }
        }
    }
    credits.close();
}
