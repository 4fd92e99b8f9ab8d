//! Job registries against what is stored: jobs that were registered and never came, jobs that were deleted there alone,
//! jobs that are stored under another owner than they were registered by.
//!
//! Registries are read as far as their chains are final, so that nothing is taken back. How far, is durable, and moves
//! once all that follows from those blocks is done: what a crash interrupts is read again, and doing it twice is doing it
//! once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use argus_domain::{
    Address,
    chain::{Block, LogQuery},
    contracts::{self, RegistryEvent},
    ids::ChainId,
    job::{JobChange, JobRecord},
    registration::{Discrepancy, Registration},
};
use argus_ports::{
    ChainError, Clock, JobStore, Nudge, RegistrationCounts, RegistrationStore, SecretStore, StoreError,
    chain::At,
};
use tokio::sync::watch;

use crate::{Term, WatchedChain, WatchedChains};

/// Settings of the reconciler.
#[derive(Debug, Clone)]
pub struct Config {
    /// Between two looks at the chains.
    pub interval: Duration,
    /// Blocks per question for logs.
    pub log_range: u64,
    /// Questions for logs in one look at a chain, so that one far behind does not hold up the others.
    pub log_rounds: usize,
    /// How long a job may be on its way here after its registration before it is counted as an orphan.
    pub grace: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(1),
            log_range: 1_000,
            log_rounds: 8,
            grace: Duration::from_secs(60),
        }
    }
}

/// Late jobs looked at in one go.
const PAGE: u32 = 500;

/// What the reconciler needs.
#[derive(Clone)]
pub struct Ports {
    /// What it found: it is the one writer.
    pub registrations: Arc<dyn RegistrationStore>,
    /// Jobs as they are stored.
    pub jobs: Arc<dyn JobStore>,
    /// Those of a job go with it.
    pub secrets: Arc<dyn SecretStore>,
    /// The scheduler, told of jobs that are deleted.
    pub nudge: Arc<dyn Nudge>,
    /// Where the registries are.
    pub chains: WatchedChains,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why a look came to nothing. The next one starts again.
#[derive(Debug, thiserror::Error)]
enum LookError {
    /// A chain could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The store could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reconciles until it is dropped, and tells what it counts.
pub async fn run(config: Config, ports: Ports, term: Term, sender: watch::Sender<RegistrationCounts>) {
    let mut reconciler = Reconciler { config, ports, term, marks: BTreeMap::new() };
    loop {
        for (id, chain) in reconciler.ports.chains.clone() {
            if let Err(error) = reconciler.look_at(id, &chain).await {
                tracing::warn!(%error, chain = %id, "a job registry could not be followed; trying again");
            }
        }
        match reconciler.close().await {
            Ok(counts) => {
                sender.send_replace(counts);
            }
            Err(error) => tracing::warn!(%error, "late jobs could not be looked for; trying again"),
        }
        let clock = &reconciler.ports.clock;
        clock.sleep_until(clock.now() + reconciler.config.interval).await;
    }
}

struct Reconciler {
    config: Config,
    ports: Ports,
    term: Term,
    /// Of each chain the block whose finality is waited for.
    marks: BTreeMap<ChainId, Block>,
}

impl Reconciler {
    async fn look_at(&mut self, id: ChainId, chain: &WatchedChain) -> Result<(), LookError> {
        let Some(registry) = chain.contracts.map(|ours| ours.job_registry) else { return Ok(()) };
        let Some(last) = self.last_final(id, chain).await? else { return Ok(()) };
        let read_to = self.ports.registrations.read_to(id, registry).await?;
        let mut from = read_to.map_or(chain.contracts_from, |block| block.saturating_add(1));
        for _ in 0..self.config.log_rounds.max(1) {
            if from > last {
                return Ok(());
            }
            let to = last.min(from.saturating_add(self.config.log_range.max(1) - 1));
            for seen in read(chain, registry, from, to).await? {
                self.compare(seen).await?;
            }
            self.term.stands().await?;
            self.ports.registrations.set_read_to(id, registry, to).await?;
            from = to + 1;
        }
        Ok(())
    }

    /// The last block of a chain that will stay, as far as is known; `None`: none new.
    async fn last_final(&mut self, id: ChainId, chain: &WatchedChain) -> Result<Option<u64>, LookError> {
        let Some(head) = chain.reader.block(At::Head).await? else { return Ok(None) };
        let mark = match self.marks.remove(&id) {
            Some(mark) => mark,
            None => {
                let deep = head.number.saturating_sub(chain.confirmations);
                let Some(block) = chain.reader.block(At::Number(deep)).await? else { return Ok(None) };
                block
            }
        };
        if !chain.is_final(head.number, self.ports.clock.now(), mark.number, mark.time) {
            // One that a reorg has taken away never becomes final.
            let there = chain.reader.block(At::Number(mark.number)).await?;
            if there.is_some_and(|block| block.hash == mark.hash) {
                self.marks.insert(id, mark);
            }
            return Ok(None);
        }
        let there = chain.reader.block(At::Number(mark.number)).await?;
        Ok(there.filter(|block| block.hash == mark.hash).map(|block| block.number))
    }

