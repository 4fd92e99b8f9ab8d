//! The log of changes. One conditional write appends what waits, and with it decides positions and, per job, `seq`. What
//! rooms are read from follows: whoever appends writes that for its own changes and for those before them that are not
//! marked as written, in order, and then moves the mark.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_domain::ids::JobId;
use argus_ports::{Change, Room, StoreError};
use futures::FutureExt as _;
use tokio::sync::{Notify, oneshot};

use crate::{
    buckets::{self, Notes},
    cell::{ordered, values},
    jobs::crowded,
    rooms::{Row, cells, change, columns, once},
    session::{Bound, Cas, Db, Statement, each, token},
};

/// Changes that are appended in one step.
pub(crate) const STEP: usize = 200;
/// Rows read at a time.
pub(crate) const PAGE: u32 = 1000;
/// Partitions read or written at the same time.
pub(crate) const AT_ONCE: usize = 32;
/// How often an append is tried that others come before.
const TRIES: u32 = 64;
/// Jobs whose newest `seq` is kept in memory.
const SEQS_MAX: usize = 100_000;

/// The list of the log's buckets.
const LOG: &[u8] = b"log";

static MARK: Statement = Statement::read("SELECT value FROM marks WHERE name = 'changes'");
/// The value as the timestamp: it never goes back.
static SET_MARK: Statement =
    Statement::write("INSERT INTO marks (name, value) VALUES ('changes', ?) USING TIMESTAMP ?");
static AFTER: Statement = Statement::read(concat!(
    "SELECT ",
    columns!(),
    " FROM changes WHERE bucket = ? AND position > ? LIMIT ?"
));
static LAST: Statement =
    Statement::read("SELECT position FROM changes WHERE bucket = ? ORDER BY position DESC LIMIT 1");
static BY_WHOM: Statement =
    Statement::decided("SELECT writer FROM changes WHERE bucket = ? AND position = ?");
/// Conditional, because all who publish append to one log: the order that a watcher resumes by is theirs together.
static APPEND: Statement = Statement::conditional(concat!(
    "INSERT INTO changes (",
    columns!(),
    ", writer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS USING TTL ?"
));
/// A change that was appended elsewhere.
static PUT: Statement = Statement::write(concat!(
    "INSERT INTO changes (",
    columns!(),
    ", writer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TTL ?"
));

/// Partitions of the log.
fn bucket(position: u64) -> i64 {
    ordered(position.saturating_sub(1) >> 13)
}

/// What somebody waits for to be published.
type Waiting = (Vec<Change>, oneshot::Sender<Result<Vec<Change>, StoreError>>);

/// What is known of the log's end.
#[derive(Default)]
struct End {
    /// Whether the rest says anything.
    is_known: bool,
    position: u64,
    /// Changes that are in no room yet, for all that one knows.
    pending: Vec<(u64, Change)>,
    /// The newest `seq` of jobs at that position.
    seqs: HashMap<JobId, u64>,
}

/// The log.
pub(crate) struct Log {
    pub db: Arc<Db>,
    pub notes: Arc<Notes>,
    pub ttl: i32,
    waiting: Mutex<Vec<Waiting>>,
    end: tokio::sync::Mutex<End>,
    newest: AtomicU64,
    /// Rung when this process has published something.
    pub bell: Notify,
}

impl Log {
    pub(crate) async fn open(db: Arc<Db>, notes: Arc<Notes>, keep: Duration) -> Result<Self, StoreError> {
        let ttl = i32::try_from(keep.as_secs()).unwrap_or(i32::MAX);
        let log = Self {
            db,
            notes,
            ttl,
            waiting: Mutex::default(),
            end: tokio::sync::Mutex::default(),
            newest: AtomicU64::new(0),
            bell: Notify::new(),
        };
        let position = log.read_newest().await?;
        log.advance(position);
        Ok(log)
    }

