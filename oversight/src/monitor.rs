//! What the chain says about agreed calls: receipts, confirmations, reorgs, lapses, lost triggers.
//!
//! The monitor holds no state that matters: what it follows is what the store calls unfinished, and what it says it
//! records as facts. A restart begins again from both.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_domain::{
    Address, B256,
    chain::{Block, LogQuery},
    contracts,
    fees::{LedgerEntry, LedgerReason},
    ids::{ChainId, JobId, Serial, TaskId},
    status::TaskState,
    task::{Fact, Receipt, Task, TaskRecord, TriggerFact, Verdict},
};
use argus_ports::{
    ChainError, Change, ChangeKind, Clock, Dispatch, EventBus, JobStore, Ledger, Recorded, StoreError,
    TaskOf, TaskStore, chain::At,
};

use crate::{Term, WatchedChain, WatchedChains};

/// Settings of the monitor.
#[derive(Debug, Clone)]
pub struct Config {
    /// Between two looks at the chains.
    pub interval: Duration,
    /// Between two full readings of what is unfinished: what a lost notice costs at most.
    pub rescan: Duration,
    /// A chain whose clock stands still (no blocks) cannot show that `valid_until` has passed. After this time on
    /// our own clock an unused claim counts as lapsed all the same: the next block's time can only be later.
    pub idle_lapse: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            rescan: Duration::from_secs(10),
            idle_lapse: Duration::from_secs(120),
        }
    }
}

/// Largest page read from the store at once.
const PAGE: u32 = 500;

/// What the monitor needs.
#[derive(Clone)]
pub struct Ports {
    /// Facts in, facts out.
    pub tasks: Arc<dyn TaskStore>,
    /// Owners of jobs, for those who watch.
    pub jobs: Arc<dyn JobStore>,
    /// Copies of what the chain charged.
    pub ledger: Arc<dyn Ledger>,
    /// Those who watch.
    pub bus: Arc<dyn EventBus>,
    /// Told about every task that a fact was recorded of.
    pub dispatcher: Arc<dyn Dispatch>,
    /// The chains.
    pub chains: WatchedChains,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why a look came to nothing. The next one starts again.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// A chain could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Watches until dropped.
pub async fn run(config: Config, ports: Ports, term: Term) {
    let mut notices = ports.bus.subscribe();
    let mut monitor = Monitor {
        config,
        ports,
        term,
        followed: BTreeMap::new(),
        ended: BTreeMap::new(),
        scanned: BTreeMap::new(),
        untold: Vec::new(),
    };
    let mut rescan_at = monitor.ports.clock.now();
    let mut fresh: BTreeSet<TaskId> = BTreeSet::new();
    loop {
        let now = monitor.ports.clock.now();
        let result = if now >= rescan_at {
            rescan_at = now + monitor.config.rescan;
            fresh.clear();
            monitor.reload().await
        } else {
            let ids: Vec<_> = std::mem::take(&mut fresh).into_iter().collect();
            monitor.follow(&ids).await
        };
        if let Err(error) = result {
            tracing::warn!(%error, "tasks could not be read; trying again");
            rescan_at = now + monitor.config.interval;
        }
        monitor.look().await;
        let wake = monitor.ports.clock.now() + monitor.config.interval;
        loop {
            tokio::select! {
                () = monitor.ports.clock.sleep_until(wake) => break,
                notice = notices.next() => match notice {
                    argus_ports::store::watch::Received::Change(change) => match change.kind {
                        ChangeKind::Created | ChangeKind::Settled | ChangeKind::Broadcast => { fresh.insert(change.task); }
                        ChangeKind::Received | ChangeKind::Revoked | ChangeKind::Confirmed | ChangeKind::Lapsed => {}
                    },
                    argus_ports::store::watch::Received::Lagged => rescan_at = now,
                    argus_ports::store::watch::Received::Closed => {
                        monitor.ports.clock.sleep_until(wake).await;
                        break;
                    }
                },
            }
        }
    }
}

struct Monitor {
    config: Config,
    ports: Ports,
    term: Term,
    followed: BTreeMap<TaskId, TaskRecord>,
    /// Owners of the jobs that are deleted here, of those with a call that may still be made.
    ended: BTreeMap<Serial, Address>,
    scanned: BTreeMap<ChainId, Scanned>,
    /// Changes whose facts are recorded and that the bus has not taken yet.
    untold: Vec<Change>,
}

/// How far the executor's logs have been read, and for whom: a task that was not looked for then is looked for from
/// its own beginning.
struct Scanned {
    to: u64,
    tasks: BTreeSet<TaskId>,
}

impl Monitor {
    /// Reads all that is unfinished.
    async fn reload(&mut self) -> Result<(), StoreError> {
        let mut followed = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.ports.tasks.unfinished(after, PAGE).await?;
            let full = page.len() == PAGE as usize;
            after = page.last().map(|r| r.task.id);
            followed.extend(page.into_iter().map(|r| (r.task.id, r)));
            if !full {
                break;
            }
        }
        self.followed = followed;
        // What was missed between two notices may lie below the mark.
        self.scanned.clear();
        let may_call = |r: &&TaskRecord| r.state().agreed().is_some();
        let newest = self.followed.values().filter(may_call).map(|r| (r.task.serial, &r.task));
        self.ended.clear();
        for (serial, task) in newest.collect::<BTreeMap<_, _>>() {
            let stands = self.ports.jobs.job(task.job).await?.filter(|record| record.opened(task));
            if stands.is_none_or(|record| record.deleted_at.is_some()) {
                self.ended.extend(self.owner(task).await?.map(|owner| (serial, owner)));
            }
        }
        Ok(())
    }

