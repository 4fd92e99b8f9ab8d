//! The reading threads.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use argus_ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::fault::{Fault, closed};

/// Reads that wait: more than this many callers at once wait for a place.
const QUEUE: usize = 1024;

type Read = Box<dyn FnOnce(&Connection) + Send>;

pub(crate) struct Readers {
    queue: Option<mpsc::Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(crate) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel::<Read>(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let threads = connections.into_iter().enumerate().map(|(n, db)| {
            let waiting = waiting.clone();
            std::thread::Builder::new().name(format!("argus-sqlite-read-{n}")).spawn(move || {
                // One thread waits for the next read, the others wait for their turn to.
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
                while let Some(read) = next() {
                    read(&db);
                }
            })
        });
        Ok(Self { threads: threads.collect::<std::io::Result<_>>()?, queue: Some(queue) })
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

fn on_one_state<T>(db: &Connection, act: impl FnOnce(&Connection) -> Result<T, Fault>) -> Result<T, Fault> {
    let transaction = db.unchecked_transaction()?;
    act(&transaction)
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
