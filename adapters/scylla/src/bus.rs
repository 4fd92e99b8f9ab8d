//! The event bus.

use argus_ports::{Change, EventBus, Room, StoreError, store::watch::Receiver};
use async_trait::async_trait;

use crate::store::ScyllaStore;

#[async_trait]
impl EventBus for ScyllaStore {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        self.0.log.publish(changes).await
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        self.0.log.of_room(room, after, limit).await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.0.log.newest_of(room).await
    }

    fn subscribe(&self) -> Receiver {
        self.0.watch.subscribe(self.0.log.newest())
    }
}
