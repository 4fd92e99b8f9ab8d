//! The row that decides about a job.

use std::sync::Arc;

use argus_domain::{
    Address, U256,
    ids::{JobId, Serial, TaskId},
    job::{Cursor, Job, JobRecord, TriggerKind},
    lease::{Fence, Shard, Token},
    time::Timestamp,
};
use argus_ports::StoreError;
use argus_proto::{decode, encode};
use futures::future::BoxFuture;
use scylla::DeserializeRow;

use crate::{
    cell::{
        address, body, corrupt, exact, inexact, instant, job_id, ordered, task_id, there, unsigned, values,
        wide,
    },
    due,
    session::{Cas, Statement, token},
    store::{Memory, ScyllaStore},
};

macro_rules! select {
    ($more:literal) => {
        concat!(
            "SELECT id, creation, serial, owner, chain, safe, version, first_version, paused_at, deleted_at, updated_at,
                    kind, cursor, last_opened_at, last_number, last_task, last_body, fence, stamp, writer",
            $more,
            " FROM jobs WHERE id = ?"
        )
    };
}

static HEAD: Statement = Statement::read(select!(""));
static FULL: Statement = Statement::read(select!(", body"));
static DECIDED: Statement = Statement::decided(select!(", body"));
static VERSION: Statement = Statement::read("SELECT body FROM job_versions WHERE id = ? AND version = ?");
static KEEP_VERSION: Statement =
    Statement::write("INSERT INTO job_versions (id, version, body) VALUES (?, ?, ?)");
static SUMS: Statement = Statement::read("SELECT amount FROM charged WHERE serial = ?");
/// Conditional, because schedulers, the API and the creator of a job in its place write the same row.
static SAVE: Statement = Statement::conditional(
    "UPDATE jobs SET owner = ?, chain = ?, safe = ?, version = ?, paused_at = ?, deleted_at = ?, updated_at = ?,
         kind = ?, cursor = ?, last_opened_at = ?, last_number = ?, last_task = ?, last_body = ?, fence = ?, stamp = ?,
         writer = ?
     WHERE id = ? IF stamp = ?",
);
/// As [`SAVE`], with another version's body.
static SAVE_VERSION: Statement = Statement::conditional(
    "UPDATE jobs SET owner = ?, chain = ?, safe = ?, version = ?, paused_at = ?, deleted_at = ?, updated_at = ?,
         kind = ?, cursor = ?, last_opened_at = ?, last_number = ?, last_task = ?, last_body = ?, fence = ?, stamp = ?,
         writer = ?,
         body = ?
     WHERE id = ? IF stamp = ?",
);
/// Conditional, because whoever finds the creation decided carries it out; it is carried out once.
static MAKE: Statement = Statement::conditional(
    "UPDATE jobs SET owner = ?, chain = ?, safe = ?, version = ?, paused_at = ?, deleted_at = ?, updated_at = ?,
         kind = ?, cursor = ?, last_opened_at = ?, last_number = ?, last_task = ?, last_body = ?, fence = ?, stamp = ?,
         writer = ?,
         body = ?, serial = ?, first_version = ?, creation = null
     WHERE id = ? IF creation = ?",
);

/// Conditional, because whatever writes it later is.
static INSERT: Statement = Statement::conditional(
    "INSERT INTO jobs (owner, chain, safe, version, paused_at, deleted_at, updated_at, kind, cursor, last_opened_at,
                       last_number, last_task, last_body, fence, stamp, writer, body, serial, first_version, id)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);

