//! Leases of shards, and the sessions under which they are held.

use std::{num::NonZeroU16, time::Duration};

use argus_domain::{
    ids::JobId,
    lease::{Fence, Lease, Live, MemberId, ServiceKind, Session, Shard, Token, View},
};
use argus_ports::{LeaseStore, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    cell::{all, array, corrupt, exact, ordered},
    database::SqliteStore,
    fault::Fault,
};

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn join(&self, kind: ServiceKind, live: Live) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let Session { member, no } = live.session;
            let ttl_ms = ordered(u64::try_from(live.ttl.as_millis()).unwrap_or(u64::MAX));
            db.prepare_cached(
                "INSERT INTO lease_members (kind, member, session, beats, ttl_ms, shards)
                 VALUES (?1, ?2, ?3, 0, ?4, ?5)
                 ON CONFLICT DO UPDATE SET session = ?3, beats = 0, ttl_ms = ?4, shards = ?5 WHERE session < ?3",
            )?
            .execute(params![number(kind), member.0, no, ttl_ms, live.shards])?;
            is_there(db, kind, live.session)
        })
        .await
    }

    async fn beat(&self, kind: ServiceKind, session: Session, beats: u64) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let sql = "UPDATE lease_members SET beats = max(beats, ?4)
                       WHERE kind = ?1 AND member = ?2 AND session = ?3";
            let values = params![number(kind), session.member.0, session.no, ordered(beats)];
            Ok(db.prepare_cached(sql)?.execute(values)? > 0)
        })
        .await
    }

    async fn end(&self, kind: ServiceKind, session: Session, beats: Option<u64>) -> Result<(), StoreError> {
        self.write(1, move |db| {
            let sql = "DELETE FROM lease_members
                       WHERE kind = ?1 AND member = ?2 AND session = ?3 AND beats = coalesce(?4, beats)";
            let values = params![number(kind), session.member.0, session.no, beats.map(ordered)];
            db.prepare_cached(sql)?.execute(values)?;
            Ok(())
        })
        .await
    }

    async fn look(&self, kind: ServiceKind) -> Result<View, StoreError> {
        self.read(move |db| {
            // Each of the two sees the file as it is then, in this order.
            let sql = "SELECT * FROM leases WHERE kind = ?1 ORDER BY shard";
            let leases = all(db, sql, &[&number(kind)], lease)?;
            let sql = "SELECT * FROM lease_members WHERE kind = ?1 ORDER BY member";
            let members = all(db, sql, &[&number(kind)], live)?;
            Ok(View { leases, members })
        })
        .await
    }

    async fn claim(&self, session: Session, leases: Vec<Fence>) -> Result<Vec<bool>, StoreError> {
        self.write(leases.len(), move |db| leases.iter().map(|fence| claim(db, session, *fence)).collect())
            .await
    }

    async fn release(&self, session: Session, leases: Vec<Fence>) -> Result<(), StoreError> {
        self.write(leases.len(), move |db| {
            let mut release = db.prepare_cached(
                "UPDATE leases SET member = NULL, session = NULL
                 WHERE kind = ?1 AND shard = ?2 AND token = ?3 AND member = ?4 AND session = ?5",
            )?;
            for Fence { shard, token } in &leases {
                let (kind, token) = (number(shard.kind), ordered(token.0));
                release.execute(params![kind, shard.no, token, session.member.0, session.no])?;
            }
            Ok(())
        })
        .await
    }

    async fn stands(&self, fence: Fence) -> Result<bool, StoreError> {
        self.find(move |db| stands(db, fence)).await
    }

    async fn mark(&self, fence: Fence, mark: u64) -> Result<bool, StoreError> {
        self.write(1, move |db| {
            let stands = stands(db, fence)?;
            if stands {
                db.prepare_cached("UPDATE leases SET mark = ?3 WHERE kind = ?1 AND shard = ?2")?
                    .execute(params![number(fence.shard.kind), fence.shard.no, exact(mark)])?;
            }
            Ok(stands)
        })
        .await
    }
}

