//! Where registries and what is stored part. The reconciler is the one writer of registrations; those whose job may have
//! come are noted by whoever comes second, the one who creates the job or the one who keeps the registration.

use std::collections::BTreeSet;

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    job::Job,
    registration::{Discrepancy, Registration},
    time::Timestamp,
};
use argus_ports::{RegistrationCounts, RegistrationStore, StoreError};
use async_trait::async_trait;
use futures::FutureExt as _;
use scylla::DeserializeRow;

use crate::{
    buckets,
    cell::{address, corrupt, exact, hash, inexact, instant, job_id, of_job, ordered, there, values},
    job_rows::Head,
    jobs::ordered_limit,
    session::{Statement, each},
    store::ScyllaStore,
};

/// Partitions of a chain: the first four bits of a job's id.
const SHARDS: i32 = 16;
/// Partitions or jobs read at the same time.
const AT_ONCE: usize = 16;
/// The list of chains that have registrations.
const CHAINS: &[u8] = b"registration/chains";

macro_rules! columns {
    () => {
        "chain, job, kind, owner, stored_owner, block, tx, at"
    };
}

static READ_TO: Statement =
    Statement::read("SELECT read_to FROM registries WHERE chain = ? AND registry = ?");
static SET_READ_TO: Statement =
    Statement::write("INSERT INTO registries (chain, registry, read_to) VALUES (?, ?, ?)");
static KEEP: Statement = Statement::write(concat!(
    "INSERT INTO registrations (",
    columns!(),
    ", shard) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
));
static KEEP_BY_JOB: Statement = Statement::write(concat!(
    "INSERT INTO registrations_by_job (",
    columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
));
static FORGET: Statement =
    Statement::write("DELETE FROM registrations WHERE chain = ? AND shard = ? AND job = ?");
static FORGET_BY_JOB: Statement =
    Statement::write("DELETE FROM registrations_by_job WHERE job = ? AND chain = ?");
static BY_JOB: Statement =
    Statement::read(concat!("SELECT ", columns!(), " FROM registrations_by_job WHERE job = ?"));
static OF_SHARD: Statement = Statement::read(concat!(
    "SELECT ",
    columns!(),
    " FROM registrations WHERE chain = ? AND shard = ? AND job > ? LIMIT ?"
));
static ARRIVED: Statement = Statement::write("INSERT INTO arrivals (part, chain, job) VALUES (0, ?, ?)");
static NOT_ARRIVED: Statement =
    Statement::write("DELETE FROM arrivals WHERE part = 0 AND chain = ? AND job = ?");
static ARRIVALS: Statement = Statement::read("SELECT chain, job FROM arrivals WHERE part = 0");

/// Registrations of a partition that are read at a time.
const PAGE: usize = 1000;

#[derive(DeserializeRow)]
struct Cells {
    chain: i64,
    job: Vec<u8>,
    kind: i32,
    owner: Vec<u8>,
    stored_owner: Option<Vec<u8>>,
    block: i64,
    tx: Vec<u8>,
    at: i64,
}

fn registration(cells: Cells) -> Result<Registration, StoreError> {
    Ok(Registration {
        chain: ChainId(inexact(cells.chain)),
        job: job_id("job", &cells.job)?,
        owner: address("owner", &cells.owner)?,
        block: cells.block.unsigned_abs(),
        transaction: hash("tx", &cells.tx)?,
        at: instant(cells.at),
        discrepancy: match cells.kind {
            1 => Discrepancy::Orphan,
            2 => Discrepancy::Gone,
            3 => Discrepancy::DeletedOnChain,
            4 => {
                let stored = there("stored_owner", cells.stored_owner)?;
                Discrepancy::OwnerDiffers(address("stored_owner", &stored)?)
            }
            other => return Err(corrupt("kind", &format!("{other} is no kind of registration"))),
        },
    })
}

fn shard(job: JobId) -> i32 {
    of_job(job).first().map_or(0, |byte| i32::from(byte >> 4))
}

