//! One client's connection.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::access::{ApiKey, Role};
use argus_ports::TaskQuery;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::time::{Duration, Instant, timeout};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes, protocol::CloseFrame};

use crate::{
    Edge,
    auth::{own_job, own_task},
    errors::ApiError,
    json::{address, address_number, whole},
    shape::{self, task_types::ShownTask},
    ws::{
        frames::{PING, Topic, change_frames, frame},
        hub::{Outlet, Queued, Seat},
        socket::Socket,
    },
};

/// The client reads more slowly than changes come.
const CLOSE_SLOW: u16 = 4008;
/// Nothing was heard from the client.
const CLOSE_IDLE: u16 = 4000;
/// What was sent is no frame of a client, or no text (RFC 6455, section 7.4.1).
const CLOSE_PROTOCOL: u16 = 1002;
const CLOSE_NO_TEXT: u16 = 1007;
/// A message is larger than it may be (RFC 6455, section 7.4.1).
const CLOSE_TOO_LARGE: u16 = 1009;
/// The API key was revoked.
const CLOSE_REVOKED: u16 = 4401;
/// Time for a closing frame to leave and to be answered.
const CLOSE_GRACE: Duration = Duration::from_secs(5);
/// Changes that are read from the bus at once.
const PAGE: u32 = 256;
/// Deliveries that are written at once.
const DELIVERIES: usize = 64;

