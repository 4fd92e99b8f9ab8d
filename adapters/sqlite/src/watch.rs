//! Delivery of published changes. One thread reads new rows and hands them on: at once when this process published
//! them, and by polling when another process did. Rows come in the order of their positions, because every writer
//! takes its positions inside its one immediate transaction.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use argus_ports::{
    Change,
    store::watch::{Receive, Received, Receiver},
};
use async_trait::async_trait;
use rusqlite::Connection;
use tokio::sync::broadcast;

use crate::{bus::changes, database::Options, fault::Fault};

/// How far a subscriber may lag before it is told to read from the bus: about a second of the busiest platform.
const LAG_MAX: usize = 16_384;
/// Rows read at a time.
const PAGE: u32 = 1000;

pub(crate) struct Watch {
    shared: Arc<Shared>,
    // Asked for the newest position when someone subscribes; its own, because that cannot wait for a reader.
    db: Mutex<Connection>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    bell: Condvar,
    live: broadcast::Sender<(u64, Change)>,
}

#[derive(Default)]
struct State {
    // Up to here everything was handed on.
    position: u64,
    rung: bool,
    closing: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watch {
    pub(crate) fn start(reading: Connection, asking: Connection, options: &Options) -> std::io::Result<Self> {
        let live = broadcast::Sender::new(LAG_MAX);
        let shared = Arc::new(Shared { state: Mutex::default(), bell: Condvar::new(), live });
        let (theirs, every) = (shared.clone(), options.poll_every);
        let thread = std::thread::Builder::new()
            .name("argus-sqlite-watch".to_owned())
            .spawn(move || deliver(&theirs, &reading, every))?;
        Ok(Self { shared, db: Mutex::new(asking), thread: Some(thread) })
    }

    /// There may be new rows.
    pub(crate) fn wake(&self) {
        if self.shared.live.receiver_count() > 0 {
            lock(&self.shared.state).rung = true;
            self.shared.bell.notify_one();
        }
    }

    pub(crate) fn subscribe(&self) -> Receiver {
        // Under the lock, so that the thread does not look for rows between the two.
        let mut state = lock(&self.shared.state);
        let newest = newest(&lock(&self.db));
        let after = newest.unwrap_or(state.position);
        if self.shared.live.receiver_count() == 0 {
            state.position = after;
        }
        let receiver = self.shared.live.subscribe();
        drop(state);
        self.shared.bell.notify_one();
        Box::new(Subscription { receiver, after })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.shared.state).closing = true;
        self.shared.bell.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn newest(db: &Connection) -> Result<u64, Fault> {
    let mut select = db.prepare_cached("SELECT coalesce(max(position), 0) FROM changes")?;
    Ok(select.query_row([], |row| row.get::<_, i64>(0))?.unsigned_abs())
}

fn deliver(shared: &Shared, db: &Connection, every: Duration) {
    let mut state = lock(&shared.state);
    while !state.closing {
        if !state.rung {
            let watched = shared.live.receiver_count() > 0;
            // Without subscribers nothing is read; the pause then only bounds how long a lost bell is missed.
            let pause = if watched { every } else { Duration::from_secs(1) };
            state = shared.bell.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.rung = false;
        if shared.live.receiver_count() == 0 {
            continue;
        }
        let sql = "SELECT * FROM changes WHERE position > ?1 ORDER BY position LIMIT ?2";
        match changes(db, sql, &[&crate::cell::ordered(state.position), &PAGE]) {
            Ok(found) => {
                state.rung = found.len() == PAGE as usize;
                for (position, change) in found {
                    state.position = position;
                    // Nobody left to hear it is no fault.
                    let _ = shared.live.send((position, change));
                }
            }
            Err(fault) => tracing::warn!(?fault, "published changes cannot be read; trying again"),
        }
    }
}

struct Subscription {
    receiver: broadcast::Receiver<(u64, Change)>,
    // What was there before this subscription belongs to others.
    after: u64,
}

#[async_trait]
impl Receive for Subscription {
    async fn next(&mut self) -> Received {
        loop {
            match self.receiver.recv().await {
                Ok((position, _)) if position <= self.after => {}
                Ok((_, change)) => return Received::Change(change),
                Err(broadcast::error::RecvError::Lagged(_)) => return Received::Lagged,
                Err(broadcast::error::RecvError::Closed) => return Received::Closed,
            }
        }
    }
}
