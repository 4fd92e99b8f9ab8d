//! Lists of tasks, and where their rows lie.

use argus_domain::{
    Address,
    ids::{JobId, Serial, TaskId},
    task::TaskRecord,
    time::Timestamp,
};
use argus_ports::StoreError;

use crate::{
    buckets,
    cell::{job_id, ordered, task_id, values},
    jobs::ordered_limit,
    open::{UNFINISHED, by_number},
    session::Statement,
    store::ScyllaStore,
};

/// Milliseconds of a bucket of a list, and of the list of everyone's tasks.
const HOUR_MS: i64 = 3_600_000;
const RECENT_MS: i64 = 600_000;
/// Partitions of an hour's unfinished tasks: the first bits of their ids.
const SHARD_BITS: u32 = 3;
/// Buckets asked for at a time.
const BUCKETS: u32 = 64;

static LISTED: Statement = Statement::read(
    "SELECT opened_at, public_id, task FROM task_lists WHERE list = ? AND bucket = ? AND (opened_at, public_id) < (?, ?)
     LIMIT ?",
);
static OF_JOB: Statement = Statement::read(
    "SELECT number, task FROM tasks_by_number WHERE serial = ? AND bucket = ? AND number < ? LIMIT ?",
);
static OPEN: Statement = Statement::read(
    "SELECT task, job, stamp FROM unfinished WHERE bucket = ? AND shard = ? AND task > ? LIMIT ?",
);
static FROM_START: Statement =
    Statement::read("SELECT task, job, stamp FROM unfinished WHERE bucket = ? AND shard = ? LIMIT ?");
static OPENED_AT: Statement = Statement::read("SELECT opened_at FROM tasks WHERE id = ? AND key = 'task'");
static FINISHED: Statement =
    Statement::write("DELETE FROM unfinished WHERE bucket = ? AND shard = ? AND task = ?");
static NEVER_OPENED: Statement =
    Statement::write("DELETE FROM unfinished WHERE bucket = ? AND shard = ? AND task = ? AND stamp = ?");

/// A list of tasks.
#[derive(Debug, Clone, Copy)]
pub(crate) enum TaskList {
    Owner(Address),
    Safe(Address),
    Recent,
}

impl TaskList {
    pub(crate) fn key(self) -> Vec<u8> {
        match self {
            Self::Owner(owner) => [b"task/owner/", owner.as_slice()].concat(),
            Self::Safe(safe) => [b"task/safe/", safe.as_slice()].concat(),
            Self::Recent => b"task/recent".to_vec(),
        }
    }

    pub(crate) fn bucket(self, at: Timestamp) -> i64 {
        match self {
            Self::Owner(_) | Self::Safe(_) => ordered(at.0) / HOUR_MS,
            Self::Recent => ordered(at.0) / RECENT_MS,
        }
    }
}

pub(crate) fn hour(at: Timestamp) -> i64 {
    ordered(at.0) / HOUR_MS
}

pub(crate) fn shard(id: TaskId) -> i32 {
    id.0.first().map_or(0, |byte| i32::from(byte >> (8 - SHARD_BITS)))
}

/// An unfinished task, its job, and the stamp that the job has once it is open.
type Open = (Vec<u8>, Vec<u8>, i64);

impl ScyllaStore {
    pub(crate) async fn list_tasks(
        &self,
        list: TaskList,
        before: Option<(Timestamp, u64)>,
        limit: usize,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        let key = list.key();
        let (mut at, mut id) = before.map_or((i64::MAX, i64::MAX), |(at, id)| (ordered(at.0), ordered(id)));
        let mut from = before.map_or(i64::MAX, |(at, _)| list.bucket(at));
        let mut found = Vec::new();
        loop {
            let buckets = buckets::down(self.db(), &key, from, BUCKETS).await?;
            let Some(oldest) = buckets.last().copied() else { return Ok(found) };
            for bucket in buckets {
                loop {
                    let cells = values![&key, bucket, at, id, ordered_limit(limit)];
                    let rows: Vec<(i64, i64, Vec<u8>)> = self.db().rows(&LISTED, cells).await?;
                    let Some((last_at, last_id, _)) = rows.last() else { break };
                    (at, id) = (*last_at, *last_id);
                    let is_last_page = rows.len() < limit;
                    for record in self.valid(rows).await? {
                        found.push(record);
                        if found.len() >= limit {
                            return Ok(found);
                        }
                    }
                    if is_last_page {
                        break;
                    }
                }
            }
            from = oldest.saturating_sub(1);
        }
    }

