//! Opening tasks: the rows that lead to a task, then the job's own row, which has the task and moves the cursor in one
//! step, then the task's row. Whoever opens the next one writes that row first, if it may be missing.

use std::collections::BTreeMap;

use argus_domain::{
    ids::{JobId, Serial, TaskId},
    task::Task,
};
use argus_ports::{OpenOutcome, Opening, StoreError};
use argus_proto::encode;
use futures::{FutureExt as _, try_join};

use crate::{
    cell::{body, ordered, task_id, values},
    job_rows::{Head, Newest},
    jobs::crowded,
    lists::{TaskList, hour, shard},
    session::{Statement, each},
    store::{Memory, ScyllaStore},
};

/// Jobs whose tasks are opened at the same time.
const AT_ONCE: usize = 32;
/// How often an opening is tried that other writers of the job come before.
const TRIES: u32 = 64;

/// The list of hours with unfinished tasks.
pub(crate) const UNFINISHED: &[u8] = b"unfinished";

static EXISTS: Statement = Statement::read("SELECT key FROM tasks WHERE id = ? AND key = 'task'");
static KEEP: Statement = Statement::write(
    "INSERT INTO tasks (id, key, job, serial, number, opened_at, body) VALUES (?, 'task', ?, ?, ?, ?, ?)",
);
static PUT_BY_NUMBER: Statement =
    Statement::write("INSERT INTO tasks_by_number (serial, bucket, number, task) VALUES (?, ?, ?, ?)");
static OF_NUMBER: Statement =
    Statement::read("SELECT task FROM tasks_by_number WHERE serial = ? AND bucket = ? AND number = ?");
static PUT_IN_LIST: Statement = Statement::write(
    "INSERT INTO task_lists (list, bucket, opened_at, public_id, task) VALUES (?, ?, ?, ?, ?)",
);
static PUT_UNFINISHED: Statement =
    Statement::write("INSERT INTO unfinished (bucket, shard, task, job, stamp) VALUES (?, ?, ?, ?, ?)");

