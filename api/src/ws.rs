//! Changes of tasks, over WebSockets.
//!
//! A client joins rooms (`job:`, `task:`, `user:`); whoever joins a job's room gets a snapshot of its tasks, then
//! every change with a position. Joining registers first and reads afterwards, so that nothing falls between.

mod connection;
mod frames;
mod hub;

use axum::{
    extract::{FromRequestParts, WebSocketUpgrade},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

pub use hub::{Hub, follow};

use crate::{call::Call, errors::ApiError, json};

/// What is read of a socket at once, bytes: clients say little.
const READ_BUFFER: usize = 2 * 1024;
/// What is gathered for one write, bytes: some dozens of frames.
const WRITE_BUFFER: usize = 32 * 1024;

/// `GET /api/ws/tasks`
pub async fn connect(mut call: Call) -> Result<Response, ApiError> {
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
    Ok(upgrade.on_upgrade(move |socket| connection::serve(edge, key, seat, socket)))
}

/// `GET /api/ws/stats`
pub async fn stats(call: Call) -> Result<Response, ApiError> {
    let (connections, rooms) = call.edge.hub.counts();
    Ok(json::ok(&json!({
        "status": "success",
        "data": {"total_clients": connections, "total_rooms": rooms.len(), "rooms": rooms},
    })))
}

/// `GET /api/ws/health`
pub async fn health(call: Call) -> Result<Response, ApiError> {
    let following = call.edge.hub.is_following();
    let status = if following { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(json::reply(status, &json!({"status": if following { "ok" } else { "not following" }})))
}