    /// The tasks that rows lead to, where they say the same of themselves.
    async fn valid(&self, rows: Vec<(i64, i64, Vec<u8>)>) -> Result<Vec<TaskRecord>, StoreError> {
        let mut ids = Vec::with_capacity(rows.len());
        for (_, _, task) in &rows {
            ids.push(task_id("task", task)?);
        }
        let records = self.read_tasks(&ids).await?;
        let says = |(record, (at, id, _)): (Option<TaskRecord>, (i64, i64, Vec<u8>))| {
            record.filter(|record| {
                ordered(record.task.opened_at.0) == at && ordered(record.task.public_id()) == id
            })
        };
        Ok(records.into_iter().zip(rows).filter_map(says).collect())
    }

    pub(crate) async fn list_of_job(
        &self,
        job: JobId,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        let Some(head) = self.head(job).await? else { return Ok(Vec::new()) };
        let Some(newest) = &head.newest else { return Ok(Vec::new()) };
        let first = u64::from(head.serial.0) << 26;
        let end = before.map_or(u64::MAX, |id| id.saturating_sub(first)).min(u64::from(newest.number) + 1);
        if before.is_some_and(|before| before <= first) {
            return Ok(Vec::new());
        }
        let mut below = u32::try_from(end).unwrap_or(u32::MAX);
        let mut found = Vec::new();
        // Some more, for numbers under which several were to be opened.
        let page = limit.saturating_add(8);
        while below > 0 && found.len() < limit {
            let bucket = by_number(below - 1);
            let cells = values![head.serial.0, bucket, below, ordered_limit(page)];
            let mut rows: Vec<(i32, Vec<u8>)> = self.db().rows(&OF_JOB, cells).await?;
            let ends = rows.first().zip(rows.last()).map(|((first, _), (last, _))| (*first, *last));
            below = match ends {
                Some((first, last)) if rows.len() >= page => {
                    if first > last {
                        // The next page has all of that number.
                        rows.retain(|(number, _)| *number > last);
                        u32::try_from(last).unwrap_or_default().saturating_add(1)
                    } else {
                        u32::try_from(last).unwrap_or_default()
                    }
                }
                Some(_) | None => u32::try_from(bucket << 12).unwrap_or_default(),
            };
            let mut ids = Vec::with_capacity(rows.len());
            for (_, task) in &rows {
                ids.push(task_id("task", task)?);
            }
            let records = self.read_tasks(&ids).await?.into_iter().flatten();
            found.extend(records.filter(|record| record.task.serial == head.serial));
        }
        found.truncate(limit);
        Ok(found)
    }