    /// Whose job opened a task, also where another job has taken that one's place.
    async fn owner(&self, task: &Task) -> Result<Option<Address>, StoreError> {
        Ok(self.ports.jobs.version(task.job, task.job_version).await?.map(|job| job.owner))
    }

    async fn follow(&mut self, ids: &[TaskId]) -> Result<(), StoreError> {
        for chunk in ids.chunks(PAGE as usize) {
            for record in self.ports.tasks.tasks(chunk).await? {
                self.followed.insert(record.task.id, record);
            }
        }
        Ok(())
    }

    /// One look at each chain. What fails on one is no reason to leave out the others.
    async fn look(&mut self) {
        self.followed.retain(|_, r| !r.state().is_finished());
        for (id, chain) in self.ports.chains.clone() {
            if let Err(error) = self.look_at(id, &chain).await {
                // What was read may not have been recorded.
                self.scanned.remove(&id);
                tracing::warn!(%error, chain = %id, "a look at a chain failed; trying again");
            }
        }
    }

    async fn look_at(&mut self, id: ChainId, chain: &WatchedChain) -> Result<(), LookError> {
        let Some(head) = &chain.reader.block(At::Head).await? else { return Ok(()) };
        let mut facts = Vec::new();
        let mut open: BTreeMap<TaskId, (TaskRecord, TaskState)> = BTreeMap::new();
        for record in self.followed.values() {
            let state = record.state();
            if trigger_chain(record) == Some(id) && state.broadcasts.is_empty() && state.receipt.is_none() {
                facts.extend(self.lost_trigger(chain, record, &state).await?);
            }
            // What has ended and waits only to be announced needs no chain.
            let ended = state.confirmed || state.lapsed;
            if !ended && state.agreed().is_some_and(|a| a.call.chain == id) {
                match &state.receipt {
                    Some(receipt) => facts.extend(self.check_receipt(chain, head, record, receipt).await?),
                    None => {
                        open.insert(record.task.id, (record.clone(), state));
                    }
                }
            }
        }
        if !open.is_empty() {
            let receipts = match chain.contracts {
                Some(ours) => self.scan_executor(id, chain, ours.executor, head, &open).await?,
                None => solo_receipts(id, chain, &open).await?,
            };
            let now = self.ports.clock.now();
            for receipt in receipts {
                open.remove(&receipt.task);
                let (task, block_hash) = (receipt.task, receipt.block_hash);
                let deep = chain.is_final(head.number, now, receipt.block_number, receipt.block_time);
                facts.push(Fact::Received(receipt));
                facts.extend(deep.then_some(Fact::Confirmed { task, block_hash, at: now }));
            }
            for (task, (record, state)) in &open {
                let until = state.agreed().map(|a| a.valid_until).unwrap_or_default();
                let by_chain = head.time > until && self.is_deep(chain, head, until).await?;
                let is_over = by_chain || now > until + self.config.idle_lapse;
                let because = match self.ended.get(&record.task.serial) {
                    Some(owner) if !is_over => self.refused(chain, head, record.task.job, *owner).await?,
                    Some(_) | None => None,
                };
                if is_over || because.is_some() {
                    facts.push(Fact::Lapsed { task: *task, at: now, because });
                }
            }
        }
        self.record(facts).await?;
        Ok(())
    }

