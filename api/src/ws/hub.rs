//! Who watches what, and the one task that carries changes to them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use argus_domain::ids::TaskId;
use argus_ports::{
    Change, Room, StoreError,
    store::watch::{Received, Receiver},
};
use axum::extract::ws::Utf8Bytes;
use tokio::sync::{Notify, mpsc};

use crate::{
    Edge,
    ws::frames::{Topic, change_frame},
};

/// Changes that are read from the bus at once.
const PAGE: u32 = 256;

/// One change on its way to one connection. The frame is shared by all that get it.
pub struct Delivery {
    /// Where it happened.
    pub room: Room,
    /// Its position there.
    pub position: u64,
    /// The task.
    pub task: TaskId,
    /// The encoded frame.
    pub frame: Utf8Bytes,
}

/// Who watches what.
#[derive(Default)]
pub struct Hub {
    state: Mutex<State>,
    following: AtomicBool,
}

#[derive(Default)]
struct State {
    rooms: BTreeMap<Room, Followed>,
    connections: BTreeMap<String, usize>,
    next_connection: u64,
}

struct Followed {
    /// Position of the newest change that was carried out.
    last: u64,
    watchers: Vec<Watcher>,
}

#[derive(Clone)]
struct Watcher {
    connection: u64,
    topic: Topic,
    outlet: Outlet,
}

/// The way to one connection: a bounded queue, and a bell that ends a connection whose queue is full.
#[derive(Clone)]
pub struct Outlet {
    /// Frames.
    pub queue: mpsc::Sender<Delivery>,
    /// Rung when the queue was full.
    pub too_slow: Arc<Notify>,
}

/// One connection's place; giving it back is dropping it.
pub struct Seat {
    edge: Arc<Edge>,
    key_id: String,
    /// Its number.
    pub connection: u64,
}

impl Seat {
    /// A place, unless the key has as many as it may have.
    pub fn take(edge: &Arc<Edge>, key_id: &str, max: usize) -> Option<Self> {
        let mut state = edge.hub.lock();
        let open = state.connections.entry(key_id.to_owned()).or_default();
        if *open >= max {
            return None;
        }
        *open += 1;
        state.next_connection += 1;
        let connection = state.next_connection;
        drop(state);
        edge.metrics.sockets.inc();
        Some(Self { edge: Arc::clone(edge), key_id: key_id.to_owned(), connection })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.edge.metrics.sockets.dec();
        let mut state = self.edge.hub.lock();
        if let Some(open) = state.connections.get_mut(&self.key_id) {
            *open -= 1;
            if *open == 0 {
                state.connections.remove(&self.key_id);
            }
        }
        state.remove(|watcher| watcher.connection == self.connection);
    }
}

