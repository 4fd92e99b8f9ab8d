//! Leading: doing something for as long as one shard is held.

use std::{
    future::{Future, pending, poll_fn},
    pin::pin,
    task::Poll,
};

use argus_domain::lease::Fence;

use crate::Handle;

impl Handle {
    /// Waits until a shard is held. Cancel safe.
    pub async fn gained(&mut self, no: u16) -> Fence {
        loop {
            if let Some(fence) = self.fence(no) {
                return fence;
            }
            self.moved().await;
        }
    }

    /// Carries out a future while its shard is held under this fence; `None`: it is not any more, and the future was
    /// dropped where it waited. The clock is read before each step, so that a process that stood still takes none after
    /// the one in which it stopped.
    pub async fn hold<T>(&self, fence: Fence, life: impl Future<Output = T>) -> Option<T> {
        let is_held = || self.fence(fence.shard.no) == Some(fence);
        let mut life = pin!(life);
        let steps =
            poll_fn(|cx| if is_held() { life.as_mut().poll(cx).map(Some) } else { Poll::Ready(None) });
        let mut watched = self.clone();
        let lost = async {
            while is_held() {
                watched.moved().await;
            }
        };
        tokio::select! {
            biased;
            ended = steps => ended,
            () = lost => None,
        }
    }

    /// Begins something each time a shard is held, and drops it when it is no more. Returns when it has ended by
    /// itself; never, once the member's life is over.
    pub async fn lead<T, F: Future<Output = T>>(mut self, no: u16, mut begin: impl FnMut(Fence) -> F) -> T {
        loop {
            let fence = self.gained(no).await;
            if let Some(ended) = self.hold(fence, begin(fence)).await {
                return ended;
            }
        }
    }

    /// Other shards are held; never, once the member's life is over.
    async fn moved(&mut self) {
        if !self.changed().await {
            pending::<()>().await;
        }
    }
}