/// Whether a write with this fence may be made: for the transaction that makes it.
pub(crate) fn stands(db: &Connection, Fence { shard, token }: Fence) -> Result<bool, Fault> {
    Ok(token > Token(0) && newest(db, shard)? == token)
}

/// Whether a write for a job with this fence may be made, as [`stands`].
pub(crate) fn may_write(db: &Connection, job: JobId, fence: Option<Fence>) -> Result<bool, Fault> {
    let Some(fence) = fence else { return Ok(true) };
    Ok(fence.shard == Shard::of_job(job) && stands(db, fence)?)
}

fn newest(db: &Connection, shard: Shard) -> Result<Token, Fault> {
    let mut select = db.prepare_cached("SELECT token FROM leases WHERE kind = ?1 AND shard = ?2")?;
    let token: Option<i64> =
        select.query_row(params![number(shard.kind), shard.no], |row| row.get(0)).optional()?;
    Ok(Token(token.unwrap_or_default().unsigned_abs()))
}

fn is_there(db: &Connection, kind: ServiceKind, session: Session) -> Result<bool, Fault> {
    let sql = "SELECT 1 FROM lease_members WHERE kind = ?1 AND member = ?2 AND session = ?3";
    Ok(db.prepare_cached(sql)?.exists(params![number(kind), session.member.0, session.no])?)
}

fn claim(db: &Connection, session: Session, Fence { shard, token }: Fence) -> Result<bool, Fault> {
    let next = ordered(token.next().0);
    let holder = (number(shard.kind), shard.no, next, session.member.0, session.no);
    if newest(db, shard)? == token {
        db.prepare_cached(
            "INSERT INTO leases (kind, shard, token, member, session) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET token = ?3, member = ?4, session = ?5",
        )?
        .execute(holder)?;
        return Ok(true);
    }
    let sql =
        "SELECT 1 FROM leases WHERE kind = ?1 AND shard = ?2 AND token = ?3 AND member = ?4 AND session = ?5";
    Ok(db.prepare_cached(sql)?.exists(holder)?)
}

/// In the file for good.
pub(crate) fn number(kind: ServiceKind) -> u8 {
    match kind {
        ServiceKind::Scheduler => 1,
        ServiceKind::Dispatcher => 2,
        ServiceKind::Aggregator => 3,
        ServiceKind::Monitor => 4,
    }
}

fn kind(row: &Row<'_>) -> Result<ServiceKind, Fault> {
    let n: u8 = row.get("kind")?;
    let known = ServiceKind::ALL.into_iter().find(|kind| number(*kind) == n);
    known.ok_or_else(|| corrupt("kind", &format!("{n} is no service")))
}

pub(crate) fn lease(row: &Row<'_>) -> Result<Lease, Fault> {
    let session: Option<u32> = row.get("session")?;
    let holder = session.map(|no| Ok::<_, Fault>(Session { member: MemberId(array(row, "member")?), no }));
    Ok(Lease {
        shard: Shard { kind: kind(row)?, no: row.get("shard")? },
        token: Token(row.get::<_, i64>("token")?.unsigned_abs()),
        holder: holder.transpose()?,
        mark: u64::from_ne_bytes(row.get::<_, i64>("mark")?.to_ne_bytes()),
    })
}

fn live(row: &Row<'_>) -> Result<Live, Fault> {
    let shards: u16 = row.get("shards")?;
    Ok(Live {
        session: Session { member: MemberId(array(row, "member")?), no: row.get("session")? },
        beats: row.get::<_, i64>("beats")?.unsigned_abs(),
        ttl: Duration::from_millis(row.get::<_, i64>("ttl_ms")?.unsigned_abs()),
        shards: NonZeroU16::new(shards).ok_or_else(|| corrupt("shards", "none"))?,
    })
}