impl State {
    fn remove(&mut self, gone: impl Fn(&Watcher) -> bool) {
        self.rooms.retain(|_, followed| {
            followed.watchers.retain(|watcher| !gone(watcher));
            !followed.watchers.is_empty()
        });
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether changes are being followed.
    pub fn is_following(&self) -> bool {
        self.following.load(Ordering::Acquire)
    }

    /// Connections, and watchers by room.
    pub fn counts(&self) -> (usize, BTreeMap<String, usize>) {
        let state = self.lock();
        let rooms = state.rooms.iter().map(|(room, followed)| {
            let name = match room {
                Room::Job(job) => format!("job:{job}"),
                Room::Owner(owner) => format!("user:{owner}"),
            };
            (name, followed.watchers.len())
        });
        (state.connections.values().sum(), rooms.collect())
    }

    /// Registers a watcher. `newest` is the room's newest position as read before; a room that is followed already
    /// keeps its own.
    pub fn join(&self, connection: u64, topic: Topic, newest: u64, outlet: Outlet) {
        let mut state = self.lock();
        let followed = state
            .rooms
            .entry(topic.room())
            .or_insert_with(|| Followed { last: newest, watchers: Vec::new() });
        followed.watchers.retain(|watcher| watcher.connection != connection || watcher.topic != topic);
        followed.watchers.push(Watcher { connection, topic, outlet });
    }

    /// Removes a watcher.
    pub fn leave(&self, connection: u64, topic: &Topic) {
        self.lock().remove(|watcher| watcher.connection == connection && watcher.topic == *topic);
    }

    fn last(&self, room: Room) -> Option<u64> {
        self.lock().rooms.get(&room).map(|followed| followed.last)
    }

    fn is_watched(&self, room: Room, task: TaskId) -> bool {
        let state = self.lock();
        state.rooms.get(&room).is_some_and(|f| f.watchers.iter().any(|watcher| watcher.topic.takes(task)))
    }

    /// Hands a frame to all that watch, and ends those whose queue is full. Returns how many those were.
    fn deliver(&self, room: Room, position: u64, task: TaskId, frame: Option<&Utf8Bytes>) -> u64 {
        let mut state = self.lock();
        let Some(followed) = state.rooms.get_mut(&room) else { return 0 };
        followed.last = followed.last.max(position);
        let Some(frame) = frame else { return 0 };
        let mut slow = Vec::new();
        for watcher in followed.watchers.iter().filter(|watcher| watcher.topic.takes(task)) {
            let delivery = Delivery { room, position, task, frame: frame.clone() };
            if let Err(mpsc::error::TrySendError::Full(_)) = watcher.outlet.queue.try_send(delivery) {
                watcher.outlet.too_slow.notify_one();
                slow.push(watcher.connection);
            }
        }
        if !slow.is_empty() {
            state.remove(|watcher| slow.contains(&watcher.connection));
        }
        slow.len() as u64
    }

    fn close_all(&self) {
        let mut state = self.lock();
        for followed in state.rooms.values() {
            for watcher in &followed.watchers {
                watcher.outlet.too_slow.notify_one();
            }
        }
        state.rooms.clear();
    }
}

/// Carries changes to those who watch, until the bus is gone.
pub async fn follow(edge: Arc<Edge>, mut changes: Receiver) {
    edge.hub.following.store(true, Ordering::Release);
    loop {
        match changes.next().await {
            Received::Change(change) => {
                for room in [Room::Job(change.job), Room::Owner(change.owner)] {
                    carry(&edge, room, &change).await;
                }
            }
            Received::Lagged => {
                let rooms: Vec<Room> = edge.hub.lock().rooms.keys().copied().collect();
                for room in rooms {
                    catch_up(&edge, room).await;
                }
            }
            Received::Closed => break,
        }
    }
    edge.hub.following.store(false, Ordering::Release);
    edge.hub.close_all();
}

async fn carry(edge: &Edge, room: Room, change: &Change) {
    let Some(last) = edge.hub.last(room) else { return };
    match room {
        // The next one: nothing was missed.
        Room::Job(_) if change.seq == last + 1 => {
            if let Err(cause) = show(edge, room, change.seq, change).await {
                tracing::warn!(%cause, "a change is shown with the next one");
            }
        }
        Room::Job(_) if change.seq <= last => {}
        Room::Job(_) | Room::Owner(_) => catch_up(edge, room).await,
    }
}

/// Shows all that the bus has after the room's position. What fails now is made up for by the next change.
async fn catch_up(edge: &Edge, room: Room) {
    while let Some(last) = edge.hub.last(room) {
        match edge.ports.bus.since(room, last, PAGE).await {
            Ok(page) => {
                let ended = page.len() < PAGE as usize;
                for (position, change) in page {
                    if let Err(cause) = show(edge, room, position, &change).await {
                        tracing::warn!(%cause, "changes are shown with the next one");
                        return;
                    }
                }
                if ended {
                    return;
                }
            }
            Err(cause) => {
                tracing::warn!(%cause, "changes are shown with the next one");
                return;
            }
        }
    }
}

async fn show(edge: &Edge, room: Room, position: u64, change: &Change) -> Result<(), StoreError> {
    let frame = if edge.hub.is_watched(room, change.task) {
        change_frame(edge, room, position, change).await?
    } else {
        None
    };
    let slow = edge.hub.deliver(room, position, change.task, frame.as_ref());
    edge.metrics.slow_readers.inc_by(slow);
    Ok(())
}
