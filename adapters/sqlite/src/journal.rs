//! A keeper's journal: its own file, held by one process.

use std::{path::Path, sync::Arc, time::Duration};

use argus_domain::ids::{AttemptNo, ChainId, Round, TaskId};
use argus_ports::{Intent, Journal, Kept, KeptClaim, StoreError};
use argus_proto::{Wire, encode};
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, ToSql, params};

use crate::{
    cell::{body, exact, hash, ordered, place},
    database::{OpenError, Options, tune},
    fault::Fault,
    migrate,
    writer::{Group, Writer},
};

/// How long claims gather under load. A keeper's runs end one by one, and each waits for its own claim: without this
/// nearly every claim would have a commit of its own.
const GATHER: Duration = Duration::from_millis(3);

/// Claims and intents of one key. Clones share the connection; the last one to go lets go of the file.
#[derive(Clone)]
pub struct SqliteJournal(Arc<Writer>);

impl SqliteJournal {
    /// Opens the file, which is made if it is not there, and locks it until it is dropped.
    ///
    /// # Errors
    /// [`OpenError::InUse`] where another process has it.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let options = Options::default();
        let db = lock(path).map_err(|e| match e {
            OpenError::Sqlite(e)
                if matches!(
                    e.sqlite_error_code(),
                    Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
                ) =>
            {
                OpenError::InUse
            }
            other => other,
        })?;
        let Options { group_rows: rows_max, group_time: time_max, .. } = options;
        let group = Group { rows_max, time_max, gather: GATHER };
        Ok(Self(Arc::new(Writer::start(db, group)?)))
    }
}

fn lock(path: &Path) -> Result<Connection, OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut db = Connection::open(path)?;
    // Long enough for a process that is just going away.
    db.busy_timeout(Duration::from_millis(500))?;
    db.pragma_update(None, "locking_mode", "exclusive")?;
    db.pragma_update(None, "journal_mode", "wal")?;
    tune(&db)?;
    // The first write takes the lock, and in this mode no commit gives it back.
    db.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
    migrate::apply(&mut db, migrate::JOURNAL)?;
    Ok(db)
}

fn all<T: Wire>(db: &Connection, sql: &str, values: &[&dyn ToSql]) -> Result<Vec<T>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(body(row, "body")?);
    }
    Ok(found)
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn claim(&self, claim: KeptClaim) -> Result<KeptClaim, StoreError> {
        self.0
            .write(1, move |db| {
                let known = claims(db, claim.task)?;
                let same = |c: &KeptClaim| (c.attempt, c.round) == (claim.attempt, claim.round);
                if let Some(known) = known.into_iter().find(same) {
                    return Ok(known);
                }
                db.prepare_cached(
                    "INSERT INTO claims (place, task, attempt, round, digest) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![
                    place(claim.task),
                    claim.task.0.0,
                    claim.attempt.0,
                    claim.round.0,
                    claim.digest.0
                ])?;
                Ok(claim)
            })
            .await
    }

    async fn intend(&self, intent: Intent) -> Result<Intent, StoreError> {
        self.0.write(1, move |db| intend(db, &intent)).await
    }

    async fn intend_all(&self, intents: Vec<Intent>) -> Result<Vec<Intent>, StoreError> {
        self.0.write(intents.len(), move |db| intents.iter().map(|intent| intend(db, intent)).collect()).await
    }

    async fn pending(&self) -> Result<Vec<Intent>, StoreError> {
        let sql = "SELECT body FROM intents WHERE open = 1 ORDER BY chain, nonce, number, task";
        self.0.read(move |db| all(db, sql, &[])).await
    }

    async fn of_task(&self, task: TaskId) -> Result<Kept, StoreError> {
        self.0.read(move |db| Ok(Kept { claims: claims(db, task)?, intents: intents(db, task)? })).await
    }

    async fn end(&self, task: TaskId) -> Result<(), StoreError> {
        self.0
            .write(1, move |db| {
                db.prepare_cached("INSERT INTO ended (task) VALUES (?1) ON CONFLICT DO NOTHING")?
                    .execute([task.0.0])?;
                let sql = "UPDATE intents SET open = 0 WHERE place = ?1 AND task = ?2 AND open = 1";
                db.prepare_cached(sql)?.execute(params![place(task), task.0.0])?;
                Ok(())
            })
            .await
    }

    async fn highest_nonce(&self, chain: ChainId) -> Result<Option<u64>, StoreError> {
        self.0
            .read(move |db| {
                let mut select = db.prepare_cached("SELECT max(nonce) FROM intents WHERE chain = ?1")?;
                let highest: Option<i64> = select.query_row([exact(chain.0)], |row| row.get(0))?;
                Ok(highest.map(i64::unsigned_abs))
            })
            .await
    }
}

fn intend(db: &Connection, intent: &Intent) -> Result<Intent, Fault> {
    if let Some(known) = intents(db, intent.task)?.into_iter().find(|i| i.number == intent.number) {
        return Ok(known);
    }
    db.prepare_cached(
        "INSERT INTO intents (place, task, number, chain, nonce, open, body)
         VALUES (?1, ?2, ?3, ?4, ?5, NOT EXISTS (SELECT 1 FROM ended WHERE task = ?2), ?6)",
    )?
    .execute(params![
        place(intent.task),
        intent.task.0.0,
        intent.number,
        exact(intent.draft.chain.0),
        ordered(intent.draft.nonce),
        encode(intent)
    ])?;
    Ok(intent.clone())
}

/// A task's claims, by attempt and round.
fn claims(db: &Connection, task: TaskId) -> Result<Vec<KeptClaim>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT attempt, round, digest FROM claims WHERE place = ?1 AND task = ?2 ORDER BY attempt, round",
    )?;
    let mut rows = select.query(params![place(task), task.0.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(KeptClaim {
            task,
            attempt: AttemptNo(row.get("attempt")?),
            round: Round(row.get("round")?),
            digest: hash(row, "digest")?,
        });
    }
    Ok(found)
}

/// A task's intents, by number.
fn intents(db: &Connection, task: TaskId) -> Result<Vec<Intent>, Fault> {
    let sql = "SELECT body FROM intents WHERE place = ?1 AND task = ?2 ORDER BY number";
    all(db, sql, &[&place(task), &task.0.0])
}
