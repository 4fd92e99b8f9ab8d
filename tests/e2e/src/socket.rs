//! The WebSocket as a client uses it.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

/// Longest answer to an upgrade.
const OPEN: Duration = Duration::from_secs(30);

/// A connection.
#[derive(Debug)]
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects with a key in the address, as browsers do.
    ///
    /// # Panics
    /// If it is refused, or nobody answers in time.
    pub async fn open(url: &str, key: &str) -> Self {
        // A test may have thousands, and the library's usual buffer is 128 KiB each.
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let url = format!("{url}?api_key={key}");
        let opening = connect_async_with_config(url, Some(config), false);
        let opened = timeout(OPEN, opening).await.expect("an answer in time");
        Self(opened.expect("a WebSocket").0)
    }

    /// Asks to join a job's room.
    pub async fn join(&mut self, job: &str) {
        let data = json!({ "room": format!("job:{job}"), "job_id": job });
        self.send(&json!({ "type": "SUBSCRIBE", "data": data, "request_id": job })).await;
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: &Value) {
        self.0.send(Message::text(frame.to_string())).await.expect("sent");
    }

    /// The next frame.
    ///
    /// # Panics
    /// If none comes in time.
    pub async fn next(&mut self, secs: u64) -> Value {
        let next = async {
            loop {
                let message = self.0.next().await.expect("the connection stays").expect("a frame");
                if let Message::Text(text) = message {
                    return serde_json::from_str(&text).expect("JSON");
                }
            }
        };
        timeout(Duration::from_secs(secs), next).await.expect("a frame in time")
    }

    /// The next frame of a type; others are passed over.
    pub async fn next_of(&mut self, kind: &str, secs: u64) -> Value {
        let look = async {
            loop {
                let frame = self.next(secs).await;
                if frame["type"] == kind {
                    return frame;
                }
            }
        };
        timeout(Duration::from_secs(secs), look).await.unwrap_or_else(|_| panic!("no {kind} in time"))
    }
}
