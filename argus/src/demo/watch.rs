//! The demo's WebSocket: joins rooms, prints what comes, counts what completes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::Instant};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::platform::Platform;

/// A WebSocket in some jobs' rooms.
pub struct Watcher {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    names: BTreeMap<String, String>,
    /// Frames that told of a change.
    pub frames: usize,
}

impl Watcher {
    /// Connects and subscribes to the rooms of these jobs (id -> name).
    pub async fn join(platform: &Platform, names: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let url = format!("{}?api_key={}", platform.ready["ws"].as_str().context("no ws")?, platform.key());
        let (mut socket, _) = connect_async(url).await.context("the WebSocket was refused")?;
        for id in names.keys() {
            let frame = json!({ "type": "SUBSCRIBE", "data": { "room": format!("job:{id}"), "job_id": id } });
            socket.send(Message::text(frame.to_string())).await?;
        }
        Ok(Self { socket, names, frames: 0 })
    }

    /// Prints changes until so many tasks have completed. A task that failed ends the story.
    pub async fn until_completed(
        &mut self,
        wanted: usize,
        deadline: Instant,
    ) -> anyhow::Result<BTreeSet<u64>> {
        let mut done = BTreeSet::new();
        while done.len() < wanted {
            let next = tokio::time::timeout_at(deadline, self.socket.next()).await;
            let Ok(next) = next else {
                bail!("only {} of {wanted} tasks had completed when the time was over", done.len())
            };
            let message = next.context("the WebSocket ended")??;
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).context("a frame is no JSON")?;
            match frame["type"].as_str().unwrap_or_default() {
                "JOB_TASKS_SNAPSHOT" => {
                    for task in frame["data"]["tasks"].as_array().into_iter().flatten() {
                        note(&mut done, task["task_id"].as_u64(), &task["task_status"], &task["error"])?;
                    }
                }
                kind if kind.starts_with("TASK_") => {
                    self.frames += 1;
                    let data = &frame["data"];
                    let changes = &data["changes"];
                    let name =
                        data["job_id"].as_str().and_then(|id| self.names.get(id)).map_or("?", String::as_str);
                    super::detail(&format!("frame   {name:<7} {kind:<20} {}", brief(changes)));
                    note(&mut done, data["task_id"].as_u64(), &changes["task_status"], &changes["error"])?;
                }
                "ERROR" => bail!("the WebSocket says: {}", frame["data"]),
                _ => {}
            }
        }
        Ok(done)
    }
}

fn note(done: &mut BTreeSet<u64>, task: Option<u64>, status: &Value, error: &Value) -> anyhow::Result<()> {
    match (task, status.as_str()) {
        (Some(task), Some("completed")) => {
            done.insert(task);
        }
        (Some(task), Some("failed")) => bail!("task {task} failed: {error}"),
        _ => {}
    }
    Ok(())
}

/// The changes of a frame in a few words.
fn brief(changes: &Value) -> String {
    let mut words = Vec::new();
    if let Some(status) = changes["task_status"].as_str() {
        words.push(status.to_owned());
    }
    if let Some(hash) = changes["execution_tx_hash"].as_str().filter(|h| h.len() > 12) {
        words.push(format!("tx {}..", &hash[..12]));
    }
    words.join("  ")
}