/// A row as it is read, with or without the body.
macro_rules! cells {
    ($name:ident { $($body:ident: $kind:ty)? }) => {
        #[derive(DeserializeRow)]
        struct $name {
            id: Vec<u8>,
            creation: Option<Vec<u8>>,
            serial: Option<i32>,
            owner: Option<Vec<u8>>,
            chain: Option<i64>,
            safe: Option<Vec<u8>>,
            version: Option<i32>,
            first_version: Option<i32>,
            paused_at: Option<i64>,
            deleted_at: Option<i64>,
            updated_at: Option<i64>,
            kind: Option<i32>,
            cursor: Option<Vec<u8>>,
            last_opened_at: Option<i64>,
            last_number: Option<i32>,
            last_task: Option<Vec<u8>>,
            last_body: Option<Vec<u8>>,
            fence: Option<i64>,
            stamp: Option<i64>,
            writer: Option<i64>,
            $($body: $kind,)?
        }

        impl $name {
            fn place(self) -> Result<Place, StoreError> {
                let creation = self.creation.clone();
                let head = self.stamp.map(|stamp| self.head(stamp)).transpose()?;
                Ok(Place { creation, head, is_row: true })
            }

            fn head(self, stamp: i64) -> Result<Head, StoreError> {
                let newest = match (self.last_number, self.last_task, self.last_body) {
                    (Some(number), Some(id), Some(body)) => {
                        let number = unsigned("last_number", number)?;
                        Some(Newest { number, id: task_id("last_task", &id)?, body })
                    }
                    _ => None,
                };
                Ok(Head {
                    id: job_id("id", &self.id)?,
                    serial: Serial(unsigned("serial", there("serial", self.serial)?)?),
                    owner: address("owner", &there("owner", self.owner)?)?,
                    chain: there("chain", self.chain)?,
                    safe: self.safe.map(|safe| address("safe", &safe)).transpose()?,
                    version: unsigned("version", there("version", self.version)?)?,
                    first_version: unsigned("first_version", there("first_version", self.first_version)?)?,
                    paused_at: self.paused_at.map(instant),
                    deleted_at: self.deleted_at.map(instant),
                    updated_at: instant(there("updated_at", self.updated_at)?),
                    kind: there("kind", self.kind)?,
                    cursor: body("cursor", &there("cursor", self.cursor)?)?,
                    last_opened_at: self.last_opened_at.map(instant),
                    newest,
                    fence: Token(self.fence.unwrap_or_default().unsigned_abs()),
                    stamp,
                    token: self.writer.unwrap_or_default(),
                    body: None$(.or(self.$body))?,
                })
            }
        }
    };
}

cells!(Cells {});
cells!(FullCells { body: Option<Vec<u8>> });

/// What stands under a job's id.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// The creation that claims it.
    pub creation: Option<Vec<u8>>,
    /// The job that stands there.
    pub head: Option<Head>,
    /// Whether there is a row at all.
    pub is_row: bool,
}

/// The newest task of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Newest {
    pub number: u32,
    pub id: TaskId,
    pub body: Vec<u8>,
}

/// A job without its version's body.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub id: JobId,
    pub serial: Serial,
    pub owner: Address,
    pub chain: i64,
    pub safe: Option<Address>,
    pub version: u32,
    pub first_version: u32,
    pub paused_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    pub updated_at: Timestamp,
    pub kind: i32,
    pub cursor: Cursor,
    pub last_opened_at: Option<Timestamp>,
    pub newest: Option<Newest>,
    /// The highest token of its shard that has written it.
    pub fence: Token,
    pub stamp: i64,
    pub token: i64,
    pub body: Option<Vec<u8>>,
}

impl Head {
    /// Of a job that is about to be made.
    pub(crate) fn of(job: &Job, cursor: Cursor, stamp: i64) -> Self {
        let mut head = Self {
            id: job.id,
            serial: job.serial,
            owner: job.owner,
            chain: 0,
            safe: None,
            version: job.version,
            first_version: job.version,
            paused_at: None,
            deleted_at: None,
            updated_at: job.accepted_at,
            kind: 0,
            cursor,
            last_opened_at: None,
            newest: None,
            fence: Token::default(),
            stamp,
            token: 0,
            body: None,
        };
        head.take(job);
        head
    }

    /// Takes over what a version says.
    pub(crate) fn take(&mut self, job: &Job) {
        self.owner = job.owner;
        self.chain = exact(job.created_chain.0);
        self.safe = job.safe.as_ref().map(|safe| safe.address);
        self.version = job.version;
        self.kind = number(job.trigger.kind());
    }

    /// As whoever has this fence writes it; `None` where the job's shard is another's.
    pub(crate) fn fenced(&self, fence: Option<Fence>) -> Option<Self> {
        let Some(fence) = fence else { return Some(self.clone()) };
        let stands = fence.shard == Shard::of_job(self.id) && fence.token.0 > 0 && fence.token >= self.fence;
        stands.then(|| Self { fence: fence.token, ..self.clone() })
    }

