//! Who watches what, and the one task that carries changes to them.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use argus_ports::{
    Change, Room, StoreError,
    store::watch::{Received, Receiver},
};
use futures::FutureExt;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

use crate::{
    Edge,
    ws::frames::{Frames, Topic, change_frames},
};

/// Most changes that are shown, or read from the bus, at once.
const PAGE: u32 = 256;

/// Changes of a room that came together, on their way to all that watch.
pub struct Delivery {
    /// Where they happened.
    pub room: Room,
    /// As frames, shared by all.
    pub frames: Frames,
}

/// A delivery in one connection's queue, with the space there that it gives back when it is dropped.
pub struct Queued {
    /// What is delivered.
    pub delivery: Arc<Delivery>,
    _space: OwnedSemaphorePermit,
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
    /// By connection and what it asked for.
    watchers: BTreeMap<(u64, Topic), Arc<Outlet>>,
}

/// The way to one connection: a bounded queue, and a bell that ends a connection whose queue is full.
pub struct Outlet {
    queue: mpsc::Sender<Queued>,
    /// Frames that may still wait: a delivery has many.
    space: Arc<Semaphore>,
    /// Rung when the queue was full.
    pub too_slow: Notify,
}

impl Outlet {
    /// A queue of so many frames, and its other end.
    pub fn new(frames: usize) -> (Self, mpsc::Receiver<Queued>) {
        let (queue, queued) = mpsc::channel(frames.max(1));
        (Self { queue, space: Arc::new(Semaphore::new(frames)), too_slow: Notify::new() }, queued)
    }

    /// Queues a delivery of which so many frames are for this connection. `false`: the connection is too slow, or gone.
    fn offer(&self, delivery: &Arc<Delivery>, frames: usize) -> bool {
        let space =
            u32::try_from(frames).ok().and_then(|n| self.space.clone().try_acquire_many_owned(n).ok());
        let queued = space.map(|space| Queued { delivery: delivery.clone(), _space: space });
        let is_queued = queued.is_some_and(|queued| self.queue.try_send(queued).is_ok());
        if !is_queued {
            self.too_slow.notify_one();
        }
        is_queued
    }
}

/// One connection's place; giving it back is dropping it.
pub struct Seat {
    edge: Arc<Edge>,
    key_id: String,
    number: u64,
    topics: BTreeSet<Topic>,
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
        let number = state.next_connection;
        drop(state);
        edge.metrics.sockets.inc();
        Some(Self { edge: Arc::clone(edge), key_id: key_id.to_owned(), number, topics: BTreeSet::new() })
    }

    /// Registers what the connection watches. `newest` is the room's newest position as read before; a room that is
    /// followed already keeps its own.
    pub fn join(&mut self, topic: Topic, newest: u64, outlet: Arc<Outlet>) {
        let mut state = self.edge.hub.lock();
        let room = state.rooms.entry(topic.room());
        let followed = room.or_insert_with(|| Followed { last: newest, watchers: BTreeMap::new() });
        followed.watchers.insert((self.number, topic.clone()), outlet);
        self.topics.insert(topic);
    }

    /// Ends that.
    pub fn leave(&mut self, topic: &Topic) {
        self.edge.hub.lock().remove(self.number, topic);
        self.topics.remove(topic);
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
        for topic in &self.topics {
            state.remove(self.number, topic);
        }
    }
}

