//! Durable state. A verb that returned `Ok` has its effect on disk (or on a quorum of nodes).

use std::sync::Arc;

use argus_domain::{
    Address, B256,
    access::ApiKey,
    fees::{Board, LedgerEntry, Standing},
    ids::{AttemptNo, ChainId, JobId, KeeperId, Round, Serial, TaskId},
    job::{Cursor, Job, JobChange, JobRecord, TriggerKind},
    keeper::KeeperRecord,
    lease::{Fence, ShardSet},
    module::{Cid, ModuleRecord},
    state::{JobState, StateRef},
    task::{Fact, Task, TaskRecord},
    time::Timestamp,
};
use async_trait::async_trait;

pub use argus_domain::act::Intent;

/// What a store can answer instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Not now; the same call may be made again.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// It is full or its disk fails: writes are refused, reads go on.
    #[error("the store refuses writes: {0}")]
    ReadOnly(String),
    /// What it holds cannot be read: a human is needed.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Corrupt(_))
    }
}

/// What became of a creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateOutcome {
    /// All are stored, with these serials in the order of the request.
    Created(Vec<Serial>),
    /// All were there before with the same content: nothing was written; the serials they have.
    Same(Vec<Serial>),
    /// This id is taken by another job; nothing was written.
    Taken(JobId),
}

/// Which jobs are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobQuery {
    /// By owner.
    Owner(Address),
    /// By owner and chain of registration.
    OwnerOnChain(Address, ChainId),
    /// By Safe.
    Safe(Address),
}

/// What became of a cursor's move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorOutcome {
    /// Written.
    Moved,
    /// Another writer was first, or the job is deleted: read it again.
    Stale,
    /// The fence does not stand, whatever else: the job's shard is another's. Nothing was written.
    Fenced,
}

/// Jobs and their cursors.
#[async_trait]
pub trait JobStore: Send + Sync {
    /// Stores jobs with their cursors, all or none, and gives each the next serial (the `serial` fields given are
    /// ignored). Idempotent: equal content under a known id is [`CreateOutcome::Same`]; content is compared with
    /// [`JobStore::created`], without `serial`, `version` and `accepted_at` and without what is computed from the latter
    /// (`expires_at`).
    ///
    /// A job takes the place of a deleted one under its id where
    /// [`Discrepancy::OwnerDiffers`](argus_domain::registration::Discrepancy::OwnerDiffers) is kept of its id and
    /// chain of registration, with its owner as the one who registered it. Then no list has the other one any more, its
    /// decisions and secrets are gone, and its tasks are those of no job. Versions go on counting, so that id and
    /// version name the same content for ever; the cursor follows ([`Cursor::in_place_of`]).
    async fn create(&self, jobs: Vec<(Job, Cursor)>) -> Result<CreateOutcome, StoreError> {
        self.create_and_book(jobs, Vec::new()).await
    }

    /// The same, and books `entries` in the same step, as [`Ledger::book`] does: where the outcome is
    /// [`CreateOutcome::Created`], the entries are there as surely as the jobs; otherwise none is.
    async fn create_and_book(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: Vec<LedgerEntry>,
    ) -> Result<CreateOutcome, StoreError>;

    /// One job; absent: `None`. A deleted job is still there.
    async fn job(&self, id: JobId) -> Result<Option<JobRecord>, StoreError>;

