//! The event bus: rows in the order of their publication.

use argus_domain::time::Timestamp;
use argus_ports::{Change, ChangeKind, EventBus, Room, StoreError, store::watch::Receiver};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use crate::{
    cell::{address, corrupt, instant, job_id, job_place, of_job, ordered, task_id},
    database::SqliteStore,
    fault::Fault,
};

#[async_trait]
impl EventBus for SqliteStore {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        let new = self
            .write(changes.len(), move |db| {
                changes.iter().filter_map(|change| insert(db, change).transpose()).collect()
            })
            .await?;
        self.watch().wake();
        Ok(new)
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        let after = ordered(after);
        self.read(move |db| match room {
            Room::Job(job) => {
                let sql = "SELECT * FROM changes WHERE job_place = ?1 AND job = ?2 AND seq > ?3
                           ORDER BY seq LIMIT ?4";
                let found = changes(db, sql, &[&job_place(job), &of_job(job), &after, &limit])?;
                Ok(found.into_iter().map(|(_, change)| (change.seq, change)).collect())
            }
            Room::Owner(owner) => {
                let sql =
                    "SELECT * FROM changes WHERE owner = ?1 AND position > ?2 ORDER BY position LIMIT ?3";
                changes(db, sql, &[&owner.0.0, &after, &limit])
            }
        })
        .await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.read(move |db| {
            let newest: Option<i64> = match room {
                Room::Job(job) => db
                    .prepare_cached(
                        "SELECT seq FROM changes WHERE job_place = ?1 AND job = ?2 ORDER BY seq DESC LIMIT 1",
                    )?
                    .query_row(params![job_place(job), of_job(job)], |row| row.get(0)),
                Room::Owner(owner) => db
                    .prepare_cached(
                        "SELECT position FROM changes WHERE owner = ?1 ORDER BY position DESC LIMIT 1",
                    )?
                    .query_row(params![owner.0.0], |row| row.get(0)),
            }
            .optional()?;
            Ok(newest.unwrap_or_default().unsigned_abs())
        })
        .await
    }

    fn subscribe(&self) -> Receiver {
        self.watch().subscribe()
    }
}

/// Keeps a change and gives it as it is kept; one that is there already: `None`.
fn insert(db: &Connection, change: &Change) -> Result<Option<Change>, Fault> {
    let (kind, once) = once(change);
    let mut insert = db.prepare_cached(
        "INSERT INTO changes (job_place, job, seq, owner, task, public_id, kind, at, once)
         VALUES (?1, ?2, 1 + coalesce((SELECT seq FROM changes WHERE job_place = ?1 AND job = ?2
                                       ORDER BY seq DESC LIMIT 1),
                                      (SELECT seq FROM room_ends WHERE job = ?2), 0), ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT DO NOTHING RETURNING seq",
    )?;
    let values = params![
        job_place(change.job),
        of_job(change.job),
        change.owner.0.0,
        change.task.0.0,
        ordered(change.public_id),
        kind,
        ordered(change.at.0),
        ordered(once.0)
    ];
    let seq: Option<i64> = insert.query_row(values, |row| row.get(0)).optional()?;
    Ok(seq.map(|seq| Change { seq: seq.unsigned_abs(), ..change.clone() }))
}

/// Keeps a change as it was kept elsewhere.
pub(crate) fn put(db: &Connection, position: u64, change: &Change) -> Result<(), Fault> {
    let (kind, once) = once(change);
    db.prepare_cached(
        "INSERT INTO changes (position, job_place, job, seq, owner, task, public_id, kind, at, once)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        ordered(position),
        job_place(change.job),
        of_job(change.job),
        ordered(change.seq),
        change.owner.0.0,
        change.task.0.0,
        ordered(change.public_id),
        kind,
        ordered(change.at.0),
        ordered(once.0)
    ])?;
    Ok(())
}

/// The number of a change's kind, and the instant by which kinds that come again are told apart.
fn once(change: &Change) -> (u8, Timestamp) {
    match change.kind {
        ChangeKind::Created => (1, Timestamp(0)),
        ChangeKind::Settled => (2, Timestamp(0)),
        ChangeKind::Broadcast => (3, Timestamp(0)),
        ChangeKind::Received => (4, change.at),
        ChangeKind::Revoked => (5, change.at),
        ChangeKind::Confirmed => (6, Timestamp(0)),
        ChangeKind::Lapsed => (7, Timestamp(0)),
    }
}

/// Changes with their positions.
pub(crate) fn changes(
    db: &Connection,
    sql: &str,
    values: &[&dyn ToSql],
) -> Result<Vec<(u64, Change)>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get::<_, i64>("position")?.unsigned_abs(), change(row)?));
    }
    Ok(found)
}

pub(crate) fn change(row: &Row<'_>) -> Result<Change, Fault> {
    let kind = match row.get::<_, u8>("kind")? {
        1 => ChangeKind::Created,
        2 => ChangeKind::Settled,
        3 => ChangeKind::Broadcast,
        4 => ChangeKind::Received,
        5 => ChangeKind::Revoked,
        6 => ChangeKind::Confirmed,
        7 => ChangeKind::Lapsed,
        other => return Err(corrupt("kind", &format!("{other} means nothing here"))),
    };
    Ok(Change {
        job: job_id(row, "job")?,
        owner: address(row, "owner")?,
        task: task_id(row, "task")?,
        public_id: row.get::<_, i64>("public_id")?.unsigned_abs(),
        kind,
        seq: row.get::<_, i64>("seq")?.unsigned_abs(),
        at: instant(row, "at")?,
    })
}
