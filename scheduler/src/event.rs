//! Logs: one poller per chain over all its event jobs.

mod reorg;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use argus_domain::{
    Address, B256,
    chain::{Block, Log, LogQuery},
    decision::{Outcome, Unmatched},
    event::EventFilter,
    ids::{JobId, Occurrence, TaskId},
    job::{JobRecord, Position, Trigger, TriggerKind},
    time::Timestamp,
};
use argus_machine::schedule::{self, Step};
use argus_ports::{ChainError, ChainReader, StoreError, TaskOf, chain::At};
use tracing::error;

use crate::{
    link::is_follower,
    perform::{Carried, Heard, Shell, Woken, Work},
};

/// Heads remembered, one per poll in which it moved: how far back a reorg is recognised exactly.
const HEADS_MAX: usize = 128;
/// Openings remembered, to tell the dispatcher when a reorg takes their log away.
const OPENINGS_MAX: usize = 4096;

/// Why a poll was given up.
#[derive(Debug, thiserror::Error)]
enum PollError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chain(#[from] ChainError),
}

/// A job that waits for logs.
struct Watch {
    record: JobRecord,
    /// Every block up to this one has been searched; at least as new as the cursor, unless a reorg set it back.
    seen: u64,
}

struct Opening {
    task: TaskOf,
    block: u64,
    transaction: B256,
}

struct Poller {
    shell: Arc<Shell>,
    reader: Arc<dyn ChainReader>,
    watches: BTreeMap<JobId, Watch>,
    heads: VecDeque<(u64, B256)>,
    openings: VecDeque<Opening>,
    rescan_at: Timestamp,
}

pub(crate) async fn run(shell: Arc<Shell>, reader: Arc<dyn ChainReader>, mut heard: Heard) {
    let mut poller = Poller {
        shell: shell.clone(),
        reader,
        watches: BTreeMap::new(),
        heads: VecDeque::new(),
        openings: VecDeque::new(),
        rescan_at: Timestamp(0),
    };
    loop {
        let mut pause = shell.config.chain_poll;
        if let Err(error) = poller.cycle().await {
            shell.failed("event", &error);
            pause = pause.max(shell.config.retry);
        }
        match shell.wait(shell.later(pause), &mut heard).await {
            Woken::Stopped => return,
            Woken::Time => {}
            Woken::Moved => poller.rescan_at = Timestamp(0),
            Woken::Nudged(jobs) => {
                for id in jobs {
                    if let Err(error) = poller.reload(id).await {
                        shell.failed("event", &error);
                        poller.rescan_at = Timestamp(0);
                    }
                }
            }
        }
    }
}

fn filter_of(record: &JobRecord) -> Option<&EventFilter> {
    match &record.job.trigger {
        Trigger::Event(filter) => Some(filter),
        Trigger::Time(_) | Trigger::Condition(_) => None,
    }
}

fn block_of(record: &JobRecord) -> u64 {
    match record.cursor.position {
        Position::Event { block } => block,
        Position::Time | Position::Condition { .. } => 0,
    }
}

impl Poller {
    async fn cycle(&mut self) -> Result<(), PollError> {
        let now = self.shell.now();
        if now >= self.rescan_at || self.rescan_at > now + self.shell.config.rescan {
            self.rescan(now).await?;
        }
        self.expire(now).await?;
        if self.watches.is_empty() {
            return Ok(());
        }
        let Some(head) = self.ask(self.reader.block(At::Head)).await? else { return Ok(()) };
        self.check_reorg(head).await?;
        self.follow(head).await
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, ChainError>>) -> Result<T, ChainError> {
        let limit = self.shell.config.call_timeout;
        tokio::time::timeout(limit, call).await.unwrap_or_else(|_| {
            Err(ChainError::Unreachable {
                chain: self.reader.chain(),
                reason: format!("no answer within {} ms", limit.as_millis()),
            })
        })
    }

    /// Takes in what the store has: new jobs, cursors that others moved, jobs that are gone.
    async fn rescan(&mut self, now: Timestamp) -> Result<(), PollError> {
        let limit = self.shell.config.jobs_max;
        let due = self.shell.due(TriggerKind::Event, now, limit).await?;
        if due.len() >= limit as usize {
            error!(limit, "more event jobs than are watched: raise the limit or split the chain's jobs");
        }
        let mut before = std::mem::take(&mut self.watches);
        let chain = self.reader.chain();
        for record in due.into_iter().filter(|r| filter_of(r).is_some_and(|f| f.chain == chain)) {
            let id = record.job.id;
            match before.remove(&id) {
                Some(known) if known.record.cursor.revision == record.cursor.revision => {
                    self.watches.insert(id, Watch { record, seen: known.seen });
                }
                _ => self.watch(record),
            }
        }
        self.rescan_at = now + self.shell.config.rescan;
        Ok(())
    }

