//! Writing: whoever writes alone commits in place, and what comes meanwhile is committed in groups by a thread.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use argus_ports::{
    StoreError,
    count::{Counter, Queue},
};
use rusqlite::Connection;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    sync::{mpsc, oneshot},
    task::block_in_place,
};

use crate::{
    database::say,
    fault::{Fault, closed, told},
};

/// Operations that wait for the writer: what one commit takes and as many again, so that it never idles. Who comes
/// later waits for a place.
const QUEUE: usize = 2048;

/// When a group is committed, unless nothing waits any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub rows_max: usize,
    pub time_max: Duration,
    /// How long the writer lets operations gather after a group of several: whoever writes alone never waits.
    pub gather: Duration,
}

/// A group of so many operations says that more are coming.
const SEVERAL: usize = 4;

pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Operation>>>,
    thread: Option<JoinHandle<()>>,
    db: Arc<Mutex<Connection>>,
    /// Operations that somebody waits for.
    underway: AtomicUsize,
    done: Arc<Done>,
}

/// What was committed since the start.
#[derive(Debug, Default)]
struct Done {
    in_place: Counter,
    groups: Counter,
    grouped: Counter,
    redone: Counter,
}

/// Writing, as those who watch it see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writes {
    /// Operations that wait for the thread that commits them.
    pub queue: Queue,
    /// Operations that were committed where they were made, each by itself.
    pub in_place: u64,
    /// Commits of the thread.
    pub groups: u64,
    /// Operations in these.
    pub grouped: u64,
    /// Groups in which an operation failed, so that the others were done again one by one.
    pub redone: u64,
}

/// One operation that somebody waits for, until it is dropped.
struct Underway<'a>(&'a AtomicUsize);

