//! Changes of tasks, over WebSockets.
//!
//! A client joins rooms (`job:`, `task:`, `user:`); whoever joins a job's room gets a snapshot of its tasks, then
//! every change with a position. Joining registers first and reads afterwards, so that nothing falls between.

mod connection;
mod frames;
mod hub;

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, WebSocketUpgrade},
    http::StatusCode,
};
use schemars::JsonSchema;
use serde::Serialize;

pub use hub::{Hub, follow};

use crate::{
    call::Call,
    errors::ApiError,
    health::{Verdict, verdict},
    reply::{Reply, Upgrade},
};

/// What is read of a socket at once, bytes: clients say little.
const READ_BUFFER: usize = 2 * 1024;
/// What is gathered for one write, bytes: some dozens of frames.
const WRITE_BUFFER: usize = 32 * 1024;

/// `GET /api/ws/tasks`
pub async fn connect(mut call: Call) -> Result<Upgrade, ApiError> {
    let key = call.key()?.clone();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut call.parts, &()).await.map_err(|_| {
        ApiError::new(StatusCode::UPGRADE_REQUIRED, "UPGRADE_REQUIRED", "open this address as a WebSocket")
    })?;
    let limits = &call.edge.config.rooms;
    let Some(seat) = hub::Seat::take(&call.edge, &key.id, limits.connections_per_key) else {
        return Err(ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            "TOO_MANY_CONNECTIONS",
            format!("this API key has {} open connections, the most it may have", limits.connections_per_key),
        )
        .retry_after(60));
    };
    let edge = call.edge.clone();
    // The library's buffers are 128 KiB each, of which reading touches all: most of what an idle socket would cost.
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(limits.frame_max)
        .max_frame_size(limits.frame_max);
    Ok(Upgrade(upgrade.on_upgrade(move |socket| connection::serve(edge, key, seat, socket))))
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
