//! Values: each distinct source is read once for all its jobs, as often as the configuration says.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use argus_domain::{
    decimal::Decimal,
    decision::Outcome,
    ids::JobId,
    job::{JobRecord, Trigger, TriggerKind},
    rule::ValueSource,
    time::Timestamp,
};
use argus_machine::schedule;
use argus_ports::{EgressError, StoreError, ValueError};
use futures::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tracing::{error, warn};

use crate::perform::{Carried, Heard, Shell, Woken, Work};

type Reading = (ValueSource, Result<Decimal, ValueError>);

struct Watcher {
    shell: Arc<Shell>,
    jobs: BTreeMap<JobId, JobRecord>,
    by_source: BTreeMap<ValueSource, BTreeSet<JobId>>,
    /// Sources to be read in this round.
    queue: VecDeque<ValueSource>,
    reading: BTreeSet<ValueSource>,
    /// Those of them whose value will be too old for a job that came in meanwhile: they are read again.
    outdated: BTreeSet<ValueSource>,
    /// Sources whose last reading failed: the log has said so.
    failing: BTreeSet<ValueSource>,
    rescan_at: Timestamp,
}

pub(crate) async fn run(shell: Arc<Shell>, mut heard: Heard) {
    let mut watcher = Watcher {
        shell: shell.clone(),
        jobs: BTreeMap::new(),
        by_source: BTreeMap::new(),
        queue: VecDeque::new(),
        reading: BTreeSet::new(),
        outdated: BTreeSet::new(),
        failing: BTreeSet::new(),
        rescan_at: Timestamp(0),
    };
    let mut readings: FuturesUnordered<BoxFuture<'static, Reading>> = FuturesUnordered::new();
    let mut next_round = Timestamp(0);
    loop {
        let now = shell.now();
        // The second test: the clock was set back.
        if now >= next_round || next_round > now + shell.config.source_poll {
            next_round = now + shell.config.source_poll;
            if let Err(error) = watcher.begin_round(now).await {
                shell.failed("condition", &error);
            }
        }
        watcher.start(&mut readings);
        let until = next_round;
        tokio::select! {
            Some(reading) = readings.next(), if !readings.is_empty() => {
                if let Err(error) = watcher.observed(reading).await {
                    shell.failed("condition", &error);
                    watcher.rescan_at = Timestamp(0);
                }
            }
            woken = shell.wait(until, &mut heard) => match woken {
                Woken::Stopped => return,
                Woken::Time => {}
                Woken::Moved => {
                    watcher.rescan_at = Timestamp(0);
                    next_round = Timestamp(0);
                }
                Woken::Nudged(jobs) => {
                    for id in jobs {
                        if let Err(error) = watcher.reload(id).await {
                            shell.failed("condition", &error);
                            watcher.rescan_at = Timestamp(0);
                        }
                    }
                }
            },
        }
    }
}

fn source_of(record: &JobRecord) -> Option<&ValueSource> {
    match &record.job.trigger {
        Trigger::Condition(rule) => Some(&rule.source),
        Trigger::Time(_) | Trigger::Event(_) => None,
    }
}

impl Watcher {
    async fn begin_round(&mut self, now: Timestamp) -> Result<(), StoreError> {
        if now >= self.rescan_at || self.rescan_at > now + self.shell.config.rescan {
            let limit = self.shell.config.jobs_max;
            let due = self.shell.due(TriggerKind::Condition, now, limit).await?;
            if due.len() >= limit as usize {
                error!(limit, "more condition jobs than are watched: raise the limit");
            }
            let before = std::mem::take(&mut self.jobs);
            self.by_source.clear();
            for record in due {
                let known = before.get(&record.job.id);
                if known.is_none_or(|known| known.cursor.revision != record.cursor.revision) {
                    self.outdate(&record);
                }
                self.insert(record);
            }
            self.failing.retain(|source| self.by_source.contains_key(source));
            self.rescan_at = now + self.shell.config.rescan;
        }
        self.settle(now).await?;
        self.queue = self.by_source.keys().filter(|s| !self.reading.contains(*s)).cloned().collect();
        Ok(())
    }

    /// What needs no value: jobs whose time is over, and crossings whose task a crash kept from being opened.
    async fn settle(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let work = self
            .jobs
            .values()
            .filter_map(|record| self.shell.work(record.clone(), schedule::condition(record, None, now)))
            .filter(|work| !work.steps.is_empty())
            .collect();
        self.carry(work).await
    }