    /// Whether the first block after `until` is final: only then can no reorg bring the call back in time.
    async fn is_deep(
        &self,
        chain: &WatchedChain,
        head: &Block,
        until: argus_domain::time::Timestamp,
    ) -> Result<bool, LookError> {
        if chain.confirmations == 0 {
            return Ok(true);
        }
        let deep = head.number.saturating_sub(chain.confirmations);
        Ok(chain.reader.block(At::Number(deep)).await?.is_some_and(|b| b.time > until))
    }

    /// Why the executor refuses the calls of a job for good, where its registry is the reason: what it says in a block
    /// that stays, of a job that is deleted or another's, it says for ever. What was called before has been looked for.
    async fn refused(
        &self,
        chain: &WatchedChain,
        head: &Block,
        job: JobId,
        owner: Address,
    ) -> Result<Option<String>, LookError> {
        let Some(ours) = chain.contracts else { return Ok(None) };
        let deep = At::Number(head.number.saturating_sub(chain.confirmations));
        let Some(block) = chain.reader.block(deep).await? else { return Ok(None) };
        if !chain.is_final(head.number, self.ports.clock.now(), block.number, block.time) {
            return Ok(None);
        }
        let answer = chain
            .reader
            .call(None, ours.job_registry, contracts::encode_job(job), At::Hash(block.hash))
            .await?;
        let id = chain.reader.chain();
        Ok(match contracts::decode_job(&answer) {
            Some(found) if found.owner != owner => Some(contracts::refuses_owner(id)),
            Some(found) if !found.active => Some(contracts::refuses_deleted(id)),
            Some(_) | None => None,
        })
    }

    async fn scan_executor(
        &mut self,
        id: ChainId,
        chain: &WatchedChain,
        executor: Address,
        head: &Block,
        open: &BTreeMap<TaskId, (TaskRecord, TaskState)>,
    ) -> Result<Vec<Receipt>, LookError> {
        // Blocks that may still be reorganised are read again each time.
        let again = head.number.saturating_sub(chain.confirmations.max(1));
        let scanned = self.scanned.get(&id);
        let starts = open.iter().map(|(task, (_, state))| match scanned {
            Some(s) if s.tasks.contains(task) => (s.to + 1).min(again),
            // A call cannot be older than the block that its attempt was pinned to.
            _ => {
                state.attempts.iter().filter_map(|a| a.pins.get(&id)).map(|p| p.number).min().unwrap_or(again)
            }
        });
        let from = starts.min().unwrap_or(head.number);
        let query = LogQuery {
            from,
            to: head.number,
            addresses: vec![executor],
            topic0: vec![contracts::TASK_EXECUTED],
        };
        let logs = if from <= head.number { chain.reader.logs(query).await? } else { Vec::new() };
        self.scanned.insert(id, Scanned { to: head.number, tasks: open.keys().copied().collect() });
        Ok(logs
            .iter()
            .filter_map(|log| {
                let executed = contracts::decode_task_executed(&log.topics, &log.data)?;
                let (record, _) = open.get(&executed.task)?;
                Some(Receipt {
                    task: executed.task,
                    sighting: next_sighting(record),
                    chain: id,
                    transaction: log.transaction,
                    block_number: log.block_number,
                    block_hash: log.block_hash,
                    block_time: log.block_time,
                    keeper: executed.keeper,
                    success: executed.success,
                    gas_used: executed.gas_used,
                    charged: executed.charged,
                })
            })
            .collect())
    }

