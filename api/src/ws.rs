//! Changes of tasks, over WebSockets.
//!
//! A client joins rooms (`job:`, `task:`, `user:`); whoever joins a job's room gets a snapshot of its tasks, then
//! every change with a position. Joining registers first and reads afterwards, so that nothing falls between.

mod connection;
mod frames;
mod hub;
mod socket;

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use hyper::upgrade::OnUpgrade;
use schemars::JsonSchema;
use serde::Serialize;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;

pub use hub::{Hub, follow};
use socket::Socket;

use crate::{
    call::Call,
    errors::ApiError,
    health::{Verdict, verdict},
    listen::Afterwards,
    reply::{Reply, Upgrade},
};

/// `GET /api/ws/tasks`
pub async fn connect(mut call: Call) -> Result<Upgrade, ApiError> {
    let key = call.key()?.clone();
    let refused = || {
        ApiError::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", "open this address as a WebSocket")
    };
    let upgrade = call.parts.extensions.remove::<OnUpgrade>().ok_or_else(refused)?;
    let afterwards = call.parts.extensions.remove::<Afterwards>().ok_or_else(refused)?;
    let request = Request::from_parts(call.parts, ());
    let accepted = create_response_with_body(&request, Body::empty).map_err(|_| refused())?;
    let edge = call.edge;
    let limits = &edge.config.rooms;
    let Some(seat) = hub::Seat::take(&edge, &key.id, limits.connections_per_key) else {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MANY_CONNECTIONS",
            format!("this API key has {} open connections, the most it may have", limits.connections_per_key),
        )
        .retry_after(60));
    };
    let message_max = limits.frame_max;
    afterwards.put(async move {
        match upgrade.await {
            Ok(upgraded) => {
                connection::serve(edge, key, seat, Socket::new(upgraded, message_max).await).await;
            }
            Err(cause) => tracing::debug!(%cause, "a connection ended before its upgrade"),
        }
    });
    Ok(Upgrade(accepted))
}

/// Connections and rooms.
#[derive(Serialize, JsonSchema)]
pub struct SocketStats {
    #[schemars(extend("const" = "success"))]
    status: &'static str,
    data: SocketCounts,
}

#[derive(Serialize, JsonSchema)]
struct SocketCounts {
    total_clients: usize,
    total_rooms: usize,
    /// Who watches, by room.
    rooms: BTreeMap<String, usize>,
}

/// `GET /api/ws/stats`
pub async fn stats(call: Call) -> Result<Reply<SocketStats>, ApiError> {
    let (total_clients, rooms) = call.edge.hub.counts();
    let data = SocketCounts { total_clients, total_rooms: rooms.len(), rooms };
    Ok(Reply::of(SocketStats { status: "success", data }))
}

/// Whether changes are being followed.
#[derive(Serialize, JsonSchema)]
pub struct SocketHealth {
    #[schemars(extend("enum" = ["ok", "not following"]))]
    status: &'static str,
}

/// `GET /api/ws/health`
pub async fn health(call: Call) -> Result<Verdict<SocketHealth>, ApiError> {
    let following = call.edge.hub.is_following();
    Ok(verdict(following, SocketHealth { status: if following { "ok" } else { "not following" } }))
}