    /// The first version of the job that stands under this id, as its owner sent it; absent: `None`.
    async fn created(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError>;

    /// One version of a job, as a task of that version needs it, also of one whose place another has taken; absent:
    /// `None`.
    async fn version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError>;

    /// Jobs by query, newest serial first, those with a serial below `before`, `limit` at most; none: empty.
    async fn list(
        &self,
        query: JobQuery,
        before: Option<Serial>,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError>;

    /// Applies a change. Idempotent: a state that is there already stays. `Version` must be the successor of the
    /// newest one, else it is ignored. Absent, or another job has its place under this id by now: `None`, else the
    /// record after the change.
    async fn change(
        &self,
        id: JobId,
        serial: Serial,
        change: JobChange,
    ) -> Result<Option<JobRecord>, StoreError>;

    /// Jobs of a kind in these of the scheduler's shards ([`Shard::of_job`](argus_domain::lease::Shard::of_job)) whose
    /// cursor is due at `now` and that are neither paused nor deleted nor finished, earliest first, `limit` at most.
    async fn due(
        &self,
        kind: TriggerKind,
        shards: ShardSet,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobRecord>, StoreError>;

    /// Moves a cursor: written only where the stored revision is `cursor.revision - 1`, and where the fence of the
    /// job's shard stands ([`crate::lease`]); `None` is for whoever moves it because its job was changed. Repeating a
    /// write that has been made gives [`CursorOutcome::Stale`].
    async fn move_cursor(&self, cursor: Cursor, fence: Option<Fence>) -> Result<CursorOutcome, StoreError>;
}

/// A task to be opened.
#[derive(Debug, Clone, PartialEq)]
pub struct Opening {
    /// The task.
    pub task: Task,
    /// The cursor of its job after it.
    pub cursor: Cursor,
    /// Of the job's shard; `None` where nobody shares the work, as in tests.
    pub fence: Option<Fence>,
}

impl Opening {
    /// Of one who shares the work with nobody.
    pub fn unfenced(task: Task, cursor: Cursor) -> Self {
        Self { task, cursor, fence: None }
    }
}

/// What became of opening a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenOutcome {
    /// It is open now, and the cursor has moved.
    Opened,
    /// It was open before; the cursor has moved if it had not.
    Already,
    /// The cursor has another revision: nothing was written.
    Stale,
    /// The job is paused or deleted, or another has taken its place: nothing was written.
    Gone,
    /// The fence does not stand, whatever else: the job's shard is another's. Nothing was written.
    Fenced,
}

/// A fact to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The fact.
    pub fact: Fact,
    /// Of the shard under which it was decided; `None`: whoever tells it holds no shards for that.
    pub fence: Option<Fence>,
}

impl From<Fact> for Recording {
    fn from(fact: Fact) -> Self {
        Self { fact, fence: None }
    }
}

/// What became of a fact.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It is new.
    New,
    /// A fact with its key was there before and stays; for a verdict it is the one that counts.
    Already(Box<Fact>),
    /// No such task, or for a verdict of agreement: its job was deleted, or another has taken its place. Nothing was
    /// written.
    Refused,
    /// The fence does not stand, whatever else: another leads the task. Nothing was written.
    Fenced,
}

/// Which tasks are listed, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskQuery {
    /// Of a job.
    Job(JobId),
    /// Of an owner.
    Owner(Address),
    /// Of a Safe.
    Safe(Address),
    /// Of anyone.
    Recent,
}

/// Tasks read at a time by [`TaskStore::state`], at first and at most: nearly always the newest one is enough, and a job
/// that has storage only since its last change has many that say nothing.
const STATE_PAGES: (u32, u32) = (2, 512);

/// Tasks and their facts: append-only.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Opens tasks, each together with the cursor of its job after it: first the task, then the cursor, in one
    /// step where the store has transactions. Each only where its fence stands ([`crate::lease`]). Idempotent by task
    /// id. One outcome per element, in order.
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError>;

    /// Appends facts in order, each only where its fence stands ([`crate::lease`]). Idempotent by [`Fact::key`]; a
    /// verdict is a conditional insert: the first wins for good, and `Agreed` is refused where the job has been deleted.
    /// One outcome per fact, in order.
    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError>;

    /// Appends facts without fences.
    async fn record(&self, facts: Vec<Fact>) -> Result<Vec<Recorded>, StoreError> {
        self.append(facts.into_iter().map(Recording::from).collect()).await
    }

    /// Tasks with their facts; absent ones are left out.
    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError>;

    /// Tasks that are not finished ([`argus_domain::status::TaskState::is_finished`]), in an order of
    /// the store's own in which a task keeps its place, those after `after`, `limit` at most: all that recovery has to
    /// work from.
    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError>;

    /// Tasks by query, newest first by (opening, serial, number), of one job by number alone, those before `before` (a public task id),
    /// `limit` at most.
    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError>;

    /// The task behind a public id; absent: `None`.
    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError>;

    /// The state of a job with storage as its tasks before `before` (a public task id) leave it; `None`: as all of
    /// them do. All of it follows from [`TaskStore::list`]: the newest task that ran says it, because it ran on what
    /// those before it had left.
    async fn state(&self, job: JobId, mut before: Option<u64>) -> Result<JobState, StoreError> {
        let mut is_settled = true;
        let mut limit = STATE_PAGES.0;
        loop {
            let page = self.list(TaskQuery::Job(job), before, limit).await?;
            for record in &page {
                let state = record.state();
                is_settled &= state.is_over();
                if let Some(at) = state.leaves(record.task.number) {
                    return Ok(JobState { at, is_settled });
                }
            }
            match page.last() {
                Some(last) if page.len() >= limit as usize => before = Some(last.task.public_id()),
                Some(_) | None => return Ok(JobState { at: StateRef::empty(), is_settled }),
            }
            limit = (limit * 4).min(STATE_PAGES.1);
        }
    }
}