/// What went wrong with one message; the connection goes on.
struct Refused(&'static str, String);

/// The connection is over.
struct Over;

/// What whoever joins a job's room finds there.
#[derive(Serialize)]
struct Snapshot {
    job_id: String,
    tasks: Vec<ShownTask>,
    seq: u64,
}

struct Joined {
    topic: Topic,
    /// Newest position that the client has been sent.
    last: u64,
}

struct Connection {
    edge: Arc<Edge>,
    key: ApiKey,
    seat: Seat,
    socket: Socket,
    outlet: Arc<Outlet>,
    rooms: BTreeMap<String, Joined>,
}

/// Serves a connection to its end.
pub async fn serve(edge: Arc<Edge>, key: ApiKey, seat: Seat, socket: Socket) {
    let limits = edge.config.rooms.clone();
    let (outlet, mut queue) = Outlet::new(limits.queue);
    let outlet = Arc::new(outlet);
    let mut connection =
        Connection { edge, key, seat, socket, outlet: Arc::clone(&outlet), rooms: BTreeMap::new() };
    let mut queued = Vec::new();
    let mut heard_at = Instant::now();
    let mut pings = tokio::time::interval_at(Instant::now() + limits.ping_every, limits.ping_every);
    loop {
        let step = tokio::select! {
            () = outlet.too_slow.notified() => {
                connection.close_slow().await;
                return;
            }
            message = connection.socket.hear() => match message {
                Some(Ok(Message::Close(_))) => {
                    connection.answer_close().await;
                    return;
                }
                Some(Ok(message)) => {
                    heard_at = Instant::now();
                    connection.hear(message).await
                }
                Some(Err(Error::Capacity(_))) => {
                    connection.close(CLOSE_TOO_LARGE, "the message is too large").await;
                    return;
                }
                Some(Err(Error::Protocol(_))) => {
                    connection.close(CLOSE_PROTOCOL, "this is no frame of a client").await;
                    return;
                }
                Some(Err(Error::Utf8(_))) => {
                    connection.close(CLOSE_NO_TEXT, "the text is not UTF-8").await;
                    return;
                }
                Some(Err(_)) | None => return,
            },
            _ = queue.recv_many(&mut queued, DELIVERIES) => {
                let passed = connection.pass_on(&queued).await;
                queued.clear();
                passed
            }
            _ = pings.tick() => {
                if heard_at.elapsed() > limits.idle_max {
                    connection.close(CLOSE_IDLE, "nothing was heard for too long").await;
                    return;
                }
                connection.ping().await
            }
        };
        if step.is_err() {
            return;
        }
    }
}

impl Connection {
    /// Sends whole frames.
    async fn send(&mut self, frames: impl IntoIterator<Item = Bytes>) -> Result<(), Over> {
        frames.into_iter().for_each(|piece| self.socket.queue(piece));
        tokio::select! {
            sent = timeout(self.edge.config.rooms.write_timeout, self.socket.flush()) => match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(Over),
                Err(_) => {}
            },
            () = self.outlet.too_slow.notified() => {}
        }
        self.close_slow().await;
        Err(Over)
    }

    async fn close_slow(&mut self) {
        self.edge.metrics.slow_readers.inc();
        self.close(CLOSE_SLOW, "changes come faster than they are read").await;
    }

    /// Answers a client that says it is over.
    async fn answer_close(&mut self) {
        let _is_known_to_the_client = timeout(CLOSE_GRACE, self.socket.finish()).await;
    }

    /// Says why it is over, and waits for the client to have read that: a socket that is closed with something unread
    /// takes it back. Whoever reads nothing does not read this either; the socket ends all the same.
    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) };
        let closing = self.socket.close(frame);
        let _is_known_to_the_client = timeout(CLOSE_GRACE, closing).await.is_ok_and(|closed| closed.is_ok());
    }

    /// Ends the connection of a key that may not be used any more. A store that does not answer ends nobody's.
    async fn check_key(&mut self) -> Result<(), Over> {
        let found = self.edge.ports.keys.by_hash(self.key.hash).await;
        let now = self.edge.ports.clock.now();
        if found.is_ok_and(|key| key.is_none_or(|key| !key.is_live(now))) {
            self.close(CLOSE_REVOKED, "the API key was revoked or has expired").await;
            return Err(Over);
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), Over> {
        self.check_key().await?;
        self.send([PING]).await
    }

    /// Sends what of the deliveries the client was not sent yet.
    async fn pass_on(&mut self, queued: &[Queued]) -> Result<(), Over> {
        let mut pieces = Vec::new();
        for delivery in queued.iter().map(|queued| &queued.delivery) {
            // A room that is joined under two names, or with one of its tasks, is told once.
            let mut joined: Vec<_> =
                self.rooms.values_mut().filter(|joined| joined.topic.room() == delivery.room).collect();
            pieces.extend(delivery.frames.pieces(|shown| {
                let mut is_new = false;
                for joined in joined.iter_mut().filter(|joined| joined.topic.takes(shown.task)) {
                    is_new |= joined.last < shown.position;
                    joined.last = joined.last.max(shown.position);
                }
                is_new
            }));
        }
        self.send(pieces).await
    }

    async fn hear(&mut self, message: Message) -> Result<(), Over> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
            Message::Binary(_) => {
                return self.refuse(Refused("INVALID_MESSAGE_TYPE", "send text".to_owned()), None).await;
            }
        };
        let Ok(Value::Object(envelope)) = serde_json::from_str::<Value>(&text) else {
            let refused = Refused("INVALID_MESSAGE", "a message is a JSON object with a type".to_owned());
            return self.refuse(refused, None).await;
        };
        let request_id = envelope.get("request_id").filter(|id| id.is_string() || id.is_number());
        let empty = Map::new();
        let data = envelope.get("data").and_then(Value::as_object).unwrap_or(&empty);
        let kind = envelope.get("type").and_then(Value::as_str).unwrap_or_default();
        match kind.to_ascii_uppercase().as_str() {
            "PING" => self.say("PONG", json!({}), request_id).await,
            "SUBSCRIBE" => self.subscribe(data, request_id).await,
            "UNSUBSCRIBE" => self.unsubscribe(data, request_id).await,
            _ => {
                let message = "the type is SUBSCRIBE, UNSUBSCRIBE or PING".to_owned();
                self.refuse(Refused("INVALID_MESSAGE_TYPE", message), request_id).await
            }
        }
    }

    async fn say(
        &mut self,
        kind: &str,
        data: impl Serialize,
        request_id: Option<&Value>,
    ) -> Result<(), Over> {
        self.send([frame(&self.edge, kind, data, request_id)]).await
    }

    async fn refuse(&mut self, refused: Refused, request_id: Option<&Value>) -> Result<(), Over> {
        let Refused(code, message) = refused;
        self.say("ERROR", json!({"code": code, "message": message}), request_id).await
    }

    async fn unsubscribe(&mut self, data: &Map<String, Value>, id: Option<&Value>) -> Result<(), Over> {
        let Some(name) = room_name(data) else {
            let refused = Refused("INVALID_UNSUBSCRIPTION_DATA", "data.room is missing".to_owned());
            return self.refuse(refused, id).await;
        };
        if let Some(joined) = self.rooms.remove(&name) {
            self.seat.leave(&joined.topic);
        }
        self.say("SUCCESS", json!({"message": "Unsubscribed from room", "data": {"room": name}}), id).await
    }

    async fn subscribe(&mut self, data: &Map<String, Value>, id: Option<&Value>) -> Result<(), Over> {
        let allowance =
            self.edge.ports.limiter.take(&format!("key:{}", self.key.id), self.key.rate_limit).await;
        if !allowance.allowed {
            let message = format!("more than {} requests in a minute", allowance.limit);
            return self.refuse(Refused("RATE_LIMIT_EXCEEDED", message), id).await;
        }
        self.check_key().await?;
        let asked = match self.asked(data).await {
            Ok(asked) => asked,
            Err(refused) => return self.refuse(refused, id).await,
        };
        let (name, topic, since) = asked;
        let position = match self.edge.ports.bus.newest(topic.room()).await {
            Ok(position) => position,
            Err(e) => return self.refuse(e.into(), id).await,
        };
        // Registered before anything is read: a change after this waits in the queue until all is sent.
        self.seat.join(topic.clone(), position, Arc::clone(&self.outlet));
        // A position that is not there yet is of another store: what comes next would be taken for known.
        let last = since.map_or(position, |since| since.min(position));
        self.rooms.insert(name.clone(), Joined { topic: topic.clone(), last });
        let since_now = position.to_string();
        let joined = json!({"message": "Subscribed to room", "data": {"room": name, "since": since_now}});
        self.say("SUCCESS", joined, id).await?;
        if let Topic::Job(job) = &topic {
            let limit = self.edge.config.rooms.snapshot_tasks;
            let record = self.edge.ports.jobs.job(*job).await;
            let tasks = self.edge.ports.tasks.list(TaskQuery::Job(*job), None, limit).await;
            let (record, tasks) = match (record, tasks) {
                (Ok(Some(record)), Ok(tasks)) => (record, tasks),
                (Ok(None), _) => return self.refuse(ApiError::absent().into(), id).await,
                (Err(e), _) | (_, Err(e)) => return self.refuse(e.into(), id).await,
            };
            let tasks = tasks.iter().map(|task| shape::task::shown(&self.edge, task, &record.job)).collect();
            let snapshot = Snapshot { job_id: job.to_string(), tasks, seq: position };
            self.say("JOB_TASKS_SNAPSHOT", snapshot, id).await?;
        }
        self.resume(&name).await
    }

    /// Sends what happened after the client's position, up to what is there now.
    async fn resume(&mut self, name: &str) -> Result<(), Over> {
        let mut left = self.edge.config.rooms.resume_max;
        while left > 0 {
            let Some(joined) = self.rooms.get(name) else { return Ok(()) };
            let (topic, last) = (joined.topic.clone(), joined.last);
            let mut page = match self.edge.ports.bus.since(topic.room(), last, PAGE.min(left)).await {
                Ok(page) => page,
                Err(e) => return self.refuse(e.into(), None).await,
            };
            if page.is_empty() {
                return Ok(());
            }
            left = left.saturating_sub(page.len().try_into().unwrap_or(u32::MAX));
            let newest = page.last().map_or(last, |(position, _)| *position);
            page.retain(|(_, change)| topic.takes(change.task));
            let frames = match change_frames(&self.edge, topic.room(), &page).await {
                Ok(frames) => frames,
                Err(e) => return self.refuse(e.into(), None).await,
            };
            self.send([frames.encoded]).await?;
            if let Some(joined) = self.rooms.get_mut(name) {
                joined.last = joined.last.max(newest);
            }
        }
        let message = "more changes than are kept for one client; join again without since".to_owned();
        self.refuse(Refused("RESUME_TOO_LONG", message), None).await
    }

    /// The room that is asked for, checked for ownership, and the position to resume from.
    async fn asked(&mut self, data: &Map<String, Value>) -> Result<(String, Topic, Option<u64>), Refused> {
        let Some(name) = room_name(data) else {
            return Err(Refused("INVALID_SUBSCRIPTION_DATA", "data.room is missing".to_owned()));
        };
        let since = match data.get("since").filter(|since| !since.is_null()) {
            None => None,
            Some(value) => Some(whole(value).ok_or_else(|| {
                Refused("INVALID_SUBSCRIPTION_DATA", "since is a position from an earlier frame".to_owned())
            })?),
        };
        if !self.rooms.contains_key(&name) && self.rooms.len() >= self.edge.config.rooms.rooms_per_connection
        {
            let max = self.edge.config.rooms.rooms_per_connection;
            return Err(Refused("TOO_MANY_ROOMS", format!("a connection may join {max} rooms")));
        }
        let topic = match name.split_once(':') {
            Some(("job", id)) => Topic::Job(own_job(&self.edge, &self.key, id).await?.job.id),
            Some(("task", id)) => {
                let (task, job) = own_task(&self.edge, &self.key, id).await?;
                Topic::Task(job.job.id, task.task.id)
            }
            Some(("user", who)) => Topic::Owner(self.own_user(who)?),
            Some(_) | None => {
                let message = "a room is job:<id>, task:<id> or user:<address or id>".to_owned();
                return Err(Refused("INVALID_ROOM", message));
            }
        };
        Ok((name, topic, since))
    }

    fn own_user(&self, text: &str) -> Result<argus_domain::Address, Refused> {
        let numbered = text.parse::<u64>().is_ok_and(|n| n == address_number(self.key.owner));
        let owner = match address(text) {
            Some(owner) => owner,
            None if numbered => self.key.owner,
            None if matches!(self.key.role, Role::App | Role::Admin) => {
                return Err(Refused("INVALID_ROOM", "name the user by its address".to_owned()));
            }
            None => return Err(ApiError::not_yours().into()),
        };
        if self.key.may_act_for(owner) { Ok(owner) } else { Err(ApiError::not_yours().into()) }
    }
}

/// The room's name: `room`, or what the other fields say.
fn room_name(data: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| match data.get(name)? {
        Value::String(s) if !s.is_empty() => Some(s.clone()),
        Value::Number(n) => Some(n.to_string()),
        _ => None,
    };
    text("room").or_else(|| {
        ["job", "task", "user"]
            .iter()
            .find_map(|kind| Some(format!("{kind}:{}", text(&format!("{kind}_id"))?)))
    })
}

impl From<ApiError> for Refused {
    fn from(e: ApiError) -> Self {
        Self(e.code, e.message)
    }
}

impl From<argus_ports::StoreError> for Refused {
    fn from(e: argus_ports::StoreError) -> Self {
        ApiError::from(e).into()
    }
}
