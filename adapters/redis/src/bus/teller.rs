//! Tells the subscribers of this process, in the order of each job, each change once.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argus_domain::ids::JobId;
use argus_ports::{
    Change, EventBus, Room, StoreError,
    store::watch::{Receive, Received, Receiver},
};
use async_trait::async_trait;
use tokio::{
    sync::{broadcast, mpsc},
    time::timeout,
};

use super::heard::{Heard, Verdict};

/// How far a subscriber may lag before it is told to read from the bus: as on the other buses.
const LAG_MAX: usize = 16_384;
/// Jobs with a gap that wait to be read; a gap beyond is read by the subscribers themselves.
const GAPS_MAX: usize = 1024;
/// Changes read into one gap; who has a longer one reads it itself.
const PAGE: u32 = 1000;
/// How long a gap is read.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// What subscribers are told.
#[derive(Debug, Clone)]
enum News {
    Change(Change),
    Lagged,
}

/// A gap: the job, and the position after which it begins.
type Gap = (JobId, u64);

pub(crate) struct Teller {
    // Sent under the lock, so that every subscriber sees one order.
    heard: Mutex<Heard>,
    live: broadcast::Sender<News>,
    gaps: mpsc::Sender<Gap>,
}

impl Teller {
    /// One without subscribers, and the gaps that [`Teller::fill`] has to read.
    pub(crate) fn new() -> (Arc<Self>, mpsc::Receiver<Gap>) {
        let (gaps, found) = mpsc::channel(GAPS_MAX);
        (Arc::new(Self { heard: Mutex::default(), live: broadcast::Sender::new(LAG_MAX), gaps }), found)
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These were published, here or elsewhere.
    pub(crate) fn tell(&self, changes: &[Change]) {
        let mut heard = self.lock();
        for change in changes {
            match heard.hear(change.job, change.seq) {
                Verdict::Tell => self.send(News::Change(change.clone())),
                Verdict::Known => {}
                Verdict::Missed => self.lag(&mut heard),
                Verdict::ReadAfter(last) => {
                    if self.gaps.try_send((change.job, last)).is_err() {
                        heard.read(change.job, last);
                        self.lag(&mut heard);
                    }
                }
            }
        }
    }

    /// Something may have been missed.
    pub(crate) fn lagged(&self) {
        self.lag(&mut self.lock());
    }

    fn lag(&self, heard: &mut Heard) {
        heard.lag();
        self.send(News::Lagged);
    }

    /// Nobody listening is no fault.
    fn send(&self, news: News) {
        let _ = self.live.send(news);
    }

    /// Reads gaps from the store, one after the other, until dropped.
    pub(crate) async fn fill(self: Arc<Self>, store: Arc<dyn EventBus>, mut gaps: mpsc::Receiver<Gap>) {
        while let Some((job, after)) = gaps.recv().await {
            let read = timeout(READ_TIMEOUT, store.since(Room::Job(job), after, PAGE)).await;
            let late = || Err(StoreError::Unavailable("no answer in time".to_owned()));
            let page = read.unwrap_or_else(|_| late()).unwrap_or_else(|error| {
                tracing::debug!(%error, "a gap was not read");
                Vec::new()
            });
            let mut heard = self.lock();
            // Nothing else was told of this job meanwhile.
            let is_whole = heard.read(job, page.last().map_or(after, |(seq, _)| *seq));
            for (_, change) in page {
                self.send(News::Change(change));
            }
            if !is_whole {
                self.lag(&mut heard);
            }
        }
    }

    pub(crate) fn subscribe(&self) -> Receiver {
        // Under the lock, so that nobody begins in the midst of one publication.
        let _heard = self.lock();
        Box::new(Subscription(self.live.subscribe()))
    }
}

struct Subscription(broadcast::Receiver<News>);

#[async_trait]
impl Receive for Subscription {
    async fn next(&mut self) -> Received {
        match self.0.recv().await {
            Ok(News::Change(change)) => Received::Change(change),
            Ok(News::Lagged) | Err(broadcast::error::RecvError::Lagged(_)) => Received::Lagged,
            Err(broadcast::error::RecvError::Closed) => Received::Closed,
        }
    }
}