    async fn check_receipt(
        &self,
        chain: &WatchedChain,
        head: &Block,
        record: &TaskRecord,
        receipt: &Receipt,
    ) -> Result<Option<Fact>, LookError> {
        let (task, at, block_hash) = (record.task.id, self.ports.clock.now(), receipt.block_hash);
        let revoked = Fact::Revoked { task, sighting: receipt.sighting, block_hash, at };
        let Some(there) = chain.reader.block(At::Number(receipt.block_number)).await? else {
            // A node without a block at that height lags behind the one that had it and cannot tell, unless it has the
            // same transaction in another block: a chain that fell back and then rests may never be that high again.
            let found = chain.reader.receipt(receipt.transaction).await?;
            return Ok(found.filter(|found| found.block_hash != block_hash).map(|_| revoked));
        };
        if there.hash != block_hash {
            return Ok(Some(revoked));
        }
        let deep = chain.is_final(head.number, at, receipt.block_number, receipt.block_time);
        Ok(deep.then_some(Fact::Confirmed { task, block_hash, at }))
    }

    async fn lost_trigger(
        &self,
        chain: &WatchedChain,
        record: &TaskRecord,
        state: &TaskState,
    ) -> Result<Option<Fact>, LookError> {
        let TriggerFact::Log(log) = &record.task.trigger else { return Ok(None) };
        if state.trigger_lost {
            return Ok(None);
        }
        // A node without a block at that height lags behind the one that had it: it cannot tell.
        let Some(block) = chain.reader.block(At::Number(log.block_number)).await? else { return Ok(None) };
        if block.hash == log.block_hash {
            return Ok(None);
        }
        // The transaction may stand in another block now: then it is the same log.
        let moved = chain.reader.receipt(log.transaction).await?;
        let still = moved.is_some_and(|r| {
            r.logs.iter().any(|l| {
                l.index_in_transaction == log.index_in_transaction
                    && l.address == log.address
                    && l.topics == log.topics
                    && l.data == log.data
            })
        });
        if still {
            return Ok(None);
        }
        Ok(Some(Fact::TriggerLost { task: record.task.id, at: self.ports.clock.now() }))
    }

    /// Records facts, books what the chain charged for good, and tells those who watch and the dispatcher. What can be
    /// repeated comes first: once a fact is recorded, nothing here looks at it again. Before a receipt is final a reorg
    /// may bring the same call at another price, by another keeper; the ledger's first row stays.
    ///
    /// What is seen of blocks that may go may not be said late: a receipt that was taken back and then confirmed by
    /// another monitor would be taken back again.
    async fn record(&mut self, facts: Vec<Fact>) -> Result<(), StoreError> {
        let mut changes = Vec::new();
        let mut entries = Vec::new();
        for fact in &facts {
            let Some(record) = self.followed.get(&fact.task()) else { continue };
            let owner = self.owner(&record.task).await?;
            if let Fact::Confirmed { task, .. } = fact {
                let mut state = record.state();
                facts.iter().filter(|other| other.task() == *task).for_each(|other| state.take_in(other));
                entries.extend(bookings(&state, owner));
            }
            changes.extend(owner.and_then(|o| change(record, fact, o)));
        }
        if !facts.is_empty() {
            self.term.stands().await?;
        }
        if !entries.is_empty() {
            self.ports.ledger.book(entries).await?;
        }
        let touched: BTreeSet<_> = facts.iter().map(Fact::task).collect();
        if !facts.is_empty() {
            let outcomes = self.ports.tasks.record(facts.clone()).await?;
            for (fact, outcome) in facts.into_iter().zip(outcomes) {
                let Some(record) = self.followed.get_mut(&fact.task()) else { continue };
                match outcome {
                    Recorded::New => record.facts.push(fact),
                    Recorded::Already(known) => record.facts.push(*known),
                    Recorded::Refused | Recorded::Fenced => {}
                }
            }
            let job = |id: &TaskId| self.followed.get(id).map(|record| record.task.job);
            let touched: Vec<_> = touched.into_iter().map(|task| TaskOf { task, job: job(&task) }).collect();
            if let Err(error) = self.ports.dispatcher.touched(&touched).await {
                // The dispatcher finds the facts by itself when it looks at what is unfinished.
                tracing::debug!(%error, "the dispatcher was not told");
            }
        }
        self.untold.extend(changes);
        if !self.untold.is_empty() {
            self.ports.bus.publish(self.untold.clone()).await?;
            self.untold.clear();
        }
        Ok(())
    }
}

