//! The simulated store: facts are durable one by one; a task and its cursor are two writes, as in a store without
//! transactions.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
};

use argus_domain::{
    B256, U256,
    ids::{AttemptNo, JobId, KeeperId, Round, TaskId, TaskNumber},
    job::{Cursor, Job, JobRecord},
    state::State,
    task::{Fact, FactKey, Task, TaskRecord, Verdict},
    time::Timestamp,
};

/// What became of a fact, as the store port says it.
pub enum Recorded {
    New,
    Already(Box<Fact>),
    Refused,
}

/// As [`Fact::key`], without the checksums that make an address readable: they are most of a run's time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Observed(AttemptNo, KeeperId),
    Claimed(AttemptNo, Round, KeeperId),
    Other(FactKey),
}

impl Key {
    fn of(fact: &Fact) -> Self {
        match fact {
            Fact::Observed(o) => Self::Observed(o.attempt, o.keeper),
            Fact::Claimed(c) => Self::Claimed(c.attempt, c.round, c.keeper),
            _ => Self::Other(fact.key()),
        }
    }
}

/// What survives every crash.
#[derive(Default)]
pub struct Store {
    pub jobs: BTreeMap<JobId, JobRecord>,
    pub versions: BTreeMap<JobId, Arc<Job>>,
    pub tasks: BTreeMap<TaskId, TaskRecord>,
    pub unfinished: BTreeSet<TaskId>,
    pub announced: BTreeSet<TaskId>,
    /// The archive's states, by root.
    pub states: BTreeMap<B256, State>,
    /// Where each task's facts are, by key.
    keys: BTreeMap<TaskId, BTreeMap<Key, usize>>,
}

impl Store {
    pub fn create(&mut self, job: Job, cursor: Cursor) {
        self.versions.insert(job.id, Arc::new(job.clone()));
        let record = JobRecord {
            updated_at: job.accepted_at,
            job,
            cursor,
            paused_at: None,
            deleted_at: None,
            last_opened_at: None,
            charged: U256::ZERO,
        };
        self.jobs.insert(record.job.id, record);
    }

    pub fn delete(&mut self, job: JobId, at: Timestamp) {
        if let Some(record) = self.jobs.get_mut(&job) {
            record.deleted_at = Some(at);
        }
    }

    pub fn is_deleted(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_none_or(|j| j.deleted_at.is_some())
    }

    /// The first of the two writes of an opening.
    pub fn open(&mut self, task: Task) -> bool {
        if self.is_deleted(task.job) {
            return false;
        }
        let id = task.id;
        if let Entry::Vacant(place) = self.tasks.entry(id) {
            place.insert(TaskRecord { task, facts: Vec::new() });
            self.unfinished.insert(id);
        }
        true
    }

    /// Written only where nobody else was first.
    pub fn move_cursor(&mut self, cursor: Cursor) -> bool {
        match self.jobs.get_mut(&cursor.job) {
            Some(record) if record.cursor.revision + 1 == cursor.revision => {
                record.cursor = cursor;
                true
            }
            Some(_) | None => false,
        }
    }

    pub fn record(&mut self, fact: Fact) -> Recorded {
        let id = fact.task();
        let Some(job) = self.tasks.get(&id).map(|t| t.task.job) else { return Recorded::Refused };
        let deleted = self.is_deleted(job);
        let Some(record) = self.tasks.get_mut(&id) else { return Recorded::Refused };
        let key = Key::of(&fact);
        let keys = self.keys.entry(id).or_default();
        if let Some(known) = keys.get(&key).and_then(|at| record.facts.get(*at)) {
            return Recorded::Already(Box::new(known.clone()));
        }
        if deleted && matches!(&fact, Fact::Settled(s) if matches!(s.verdict, Verdict::Agreed(_))) {
            return Recorded::Refused;
        }
        keys.insert(key, record.facts.len());
        let decides = !matches!(fact, Fact::Observed(_) | Fact::Claimed(_));
        record.facts.push(fact);
        if decides && record.state().is_finished() {
            self.unfinished.remove(&id);
        }
        Recorded::New
    }

    /// The tasks of the same job that were opened before, newest first.
    pub fn before(&self, task: &Task) -> Vec<(TaskNumber, &TaskRecord)> {
        let of_job = self.tasks.values().filter(|r| r.task.job == task.job && r.task.number < task.number);
        let mut found: Vec<_> = of_job.map(|record| (record.task.number, record)).collect();
        found.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
        found
    }

    /// The task of a job with storage that was opened after this one.
    pub fn next(&self, task: TaskId) -> Option<TaskId> {
        let task = &self.tasks.get(&task)?.task;
        if !self.versions.get(&task.job)?.has_storage() {
            return None;
        }
        let later = self.tasks.values().map(|record| &record.task);
        let later = later.filter(|t| t.job == task.job && t.number > task.number);
        later.min_by_key(|t| t.number).map(|t| t.id)
    }

    pub fn holds(&self, fact: &Fact) -> bool {
        self.tasks.get(&fact.task()).is_some_and(|t| t.facts.contains(fact))
    }
}
