//! The writing thread: group commit.

use std::{
    thread::JoinHandle,
    time::{Duration, Instant},
};

use argus_ports::StoreError;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::fault::{Fault, closed, told};

/// Operations that wait for the writer: what one commit takes and as many again, so that it never idles. Who comes
/// later waits for a place.
const QUEUE: usize = 2048;

/// When a group is committed, unless nothing waits any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub rows_max: usize,
    pub time_max: Duration,
}

pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
}

/// Something to be written. Carried out once, answered once.
trait Operation: Send {
    fn rows(&self) -> usize;
    fn carry_out(&mut self, db: &Connection) -> Result<(), Fault>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Act<F, T> {
    /// About how many rows it writes; none: it only reads.
    rows: usize,
    act: Option<F>,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Operation for Act<F, T>
where
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn carry_out(&mut self, db: &Connection) -> Result<(), Fault> {
        if let Some(act) = self.act.take() {
            self.result = Some(act(db)?);
        }
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let Self { result, reply, .. } = *self;
        // A caller that has gone away misses its answer; what was written stays written.
        let _ = reply.send(committed.and_then(|()| result.ok_or_else(closed)));
    }
}

impl Writer {
    pub(crate) fn start(db: Connection, group: Group) -> std::io::Result<Self> {
        let (queue, mut waiting) = mpsc::channel::<Box<dyn Operation>>(QUEUE);
        let thread = std::thread::Builder::new().name("argus-sqlite-write".to_owned()).spawn(move || {
            while let Some(first) = waiting.blocking_recv() {
                write_group(&db, first, &mut waiting, group);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Carries `act`, which writes nothing, out on the connection that writes: what a file that is locked for it needs.
    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.write(0, act).await
    }

    /// Carries `act` out and returns after the commit that holds it. `rows` is about how many rows it writes.
    /// An error undoes all of `act` and nothing else.
    pub(crate) async fn write<T, F>(&self, rows: usize, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let operation = Box::new(Act { rows, act: Some(act), result: None, reply });
        let queue = self.queue.as_ref().ok_or_else(closed)?;
        queue.send(operation).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

impl Drop for Writer {
    /// Waits until what was taken is written and the file is closed, so that it can be opened again at once.
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_group(
    db: &Connection,
    first: Box<dyn Operation>,
    waiting: &mut mpsc::Receiver<Box<dyn Operation>>,
    group: Group,
) {
    if let Err(e) = db.execute_batch("BEGIN IMMEDIATE") {
        first.answer(Err(told(&e)));
        return;
    }
    let (began, mut rows, mut done) = (Instant::now(), 0, Vec::new());
    let mut given_up = None;
    let mut next = Some(first);
    while let Some(mut operation) = next.take() {
        rows += operation.rows();
        match in_savepoint(db, operation.as_mut()) {
            Ok(()) => done.push(operation),
            Err(fault) => {
                let error = StoreError::from(fault);
                // A full disk makes SQLite undo the whole transaction, those before with it.
                given_up = db.is_autocommit().then(|| error.clone());
                operation.answer(Err(error));
            }
        }
        let full = rows >= group.rows_max || began.elapsed() >= group.time_max;
        if given_up.is_none() && !full {
            next = waiting.try_recv().ok();
        }
    }
    let committed = match given_up {
        Some(error) => Err(error),
        None => db.execute_batch("COMMIT").map_err(|e| told(&e)),
    };
    undo(db);
    for operation in done {
        operation.answer(committed.clone());
    }
}

/// Ends a transaction that could not be committed. It needs no room on the disk; if it fails all the same, the next
/// BEGIN says so.
fn undo(db: &Connection) {
    if !db.is_autocommit() {
        let _ = db.execute_batch("ROLLBACK");
    }
}

fn in_savepoint(db: &Connection, operation: &mut dyn Operation) -> Result<(), Fault> {
    if operation.rows() == 0 {
        return operation.carry_out(db);
    }
    db.prepare_cached("SAVEPOINT operation")?.execute([])?;
    let result = operation.carry_out(db);
    if db.is_autocommit() {
        return result;
    }
    if result.is_err() && db.execute_batch("ROLLBACK TO operation").is_err() {
        undo(db);
        return result;
    }
    db.prepare_cached("RELEASE operation")?.execute([])?;
    result
}
