//! The event bus of several processes: the store is the truth, and one bounded stream says what is new.
//!
//! A change is durable in the store before anybody hears of it. Subscribers of the publishing process hear of it at
//! once; the others through the stream, which each process reads from a position of its own. Whoever may lack
//! something is told [`Lagged`](argus_ports::store::watch::Received::Lagged) and reads the store: when the stream has
//! a gap, begins anew or was trimmed, when the connection comes back, every second while it is away, when a process
//! starts or says that it could not announce something, and every now and then without any reason.

mod announcer;
mod entry;
mod heard;
mod listener;
mod teller;

use std::{sync::Arc, time::Duration};

use argus_ports::{Change, EventBus, Room, StoreError, store::watch::Receiver};
use async_trait::async_trait;
use tokio::task::JoinSet;

use self::{
    announcer::{Announcer, Desk},
    listener::Listener,
    teller::Teller,
};
use crate::link::Redis;

/// How changes are carried.
#[derive(Debug, Clone, Copy)]
pub struct BusOptions {
    /// Entries that the stream keeps, about: a process that falls behind by more reads the store.
    pub kept: u32,
    /// How often subscribers are told to look into the store without any reason: how late, at most, they hear of what
    /// a process published that can reach the store and not Redis.
    pub sweep: Duration,
}

impl Default for BusOptions {
    fn default() -> Self {
        Self { kept: 16_384, sweep: Duration::from_secs(30) }
    }
}

/// A bus whose subscribers hear of all processes that share a Redis.
pub struct RedisBus {
    store: Arc<dyn EventBus>,
    teller: Arc<Teller>,
    desk: Desk,
    _tasks: JoinSet<()>,
}

impl RedisBus {
    /// Carries what is published in `store`. Where Redis answers, it is read from before this returns.
    pub async fn open(redis: Redis, store: Arc<dyn EventBus>, options: BusOptions) -> Self {
        let stream = redis.key("bus", "changes");
        let origin = uuid::Uuid::new_v4().simple().to_string();
        let (teller, gaps) = Teller::new();
        let names = (stream.clone(), origin.clone());
        let (desk, announcer) = Announcer::new(redis.clone(), Arc::clone(&teller), names, options.kept);
        let listener = Listener { redis, teller: Arc::clone(&teller), stream, origin, sweep: options.sweep };
        let reading = listener.begin().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(announcer.run());
        tasks.spawn(listener.run(reading));
        tasks.spawn(Arc::clone(&teller).fill(Arc::clone(&store), gaps));
        Self { store, teller, desk, _tasks: tasks }
    }
}

#[async_trait]
impl EventBus for RedisBus {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        // Without an answer, also where nobody waits for it any more, it may be kept all the same.
        let doubt = self.desk.doubt();
        let new = self.store.publish(changes).await?;
        doubt.clear();
        if !new.is_empty() {
            self.teller.tell(&new);
            self.desk.hand_in(new.clone());
        }
        Ok(new)
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        self.store.since(room, after, limit).await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.store.newest(room).await
    }

    fn subscribe(&self) -> Receiver {
        self.teller.subscribe()
    }
}