/// What happened to a task, for those who watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The job.
    pub job: JobId,
    /// Its owner, for `user:` rooms.
    pub owner: Address,
    /// The task.
    pub task: TaskId,
    /// Its public id.
    pub public_id: u64,
    /// What.
    pub kind: ChangeKind,
    /// Per job, increasing, given by the bus; 0 until published.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// Kinds of change. What changed is read from the task itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It was opened.
    Created,
    /// It was decided.
    Settled,
    /// A transaction left.
    Broadcast,
    /// The chain shows it.
    Received,
    /// A reorg took that back.
    Revoked,
    /// It is final.
    Confirmed,
    /// It lapsed.
    Lapsed,
}

/// Which changes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// Of one job.
    Job(JobId),
    /// Of all jobs of one owner.
    Owner(Address),
}

/// Changes of tasks, kept so that a watcher resumes without a gap.
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Publishes changes and gives those that are new, in order, as they are kept: with their `seq`. Idempotent by (task,
    /// kind, `at` for revocable kinds); a repeat is delivered to nobody.
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError>;

    /// Kept changes of a room after a position, oldest first, `limit` at most, with the position after each. For
    /// [`Room::Job`] the position is the change's `seq`; for [`Room::Owner`] it is the bus's own.
    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError>;

    /// The position of a room's newest change; none: 0. What comes later has higher ones.
    async fn newest(&self, room: Room) -> Result<u64, StoreError>;

    /// All changes published from now on, by whomever, until the receiver is dropped. A receiver that lags by more
    /// than the bus's bound is told so and resumes with [`EventBus::since`].
    fn subscribe(&self) -> watch::Receiver;
}

/// The receiving end of a bus. A type of its own so that this crate needs no async runtime.
pub mod watch {
    use async_trait::async_trait;

    use super::Change;

    /// Receives changes.
    pub type Receiver = Box<dyn Receive>;

    /// What a receiver gives.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Received {
        /// A change.
        Change(Change),
        /// Changes were missed: read them from the bus.
        Lagged,
        /// The bus is gone.
        Closed,
    }

    /// Waits for the next change.
    #[async_trait]
    pub trait Receive: Send {
        /// The next change. Cancel safe.
        async fn next(&mut self) -> Received;
    }
}

/// The keeper set.
#[async_trait]
pub trait KeeperStore: Send + Sync {
    /// Replaces the rows of these keepers. Idempotent. `faults` given here are ignored.
    async fn put(&self, keepers: Vec<KeeperRecord>) -> Result<(), StoreError>;
    /// Removes a keeper from the set; absent: nothing to do.
    async fn remove(&self, keeper: KeeperId) -> Result<(), StoreError>;
    /// All of them, by address.
    async fn all(&self) -> Result<Vec<KeeperRecord>, StoreError>;
    /// Counts a fault against a keeper, once per task.
    async fn fault(&self, keeper: KeeperId, task: TaskId) -> Result<(), StoreError>;
}

