//! Tasks and their facts.

use std::collections::BTreeMap;

use argus_domain::{
    ids::TaskId,
    job::JobRecord,
    task::{Fact, Task, TaskRecord, Verdict},
};
use argus_ports::{OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use async_trait::async_trait;

use crate::state::{MemoryStore, State, TaskEntry};

#[async_trait]
impl TaskStore for MemoryStore {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        let mut state = self.write()?;
        Ok(tasks.into_iter().map(|opening| state.open(opening)).collect())
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let mut state = self.write()?;
        Ok(facts.into_iter().map(|recording| state.append(recording)).collect())
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        let state = self.read();
        Ok(ids.iter().filter_map(|id| state.tasks.get(id)).map(|entry| entry.record.clone()).collect())
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        let state = self.read();
        let ids = state.unfinished.iter().filter(|id| after.is_none_or(|after| **id > after));
        let entries = ids.filter_map(|id| state.tasks.get(id));
        Ok(entries.take(limit as usize).map(|entry| entry.record.clone()).collect())
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        let state = self.read();
        let end = match before {
            None => None,
            Some(id) => match state.by_number.get(&id).and_then(|id| state.tasks.get(id)) {
                Some(entry) => Some(rank(&query, &entry.record.task)),
                None => return Ok(Vec::new()),
            },
        };
        let all = state.tasks.values();
        let mut found: Vec<&TaskEntry> = all.filter(|entry| state.is_asked(&query, entry)).collect();
        found.retain(|entry| end.is_none_or(|end| rank(&query, &entry.record.task) < end));
        found.sort_by_key(|entry| std::cmp::Reverse(rank(&query, &entry.record.task)));
        Ok(found.into_iter().take(limit as usize).map(|entry| entry.record.clone()).collect())
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        let state = self.read();
        Ok(state.by_number.get(&id).and_then(|id| state.tasks.get(id)).map(|entry| entry.record.clone()))
    }
}

impl State {
    fn open(&mut self, Opening { task, cursor, fence }: Opening) -> OpenOutcome {
        if !self.may_write(task.job, fence) {
            return OpenOutcome::Fenced;
        }
        let known = self.tasks.contains_key(&task.id);
        let number_taken = self.by_number.contains_key(&task.public_id());
        let Some(entry) = self.jobs.get_mut(&task.job) else { return OpenOutcome::Gone };
        let record = &mut entry.record;
        if record.deleted_at.is_some() || record.paused_at.is_some() || !record.opened(&task) {
            return OpenOutcome::Gone;
        }
        let moves = cursor.job == task.job && record.cursor.revision.checked_add(1) == Some(cursor.revision);
        if known {
            if moves {
                record.cursor = cursor;
            }
            return OpenOutcome::Already;
        }
        if !moves || number_taken {
            return OpenOutcome::Stale;
        }
        record.cursor = cursor;
        record.last_opened_at = Some(task.due);
        let (owner, safe) = (record.job.owner, record.job.safe.as_ref().map(|s| s.address));
        self.by_number.insert(task.public_id(), task.id);
        self.unfinished.insert(task.id);
        let (id, record) = (task.id, TaskRecord { task, facts: Vec::new() });
        self.tasks.insert(id, TaskEntry { record, keys: BTreeMap::new(), owner, safe });
        OpenOutcome::Opened
    }

    fn append(&mut self, Recording { fact, fence }: Recording) -> Recorded {
        if fence.is_some_and(|fence| !self.stands(fence)) {
            return Recorded::Fenced;
        }
        let id = fact.task();
        let Some(task) = self.tasks.get(&id).map(|entry| &entry.record.task) else {
            return Recorded::Refused;
        };
        let job = self.job_of(task).map(|record| record.job.id);
        let deleted = self.job_of(task).is_none_or(|record| record.deleted_at.is_some());
        let Some(entry) = self.tasks.get_mut(&id) else { return Recorded::Refused };
        let key = fact.key();
        if let Some(known) = entry.keys.get(&key).and_then(|at| entry.record.facts.get(*at)) {
            return Recorded::Already(Box::new(known.clone()));
        }
        if deleted && matches!(&fact, Fact::Settled(s) if matches!(s.verdict, Verdict::Agreed(_))) {
            return Recorded::Refused;
        }
        let before = entry.record.state().charged();
        entry.keys.insert(key, entry.record.facts.len());
        entry.record.facts.push(fact);
        let state = entry.record.state();
        if state.is_finished() {
            self.unfinished.remove(&id);
        }
        if let Some(entry) = job.and_then(|job| self.jobs.get_mut(&job)) {
            let sum = entry.record.charged.saturating_sub(before);
            entry.record.charged = sum.saturating_add(state.charged());
        }
        Recorded::New
    }
}

impl State {
    /// The job that opened a task, while it stands under its id.
    fn job_of(&self, task: &Task) -> Option<&JobRecord> {
        self.jobs.get(&task.job).map(|entry| &entry.record).filter(|record| record.opened(task))
    }

    fn is_asked(&self, query: &TaskQuery, entry: &TaskEntry) -> bool {
        match query {
            TaskQuery::Job(job) => entry.record.task.job == *job && self.job_of(&entry.record.task).is_some(),
            TaskQuery::Owner(owner) => entry.owner == *owner,
            TaskQuery::Safe(safe) => entry.safe == Some(*safe),
            TaskQuery::Recent => true,
        }
    }
}

/// A job's tasks are opened in the order of their numbers, whatever the clock says.
fn rank(query: &TaskQuery, task: &Task) -> (u64, u64) {
    let opened_at = if matches!(query, TaskQuery::Job(_)) { 0 } else { task.opened_at.0 };
    (opened_at, task.public_id())
}