    /// Whether it may open tasks.
    pub(crate) fn is_armed(&self) -> bool {
        self.paused_at.is_none() && self.deleted_at.is_none() && !self.cursor.finished
    }

    fn cells(&self, token: i64) -> Vec<crate::cell::Cell> {
        let newest = self.newest.as_ref();
        values![
            self.owner,
            self.chain,
            self.safe,
            self.version,
            self.paused_at,
            self.deleted_at,
            self.updated_at,
            self.kind,
            encode(&self.cursor),
            self.last_opened_at,
            newest.map(|task| task.number),
            newest.map(|task| task.id),
            newest.map(|task| &task.body),
            ordered(self.fence.0),
            self.stamp,
            token,
        ]
    }
}

impl ScyllaStore {
    /// As it is, with who claims it.
    pub(crate) async fn place(&self, id: JobId) -> Result<Place, StoreError> {
        let cells: Option<FullCells> = self.db().one(&DECIDED, values![id]).await?;
        cells.map_or(Ok(Place::default()), FullCells::place)
    }

    /// The job that stands under an id, without its body, after a creation that claims the id and is decided has been
    /// carried out.
    pub(crate) fn head(&self, id: JobId) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        Box::pin(async move {
            let cells: Option<Cells> = self.db().one(&HEAD, values![id]).await?;
            let found = cells.map_or(Ok(Place::default()), Cells::place)?;
            self.settled(found, id).await
        })
    }

    /// The same with its body.
    pub(crate) fn full(&self, id: JobId) -> BoxFuture<'_, Result<Option<Head>, StoreError>> {
        Box::pin(async move {
            let cells: Option<FullCells> = self.db().one(&FULL, values![id]).await?;
            let found = cells.map_or(Ok(Place::default()), FullCells::place)?;
            self.settled(found, id).await
        })
    }

    async fn settled(&self, found: Place, id: JobId) -> Result<Option<Head>, StoreError> {
        let Some(creation) = &found.creation else { return Ok(found.head) };
        if self.finish_decided(creation).await? { Ok(self.place(id).await?.head) } else { Ok(found.head) }
    }

    /// Writes a job's next state, provided that nobody else has written since: whether it was. `version`: the version
    /// that comes with it.
    pub(crate) async fn save(
        &self,
        before: &Head,
        after: &Head,
        version: Option<&Job>,
    ) -> Result<bool, StoreError> {
        let after = Head { stamp: before.stamp.saturating_add(1), ..after.clone() };
        due::put(self, &after).await?;
        let token = token()?;
        let mut cells = after.cells(token);
        let statement = match version {
            Some(job) => {
                cells.extend(values![encode(job)]);
                &SAVE_VERSION
            }
            None => &SAVE,
        };
        cells.extend(values![after.id, before.stamp]);
        let is_saved = match self.db().cas(statement, cells).await? {
            Cas::Applied => true,
            Cas::Refused => false,
            Cas::Unknown(why) => match self.place(after.id).await?.head {
                Some(found) if found.token == token => true,
                // Later writes hide whether this one was made.
                Some(found) if found.stamp > after.stamp => return Err(why),
                Some(_) | None => false,
            },
        };
        if is_saved {
            due::remove(self, before).await?;
        }
        Ok(is_saved)
    }

    /// Carries a decided creation of one job out, where that has not been done.
    pub(crate) async fn make(&self, head: &Head, job: &Job, creation: &[u8]) -> Result<(), StoreError> {
        let body = encode(job);
        let mut cells = head.cells(token()?);
        cells.extend(values![&body, head.serial.0, head.first_version, head.id, creation]);
        match self.db().cas(&MAKE, cells).await? {
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => match self.place(head.id).await?.creation {
                Some(claim) if claim == creation => Err(why),
                Some(_) | None => Ok(()),
            },
        }
    }

    /// Writes the row of a job that was made elsewhere, unless its id has one.
    pub(crate) async fn insert(&self, head: &Head, job: &Job) -> Result<(), StoreError> {
        let mut cells = head.cells(token()?);
        cells.extend(values![encode(job), head.serial.0, head.first_version, head.id]);
        match self.db().cas(&INSERT, cells).await? {
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }

    /// Writes a version where all of them are looked for.
    pub(crate) async fn keep_version(&self, id: JobId, version: u32, body: &[u8]) -> Result<(), StoreError> {
        self.db().write(&KEEP_VERSION, values![id, version, body]).await
    }

    /// Writes the version of a job there that stands in its row alone, maybe.
    pub(crate) async fn keep_newest_version(&self, head: &Head) -> Result<(), StoreError> {
        match &head.body {
            Some(body) => self.keep_version(head.id, head.version, body).await,
            None => Ok(()),
        }
    }

    pub(crate) async fn find_version(&self, id: JobId, version: u32) -> Result<Option<Arc<Job>>, StoreError> {
        if let Some(job) = self.remember(|memory| memory.versions.get(&(id, version)).cloned()) {
            return Ok(Some(job));
        }
        let kept: Option<(Vec<u8>,)> = self.db().one(&VERSION, values![id, version]).await?;
        let bytes = match kept {
            Some((bytes,)) => Some(bytes),
            None => self.full(id).await?.filter(|head| head.version == version).and_then(|head| head.body),
        };
        let job = bytes.map(|bytes| self.known_version(id, version, &bytes)).transpose()?;
        Ok(job)
    }

    fn known_version(&self, id: JobId, version: u32, bytes: &[u8]) -> Result<Arc<Job>, StoreError> {
        let job: Arc<Job> = Arc::new(decode(bytes).map_err(|e| corrupt("body", &e.to_string()))?);
        self.remember(|memory| Memory::keep(&mut memory.versions, (id, version), Arc::clone(&job)));
        Ok(job)
    }

    /// The job as callers know it.
    pub(crate) async fn job_record(&self, head: Head) -> Result<JobRecord, StoreError> {
        let job = match &head.body {
            Some(bytes) => self.known_version(head.id, head.version, bytes)?,
            None => self.find_version(head.id, head.version).await?.ok_or_else(|| {
                corrupt("body", &format!("version {} of job {} is missing", head.version, head.id.0))
            })?,
        };
        let sums: Vec<(Option<Vec<u8>>,)> = self.db().rows(&SUMS, values![head.serial.0]).await?;
        let mut charged = U256::ZERO;
        for (sum,) in sums {
            charged = charged.saturating_add(wide("amount", &there("amount", sum)?)?);
        }
        Ok(JobRecord {
            job: Job::clone(&job),
            cursor: head.cursor,
            paused_at: head.paused_at,
            deleted_at: head.deleted_at,
            updated_at: head.updated_at,
            last_opened_at: head.last_opened_at,
            charged,
        })
    }
}