impl<'a> Underway<'a> {
    /// One more, and whether it is the only one.
    fn begin(count: &'a AtomicUsize) -> (Self, bool) {
        let before = count.fetch_add(1, Ordering::AcqRel);
        (Self(count), before == 0)
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Something to be written. Carried out once, or again where its group failed; answered once.
trait Operation: Send {
    fn rows(&self) -> usize;
    fn carry_out(&mut self, db: &Connection) -> Result<(), Fault>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Act<F, T> {
    /// About how many rows it writes; none: it only reads.
    rows: usize,
    act: F,
    result: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Operation for Act<F, T>
where
    F: Fn(&Connection) -> Result<T, Fault> + Send,
    T: Send,
{
    fn rows(&self) -> usize {
        self.rows
    }

    fn carry_out(&mut self, db: &Connection) -> Result<(), Fault> {
        self.result = Some((self.act)(db)?);
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
        let db = Arc::new(Mutex::new(db));
        let own = Arc::clone(&db);
        let done = Arc::new(Done::default());
        let counted = Arc::clone(&done);
        let thread = std::thread::Builder::new().name("argus-sqlite-write".to_owned()).spawn(move || {
            let mut last = 0;
            while let Some(first) = waiting.blocking_recv() {
                if last >= SEVERAL && !group.gather.is_zero() {
                    std::thread::sleep(group.gather);
                }
                let db = own.lock().unwrap_or_else(PoisonError::into_inner);
                last = write_group(&db, first, &mut waiting, group, &counted);
            }
        })?;
        Ok(Self { queue: Some(queue), thread: Some(thread), db, underway: AtomicUsize::new(0), done })
    }

    /// What it has done so far, and what waits.
    pub(crate) fn writes(&self) -> Writes {
        let free = self.queue.as_ref().map_or(QUEUE, mpsc::Sender::capacity);
        let Done { in_place, groups, grouped, redone } = &*self.done;
        Writes {
            queue: Queue { length: QUEUE - free, bound: QUEUE },
            in_place: in_place.get(),
            groups: groups.get(),
            grouped: grouped.get(),
            redone: redone.get(),
        }
    }

    /// Carries `act`, which writes nothing, out on the connection that writes, if nobody writes or waits to.
    pub(crate) fn while_idle<T>(&self, act: impl FnOnce(&Connection) -> T) -> Option<T> {
        if self.underway.load(Ordering::Acquire) > 0 {
            return None;
        }
        let db = self.db.try_lock().ok()?;
        Some(act(&db))
    }

    /// Carries `act`, which writes nothing, out on the connection that writes: what a file that is locked for it needs.
    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.write(0, act).await
    }

    /// Carries `act` out and returns after the commit that holds it. `rows` is about how many rows it writes.
    /// An error undoes all of `act` and nothing else. `act` may be carried out more than once; what it did before was
    /// undone then.
    pub(crate) async fn write<T, F>(&self, rows: usize, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (_underway, is_alone) = Underway::begin(&self.underway);
        let (reply, answer) = oneshot::channel();
        let operation: Box<dyn Operation> = Box::new(Act { rows, act, result: None, reply });
        let left = if is_alone { self.write_in_place(operation) } else { Some(operation) };
        if let Some(operation) = left {
            let queue = self.queue.as_ref().ok_or_else(closed)?;
            queue.send(operation).await.map_err(|_| closed())?;
        }
        answer.await.map_err(|_| closed())?
    }

    /// Carries an operation out in a transaction of its own on the caller's thread, where the runtime has others for what
    /// else there is to do: a thread that is asked and answers has to be woken, and the caller after it. Gives
    /// the operation back where that cannot be.
    fn write_in_place(&self, operation: Box<dyn Operation>) -> Option<Box<dyn Operation>> {
        let runtime = Handle::try_current();
        if !runtime.is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread) {
            return Some(operation);
        }
        let Ok(db) = self.db.try_lock() else { return Some(operation) };
        block_in_place(|| alone(&db, operation));
        self.done.in_place.add(1);
        None
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

/// Carries out what waits, in one transaction. Operations rarely fail, so they have no savepoints: a group in which one
/// fails is undone, and its operations are done again each in a transaction of its own. Gives how many there were.
fn write_group(
    db: &Connection,
    first: Box<dyn Operation>,
    waiting: &mut mpsc::Receiver<Box<dyn Operation>>,
    group: Group,
    done: &Done,
) -> usize {
    let began = Instant::now();
    let mut operations = vec![first];
    let committed = transaction(db, || {
        let mut rows = 0;
        let mut next = 0;
        while let Some(operation) = operations.get_mut(next) {
            operation.carry_out(db)?;
            rows += operation.rows();
            next += 1;
            let full = rows >= group.rows_max || began.elapsed() >= group.time_max;
            if next == operations.len() && !full {
                operations.extend(waiting.try_recv());
            }
        }
        Ok(())
    });
    let count = operations.len();
    done.groups.add(1);
    done.grouped.add(count as u64);
    match committed {
        Ok(()) => operations.into_iter().for_each(|operation| operation.answer(Ok(()))),
        Err(error) if count == 1 => {
            operations.into_iter().for_each(|operation| operation.answer(Err(error.clone())));
        }
        Err(_) => {
            done.redone.add(1);
            operations.into_iter().for_each(|operation| alone(db, operation));
        }
    }
    count
}

fn alone(db: &Connection, mut operation: Box<dyn Operation>) {
    let committed = transaction(db, || operation.carry_out(db));
    operation.answer(committed);
}

/// All of `act`, durably, or nothing of it.
fn transaction(db: &Connection, act: impl FnOnce() -> Result<(), Fault>) -> Result<(), StoreError> {
    say(db, "BEGIN IMMEDIATE").map_err(|e| told(&e))?;
    let done = act().map_err(StoreError::from).and_then(|()| say(db, "COMMIT").map_err(|e| told(&e)));
    // Where it could not be committed it is undone. That needs no room on the disk; if it fails all the same, the next
    // BEGIN says so. A full disk makes SQLite undo the transaction by itself.
    if !db.is_autocommit() {
        let _ = db.execute_batch("ROLLBACK");
    }
    done
}