    /// A value whose reading began before a job came in is older than what another scheduler may have made of that job.
    fn outdate(&mut self, record: &JobRecord) {
        if let Some(source) = source_of(record).filter(|source| self.reading.contains(*source)) {
            self.outdated.insert(source.clone());
        }
    }

    fn insert(&mut self, record: JobRecord) {
        if let Some(source) = source_of(&record) {
            self.by_source.entry(source.clone()).or_default().insert(record.job.id);
            self.jobs.insert(record.job.id, record);
        }
    }

    fn remove(&mut self, id: JobId) {
        let Some(record) = self.jobs.remove(&id) else { return };
        let Some(source) = source_of(&record) else { return };
        if let Some(jobs) = self.by_source.get_mut(source) {
            jobs.remove(&id);
            if jobs.is_empty() {
                self.by_source.remove(source);
            }
        }
    }

    /// The jobs that watch a source.
    fn watchers(&self, source: &ValueSource) -> impl Iterator<Item = &JobRecord> + use<'_> {
        self.by_source.get(source).into_iter().flatten().filter_map(|id| self.jobs.get(id))
    }

    async fn reload(&mut self, id: JobId) -> Result<(), StoreError> {
        self.remove(id);
        if self.shell.fence_of(id).is_none() {
            return Ok(());
        }
        let record = self.shell.store(self.shell.ports.jobs.job(id)).await?;
        let armed = |r: &JobRecord| r.paused_at.is_none() && r.deleted_at.is_none() && !r.cursor.finished;
        if let Some(record) = record.filter(armed) {
            if let Some(source) = source_of(&record)
                && !self.reading.contains(source)
                && !self.queue.contains(source)
            {
                self.queue.push_back(source.clone());
            }
            self.outdate(&record);
            self.insert(record);
        }
        Ok(())
    }

    /// Starts readings up to the limit.
    fn start(&mut self, readings: &mut FuturesUnordered<BoxFuture<'static, Reading>>) {
        while self.reading.len() < self.shell.config.source_concurrency.max(1) {
            let Some(source) = self.queue.pop_front() else { return };
            self.reading.insert(source.clone());
            let (values, limit) = (self.shell.ports.values.clone(), self.shell.config.source_timeout);
            readings.push(Box::pin(async move {
                let value = tokio::time::timeout(limit, values.read(&source))
                    .await
                    .unwrap_or(Err(ValueError::Fetch(EgressError::Timeout(limit))));
                (source, value)
            }));
        }
    }

    async fn observed(&mut self, (source, value): Reading) -> Result<(), StoreError> {
        self.reading.remove(&source);
        self.shell.metrics.readings.add(1);
        if self.outdated.remove(&source) {
            self.queue.push_back(source);
            return Ok(());
        }
        let value = match value {
            Ok(value) => {
                self.failing.remove(&source);
                value
            }
            Err(error) => {
                self.shell.metrics.failed_readings.add(1);
                let outcome = Outcome::unread(&error.to_string());
                for record in self.watchers(&source) {
                    self.shell.note(record, outcome.clone());
                }
                if self.failing.insert(source.clone()) {
                    warn!(host = source.host(), %error, "a source gives no value; its jobs wait");
                }
                return Ok(());
            }
        };
        let now = self.shell.now();
        let mut work = Vec::new();
        for record in self.watchers(&source) {
            if let Some(outcome) = schedule::why_not_crossed(record, &value, now) {
                self.shell.note(record, outcome);
            }
            let steps = schedule::condition(record, Some(&value), now);
            // Whether a predecessor holds it is asked only where something is to be done.
            if !steps.is_empty() && !self.shell.is_held(record).await? {
                work.extend(self.shell.work(record.clone(), steps));
            }
        }
        self.carry(work).await
    }

    async fn carry(&mut self, work: Vec<Work>) -> Result<(), StoreError> {
        for carried in self.shell.carry(work).await? {
            match carried {
                Carried::Done(record) if record.cursor.finished => self.remove(record.job.id),
                Carried::Done(record) => {
                    self.jobs.insert(record.job.id, *record);
                }
                Carried::Stale(id) => self.reload(id).await?,
                Carried::Lost(id) => self.remove(id),
            }
        }
        Ok(())
    }
}