impl ScyllaStore {
    pub(crate) async fn open_all(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        let mut jobs: BTreeMap<JobId, Vec<(usize, Opening)>> = BTreeMap::new();
        for (n, opening) in tasks.into_iter().enumerate() {
            jobs.entry(opening.task.job).or_default().push((n, opening));
        }
        let opened = jobs.into_values().map(|tasks| self.open_of_job(tasks).boxed());
        let mut outcomes = each(AT_ONCE, opened.collect()).await?.concat();
        outcomes.sort_by_key(|(n, _)| *n);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    async fn open_of_job(
        &self,
        tasks: Vec<(usize, Opening)>,
    ) -> Result<Vec<(usize, OpenOutcome)>, StoreError> {
        let mut outcomes = Vec::with_capacity(tasks.len());
        for (n, opening) in tasks {
            outcomes.push((n, self.open_one(&opening).await?));
        }
        Ok(outcomes)
    }

    async fn open_one(&self, Opening { task, cursor, fence }: &Opening) -> Result<OpenOutcome, StoreError> {
        for _ in 0..TRIES {
            let (head, exists) = try_join!(self.head(task.job), self.task_exists(task.id))?;
            let Some(before) = head else { return Ok(OpenOutcome::Gone) };
            let Some(ours) = before.fenced(*fence) else { return Ok(OpenOutcome::Fenced) };
            if !may_open(&before, task) {
                return Ok(OpenOutcome::Gone);
            }
            let is_next =
                cursor.job == task.job && before.cursor.revision.checked_add(1) == Some(cursor.revision);
            let is_newest = before.newest.as_ref().is_some_and(|newest| newest.id == task.id);
            if exists || is_newest {
                self.keep_newest_task(&before).await?;
                let after = Head { cursor: cursor.clone(), ..ours };
                if !is_next || self.save(&before, &after, None).await? {
                    return Ok(OpenOutcome::Already);
                }
                continue;
            }
            if !is_next || self.is_number_taken(&before, task).await? {
                return Ok(OpenOutcome::Stale);
            }
            try_join!(self.lead_to(&before, task), self.keep_newest_task(&before))?;
            let newest = Newest { number: task.number.0, id: task.id, body: encode(task) };
            let after =
                Head { cursor: cursor.clone(), last_opened_at: Some(task.due), newest: Some(newest), ..ours };
            if self.save(&before, &after, None).await? {
                self.keep_newest_task(&after).await?;
                return Ok(OpenOutcome::Opened);
            }
        }
        Err(crowded("this job"))
    }

    async fn task_exists(&self, id: TaskId) -> Result<bool, StoreError> {
        Ok(self.db().one::<(String,)>(&EXISTS, values![id]).await?.is_some())
    }

    /// Whether another task of the job has this number.
    async fn is_number_taken(&self, job: &Head, task: &Task) -> Result<bool, StoreError> {
        let Some(newest) = job.newest.as_ref().filter(|newest| task.number.0 <= newest.number) else {
            return Ok(false);
        };
        if newest.number == task.number.0 {
            return Ok(true);
        }
        for other in self.of_number(job.serial, task.number.0).await? {
            if self.task_exists(other).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Those that were to be opened under a number of a job: one of them was, at most.
    pub(crate) async fn of_number(&self, serial: Serial, number: u32) -> Result<Vec<TaskId>, StoreError> {
        let cells = values![serial.0, by_number(number), number];
        let rows: Vec<(Vec<u8>,)> = self.db().rows(&OF_NUMBER, cells).await?;
        rows.into_iter().map(|(task,)| task_id("task", &task)).collect()
    }

    /// Writes the rows by which a task will be found.
    async fn lead_to(&self, job: &Head, task: &Task) -> Result<(), StoreError> {
        let unfinished = self.put_unfinished(task, job.stamp.saturating_add(1));
        let lists = [Some(TaskList::Recent), Some(TaskList::Owner(job.owner)), job.safe.map(TaskList::Safe)];
        let lists = lists.into_iter().flatten().map(|list| self.put_task_in_list(list, task).boxed());
        try_join!(
            self.put_by_number(task).boxed(),
            unfinished.boxed(),
            each(AT_ONCE, lists.collect()).boxed()
        )?;
        Ok(())
    }

    pub(crate) async fn put_by_number(&self, task: &Task) -> Result<(), StoreError> {
        let number = task.number.0;
        self.db().write(&PUT_BY_NUMBER, values![task.serial.0, by_number(number), number, task.id]).await
    }

    /// Writes the row by which a task is found that is not finished. `stamp`: the one that its job has once it is open.
    pub(crate) async fn put_unfinished(&self, task: &Task, stamp: i64) -> Result<(), StoreError> {
        let (hour, shard) = (hour(task.opened_at), shard(task.id));
        self.db().write(&PUT_UNFINISHED, values![hour, shard, task.id, task.job, stamp]).await?;
        self.notes().passing(self.db(), UNFINISHED, hour).await
    }

    pub(crate) async fn put_task_in_list(&self, list: TaskList, task: &Task) -> Result<(), StoreError> {
        let (key, bucket) = (list.key(), list.bucket(task.opened_at));
        let cells = values![&key, bucket, task.opened_at, ordered(task.public_id()), task.id];
        self.db().write(&PUT_IN_LIST, cells).await?;
        self.notes().kept(self.db(), &key, bucket).await
    }

    /// Writes the row of a job's newest task, unless this process has.
    pub(crate) async fn keep_newest_task(&self, job: &Head) -> Result<(), StoreError> {
        let Some(newest) = &job.newest else { return Ok(()) };
        let known = self.remember(|memory| memory.tasks.get(&job.id).copied());
        if known == Some(newest.id) {
            return Ok(());
        }
        self.keep_task(&body("last_body", &newest.body)?).await?;
        self.remember(|memory| Memory::keep(&mut memory.tasks, job.id, newest.id));
        Ok(())
    }
}

impl ScyllaStore {
    /// Writes a task's own row.
    pub(crate) async fn keep_task(&self, task: &Task) -> Result<(), StoreError> {
        let Task { id, job, serial, number, opened_at, .. } = task;
        let cells = values![*id, *job, serial.0, number.0, *opened_at, encode(task)];
        self.db().write(&KEEP, cells).await
    }
}

fn may_open(head: &Head, task: &Task) -> bool {
    head.paused_at.is_none() && head.deleted_at.is_none() && head.serial == task.serial
}

/// Partitions of a job's tasks.
pub(crate) fn by_number(number: u32) -> i64 {
    i64::from(number >> 12)
}
