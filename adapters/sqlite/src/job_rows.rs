//! Jobs as rows.

use std::sync::Arc;

use argus_domain::{
    U256,
    ids::{JobId, Serial},
    job::{Cursor, Job, JobRecord, TriggerKind},
    lease::Shard,
};
use argus_proto::encode;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    cell::{body, corrupt, exact, instant, maybe_instant, of_job, ordered},
    charges,
    fault::Fault,
};

/// A statement whose rows [`record`] reads: the end of its text is given.
macro_rules! select_jobs {
    ($rest:literal) => {
        concat!(
            "SELECT j.paused_at, j.deleted_at, j.updated_at, c.last_opened_at, c.body AS cursor, v.body AS job, h.charged
             FROM jobs j JOIN cursors c ON c.serial = j.serial
             JOIN job_versions v ON v.serial = j.serial AND v.version = j.version
             LEFT JOIN charges h ON h.serial = j.serial ",
            $rest
        )
    };
}
pub(crate) use select_jobs;

pub(crate) fn record(row: &Row<'_>) -> Result<JobRecord, Fault> {
    Ok(JobRecord {
        job: body(row, "job")?,
        cursor: body(row, "cursor")?,
        paused_at: maybe_instant(row, "paused_at")?,
        deleted_at: maybe_instant(row, "deleted_at")?,
        updated_at: instant(row, "updated_at")?,
        last_opened_at: maybe_instant(row, "last_opened_at")?,
        charged: charges::read(row)?,
    })
}

pub(crate) fn records(
    db: &Connection,
    sql: &str,
    values: &[&dyn rusqlite::ToSql],
) -> Result<Vec<JobRecord>, Fault> {
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record(row)?);
    }
    Ok(found)
}

pub(crate) fn by_id(db: &Connection, id: JobId) -> Result<Option<JobRecord>, Fault> {
    Ok(records(db, select_jobs!("WHERE j.id = ?1"), &[&of_job(id)])?.pop())
}

pub(crate) fn version(db: &Connection, id: JobId, version: u32) -> Result<Option<Arc<Job>>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT v.body FROM job_versions v JOIN jobs j ON j.serial = v.serial
         WHERE j.id BETWEEN ?1 AND ?2 AND v.version = ?3",
    )?;
    let mut rows = select.query(params![of_job(id), replaced(id, Serial(u32::MAX)), version])?;
    rows.next()?.map(|row| Ok(Arc::new(body(row, "body")?))).transpose()
}

/// All versions under an id by number, also those of jobs whose place another has taken.
pub(crate) fn versions(db: &Connection, id: JobId) -> Result<Vec<Job>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT v.body FROM job_versions v JOIN jobs j ON j.serial = v.serial
         WHERE j.id BETWEEN ?1 AND ?2 ORDER BY v.version",
    )?;
    let mut rows = select.query(params![of_job(id), replaced(id, Serial(u32::MAX))])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(body(row, "body")?);
    }
    Ok(found)
}

pub(crate) fn created(db: &Connection, id: JobId) -> Result<Option<Arc<Job>>, Fault> {
    let mut select = db.prepare_cached(
        "SELECT v.body FROM job_versions v JOIN jobs j ON j.serial = v.serial WHERE j.id = ?1
         ORDER BY v.version LIMIT 1",
    )?;
    let mut rows = select.query([of_job(id)])?;
    rows.next()?.map(|row| Ok(Arc::new(body(row, "body")?))).transpose()
}

/// The cell of the id of a job whose place another has taken: right behind the other's, and equal to no id.
pub(crate) fn replaced(id: JobId, serial: Serial) -> [u8; 36] {
    let mut cell = [0; 36];
    let (own, behind) = cell.split_at_mut(32);
    own.copy_from_slice(&of_job(id));
    behind.copy_from_slice(&serial.0.to_be_bytes());
    cell
}

