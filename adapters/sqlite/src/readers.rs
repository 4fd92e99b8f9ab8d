//! The reading threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use argus_ports::StoreError;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::{mpsc, oneshot};

use crate::{
    database::say,
    fault::{Fault, closed},
};

/// Reads that wait: more than this many callers at once wait for a place.
const QUEUE: usize = 1024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

pub(crate) struct Readers {
    queue: Option<mpsc::Sender<Read>>,
    /// One per thread, which has it while it reads.
    connections: Vec<Arc<Mutex<Connection>>>,
    threads: Vec<JoinHandle<()>>,
    busy_timeout: Duration,
}

impl Readers {
    /// Connections that wait for other processes for `busy_timeout`.
    pub(crate) fn start(connections: Vec<Connection>, busy_timeout: Duration) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Read>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let connections: Vec<_> = connections.into_iter().map(|db| Arc::new(Mutex::new(db))).collect();
        let threads = connections.iter().cloned().enumerate().map(|(n, db)| {
            let waiting = waiting.clone();
            std::thread::Builder::new().name(format!("argus-sqlite-read-{n}")).spawn(move || {
                // One thread waits for the next read, the others wait for their turn to.
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(read) = next() {
                    read(&db.lock().unwrap_or_else(PoisonError::into_inner));
                }
            })
        });
        let threads = threads.collect::<std::io::Result<_>>()?;
        Ok(Self { queue: Some(queue), connections, threads, busy_timeout })
    }

    /// Carries `act` out, which finds a few rows by their keys, on the caller's own thread: that takes less time than
    /// to hand it to another one and back. Where that would wait, for a connection or for another process, a
    /// thread carries it out.
    pub(crate) async fn find<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let at_once = || {
            let db = self.connections.iter().find_map(|db| db.try_lock().ok())?;
            self.find_at_once(&db, &act)
        };
        match at_once() {
            Some(found) => Ok(found?),
            None => self.read(act).await,
        }
    }

    /// Carries `act` out on this connection, unless another process is in its way.
    pub(crate) fn find_at_once<T>(
        &self,
        db: &Connection,
        act: impl Fn(&Connection) -> Result<T, Fault>,
    ) -> Option<Result<T, Fault>> {
        db.busy_timeout(Duration::ZERO).ok()?;
        let found = on_one_state(db, act);
        let restored = db.busy_timeout(self.busy_timeout).map_err(Fault::from);
        match found {
            Err(Fault::Sql(e)) if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => None,
            found => Some(restored.and(found)),
        }
    }

    /// Carries `act` out on one state of the database.
    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let read: Read = Box::new(move |db| {
            let _ = reply.send(on_one_state(db, act).map_err(StoreError::from));
        });
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(read).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// A read transaction, which ends with it.
struct OneState<'a>(&'a Connection);

impl<'a> OneState<'a> {
    fn begin(db: &'a Connection) -> Result<Self, Fault> {
        say(db, "BEGIN")?;
        Ok(Self(db))
    }
}

impl Drop for OneState<'_> {
    fn drop(&mut self) {
        // Nothing was written; if it fails, the next BEGIN says so.
        let _ = say(self.0, "ROLLBACK");
    }
}

fn on_one_state<T>(db: &Connection, act: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    let state = OneState::begin(db)?;
    act(state.0)
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