pub(crate) fn number(kind: TriggerKind) -> i32 {
    match kind {
        TriggerKind::Time => 1,
        TriggerKind::Event => 2,
        TriggerKind::Condition => 3,
    }
}

/// Whether `given` says what the job says that was `created`.
pub(crate) fn same_content(given: &Job, created: &Job) -> bool {
    let Job { serial, version, accepted_at, expires_at, .. } = *created;
    Job { serial, version, accepted_at, expires_at, ..given.clone() } == *created
}

/// The name of a list of jobs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JobList {
    Owner(Address),
    OwnerOnChain(Address, i64),
    Safe(Address),
}

impl JobList {
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::Owner(owner) => [b"job/owner/", owner.as_slice()].concat(),
            Self::OwnerOnChain(owner, chain) => {
                [b"job/chain/".as_slice(), owner.as_slice(), &inexact(chain).to_be_bytes()].concat()
            }
            Self::Safe(safe) => [b"job/safe/", safe.as_slice()].concat(),
        }
    }

    /// Those that a job is in.
    pub(crate) fn all(head: &Head) -> impl Iterator<Item = Self> {
        let own = [Self::Owner(head.owner), Self::OwnerOnChain(head.owner, head.chain)];
        own.into_iter().chain(head.safe.map(Self::Safe))
    }

    pub(crate) fn has(self, head: &Head) -> bool {
        match self {
            Self::Owner(owner) => head.owner == owner,
            Self::OwnerOnChain(owner, chain) => head.owner == owner && head.chain == chain,
            Self::Safe(safe) => head.safe == Some(safe),
        }
    }
}