/// Whether a job may take the place of what stands under its id.
pub(crate) fn may_replace(db: &Connection, job: &Job) -> Result<bool, Fault> {
    let mut select = db.prepare_cached(
        "SELECT 1 FROM jobs j JOIN registrations r ON r.job = j.id
         WHERE j.id = ?1 AND j.deleted_at IS NOT NULL AND j.owner != ?2
           AND r.chain = ?3 AND r.owner = ?2 AND r.kind = 4",
    )?;
    Ok(select.exists(params![of_job(job.id), job.owner.0.0, exact(job.created_chain.0)])?)
}

/// Stores a new job in the place of the one that stands under its id.
pub(crate) fn replace(db: &Connection, job: &Job, cursor: &Cursor) -> Result<Serial, Fault> {
    let Some(before) = by_id(db, job.id)? else { return insert(db, job, cursor) };
    let serial = before.job.serial;
    // Its versions stay for the tasks that have them; without an owner, no list finds it.
    db.prepare_cached("UPDATE jobs SET id = ?2, owner = x'', safe = NULL WHERE serial = ?1")?
        .execute(params![serial.0, replaced(job.id, serial)])?;
    for clear in ["DELETE FROM decisions WHERE job = ?1", "DELETE FROM secrets WHERE job = ?1"] {
        db.prepare_cached(clear)?.execute([of_job(job.id)])?;
    }
    let version = before.job.version.saturating_add(1);
    insert(db, &Job { version, ..job.clone() }, &cursor.clone().in_place_of(&before.cursor))
}

pub(crate) fn serial(db: &Connection, id: JobId) -> Result<Option<Serial>, Fault> {
    let mut select = db.prepare_cached("SELECT serial FROM jobs WHERE id = ?1")?;
    Ok(select.query_row([of_job(id)], |row| row.get(0)).optional()?.map(Serial))
}

/// Stores a new job under the next serial.
pub(crate) fn insert(db: &Connection, job: &Job, cursor: &Cursor) -> Result<Serial, Fault> {
    let safe = job.safe.as_ref().map(|safe| safe.address.0.0);
    db.prepare_cached(
        "INSERT INTO jobs (id, version, owner, created_chain, safe, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        of_job(job.id),
        job.version,
        job.owner.0.0,
        exact(job.created_chain.0),
        safe,
        ordered(job.accepted_at.0)
    ])?;
    let serial = u32::try_from(db.last_insert_rowid()).map_err(|_| corrupt("serial", "it is no serial"))?;
    let job = Job { serial: Serial(serial), ..job.clone() };
    insert_version(db, &job)?;
    insert_cursor(db, &job, cursor, !cursor.finished)?;
    Ok(job.serial)
}

/// Stores the first cursor of a job, which may open tasks or not.
pub(crate) fn insert_cursor(
    db: &Connection,
    job: &Job,
    cursor: &Cursor,
    is_armed: bool,
) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO cursors (serial, shard, kind, armed, revision, next_due, finished, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        job.serial.0,
        Shard::of_job(job.id).no,
        number(job.trigger.kind()),
        is_armed,
        exact(cursor.revision),
        cursor.next_due.map(|at| ordered(at.0)),
        cursor.finished,
        encode(cursor)
    ])?;
    Ok(())
}

pub(crate) fn insert_version(db: &Connection, job: &Job) -> Result<(), Fault> {
    db.prepare_cached("INSERT INTO job_versions (serial, version, body) VALUES (?1, ?2, ?3)")?
        .execute(params![job.serial.0, job.version, encode(job)])?;
    Ok(())
}

/// Gives the cursors that were there before there were shards theirs.
pub(crate) fn fill_shards(db: &Connection) -> Result<(), Fault> {
    let mut select = db.prepare("SELECT j.serial, j.id FROM jobs j JOIN cursors c ON c.serial = j.serial")?;
    let mut rows = select.query([])?;
    let mut shards = Vec::new();
    while let Some(row) = rows.next()? {
        // Behind the 32 bytes of an id whose place another has taken stand more.
        let id: Vec<u8> = row.get("id")?;
        let id = id.get(..32).ok_or_else(|| corrupt("id", "it is no job's"))?;
        shards.push((row.get::<_, i64>("serial")?, Shard::of_job(JobId(U256::from_be_slice(id))).no));
    }
    let mut update = db.prepare("UPDATE cursors SET shard = ?2 WHERE serial = ?1")?;
    for (serial, shard) in shards {
        update.execute(params![serial, shard])?;
    }
    Ok(())
}