    fn watch(&mut self, record: JobRecord) {
        // After a start, and where another scheduler had the job: a reorg may have come since the cursor was written.
        // A cursor that was never written stands at the job's creation, and nothing before that is asked for.
        let fresh = record.cursor.opened.0 == 0 && record.cursor.revision == 0;
        let back = if fresh { 0 } else { self.shell.config.look_back };
        let seen = block_of(&record).saturating_sub(back);
        self.watches.insert(record.job.id, Watch { record, seen });
    }

    async fn reload(&mut self, id: JobId) -> Result<(), PollError> {
        let known = self.watches.remove(&id);
        if self.shell.fence_of(id).is_none() {
            return Ok(());
        }
        let Some(record) = self.shell.store(self.shell.ports.jobs.job(id)).await? else { return Ok(()) };
        if filter_of(&record).is_none_or(|f| f.chain != self.reader.chain())
            || record.paused_at.is_some()
            || record.deleted_at.is_some()
            || record.cursor.finished
        {
            return Ok(());
        }
        match known {
            Some(known) if known.record.cursor.revision == record.cursor.revision => {
                self.watches.insert(id, Watch { record, seen: known.seen });
            }
            // Where it is asked from further back, that was for a reason which stays.
            known => {
                let block = block_of(&record);
                let seen = known.map_or(block, |known| known.seen.min(block));
                self.watches.insert(id, Watch { record, seen });
            }
        }
        Ok(())
    }

    /// Finishes jobs whose time is over.
    async fn expire(&mut self, now: Timestamp) -> Result<(), PollError> {
        let over: Vec<JobId> =
            self.watches.iter().filter(|(_, w)| !w.record.is_armed(now)).map(|(id, _)| *id).collect();
        let gone = over.iter().filter_map(|id| self.watches.remove(id));
        let work = gone
            .filter_map(|watch| {
                let steps = schedule::event(&watch.record, Vec::new(), watch.seen, now);
                self.shell.work(watch.record, steps)
            })
            .collect();
        self.shell.carry(work).await?;
        Ok(())
    }

    /// Searches what has become deep enough: first for the jobs that are near the head, then some for those behind.
    async fn follow(&mut self, head: Block) -> Result<(), PollError> {
        let range = self.shell.config.log_range.max(1);
        let near = head.number.saturating_sub(range);
        let mut held: BTreeSet<JobId> = BTreeSet::new();
        for round in 0..self.shell.config.log_rounds.max(1) {
            let waiting: Vec<(JobId, u64, u64)> = self
                .watches
                .iter()
                .filter_map(|(id, watch)| {
                    let reach = head.number.saturating_sub(filter_of(&watch.record)?.confirmations);
                    (reach > watch.seen).then_some((*id, watch.seen, reach))
                })
                .filter(|(id, seen, _)| !held.contains(id) && (round > 0 || *seen >= near))
                .collect();
            let Some(from) = waiting.iter().map(|(_, seen, _)| seen + 1).min() else {
                if round == 0 {
                    continue;
                }
                return Ok(());
            };
            let to = from.saturating_add(range - 1).min(head.number);
            let jobs: Vec<(JobId, u64)> = waiting
                .into_iter()
                .filter(|(_, seen, _)| *seen < to)
                .map(|(id, _, reach)| (id, reach.min(to)))
                .collect();
            held.extend(self.search(from, to, &jobs).await?);
        }
        Ok(())
    }

    /// Searches a range for these jobs, each up to its own last block. Returns those that have logs and must
    /// wait for their predecessor with them.
    async fn search(&mut self, from: u64, to: u64, jobs: &[(JobId, u64)]) -> Result<Vec<JobId>, PollError> {
        let mut found = self.find(from, to, jobs).await?;
        let now = self.shell.now();
        let mut work = Vec::new();
        let mut held = Vec::new();
        for (id, seen_to) in jobs {
            let Some(watch) = self.watches.get(id) else { continue };
            let mut logs = found.remove(id).unwrap_or_default();
            logs.retain(|log| log.block_number > watch.seen && log.block_number <= *seen_to);
            // Blocks that are read again may lie before the job's creation or within a pause.
            let (cursor, since) =
                (block_of(&watch.record), watch.record.job.accepted_at.max(watch.record.updated_at));
            logs.retain(|log| log.block_number > cursor || log.block_time > since);
            if logs.is_empty() {
                let behind = seen_to.saturating_sub(block_of(&watch.record));
                if behind < self.shell.config.cursor_every_blocks {
                    self.set_seen(*id, *seen_to);
                    continue;
                }
            } else {
                if self.shell.is_held(&watch.record).await? {
                    held.push(*id);
                    continue;
                }
                self.drop_opened(watch, &mut logs).await?;
            }
            let mut record = watch.record.clone();
            record.cursor.position = Position::Event { block: watch.seen };
            let mut steps = schedule::event(&record, logs, *seen_to, now);
            if is_follower(&record) {
                let first = steps.iter().position(|step| matches!(step, Step::Open(_)));
                steps.truncate(first.map_or(steps.len(), |at| at + 1));
            }
            if steps.is_empty() {
                self.set_seen(*id, *seen_to);
            } else {
                work.extend(self.shell.work(record, steps));
            }
        }
        self.carry(work).await?;
        Ok(held)
    }