impl State {
    fn remove(&mut self, connection: u64, topic: &Topic) {
        let Entry::Occupied(mut room) = self.rooms.entry(topic.room()) else { return };
        room.get_mut().watchers.remove(&(connection, topic.clone()));
        if room.get().watchers.is_empty() {
            room.remove();
        }
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

    fn last(&self, room: Room) -> Option<u64> {
        self.lock().rooms.get(&room).map(|followed| followed.last)
    }

    /// Those of a room's changes that somebody watches.
    fn watched(&self, room: Room, changes: Vec<(u64, Change)>) -> Vec<(u64, Change)> {
        let state = self.lock();
        let Some(followed) = state.rooms.get(&room) else { return Vec::new() };
        let is_watched = |task| followed.watchers.keys().any(|(_, topic)| topic.takes(task));
        changes.into_iter().filter(|(_, change)| is_watched(change.task)).collect()
    }

    /// Hands a delivery, which leads up to a position, to all that watch, and ends those whose queue is full.
    fn deliver(&self, delivery: Delivery, position: u64) {
        let mut state = self.lock();
        let Entry::Occupied(mut room) = state.rooms.entry(delivery.room) else { return };
        let followed = room.get_mut();
        followed.last = followed.last.max(position);
        let delivery = Arc::new(delivery);
        followed.watchers.retain(|(_, topic), outlet| {
            let frames = delivery.frames.shown.iter().filter(|shown| topic.takes(shown.task)).count();
            frames == 0 || outlet.offer(&delivery, frames)
        });
        if followed.watchers.is_empty() {
            room.remove();
        }
    }

    fn close_all(&self) {
        let rooms = std::mem::take(&mut self.lock().rooms);
        for outlet in rooms.values().flat_map(|followed| followed.watchers.values()) {
            outlet.too_slow.notify_one();
        }
    }
}

/// How many changes of a room are shown at once: four deliveries fit in a queue, so that nobody is too slow who is a
/// turn or two behind.
fn at_once(edge: &Edge) -> u32 {
    u32::try_from(edge.config.rooms.queue.div_ceil(4)).map_or(PAGE, |quarter| quarter.clamp(1, PAGE))
}

/// Carries changes to those who watch, until the bus is gone.
pub async fn follow(edge: Arc<Edge>, mut changes: Receiver) {
    edge.hub.following.store(true, Ordering::Release);
    let most = at_once(&edge) as usize;
    let mut is_open = true;
    while is_open {
        // What is there already goes out together: to write once for each change and socket is what a fan-out costs.
        let mut together = vec![changes.next().await];
        while together.len() < most
            && let Some(next) = changes.next().now_or_never()
        {
            together.push(next);
        }
        is_open = !together.contains(&Received::Closed);
        if together.contains(&Received::Lagged) {
            let rooms: Vec<Room> = edge.hub.lock().rooms.keys().copied().collect();
            for room in rooms {
                catch_up(&edge, room).await;
            }
        } else {
            carry(&edge, together).await;
        }
    }
    edge.hub.following.store(false, Ordering::Release);
    edge.hub.close_all();
}

async fn carry(edge: &Edge, together: Vec<Received>) {
    let mut rooms: BTreeMap<Room, Vec<(u64, Change)>> = BTreeMap::new();
    for received in together {
        let Received::Change(change) = received else { continue };
        for room in [Room::Job(change.job), Room::Owner(change.owner)] {
            rooms.entry(room).or_default().push((change.seq, change.clone()));
        }
    }
    for (room, mut changes) in rooms {
        let Some(last) = edge.hub.last(room) else { continue };
        let was_missed = match room {
            Room::Job(_) => {
                changes.retain(|(seq, _)| *seq > last);
                changes.iter().zip(last + 1..).any(|((seq, _), next)| *seq != next)
            }
            // The change itself does not say where in its owner's room it stands.
            Room::Owner(_) => true,
        };
        if was_missed {
            catch_up(edge, room).await;
        } else if let Err(cause) = show(edge, room, changes).await {
            tracing::warn!(%cause, "changes are shown with the next one");
        }
    }
}

/// Shows all that the bus has after the room's position. What fails now is made up for by the next change.
async fn catch_up(edge: &Edge, room: Room) {
    let most = at_once(edge);
    while let Some(last) = edge.hub.last(room) {
        let shown = async {
            let page = edge.ports.bus.since(room, last, most).await?;
            let ended = page.len() < most as usize;
            show(edge, room, page).await.map(|()| ended)
        };
        match shown.await {
            Ok(false) => {}
            Ok(true) => return,
            Err(cause) => {
                tracing::warn!(%cause, "changes are shown with the next one");
                return;
            }
        }
    }
}

/// Shows changes of a room, in the order of their positions.
async fn show(edge: &Edge, room: Room, changes: Vec<(u64, Change)>) -> Result<(), StoreError> {
    let Some(position) = changes.last().map(|(position, _)| *position) else { return Ok(()) };
    let frames = change_frames(edge, room, &edge.hub.watched(room, changes)).await?;
    edge.hub.deliver(Delivery { room, frames }, position);
    Ok(())
}
