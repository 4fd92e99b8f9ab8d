//! A client's WebSocket. What many are told is encoded once, and each connection writes the same bytes: through the library
//! each would copy them into a buffer of its own first.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

/// What is read of a socket at once, bytes: clients say little. The library's own buffer is 128 KiB, which reading
/// touches as a whole: most of what an idle socket would cost.
const READ_BUFFER: usize = 2 * 1024;

/// One connection.
pub struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    /// Frames that are still to be written; the first ones may have been begun.
    encoded: VecDeque<Bytes>,
}

impl Socket {
    /// A connection after its upgrade, on which a message may have so many bytes.
    pub async fn new(upgraded: Upgraded, message_max: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(message_max))
            .max_frame_size(Some(message_max));
        let stream =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        Self { stream, encoded: VecDeque::new() }
    }

    /// What the client says next; `None`: it has closed.
    pub async fn hear(&mut self) -> Option<Result<Message, Error>> {
        self.stream.next().await
    }

    /// Queues whole frames.
    pub fn queue(&mut self, frames: Bytes) {
        self.encoded.push_back(frames);
    }

    /// Writes what is queued. Dropped before its end, it goes on where it was the next time.
    pub async fn flush(&mut self) -> Result<(), Error> {
        if self.encoded.is_empty() {
            return Ok(());
        }
        // The library may have begun the answer to a ping.
        self.stream.flush().await?;
        let io = self.stream.get_mut();
        while let Some(first) = self.encoded.front_mut() {
            io.write_all_buf(first).await?;
            self.encoded.pop_front();
        }
        Ok(io.flush().await?)
    }

    /// Says why it is over, behind what is queued, and waits for the client to have read that.
    pub async fn close(&mut self, frame: CloseFrame) -> Result<(), Error> {
        self.flush().await?;
        self.stream.send(Message::Close(Some(frame))).await?;
        self.finish().await
    }

    /// Lets the library say what is left to be said of the end, by either side.
    pub async fn finish(&mut self) -> Result<(), Error> {
        while let Some(heard) = self.stream.next().await {
            heard?;
        }
        Ok(())
    }
}