    fn set_seen(&mut self, id: JobId, block: u64) {
        if let Some(watch) = self.watches.get_mut(&id) {
            watch.seen = block;
        }
    }

    async fn carry(&mut self, work: Vec<Work>) -> Result<(), PollError> {
        let opens: Vec<Opening> = work
            .iter()
            .flat_map(|w| w.steps.iter().map(|step| (w.record.job.id, step)))
            .filter_map(|(job, step)| match step {
                Step::Open(open) => match &open.0.trigger {
                    argus_domain::task::TriggerFact::Log(log) => Some(Opening {
                        task: TaskOf::job(job, open.0.id),
                        block: log.block_number,
                        transaction: log.transaction,
                    }),
                    _ => None,
                },
                Step::Move(_) => None,
            })
            .collect();
        for carried in self.shell.carry(work).await? {
            match carried {
                Carried::Done(record) if record.cursor.finished => {
                    self.watches.remove(&record.job.id);
                }
                Carried::Done(record) => {
                    let seen = block_of(&record);
                    self.watches.insert(record.job.id, Watch { record: *record, seen });
                }
                Carried::Stale(id) => self.reload(id).await?,
                Carried::Lost(id) => {
                    self.watches.remove(&id);
                }
            }
        }
        self.openings.extend(opens);
        while self.openings.len() > OPENINGS_MAX {
            self.openings.pop_front();
        }
        Ok(())
    }

    /// Leaves out logs whose task exists: after a start or a reorg blocks are read again, and a repetition would
    /// take a task number for nothing.
    async fn drop_opened(&self, watch: &Watch, logs: &mut Vec<Log>) -> Result<(), PollError> {
        let job = watch.record.job.id;
        let id_of = |log: &Log| {
            TaskId::of(job, &Occurrence::Event(log.chain, log.transaction, log.index_in_transaction))
        };
        let ids: Vec<TaskId> = logs.iter().map(id_of).collect();
        let known = self.shell.store(self.shell.ports.tasks.tasks(&ids)).await?;
        logs.retain(|log| known.iter().all(|record| record.task.id != id_of(log)));
        Ok(())
    }

    /// The logs of a range by the job that they set off, in order of (block, index).
    async fn find(
        &self,
        from: u64,
        to: u64,
        jobs: &[(JobId, u64)],
    ) -> Result<BTreeMap<JobId, Vec<Log>>, PollError> {
        let mut wanted: BTreeMap<Address, BTreeMap<B256, Vec<JobId>>> = BTreeMap::new();
        for (id, _) in jobs {
            if let Some(filter) = self.watches.get(id).and_then(|w| filter_of(&w.record)) {
                wanted.entry(filter.contract).or_default().entry(filter.topic0).or_default().push(*id);
            }
        }
        let reach: BTreeMap<JobId, u64> = jobs.iter().copied().collect();
        let mut found: BTreeMap<JobId, Vec<Log>> = BTreeMap::new();
        let contracts: Vec<Address> = wanted.keys().copied().collect();
        for addresses in contracts.chunks(self.shell.config.log_addresses.max(1)) {
            let mut topic0: Vec<B256> = addresses
                .iter()
                .filter_map(|a| wanted.get(a))
                .flat_map(|topics| topics.keys().copied())
                .collect();
            topic0.sort_unstable();
            topic0.dedup();
            let query = LogQuery { from, to, addresses: addresses.to_vec(), topic0 };
            for log in self.ask(self.reader.logs(query)).await? {
                let Some(topic) = log.topics.first() else { continue };
                let ids = wanted.get(&log.address).and_then(|topics| topics.get(topic));
                for id in ids.into_iter().flatten() {
                    let Some(watch) = self.watches.get(id) else { continue };
                    let Some(filter) = filter_of(&watch.record) else { continue };
                    if filter.matches(&log) {
                        found.entry(*id).or_default().push(log.clone());
                    } else if log.block_number > watch.seen
                        && reach.get(id).is_some_and(|to| log.block_number <= *to)
                        && let Some(log) = Unmatched::of(filter, &log)
                    {
                        self.shell.note(&watch.record, Outcome::Unmatched(log));
                    }
                }
            }
        }
        for logs in found.values_mut() {
            logs.sort_by_key(|log| (log.block_number, log.index_in_block));
            logs.dedup_by_key(|log| (log.transaction, log.index_in_transaction));
        }
        Ok(found)
    }
}
