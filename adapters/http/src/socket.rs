//! WebSockets behind the same filter and resolver: an HTTP request that is upgraded (RFC 6455).

use std::sync::OnceLock;

use argus_ports::{EgressError, Reach};
use bytes::Bytes;
use futures::StreamExt;
use reqwest::{Client, StatusCode, Upgraded, header};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{egress, filter};

/// Opens WebSockets.
#[derive(Default)]
pub(crate) struct Sockets {
    /// HTTP/1.1 alone: an HTTP/2 connection cannot be upgraded. Built when first needed.
    client: OnceLock<Client>,
}

/// An open WebSocket that is only listened to.
pub(crate) struct Socket(WebSocketStream<Upgraded>);

impl Sockets {
    fn client(&self) -> Result<&Client, EgressError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = egress::builder().http1_only().build().map_err(egress::unbuilt)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Connects to a `ws` or `wss` URL. `message_max` is in bytes.
    pub(crate) async fn connect(
        &self,
        url: &str,
        reach: &Reach,
        message_max: usize,
    ) -> Result<Socket, EgressError> {
        let rest =
            url.trim().strip_prefix("ws").filter(|rest| rest.starts_with("://") || rest.starts_with("s://"));
        let rest = rest
            .ok_or_else(|| EgressError::Denied("a WebSocket URL begins with ws:// or wss://".to_owned()))?;
        let allowed = filter::check(&format!("http{rest}"), reach)?;
        let key = generate_key();
        let response = self
            .client()?
            .get(allowed.url)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key)
            .send()
            .await
            .map_err(egress::explain)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(EgressError::Transport(format!(
                "it answered with status {} and opened no WebSocket",
                response.status().as_u16()
            )));
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(EgressError::Transport("it is no WebSocket server: wrong accept key".to_owned()));
        }
        let upgraded = response.upgrade().await.map_err(egress::explain)?;
        let config =
            WebSocketConfig::default().max_message_size(Some(message_max)).max_frame_size(Some(message_max));
        Ok(Socket(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await))
    }
}

impl Socket {
    /// The next text or binary message; `None` once the other side has closed.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, EgressError> {
        while let Some(message) = self.0.next().await {
            match message.map_err(|e| EgressError::Transport(e.to_string()))? {
                Message::Text(text) => return Ok(Some(text.into())),
                Message::Binary(bytes) => return Ok(Some(bytes)),
                Message::Close(_) => return Ok(None),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(None)
    }
}