/// Points and fees, copied from facts.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Books entries. Idempotent by (key, reason, account).
    async fn book(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError>;
    /// All entries under a key.
    async fn of_key(&self, key: B256) -> Result<Vec<LedgerEntry>, StoreError>;
    /// All entries of an account, newest first, `limit` at most.
    async fn of_account(&self, account: Address, limit: u32) -> Result<Vec<LedgerEntry>, StoreError>;
    /// Those who have entries on a board, by [`Standing::rank`], `limit` at most.
    async fn standings(&self, board: Board, limit: u32) -> Result<Vec<Standing>, StoreError>;
    /// One account's standing on a board; without entries: [`Standing::none`].
    async fn standing(&self, board: Board, account: Address) -> Result<Standing, StoreError>;
}

/// Published scripts.
#[async_trait]
pub trait ModuleStore: Send + Sync {
    /// Notes a published script and who published it. Idempotent by (source, language, publisher).
    async fn put(&self, record: ModuleRecord, publisher: Address) -> Result<(), StoreError>;
    /// What is known under a CID; absent: empty.
    async fn by_cid(&self, cid: &Cid) -> Result<Vec<(ModuleRecord, Address)>, StoreError>;
}

/// API keys, by their hash.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Stores a key. Idempotent by hash.
    async fn put(&self, key: ApiKey) -> Result<(), StoreError>;
    /// The key with this hash, revoked or not; absent: `None`.
    async fn by_hash(&self, hash: B256) -> Result<Option<ApiKey>, StoreError>;
    /// All keys of an owner (`None`: of everyone), newest first.
    async fn list(&self, owner: Option<Address>) -> Result<Vec<ApiKey>, StoreError>;
    /// Revokes or changes a key by its public name; absent: `None`.
    async fn update(
        &self,
        id: &str,
        rate_limit: Option<u32>,
        revoked_at: Option<Timestamp>,
    ) -> Result<Option<ApiKey>, StoreError>;
    /// Removes the keys that had expired at `now`.
    async fn remove_expired(&self, now: Timestamp) -> Result<(), StoreError>;
    /// Notes when a key was used, by its public name: the latest instant stays. Absent: nothing to do.
    async fn used(&self, id: &str, at: Timestamp) -> Result<(), StoreError>;
}

/// Which call a keeper stands by in one attempt and round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptClaim {
    /// The task.
    pub task: TaskId,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// Which round.
    pub round: Round,
    /// [`argus_domain::call::Claim::digest`]. Its signature follows from it.
    pub digest: B256,
}

/// What a journal keeps of one task.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// By attempt and round.
    pub claims: Vec<KeptClaim>,
    /// By number.
    pub intents: Vec<Intent>,
}

/// A keeper's own memory: claims and intents. One process per file.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Keeps a claim before it is signed. Idempotent by (task, attempt, round): the first one wins and is returned,
    /// whatever is offered later.
    async fn claim(&self, claim: KeptClaim) -> Result<KeptClaim, StoreError>;
    /// Keeps an intent before its bytes leave. Idempotent by (task, number): the first one wins and is returned.
    async fn intend(&self, intent: Intent) -> Result<Intent, StoreError>;
    /// The same for several, in order: where it fails, those before may be kept and none behind one that is not, so
    /// that no nonce is left out. One commit where the journal can.
    async fn intend_all(&self, intents: Vec<Intent>) -> Result<Vec<Intent>, StoreError> {
        let mut kept = Vec::with_capacity(intents.len());
        for intent in intents {
            kept.push(self.intend(intent).await?);
        }
        Ok(kept)
    }
    /// The intents of tasks that have not ended, in order of (chain, nonce, number).
    async fn pending(&self) -> Result<Vec<Intent>, StoreError>;
    /// What is kept of one task; absent: nothing of both.
    async fn of_task(&self, task: TaskId) -> Result<Kept, StoreError>;
    /// A task needs no further sending. Idempotent.
    async fn end(&self, task: TaskId) -> Result<(), StoreError>;
    /// The highest nonce ever used on a chain by this keeper; `None`: none.
    async fn highest_nonce(&self, chain: ChainId) -> Result<Option<u64>, StoreError>;
}
