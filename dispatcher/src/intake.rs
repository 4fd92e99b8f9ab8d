//! From task ids to what the machine needs: records and jobs, read in batches.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use argus_domain::{
    ids::{JobId, Serial, TaskId, TaskNumber},
    job::Job,
    state::StateRef,
    task::TaskRecord,
    time::Timestamp,
};
use argus_ports::StoreError;
use futures::{StreamExt, TryStreamExt, stream};

use crate::{config::Config, ports::Ports, retry::Retry};

/// A task with its job, as the machine takes it in.
pub(crate) struct Taken {
    /// The task with its facts.
    pub record: TaskRecord,
    /// Its job in its version.
    pub job: Arc<Job>,
    /// Why it must not be acted on, where that is so.
    pub gone: Option<String>,
    /// The state that it may run on, where its job has storage and it is its turn.
    pub free: Option<StateRef>,
}

/// Jobs read lately.
pub(crate) struct Intake {
    versions: HashMap<(JobId, u32), Arc<Job>>,
    deleted: HashMap<Serial, (bool, Timestamp)>,
}

/// Jobs kept in memory. Past this everything is read anew: simpler than an order of use, and as rare as it is cheap.
const JOBS_KEPT: usize = 50_000;

/// Reads that go to the store at once: it has no verb for many jobs, and most batches have few distinct ones.
const READS_AT_ONCE: usize = 32;

impl Intake {
    pub fn new() -> Self {
        Self { versions: HashMap::new(), deleted: HashMap::new() }
    }

    /// The records of these tasks with their jobs; unknown tasks are left out.
    pub async fn read(
        &mut self,
        config: &Config,
        ports: &Ports,
        ids: &[TaskId],
        fresh: bool,
    ) -> Result<Vec<Taken>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let records = Retry::new(config).run("tasks", || ports.tasks.tasks(ids)).await?;
        self.join(config, ports, records, fresh).await
    }

    /// Adds their jobs to records. With `fresh`, whether a job was deleted is read from the store in any case.
    pub async fn join(
        &mut self,
        config: &Config,
        ports: &Ports,
        records: Vec<TaskRecord>,
        fresh: bool,
    ) -> Result<Vec<Taken>, StoreError> {
        let now = ports.clock.now();
        if self.versions.len() > JOBS_KEPT || self.deleted.len() > JOBS_KEPT {
            self.versions.clear();
            self.deleted.clear();
        }
        let is_good = |at: Timestamp| now >= at && now.since(at) <= config.job_good_for;
        // One read per distinct job at most.
        let wanted: BTreeMap<(JobId, u32, Serial), ()> = records
            .iter()
            .map(|r| (r.task.job, r.task.job_version, r.task.serial))
            .filter(|(id, version, serial)| {
                fresh
                    || !self.versions.contains_key(&(*id, *version))
                    || !self.deleted.get(serial).is_some_and(|(_, at)| is_good(*at))
            })
            .map(|key| (key, ()))
            .collect();
        let known = &self.versions;
        let reads = wanted.into_keys().map(|(id, version, serial)| async move {
            let record = Retry::new(config).run("job", || ports.jobs.job(id)).await?;
            let Some(record) = record else {
                return Ok::<_, StoreError>(((id, version), serial, true, None));
            };
            // One that has taken its place is another job.
            let deleted = record.deleted_at.is_some() || record.job.serial != serial;
            let job = match known.get(&(id, version)) {
                Some(job) => Some(job.clone()),
                None if record.job.version == version => Some(Arc::new(record.job)),
                None => Retry::new(config).run("version", || ports.jobs.version(id, version)).await?,
            };
            Ok(((id, version), serial, deleted, job))
        });
        let read: Vec<_> = stream::iter(reads).buffer_unordered(READS_AT_ONCE).try_collect().await?;
        for (key, serial, deleted, job) in read {
            self.deleted.insert(serial, (deleted, now));
            if let Some(job) = job {
                self.versions.insert(key, job);
            }
        }
        let mut taken: Vec<_> = records.into_iter().filter_map(|record| self.taken(record)).collect();
        for next in next_of_storage(&taken) {
            let Some(one) = taken.get_mut(next) else { continue };
            let (job, before) = (one.job.id, one.record.task.public_id());
            let state = Retry::new(config).run("state", || ports.tasks.state(job, Some(before))).await?;
            one.free = state.is_settled.then_some(state.at);
        }
        Ok(taken)
    }

    fn taken(&self, record: TaskRecord) -> Option<Taken> {
        let key = (record.task.job, record.task.job_version);
        let Some(job) = self.versions.get(&key).cloned() else {
            tracing::error!(task = %record.task.id, job = %key.0, version = key.1, "a task without its job");
            return None;
        };
        let deleted = self.deleted.get(&record.task.serial).is_some_and(|(deleted, _)| *deleted);
        let gone = deleted.then(|| "its job was deleted".to_owned());
        Some(Taken { record, job, gone, free: None })
    }
}

/// Whether a task runs only in its turn: its job has storage, and it is not decided, nor void. Until its turn it is
/// left to the store, so that tasks that wait take no room from those that they wait for.
pub(crate) fn takes_turns(job: &Job, record: &TaskRecord) -> bool {
    let state = record.state();
    job.has_storage() && state.verdict.is_none() && !state.trigger_lost
}

/// Of each job with storage the first of its tasks that is not decided: it alone can have its turn.
fn next_of_storage(taken: &[Taken]) -> Vec<usize> {
    let mut next: BTreeMap<JobId, (TaskNumber, usize)> = BTreeMap::new();
    for (at, one) in taken.iter().enumerate().filter(|(_, one)| takes_turns(&one.job, &one.record)) {
        let this = (one.record.task.number, at);
        next.entry(one.job.id).and_modify(|first| *first = this.min(*first)).or_insert(this);
    }
    next.into_values().map(|(_, at)| at).collect()
}
