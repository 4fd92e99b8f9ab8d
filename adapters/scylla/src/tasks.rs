//! Tasks: reading, and the port.

use argus_domain::{
    ids::TaskId,
    task::{Fact, TaskRecord},
};
use argus_ports::{OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use async_trait::async_trait;
use futures::FutureExt as _;

use crate::{
    cell::{body, there, values},
    lists::TaskList,
    session::{Statement, each},
    store::ScyllaStore,
};

/// Tasks read at the same time.
const AT_ONCE: usize = 32;

static READ: Statement = Statement::read("SELECT key, place, body FROM tasks WHERE id = ?");

#[async_trait]
impl TaskStore for ScyllaStore {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        self.open_all(tasks).await
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        self.append_all(facts).await
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        Ok(self.read_tasks(ids).await?.into_iter().flatten().collect())
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.list_unfinished(after, limit as usize).await
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        let list = match query {
            TaskQuery::Job(job) => {
                if let Some(id) = before
                    && self.task_of_public_id(id).await?.is_none()
                {
                    return Ok(Vec::new());
                }
                return self.list_of_job(job, before, limit as usize).await;
            }
            TaskQuery::Owner(owner) => TaskList::Owner(owner),
            TaskQuery::Safe(safe) => TaskList::Safe(safe),
            TaskQuery::Recent => TaskList::Recent,
        };
        let before = match before {
            Some(id) => match self.task_of_public_id(id).await? {
                Some(record) => Some((record.task.opened_at, id)),
                None => return Ok(Vec::new()),
            },
            None => None,
        };
        self.list_tasks(list, before, limit as usize).await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.task_of_public_id(id).await
    }
}

impl ScyllaStore {
    /// Tasks with their facts, in the order of the ids.
    pub(crate) async fn read_tasks(&self, ids: &[TaskId]) -> Result<Vec<Option<TaskRecord>>, StoreError> {
        each(AT_ONCE, ids.iter().map(|id| self.read_task(*id).boxed()).collect()).await
    }

    async fn read_task(&self, id: TaskId) -> Result<Option<TaskRecord>, StoreError> {
        let rows: Vec<(String, Option<i32>, Option<Vec<u8>>)> = self.db().rows(&READ, values![id]).await?;
        let (mut task, mut facts) = (None, Vec::with_capacity(rows.len()));
        for (key, place, bytes) in rows {
            let bytes = there("body", bytes)?;
            match place {
                Some(place) => facts.push((place, key, body::<Fact>("body", &bytes)?)),
                None => task = Some(body("body", &bytes)?),
            }
        }
        facts.sort_by(|(place, key, _), (other, another, _)| (place, key).cmp(&(other, another)));
        let facts = facts.into_iter().map(|(_, _, fact)| fact).collect();
        Ok(task.map(|task| TaskRecord { task, facts }))
    }
}