fn is_listed(found: &Registration, orphans_until: Timestamp) -> bool {
    match found.discrepancy {
        Discrepancy::Orphan => found.at <= orphans_until,
        Discrepancy::Gone => false,
        Discrepancy::DeletedOnChain | Discrepancy::OwnerDiffers(_) => true,
    }
}

/// Whether the job of a registration is stored, as its owner's.
fn has_arrived(found: &Registration, head: &Head) -> bool {
    match found.discrepancy {
        Discrepancy::Orphan | Discrepancy::Gone => true,
        Discrepancy::OwnerDiffers(_) => head.owner == found.owner,
        Discrepancy::DeletedOnChain => false,
    }
}

#[async_trait]
impl RegistrationStore for ScyllaStore {
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError> {
        let row: Option<(i64,)> = self.db().one(&READ_TO, values![exact(chain.0), registry]).await?;
        Ok(row.map(|(block,)| block.unsigned_abs()))
    }

    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError> {
        self.db().write(&SET_READ_TO, values![exact(chain.0), registry, ordered(block)]).await
    }

    async fn keep(&self, found: Registration) -> Result<(), StoreError> {
        let (kind, stored) = match found.discrepancy {
            Discrepancy::Orphan => (1, None),
            Discrepancy::Gone => (2, None),
            Discrepancy::DeletedOnChain => (3, None),
            Discrepancy::OwnerDiffers(stored) => (4, Some(stored)),
        };
        let chain = exact(found.chain.0);
        let cells = || {
            let (block, tx) = (ordered(found.block), found.transaction);
            values![chain, found.job, kind, found.owner, stored, block, tx, found.at]
        };
        let mut sharded = cells();
        sharded.extend(values![shard(found.job)]);
        self.notes().kept(self.db(), CHAINS, chain).await?;
        self.db().write_logged(vec![(&KEEP_BY_JOB, cells()), (&KEEP, sharded)]).await?;
        if self.head(found.job).await?.is_some() {
            self.db().write(&ARRIVED, values![chain, found.job]).await?;
        }
        Ok(())
    }

    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError> {
        let chain = exact(chain.0);
        let both = vec![
            (&FORGET_BY_JOB, values![job, chain]),
            (&FORGET, values![chain, shard(job), job]),
            (&NOT_ARRIVED, values![chain, job]),
        ];
        self.db().write_logged(both).await
    }

    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError> {
        let rows: Vec<(i64, Vec<u8>)> = self.db().rows(&ARRIVALS, vec![]).await?;
        let mut arrived = BTreeSet::new();
        for (chain, job) in rows {
            arrived.insert((inexact(chain), job_id("job", &job)?));
        }
        let mut found = Vec::new();
        for (chain, job) in arrived {
            let known = self.registrations_of(job).await?;
            let Some(known) = known.into_iter().find(|known| known.chain.0 == chain) else { continue };
            if self.head(job).await?.is_some_and(|head| has_arrived(&known, &head)) {
                found.push(known);
            }
            if found.len() >= limit as usize {
                break;
            }
        }
        Ok(found)
    }

    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        let limit = limit as usize;
        let is_wanted = |found: &Registration| {
            is_listed(found, orphans_until) && after.is_none_or(|after| (found.chain, found.job) > after)
        };
        let mut listed = Vec::new();
        if let Some(job) = job {
            listed = self.registrations_of(job).await?;
            listed.sort_by_key(|found| found.chain);
            listed.retain(is_wanted);
        } else {
            for chain in self.chains_of_registrations().await? {
                if after.is_some_and(|(last, _)| chain < last) {
                    continue;
                }
                let start = after.filter(|(last, _)| chain == *last).map(|(_, job)| job);
                for part in start.map_or(0, shard)..SHARDS {
                    let start = start.filter(|job| shard(*job) == part);
                    let wanted = (limit.saturating_sub(listed.len()), orphans_until);
                    listed.extend(self.listed_of_shard((chain, part), start, wanted).await?);
                    if listed.len() >= limit {
                        break;
                    }
                }
            }
        }
        listed.truncate(limit);
        Ok(listed)
    }

    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError> {
        let chains = self.chains_of_registrations().await?;
        let parts = chains.into_iter().flat_map(|chain| (0..SHARDS).map(move |part| (chain, part)));
        let listed = parts.map(|part| self.listed_of_shard(part, None, (usize::MAX, orphans_until)).boxed());
        let mut counts = RegistrationCounts::default();
        for found in each(AT_ONCE, listed.collect()).await?.concat() {
            match found.discrepancy {
                Discrepancy::Orphan => counts.orphans += 1,
                Discrepancy::DeletedOnChain => counts.deleted_on_chain += 1,
                Discrepancy::OwnerDiffers(_) => counts.owner_differs += 1,
                Discrepancy::Gone => {}
            }
        }
        Ok(counts)
    }
}

