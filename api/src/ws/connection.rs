//! One client's connection.

use std::{collections::BTreeMap, sync::Arc};

use argus_domain::access::{ApiKey, Role};
use argus_ports::TaskQuery;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use serde_json::{Map, Value, json};
use tokio::{
    sync::{Notify, mpsc},
    time::{Duration, Instant, timeout},
};

use crate::{
    Edge,
    auth::{own_job, own_task},
    errors::ApiError,
    json::{address, address_number, whole},
    shape,
    ws::{
        frames::{Topic, change_frame, frame},
        hub::{Delivery, Outlet, Seat},
    },
};

/// The client reads more slowly than changes come.
const CLOSE_SLOW: u16 = 4008;
/// Nothing was heard from the client.
const CLOSE_IDLE: u16 = 4000;
/// A message is larger than it may be (RFC 6455, section 7.4.1).
const CLOSE_TOO_LARGE: u16 = 1009;
/// The API key was revoked.
const CLOSE_REVOKED: u16 = 4401;
/// Changes that are read from the bus at once.
const PAGE: u32 = 256;

/// What went wrong with one message; the connection goes on.
struct Refused(&'static str, String);

/// The connection is over.
struct Over;

struct Joined {
    topic: Topic,
    /// Newest position that the client has been sent.
    last: u64,
}

struct Connection {
    edge: Arc<Edge>,
    key: ApiKey,
    seat: Seat,
    socket: WebSocket,
    outlet: Outlet,
    rooms: BTreeMap<String, Joined>,
}

/// Serves a connection to its end.
pub async fn serve(edge: Arc<Edge>, key: ApiKey, seat: Seat, socket: WebSocket) {
    let limits = edge.config.rooms.clone();
    let (queue, mut deliveries) = mpsc::channel(limits.queue.max(1));
    let too_slow = Arc::new(Notify::new());
    let outlet = Outlet { queue, too_slow: Arc::clone(&too_slow) };
    let mut connection = Connection { edge, key, seat, socket, outlet, rooms: BTreeMap::new() };
    let mut heard_at = Instant::now();
    let mut pings = tokio::time::interval_at(Instant::now() + limits.ping_every, limits.ping_every);
    loop {
        let step = tokio::select! {
            () = too_slow.notified() => {
                connection.close(CLOSE_SLOW, "changes come faster than they are read").await;
                return;
            }
            message = connection.socket.recv() => match message {
                Some(Ok(message)) => {
                    heard_at = Instant::now();
                    connection.hear(message).await
                }
                Some(Err(error)) => {
                    if is_too_large(&error) {
                        connection.close(CLOSE_TOO_LARGE, "the message is too large").await;
                    }
                    return;
                }
                None => return,
            },
            Some(delivery) = deliveries.recv() => connection.pass_on(delivery).await,
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

/// Whether what was heard is larger than it may be. The library's own type is not given on, its words are.
fn is_too_large(error: &axum::Error) -> bool {
    error.to_string().starts_with("Space limit exceeded")
}

impl Connection {
    async fn send(&mut self, message: Message) -> Result<(), Over> {
        let limit = self.edge.config.rooms.write_timeout;
        tokio::select! {
            sent = timeout(limit, self.socket.send(message)) => match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(_)) => return Err(Over),
                Err(_) => {}
            },
            () = self.outlet.too_slow.notified() => {}
        }
        self.close(CLOSE_SLOW, "changes come faster than they are read").await;
        Err(Over)
    }

    async fn close(&mut self, code: u16, reason: &'static str) {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let closing = self.socket.send(Message::Close(Some(frame)));
        // Whoever reads nothing does not read this either; the socket ends all the same.
        let _ = timeout(Duration::from_secs(1), closing).await;
    }

    async fn ping(&mut self) -> Result<(), Over> {
        let key = self.edge.ports.keys.by_hash(self.key.hash).await;
        if let Ok(found) = key
            && found.is_none_or(|key| !key.is_live(self.edge.ports.clock.now()))
        {
            self.close(CLOSE_REVOKED, "the API key was revoked or has expired").await;
            return Err(Over);
        }
        self.send(Message::Ping(bytes::Bytes::new())).await
    }

    async fn pass_on(&mut self, delivery: Delivery) -> Result<(), Over> {
        let mut wanted = false;
        for joined in self.rooms.values_mut() {
            let fits = joined.topic.room() == delivery.room && joined.topic.takes(delivery.task);
            if fits && joined.last < delivery.position {
                joined.last = delivery.position;
                wanted = true;
            }
        }
        if wanted { self.send(Message::Text(delivery.frame)).await } else { Ok(()) }
    }

    async fn hear(&mut self, message: Message) -> Result<(), Over> {
        let text = match message {
            Message::Text(text) => text,
            Message::Close(_) => return Err(Over),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
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
            "PING" => self.say("PONG", &json!({}), request_id).await,
            "SUBSCRIBE" => self.subscribe(data, request_id).await,
            "UNSUBSCRIBE" => self.unsubscribe(data, request_id).await,
            _ => {
                let message = "the type is SUBSCRIBE, UNSUBSCRIBE or PING".to_owned();
                self.refuse(Refused("INVALID_MESSAGE_TYPE", message), request_id).await
            }
        }
    }

    async fn say(&mut self, kind: &str, data: &Value, request_id: Option<&Value>) -> Result<(), Over> {
        let frame = frame(&self.edge, kind, data, request_id);
        self.send(Message::Text(frame)).await
    }

    async fn refuse(&mut self, refused: Refused, request_id: Option<&Value>) -> Result<(), Over> {
        let Refused(code, message) = refused;
        self.say("ERROR", &json!({"code": code, "message": message}), request_id).await
    }

    async fn unsubscribe(&mut self, data: &Map<String, Value>, id: Option<&Value>) -> Result<(), Over> {
        let Some(name) = room_name(data) else {
            let refused = Refused("INVALID_UNSUBSCRIPTION_DATA", "data.room is missing".to_owned());
            return self.refuse(refused, id).await;
        };
        if let Some(joined) = self.rooms.remove(&name) {
            self.edge.hub.leave(self.seat.connection, &joined.topic);
        }
        self.say("SUCCESS", &json!({"message": "Unsubscribed from room", "data": {"room": name}}), id).await
    }

    async fn subscribe(&mut self, data: &Map<String, Value>, id: Option<&Value>) -> Result<(), Over> {
        let allowance =
            self.edge.ports.limiter.take(&format!("key:{}", self.key.id), self.key.rate_limit).await;
        if !allowance.allowed {
            let message = format!("more than {} requests in a minute", allowance.limit);
            return self.refuse(Refused("RATE_LIMIT_EXCEEDED", message), id).await;
        }
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
        self.edge.hub.join(self.seat.connection, topic.clone(), position, self.outlet.clone());
        self.rooms.insert(name.clone(), Joined { topic: topic.clone(), last: since.unwrap_or(position) });
        let since_now = position.to_string();
        let joined = json!({"message": "Subscribed to room", "data": {"room": name, "since": since_now}});
        self.say("SUCCESS", &joined, id).await?;
        if let Topic::Job(job) = &topic {
            let limit = self.edge.config.rooms.snapshot_tasks;
            let record = self.edge.ports.jobs.job(*job).await;
            let tasks = self.edge.ports.tasks.list(TaskQuery::Job(*job), None, limit).await;
            let (record, tasks) = match (record, tasks) {
                (Ok(Some(record)), Ok(tasks)) => (record, tasks),
                (Ok(None), _) => return self.refuse(ApiError::absent().into(), id).await,
                (Err(e), _) | (_, Err(e)) => return self.refuse(e.into(), id).await,
            };
            let tasks: Vec<_> =
                tasks.iter().map(|task| shape::task::shown(&self.edge, task, &record.job)).collect();
            let snapshot = json!({"job_id": job.to_string(), "tasks": tasks, "seq": position});
            self.say("JOB_TASKS_SNAPSHOT", &snapshot, id).await?;
        }
        self.resume(&name).await
    }

    /// Sends what happened after the client's position, up to what is there now.
    async fn resume(&mut self, name: &str) -> Result<(), Over> {
        let mut left = self.edge.config.rooms.resume_max;
        while left > 0 {
            let Some(joined) = self.rooms.get(name) else { return Ok(()) };
            let (topic, last) = (joined.topic.clone(), joined.last);
            let page = match self.edge.ports.bus.since(topic.room(), last, PAGE.min(left)).await {
                Ok(page) => page,
                Err(e) => return self.refuse(e.into(), None).await,
            };
            if page.is_empty() {
                return Ok(());
            }
            left = left.saturating_sub(page.len().try_into().unwrap_or(u32::MAX));
            for (position, change) in page {
                if topic.takes(change.task) {
                    match change_frame(&self.edge, topic.room(), position, &change).await {
                        Ok(Some(frame)) => self.send(Message::Text(frame)).await?,
                        Ok(None) => {}
                        Err(e) => return self.refuse(e.into(), None).await,
                    }
                }
                if let Some(joined) = self.rooms.get_mut(name) {
                    joined.last = joined.last.max(position);
                }
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