    /// Holds one sighting against what is stored.
    async fn compare(&self, seen: Registration) -> Result<(), LookError> {
        let Some(record) = self.ports.jobs.job(seen.job).await? else {
            return Ok(self.ports.registrations.keep(seen).await?);
        };
        match seen.discrepancy {
            Discrepancy::Orphan if record.job.owner == seen.owner => self.forget_unless_why(&seen).await,
            Discrepancy::Orphan => {
                let discrepancy = Discrepancy::OwnerDiffers(record.job.owner);
                self.end(&record, Registration { discrepancy, ..seen }).await
            }
            Discrepancy::Gone if record.deleted_at.is_none() => {
                self.end(&record, Registration { discrepancy: Discrepancy::DeletedOnChain, ..seen }).await
            }
            Discrepancy::Gone => self.forget_unless_why(&seen).await,
            // Its owner's job has taken the other's place.
            Discrepancy::OwnerDiffers(_) if record.job.owner == seen.owner => {
                Ok(self.ports.registrations.forget(seen.chain, seen.job).await?)
            }
            Discrepancy::DeletedOnChain | Discrepancy::OwnerDiffers(_) => Ok(()),
        }
    }

    /// Both sides say the same now, so what was kept of them before is no more, unless it says why the job was deleted.
    async fn forget_unless_why(&self, seen: &Registration) -> Result<(), LookError> {
        let until = self.ports.clock.now();
        let known = self.ports.registrations.list(Some(seen.job), until, None, PAGE).await?;
        let is_why = known.iter().any(|r| r.chain == seen.chain && r.discrepancy != Discrepancy::Orphan);
        if !is_why {
            self.ports.registrations.forget(seen.chain, seen.job).await?;
        }
        Ok(())
    }

    /// Deletes a job here, as its owner would: the reason first, and what makes that it is not done again last.
    async fn end(&self, record: &JobRecord, why: Registration) -> Result<(), LookError> {
        let id = record.job.id;
        tracing::warn!(job = %id, block = why.block, transaction = %why.transaction, found = ?why.discrepancy,
            "a job is deleted, because its registry says otherwise than what is stored");
        self.term.stands().await?;
        self.ports.registrations.keep(why).await?;
        // From here on the owner's job may come, and what is done under this id would be done to that one.
        if record.deleted_at.is_some() {
            return Ok(());
        }
        // So it may not be done late: another reconciler may have deleted this one, and the owner's job have come. The
        // change names this job; its secrets are named by the id.
        self.term.stands().await?;
        if let Some(names) = record.job.args.secrets() {
            self.ports.secrets.remove(id, names.clone()).await?;
        }
        self.ports.jobs.change(id, record.job.serial, JobChange::Deleted(self.ports.clock.now())).await?;
        if let Err(error) = self.ports.nudge.jobs_changed(&[id]).await {
            tracing::debug!(%error, "the scheduler was not told, and finds it by itself");
        }
        Ok(())
    }

    /// Looks again at what waited for a job that has come meanwhile, and counts.
    async fn close(&self) -> Result<RegistrationCounts, LookError> {
        for seen in self.ports.registrations.arrived(PAGE).await? {
            self.compare(seen).await?;
        }
        let until = self.ports.clock.now().before(self.config.grace);
        Ok(self.ports.registrations.counts(until).await?)
    }
}

/// What a registry logged, in its order: each as what it would be if no such job were stored.
async fn read(
    chain: &WatchedChain,
    registry: Address,
    from: u64,
    to: u64,
) -> Result<Vec<Registration>, ChainError> {
    let topic0 = vec![contracts::JOB_CREATED, contracts::JOB_DELETED];
    let mut logs = chain.reader.logs(LogQuery { from, to, addresses: vec![registry], topic0 }).await?;
    logs.sort_by_key(|log| (log.block_number, log.index_in_block));
    let seen = logs.into_iter().filter_map(|log| {
        let (job, owner, discrepancy) = match contracts::decode_registry_event(&log.topics, &log.data)? {
            RegistryEvent::Created { job, owner } => (job, owner, Discrepancy::Orphan),
            RegistryEvent::Deleted { job, owner } => (job, owner, Discrepancy::Gone),
        };
        let (block, transaction, at) = (log.block_number, log.transaction, log.block_time);
        Some(Registration { chain: log.chain, job, owner, block, transaction, at, discrepancy })
    });
    Ok(seen.collect())
}
