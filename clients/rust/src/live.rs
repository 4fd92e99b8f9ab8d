//! Tasks as they change, over a WebSocket that is opened again wherever it broke off.

use std::{fmt, time::Duration};

use futures::{SinkExt, StreamExt};
use reqwest::{StatusCode, Upgraded, header};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{Role, WebSocketConfig},
    },
};

use crate::{Client, Error, Refusal, Result, Task, client::unanswered};

/// Longest silence: the platform pings every 30 s.
const SILENCE_MAX: Duration = Duration::from_secs(75);
/// Longest frame, bytes: a snapshot has a thousand tasks.
const FRAME_MAX: usize = 16 << 20;
/// Most tries to connect again, and the pause before the second one; each one after is twice as long.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(200);
/// The key was revoked.
const CLOSE_REVOKED: u16 = 4401;

type Socket = WebSocketStream<Upgraded>;

/// Whose changes are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// A job's tasks.
    Job(String),
    /// One task.
    Task(u64),
    /// All tasks of an owner, by address.
    User(String),
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Job(id) => write!(f, "job:{id}"),
            Self::Task(id) => write!(f, "task:{id}"),
            Self::User(address) => write!(f, "user:{address}"),
        }
    }
}

/// What a room tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// All tasks that a job has, newest first, when its room was joined; changes follow.
    Snapshot(Vec<Task>),
    /// One change.
    Changed(Box<Change>),
}

/// A task that changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// `TASK_CREATED`, `TASK_STATUS_CHANGED`, `TASK_UPDATED` or `TASK_FEE_UPDATED`.
    pub kind: String,
    /// The task as it is now.
    pub task: Task,
    /// The change's place among those of its job.
    pub seq: u64,
}

/// A room that is listened to.
pub struct Live {
    client: Client,
    room: Room,
    position: Option<u64>,
    socket: Option<Socket>,
    /// A room that is joined again tells what was missed, and so needs no snapshot.
    has_begun: bool,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Live");
        shown.field("room", &self.room).field("position", &self.position).finish_non_exhaustive()
    }
}

impl Client {
    /// Listens to a room, from now on or from where an earlier [`Live::position`] ended.
    pub fn live(&self, room: Room, since: Option<u64>) -> Live {
        Live { client: self.clone(), room, position: since, socket: None, has_begun: since.is_some() }
    }
}

impl Live {
    /// Up to where it has told.
    pub fn position(&self) -> Option<u64> {
        self.position
    }

    /// What comes next. It connects, again and again where the connection breaks, and goes on without a gap. May be
    /// dropped before it is done: nothing is lost.
    ///
    /// # Errors
    /// [`Error::Connection`] or [`Error::Refused`] where it cannot connect any more, [`Error::Room`] where the room
    /// cannot be joined or more was missed than the platform keeps.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            let Some(socket) = &mut self.socket else {
                self.socket = Some(self.joined().await?);
                continue;
            };
            match timeout(SILENCE_MAX, socket.next()).await {
                Ok(Some(Ok(Message::Text(text)))) => {
                    if let Some(event) = self.read(&text)? {
                        return Ok(event);
                    }
                }
                Ok(Some(Ok(Message::Close(Some(frame))))) if u16::from(frame.code) == CLOSE_REVOKED => {
                    return Err(refused("KEY_REVOKED", frame.reason.as_str()));
                }
                Ok(Some(Ok(
                    Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
                ))) => {}
                Ok(None | Some(Ok(Message::Close(_)) | Err(_))) | Err(_) => self.socket = None,
            }
        }
    }

    /// What a frame tells; `None`: nothing that a caller waits for.
    fn read(&mut self, text: &str) -> Result<Option<Event>> {
        let frame: Value = serde_json::from_str(text).map_err(|e| Error::Answer(e.to_string()))?;
        let (kind, data) = (frame["type"].as_str().unwrap_or_default(), &frame["data"]);
        match kind {
            "ERROR" => {
                // Whoever asks on is told so again: nothing is passed over.
                self.socket = None;
                let text = |name: &str| data[name].as_str().unwrap_or_default();
                Err(refused(text("code"), text("message")))
            }
            "SUCCESS" => {
                let joined = number(&data["data"]["since"]);
                // A platform behind what was told was restored from a copy: it begins anew, with how things are.
                if joined.is_some() && joined < self.position {
                    (self.position, self.has_begun) = (joined, false);
                }
                self.position = self.position.or(joined);
                Ok(None)
            }
            "JOB_TASKS_SNAPSHOT" => {
                let is_first = !std::mem::replace(&mut self.has_begun, true);
                Ok(if is_first { Some(Event::Snapshot(read(&data["tasks"])?)) } else { None })
            }
            _ => {
                let Some(seq) = number(&data["seq"]) else { return Ok(None) };
                // An owner's room counts by itself, across jobs.
                self.position = number(&data["since"]).or(Some(seq));
                self.has_begun = true;
                let change = Change { kind: kind.to_owned(), task: read(&data["changes"])?, seq };
                Ok(Some(Event::Changed(Box::new(change))))
            }
        }
    }

    async fn joined(&self) -> Result<Socket> {
        let mut pause = PAUSE;
        for _ in 1..TRIES {
            match self.join().await {
                Err(Error::Connection { .. } | Error::Deadline(_)) => {}
                Err(Error::Refused(refusal)) if refusal.is_transient() => {}
                done => return done,
            }
            sleep(pause).await;
            pause *= 2;
        }
        self.join().await
    }

    async fn join(&self) -> Result<Socket> {
        let opening = async {
            let mut socket = self.client.socket().await?;
            let data =
                json!({"room": self.room.to_string(), "since": self.position.map(|at| at.to_string())});
            let asked = json!({"type": "SUBSCRIBE", "data": data}).to_string();
            let broken = |e| Error::Connection { url: "the WebSocket".to_owned(), source: Box::new(e) };
            socket.send(Message::text(asked)).await.map_err(broken)?;
            Ok(socket)
        };
        let deadline = self.client.deadline;
        timeout(deadline, opening).await.unwrap_or(Err(Error::Deadline(deadline)))
    }
}

impl Client {
    /// An HTTP request that is upgraded (RFC 6455), so that the key goes in its header and TLS is the same as
    /// everywhere.
    async fn socket(&self) -> Result<Socket> {
        let url = self.socket_url()?;
        let key = generate_key();
        let mut request = self.http.get(url.clone());
        if let Some(key) = &self.key {
            request = request.header("x-api-key", key.clone());
        }
        let request = request
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, &key);
        let response = request.send().await.map_err(|e| unanswered(&url, e))?;
        let status = response.status();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let text = response.text().await.map_err(|e| unanswered(&url, e))?;
            return Err(Error::Refused(Box::new(Refusal::read(status.as_u16(), None, &text))));
        }
        let accepted = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accept| accept.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes()) {
            return Err(Error::Answer("it is no WebSocket server: wrong accept key".to_owned()));
        }
        let upgraded = response.upgrade().await.map_err(|e| unanswered(&url, e))?;
        let limits =
            WebSocketConfig::default().max_message_size(Some(FRAME_MAX)).max_frame_size(Some(FRAME_MAX));
        Ok(WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(limits)).await)
    }
}

fn refused(code: &str, message: &str) -> Error {
    Error::Room { code: code.to_owned(), message: message.to_owned() }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|e| Error::Answer(e.to_string()))
}

/// Positions are numbers or decimal text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