/// What those who watch are told of a fact.
fn change(record: &TaskRecord, fact: &Fact, owner: Address) -> Option<Change> {
    let (kind, at) = match fact {
        Fact::Received(r) => (ChangeKind::Received, r.block_time),
        Fact::Revoked { at, .. } => (ChangeKind::Revoked, *at),
        Fact::Confirmed { at, .. } => (ChangeKind::Confirmed, *at),
        Fact::Lapsed { at, .. } => (ChangeKind::Lapsed, *at),
        Fact::Attempted(_)
        | Fact::Observed(_)
        | Fact::Claimed(_)
        | Fact::Settled(_)
        | Fact::Announced { .. }
        | Fact::HandedOff(_)
        | Fact::Broadcast(_)
        | Fact::TriggerLost { .. }
        | Fact::Challenged(_)
        | Fact::Disagreed(_) => return None,
    };
    let (job, task, public_id) = (record.task.job, record.task.id, record.task.public_id());
    Some(Change { job, owner, task, public_id, kind, seq: 0, at })
}

/// Receipts of transactions that keepers sent to targets themselves.
async fn solo_receipts(
    id: ChainId,
    chain: &WatchedChain,
    open: &BTreeMap<TaskId, (TaskRecord, TaskState)>,
) -> Result<Vec<Receipt>, LookError> {
    let mut receipts = Vec::new();
    for (task, (record, state)) in open {
        for sent in &state.broadcasts {
            let Some(r) = chain.reader.receipt(sent.transaction).await? else { continue };
            let Some(block) = chain.reader.block(At::Hash(r.block_hash)).await? else { continue };
            receipts.push(Receipt {
                task: *task,
                sighting: next_sighting(record),
                chain: id,
                transaction: sent.transaction,
                block_number: r.block_number,
                block_hash: r.block_hash,
                block_time: block.time,
                keeper: sent.keeper,
                success: r.success,
                gas_used: r.gas_used,
                charged: argus_domain::U256::ZERO,
            });
            break;
        }
    }
    Ok(receipts)
}

fn next_sighting(record: &TaskRecord) -> u16 {
    let seen = record.facts.iter().filter_map(|f| match f {
        Fact::Received(r) => Some(r.sighting),
        _ => None,
    });
    seen.max().unwrap_or(0).saturating_add(1)
}

/// The chain of the log that set a task off, while it may still be withdrawn.
fn trigger_chain(record: &TaskRecord) -> Option<ChainId> {
    let undecided = record.facts.iter().all(|f| match f {
        Fact::Settled(s) => matches!(s.verdict, Verdict::Agreed(_)),
        _ => true,
    });
    match &record.task.trigger {
        TriggerFact::Log(log) if undecided => Some(log.chain),
        _ => None,
    }
}

/// What a task's final receipt is worth, and to whom: its owner, the keeper that made the call, and those others that
/// signed it.
fn bookings(state: &TaskState, owner: Option<Address>) -> Vec<LedgerEntry> {
    let Some(receipt) = &state.receipt else { return Vec::new() };
    let entry = |reason, account| LedgerEntry {
        key: B256::from(receipt.task.0),
        reason,
        account,
        amount: receipt.charged,
    };
    let signed = state.agreed().map(|agreed| agreed.keepers()).unwrap_or_default();
    let attesters = signed.into_iter().filter(|keeper| *keeper != receipt.keeper);
    let mut entries: Vec<_> = owner.map(|owner| entry(LedgerReason::Charged, owner)).into_iter().collect();
    entries.push(entry(LedgerReason::Earned, receipt.keeper.0));
    entries.extend(attesters.map(|keeper| entry(LedgerReason::Attested, keeper.0)));
    entries
}
