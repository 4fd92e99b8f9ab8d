//! Where registries and what is stored part.

use argus_domain::{
    Address,
    ids::{ChainId, JobId},
    registration::{Discrepancy, Registration},
    time::Timestamp,
};
use argus_ports::{RegistrationCounts, RegistrationStore, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    cell::{address, corrupt, exact, hash, instant, job_id, of_job, ordered},
    database::SqliteStore,
    fault::Fault,
};

/// Those that are listed, with the latest registration of an orphan as the first parameter.
const LISTED: &str = "(r.kind IN (3, 4) OR (r.kind = 1 AND r.at <= ?1))";

#[async_trait]
impl RegistrationStore for SqliteStore {
    async fn read_to(&self, chain: ChainId, registry: Address) -> Result<Option<u64>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT read_to FROM registries WHERE chain = ?1 AND registry = ?2";
            let mut select = db.prepare_cached(sql)?;
            let found = select.query_row(params![exact(chain.0), registry.0.0], |row| row.get::<_, i64>(0));
            Ok(found.optional()?.map(i64::unsigned_abs))
        })
        .await
    }

    async fn set_read_to(&self, chain: ChainId, registry: Address, block: u64) -> Result<(), StoreError> {
        self.write(1, move |db| set_read_to(db, chain, registry, block)).await
    }

    async fn keep(&self, found: Registration) -> Result<(), StoreError> {
        self.write(1, move |db| keep(db, &found)).await
    }

    async fn forget(&self, chain: ChainId, job: JobId) -> Result<(), StoreError> {
        self.write(1, move |db| {
            let sql = "DELETE FROM registrations WHERE chain = ?1 AND job = ?2";
            db.prepare_cached(sql)?.execute(params![exact(chain.0), of_job(job)])?;
            Ok(())
        })
        .await
    }

    async fn arrived(&self, limit: u32) -> Result<Vec<Registration>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT r.* FROM registrations r JOIN jobs j ON j.id = r.job
                       WHERE r.kind IN (1, 2) OR (r.kind = 4 AND j.owner = r.owner)
                       ORDER BY r.chain, r.job LIMIT ?1";
            all(db, sql, &[&limit])
        })
        .await
    }

    async fn list(
        &self,
        job: Option<JobId>,
        orphans_until: Timestamp,
        after: Option<(ChainId, JobId)>,
        limit: u32,
    ) -> Result<Vec<Registration>, StoreError> {
        self.read(move |db| {
            let (chain, place) =
                after.map_or((i64::MIN, Vec::new()), |(chain, job)| (exact(chain.0), of_job(job).to_vec()));
            let until = ordered(orphans_until.0);
            match job {
                Some(job) => {
                    let sql = format!(
                        "SELECT * FROM registrations r WHERE {LISTED} AND (chain, job) > (?2, ?3) AND job = ?5
                         ORDER BY chain, job LIMIT ?4"
                    );
                    all(db, &sql, &[&until, &chain, &place, &limit, &of_job(job)])
                }
                None => {
                    let sql = format!(
                        "SELECT * FROM registrations r WHERE {LISTED} AND (chain, job) > (?2, ?3)
                         ORDER BY chain, job LIMIT ?4"
                    );
                    all(db, &sql, &[&until, &chain, &place, &limit])
                }
            }
        })
        .await
    }

    async fn counts(&self, orphans_until: Timestamp) -> Result<RegistrationCounts, StoreError> {
        self.read(move |db| {
            let sql = format!("SELECT r.kind, count(*) FROM registrations r WHERE {LISTED} GROUP BY r.kind");
            let mut select = db.prepare_cached(&sql)?;
            let mut rows = select.query([ordered(orphans_until.0)])?;
            let mut counts = RegistrationCounts::default();
            while let Some(row) = rows.next()? {
                let count = row.get::<_, i64>(1)?.unsigned_abs();
                match row.get(0)? {
                    1 => counts.orphans = count,
                    3 => counts.deleted_on_chain = count,
                    4 => counts.owner_differs = count,
                    other => return Err(unknown(other)),
                }
            }
            Ok(counts)
        })
        .await
    }
}

pub(crate) fn set_read_to(
    db: &Connection,
    chain: ChainId,
    registry: Address,
    block: u64,
) -> Result<(), Fault> {
    let sql = "INSERT OR REPLACE INTO registries (chain, registry, read_to) VALUES (?1, ?2, ?3)";
    db.prepare_cached(sql)?.execute(params![exact(chain.0), registry.0.0, ordered(block)])?;
    Ok(())
}

pub(crate) fn keep(db: &Connection, found: &Registration) -> Result<(), Fault> {
    let (kind, stored) = match found.discrepancy {
        Discrepancy::Orphan => (1, None),
        Discrepancy::Gone => (2, None),
        Discrepancy::DeletedOnChain => (3, None),
        Discrepancy::OwnerDiffers(stored) => (4, Some(stored.0.0)),
    };
    db.prepare_cached(
        "INSERT OR REPLACE INTO registrations (chain, job, kind, owner, stored_owner, block, tx, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        exact(found.chain.0),
        of_job(found.job),
        kind,
        found.owner.0.0,
        stored,
        ordered(found.block),
        found.transaction.0,
        ordered(found.at.0)
    ])?;
    Ok(())
}

fn all(db: &Connection, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<Registration>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(registration(row)?);
    }
    Ok(found)
}

pub(crate) fn registration(row: &Row<'_>) -> Result<Registration, Fault> {
    Ok(Registration {
        chain: ChainId(u64::from_ne_bytes(row.get::<_, i64>("chain")?.to_ne_bytes())),
        job: job_id(row, "job")?,
        owner: address(row, "owner")?,
        block: row.get::<_, i64>("block")?.unsigned_abs(),
        transaction: hash(row, "tx")?,
        at: instant(row, "at")?,
        discrepancy: match row.get("kind")? {
            1 => Discrepancy::Orphan,
            2 => Discrepancy::Gone,
            3 => Discrepancy::DeletedOnChain,
            4 => Discrepancy::OwnerDiffers(address(row, "stored_owner")?),
            other => return Err(unknown(other)),
        },
    })
}

fn unknown(kind: i64) -> Fault {
    corrupt("kind", &format!("{kind} is no kind of registration"))
}