    /// The newest position that this process knows: at least that of all it has published itself.
    pub(crate) fn newest(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    pub(crate) fn advance(&self, position: u64) {
        self.newest.fetch_max(position, Ordering::AcqRel);
    }

    async fn mark(&self) -> Result<u64, StoreError> {
        let row: Option<(i64,)> = self.db.one(&MARK, vec![]).await?;
        Ok(row.map_or(0, |(value,)| value.unsigned_abs()))
    }

    pub(crate) async fn read_newest(&self) -> Result<u64, StoreError> {
        let mut newest = self.mark().await?;
        // The last bucket may be noted and have nothing yet.
        for bucket in buckets::down(&self.db, LOG, i64::MAX, 2).await? {
            let row: Option<(i64,)> = self.db.one(&LAST, values![bucket]).await?;
            newest = newest.max(row.map_or(0, |(position,)| position.unsigned_abs()));
        }
        Ok(newest)
    }

    /// What follows on a position without a gap.
    pub(crate) async fn after(&self, mut position: u64) -> Result<Vec<(u64, Change)>, StoreError> {
        let mut found = Vec::new();
        while found.len() < PAGE as usize {
            let cells = values![bucket(position + 1), ordered(position), PAGE];
            let rows: Vec<Row> = self.db.rows(&AFTER, cells).await?;
            if rows.is_empty() {
                break;
            }
            for row in rows {
                let (next, change) = change(row)?;
                if next != position + 1 {
                    return Ok(found);
                }
                found.push((next, change));
                position = next;
            }
        }
        Ok(found)
    }

    /// Changes after a position, whether any are missing between or not.
    pub(crate) async fn all_after(&self, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        let mut found = Vec::new();
        for bucket in buckets::up(&self.db, LOG, bucket(after + 1), u32::MAX).await? {
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            if left == 0 {
                break;
            }
            let rows: Vec<Row> = self.db.rows(&AFTER, values![bucket, ordered(after), left]).await?;
            for row in rows {
                found.push(change(row)?);
            }
        }
        Ok(found)
    }

    /// Keeps changes at the positions that they had elsewhere, while nobody publishes.
    pub(crate) async fn put_as_they_are(&self, changes: &[(u64, Change)]) -> Result<(), StoreError> {
        let mut parts: BTreeMap<i64, Vec<&(u64, Change)>> = BTreeMap::new();
        for row in changes {
            parts.entry(bucket(row.0)).or_default().push(row);
        }
        let token = token()?;
        for (bucket, rows) in parts {
            self.notes.kept(&self.db, LOG, bucket).await?;
            for step in rows.chunks(STEP) {
                let row = |(position, change): &&(u64, Change)| -> Bound {
                    let mut cells = cells(bucket, *position, change);
                    cells.extend(values![token, self.ttl]);
                    (&PUT, cells)
                };
                self.db.write_all(step.iter().map(row).collect()).await?;
            }
        }
        self.put_all_in_rooms(changes).await
    }

    /// The log goes on after this position: what is before it is in its rooms.
    pub(crate) async fn end_at(&self, position: u64) -> Result<(), StoreError> {
        if position > 0 {
            self.db.write(&SET_MARK, values![ordered(position), ordered(position)]).await?;
        }
        self.end.lock().await.is_known = false;
        self.advance(position);
        Ok(())
    }

    /// Publishes changes; those that are new, as they are kept.
    pub(crate) async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        loop {
            let (reply, mut answer) = oneshot::channel();
            self.waiting().push((changes.clone(), reply));
            // Whoever comes to the end of the log publishes what all wait for.
            let mut end = self.end.lock().await;
            match answer.try_recv() {
                Ok(answered) => return answered,
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.lead(&mut end).await;
                    return answer
                        .try_recv()
                        .unwrap_or_else(|_| Err(StoreError::Unavailable("nobody answered".to_owned())));
                }
                // Whoever was at it was given up by its own caller. What it did append is no longer new here, and is
                // told by those who follow the log.
                Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what all wait for, and answers them.
    async fn lead(&self, end: &mut End) {
        let mut all = std::mem::take(&mut *self.waiting());
        // Who has gone away has perhaps come again, further behind.
        all.retain(|(_, reply)| !reply.is_closed());
        let changes = all.iter().flat_map(|(changes, _)| changes.iter().cloned()).collect();
        let done = self.append(end, changes).await;
        // What two wait for is the first one's.
        let mut new: HashMap<_, Change> = match &done {
            Ok(appended) => appended.iter().map(|change| (once(change), change.clone())).collect(),
            Err(_) => HashMap::new(),
        };
        for (changes, reply) in all {
            let own = changes.iter().filter_map(|change| new.remove(&once(change))).collect();
            // Who has gone away misses the answer; what was published stays published.
            let _ = reply.send(done.clone().map(|_| own));
        }
    }

    /// Puts into their rooms what a process that died appended and did not put there.
    pub(crate) async fn finish(&self) -> Result<(), StoreError> {
        let mut end = self.end.lock().await;
        end.is_known = false;
        self.append(&mut end, Vec::new()).await.map(drop)
    }

    /// Appends those that are new, and gives them.
    async fn append(&self, end: &mut End, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        let mut tries = 0;
        let mut appended = Vec::new();
        let mut rest = changes.as_slice();
        loop {
            if !end.is_known {
                self.look(end).await?;
            }
            let (step, later) = rest.split_at(rest.len().min(STEP));
            let new = self.new_changes(end, step).await?;
            if new.is_empty() {
                self.put_in_rooms(end).await?;
                if later.is_empty() {
                    return Ok(appended);
                }
                rest = later;
                continue;
            }
            let is_all = new.len() == self.fits(end, new.len());
            let new: Vec<Change> = new.into_iter().take(self.fits(end, STEP)).collect();
            match self.try_append(end, new.clone()).await {
                Ok(true) => {
                    appended.extend(new);
                    self.put_in_rooms(end).await?;
                    tries = 0;
                    // What did not fit into the bucket is new still.
                    if is_all {
                        rest = later;
                    }
                }
                Ok(false) => {
                    end.is_known = false;
                    tries += 1;
                    if tries > TRIES {
                        return Err(crowded("the log of changes"));
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(tries.min(20)))).await;
                }
                Err(e) => {
                    end.is_known = false;
                    return Err(e);
                }
            }
        }
    }

    /// How many of so many changes the bucket takes that the log has come to.
    fn fits(&self, end: &End, wanted: usize) -> usize {
        let next = end.position + 1;
        let left = ((bucket(next).unsigned_abs() + 1) << 13) + 1 - next;
        wanted.min(usize::try_from(left).unwrap_or(wanted)).max(1)
    }

    /// Reads where the log ends, and what of it is in no room yet.
    async fn look(&self, end: &mut End) -> Result<(), StoreError> {
        let mark = self.mark().await?;
        let mut position = mark;
        let mut pending = Vec::new();
        loop {
            let page = self.after(position).await?;
            let Some((last, _)) = page.last() else { break };
            position = *last;
            pending.extend(page);
        }
        *end = End { is_known: true, position, pending, seqs: HashMap::new() };
        self.advance(position);
        Ok(())
    }

    /// Puts what is pending into its rooms, and moves the mark.
    async fn put_in_rooms(&self, end: &mut End) -> Result<(), StoreError> {
        if end.pending.is_empty() {
            return Ok(());
        }
        self.put_all_in_rooms(&end.pending).await?;
        let mark = ordered(end.position);
        self.db.write(&SET_MARK, values![mark, mark]).await?;
        end.pending.clear();
        Ok(())
    }

    /// Those that were not published before, numbered.
    async fn new_changes(&self, end: &mut End, changes: &[Change]) -> Result<Vec<Change>, StoreError> {
        let mut places: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for change in changes {
            let id = change.public_id;
            let span = places.entry(id >> 4).or_insert((id, id));
            *span = (span.0.min(id), span.1.max(id));
        }
        let mut known = self.published(places).await?;
        known.extend(end.pending.iter().map(|(_, change)| once(change)));
        let new: Vec<&Change> = changes.iter().filter(|change| known.insert(once(change))).collect();
        let jobs: HashSet<JobId> = new.iter().map(|change| change.job).collect();
        let unknown: Vec<JobId> = jobs.into_iter().filter(|job| !end.seqs.contains_key(job)).collect();
        let seqs = unknown.iter().map(|job| self.newest_of(Room::Job(*job)).boxed());
        let seqs = each(AT_ONCE, seqs.collect()).await?;
        if end.seqs.len() > SEQS_MAX {
            end.seqs.retain(|job, _| new.iter().any(|change| change.job == *job));
        }
        for (job, seq) in unknown.into_iter().zip(seqs) {
            let pending = end.pending.iter().filter(|(_, change)| change.job == job);
            let newest = pending.map(|(_, change)| change.seq).max();
            end.seqs.insert(job, newest.unwrap_or_default().max(seq));
        }
        let mut next = HashMap::new();
        let mut numbered = Vec::with_capacity(new.len());
        for change in new {
            let before = end.seqs.get(&change.job).copied().unwrap_or_default();
            let seq = next.entry(change.job).or_insert(before);
            *seq += 1;
            numbered.push(Change { seq: *seq, ..change.clone() });
        }
        Ok(numbered)
    }

    /// Appends what fits into one bucket; whether nobody else came before.
    async fn try_append(&self, end: &mut End, changes: Vec<Change>) -> Result<bool, StoreError> {
        let first = end.position + 1;
        let bucket = bucket(first);
        self.notes.kept(&self.db, LOG, bucket).await?;
        let token = token()?;
        let rows: Vec<Bound> = changes
            .iter()
            .zip(first..)
            .map(|(change, position)| {
                let mut cells = cells(bucket, position, change);
                cells.extend(values![token, self.ttl]);
                (&APPEND, cells)
            })
            .collect();
        let is_appended = match self.db.cas_all(rows).await? {
            Cas::Applied => true,
            Cas::Refused => false,
            Cas::Unknown(_) => {
                let row: Option<(i64,)> = self.db.one(&BY_WHOM, values![bucket, ordered(first)]).await?;
                row == Some((token,))
            }
        };
        if is_appended {
            for (change, position) in changes.into_iter().zip(first..) {
                end.seqs.insert(change.job, change.seq);
                end.position = position;
                end.pending.push((position, change));
            }
            self.advance(end.position);
            self.bell.notify_one();
        }
        Ok(is_appended)
    }
}