    pub(crate) async fn task_of_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        let Ok(serial) = u32::try_from(id >> 26) else { return Ok(None) };
        let number = u32::try_from(id & ((1 << 26) - 1)).unwrap_or_default();
        let ids = self.of_number(Serial(serial), number).await?;
        let found = self.read_tasks(&ids).await?.into_iter().flatten();
        Ok(found.into_iter().find(|record| record.task.public_id() == id))
    }

    /// Unfinished tasks by the hour of their opening, and by id within it.
    pub(crate) async fn list_unfinished(
        &self,
        after: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        let start = match after {
            Some(id) => {
                let row: Option<(i64,)> = self.db().one(&OPENED_AT, values![id]).await?;
                row.map(|(at,)| (at / HOUR_MS, id))
            }
            None => None,
        };
        let first = start.map_or(i64::MIN, |(hour, _)| hour);
        let mut found = Vec::new();
        for noted in buckets::between(self.db(), UNFINISHED, first, i64::MAX).await? {
            let mut is_empty = true;
            for part in 0..1 << SHARD_BITS {
                let start = start.filter(|(hour, _)| *hour == noted.bucket).map(|(_, id)| id);
                let mut after = match start {
                    Some(id) if shard(id) > part => {
                        is_empty = false;
                        continue;
                    }
                    Some(id) if shard(id) == part => Some(id),
                    Some(_) | None => None,
                };
                is_empty &= after.is_none();
                loop {
                    let rows = self.unfinished_rows((noted.bucket, part), after, limit).await?;
                    is_empty &= rows.is_empty();
                    let is_last_page = rows.len() < limit;
                    after = rows.last().map(|(task, ..)| task_id("task", task)).transpose()?;
                    found.extend(self.valid_unfinished((noted.bucket, part), rows).await?);
                    if found.len() >= limit {
                        found.truncate(limit);
                        return Ok(found);
                    }
                    if is_last_page {
                        break;
                    }
                }
            }
            if is_empty {
                buckets::forget(self.db(), UNFINISHED, noted).await?;
            }
        }
        Ok(found)
    }

    async fn unfinished_rows(
        &self,
        (hour, shard): (i64, i32),
        after: Option<TaskId>,
        limit: usize,
    ) -> Result<Vec<Open>, StoreError> {
        match after {
            Some(after) => self.db().rows(&OPEN, values![hour, shard, after, ordered_limit(limit)]).await,
            None => self.db().rows(&FROM_START, values![hour, shard, ordered_limit(limit)]).await,
        }
    }

    /// The tasks of rows that are open and not finished. A task whose own row is missing gets it; rows of what was never
    /// opened, or is finished, are removed.
    async fn valid_unfinished(
        &self,
        (hour, shard): (i64, i32),
        mut rows: Vec<Open>,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        // Newest first: earlier tries to open the same task are no others.
        rows.dedup_by(|a, b| a.0 == b.0);
        let mut ids = Vec::with_capacity(rows.len());
        for (task, ..) in &rows {
            ids.push(task_id("task", task)?);
        }
        let records = self.read_tasks(&ids).await?;
        let mut found = Vec::new();
        for ((record, id), (_, job, stamp)) in records.into_iter().zip(ids).zip(rows) {
            match record {
                Some(record) if !record.state().is_finished() => found.push(record),
                Some(_) => self.db().write(&FINISHED, values![hour, shard, id]).await?,
                None => found.extend(self.missing((hour, shard), id, &job, stamp).await?),
            }
        }
        Ok(found)
    }

    /// A task without a row of its own: opened by a process that died, or not, or not yet.
    async fn missing(
        &self,
        (hour, shard): (i64, i32),
        id: TaskId,
        job: &[u8],
        stamp: i64,
    ) -> Result<Option<TaskRecord>, StoreError> {
        let Some(head) = self.head(job_id("job", job)?).await? else { return Ok(None) };
        if head.newest.as_ref().is_some_and(|newest| newest.id == id) {
            self.keep_newest_task(&head).await?;
        }
        // Whoever opened the job's next task has written the row first.
        let record = self.read_tasks(&[id]).await?.into_iter().next().flatten();
        if record.is_none() && head.stamp >= stamp {
            self.db().write(&NEVER_OPENED, values![hour, shard, id, stamp]).await?;
        }
        Ok(record.filter(|record| !record.state().is_finished()))
    }

    pub(crate) async fn no_longer_unfinished(
        &self,
        id: TaskId,
        opened_at: Timestamp,
    ) -> Result<(), StoreError> {
        self.db().write(&FINISHED, values![hour(opened_at), shard(id), id]).await
    }
}