impl ScyllaStore {
    async fn chains_of_registrations(&self) -> Result<Vec<ChainId>, StoreError> {
        let found = buckets::between(self.db(), CHAINS, i64::MIN, i64::MAX).await?;
        let mut chains: Vec<ChainId> = found.iter().map(|noted| ChainId(inexact(noted.bucket))).collect();
        chains.sort_unstable();
        Ok(chains)
    }

    async fn registrations_of(&self, job: JobId) -> Result<Vec<Registration>, StoreError> {
        let rows: Vec<Cells> = self.db().rows(&BY_JOB, values![job]).await?;
        rows.into_iter().map(registration).collect()
    }

    /// All of them by chain and parts of it, those behind a place.
    pub(crate) async fn registrations_after(
        &self,
        after: Option<(ChainId, JobId)>,
        limit: usize,
    ) -> Result<Vec<Registration>, StoreError> {
        let mut found = Vec::new();
        for chain in self.chains_of_registrations().await? {
            if after.is_some_and(|(last, _)| chain < last) {
                continue;
            }
            let start = after.filter(|(last, _)| chain == *last).map(|(_, job)| job);
            for part in start.map_or(0, shard)..SHARDS {
                let job = start.filter(|job| shard(*job) == part).map(|job| of_job(job).to_vec());
                let left = limit.saturating_sub(found.len());
                if left == 0 {
                    return Ok(found);
                }
                let cells = values![exact(chain.0), part, job.unwrap_or_default(), ordered_limit(left)];
                let rows: Vec<Cells> = self.db().rows(&OF_SHARD, cells).await?;
                for cells in rows {
                    found.push(registration(cells)?);
                }
            }
        }
        Ok(found)
    }

    async fn listed_of_shard(
        &self,
        (chain, part): (ChainId, i32),
        after: Option<JobId>,
        (wanted, orphans_until): (usize, Timestamp),
    ) -> Result<Vec<Registration>, StoreError> {
        let mut after = after.map_or_else(Vec::new, |job| of_job(job).to_vec());
        let mut found = Vec::new();
        while found.len() < wanted {
            let cells = values![exact(chain.0), part, &after, i32::try_from(PAGE).unwrap_or(i32::MAX)];
            let rows: Vec<Cells> = self.db().rows(&OF_SHARD, cells).await?;
            let is_last_page = rows.len() < PAGE;
            if let Some(last) = rows.last() {
                after.clone_from(&last.job);
            }
            for cells in rows {
                let one = registration(cells)?;
                if is_listed(&one, orphans_until) {
                    found.push(one);
                }
            }
            if is_last_page {
                break;
            }
        }
        found.truncate(wanted);
        Ok(found)
    }

    /// Notes that a job is about to be there, or is, where its registration is known.
    pub(crate) async fn note_arrival(&self, job: JobId) -> Result<(), StoreError> {
        for known in self.registrations_of(job).await? {
            self.db().write(&ARRIVED, values![exact(known.chain.0), job]).await?;
        }
        Ok(())
    }

    /// Whether a job may take the place of what stands under its id.
    pub(crate) async fn may_replace(&self, head: &Head, job: &Job) -> Result<bool, StoreError> {
        if head.deleted_at.is_none() || head.owner == job.owner {
            return Ok(false);
        }
        let known = self.registrations_of(job.id).await?;
        Ok(known.iter().any(|known| {
            known.chain == job.created_chain
                && known.owner == job.owner
                && matches!(known.discrepancy, Discrepancy::OwnerDiffers(_))
        }))
    }
}