/// Writes a cursor where the stored revision is the one before it; whether it was.
pub(crate) fn move_cursor(
    db: &Connection,
    serial: Serial,
    cursor: &Cursor,
    bytes: &[u8],
) -> Result<bool, Fault> {
    let Some(before) = cursor.revision.checked_sub(1) else { return Ok(false) };
    let moved = db
        .prepare_cached(
            "UPDATE cursors SET revision = ?3, next_due = ?4, finished = ?5, armed = armed AND NOT ?5, body = ?6
             WHERE serial = ?1 AND revision = ?2",
        )?
        .execute(params![
            serial.0,
            exact(before),
            exact(cursor.revision),
            cursor.next_due.map(|at| ordered(at.0)),
            cursor.finished,
            bytes
        ])?;
    Ok(moved == 1)
}

pub(crate) fn number(kind: TriggerKind) -> u8 {
    match kind {
        TriggerKind::Time => 1,
        TriggerKind::Event => 2,
        TriggerKind::Condition => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        jobs::DUE,
        migrate::{PLATFORM, apply},
    };

    #[test]
    fn jobs_from_before_there_were_shards_have_theirs() {
        let mut db = Connection::open_in_memory().expect("a database");
        apply(&mut db, &PLATFORM[..8]).expect("as it was");
        for n in 1..=40u32 {
            let id = JobId(U256::from(n));
            // The tenth has had its place taken.
            let cell = if n == 10 { replaced(id, Serial(n)).to_vec() } else { of_job(id).to_vec() };
            let job = "INSERT INTO jobs (serial, id, version, owner, created_chain, updated_at)
                       VALUES (?1, ?2, 1, x'01', 1, 1)";
            db.execute(job, params![n, cell]).expect("a job");
            let cursor = "INSERT INTO cursors (serial, kind, armed, revision, next_due, finished, body)
                          VALUES (?1, 1, 1, 0, 5, 0, x'')";
            db.execute(cursor, [n]).expect("a cursor");
        }
        apply(&mut db, PLATFORM).expect("as it is");
        let mut select = db.prepare("SELECT serial, shard FROM cursors ORDER BY serial").expect("a table");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        let shards: Vec<(u32, u16)> = rows.collect::<Result<_, _>>().expect("rows");
        let expect = |n: u32| (n, Shard::of_job(JobId(U256::from(n))).no);
        assert_eq!(shards, (1..=40).map(expect).collect::<Vec<_>>());
    }

    /// Rows of other shards are passed over within the index, rows that are not due are never met, and nothing is sorted.
    #[test]
    fn what_is_due_is_found_by_its_index() {
        let mut db = Connection::open_in_memory().expect("a database");
        apply(&mut db, PLATFORM).expect("applied");
        let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {DUE}")).expect("a statement");
        let rows = explain.query_map(params![1, 5, 9, -1], |row| row.get("detail")).expect("a plan");
        let plan: Vec<String> = rows.collect::<Result<_, _>>().expect("a plan");
        let first = "SEARCH c USING INDEX cursors_due (kind=? AND next_due<?)";
        assert_eq!(plan.first().map(String::as_str), Some(first), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("SCAN") || step.contains("TEMP B-TREE")), "{plan:#?}");
        drop(explain);
        // The row of a cursor is read only once its shard is known to be asked for.
        let mut explain = db.prepare(&format!("EXPLAIN {DUE}")).expect("a statement");
        let rows = explain.query_map(params![1, 5, 9, -1], |row| row.get("opcode")).expect("a program");
        let program: Vec<String> = rows.collect::<Result<_, _>>().expect("a program");
        let place = |opcode: &str| program.iter().position(|step| step == opcode);
        assert!(place("ShiftRight").is_some() && place("ShiftRight") < place("SeekRowid"), "{program:?}");
    }
}
