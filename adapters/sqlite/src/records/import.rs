//! Writing records, each with what follows from it, so that one that is written again changes nothing.

use std::collections::HashMap;

use argus_domain::{
    Address,
    ids::Serial,
    job::{Job, JobRecord},
    lease::{Shard, Token},
    task::{Task, TaskRecord},
    time::Timestamp,
    webhook::{DeadLetter, Webhook},
};
use argus_ports::{
    Recording,
    records::{NamedAnswer, Record, StoredJob},
};
use argus_proto::encode;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{
    bus,
    cell::{body, corrupt, exact, of_job, ordered, place},
    decisions,
    facts::{self, Written},
    fault::Fault,
    job_rows, leases, ledger, people, profiles, registrations, secrets,
};

/// Owners and Safes of versions of jobs, by serial and number.
type Listed = HashMap<(Serial, u32), (Address, Option<Address>)>;

pub(super) fn all(db: &Connection, records: &[Record]) -> Result<(), Fault> {
    let mut listed = Listed::new();
    for record in records {
        match record {
            Record::Job(stored) => job(db, stored)?,
            Record::Task(record) => task(db, record, &mut listed)?,
            Record::Decision(of, decision) => decisions::put(db, *of, decision)?,
            Record::Secret((of, name, sealed)) => secrets::put(db, *of, name, sealed)?,
            Record::Registry(chain, registry, block) => {
                registrations::set_read_to(db, *chain, *registry, *block)?;
            }
            Record::Registration(found) => registrations::keep(db, found)?,
            Record::Change(position, change) => bus::put(db, *position, change)?,
            Record::Keeper(keeper) => people::put_keeper(db, keeper)?,
            Record::Fault(keeper, task) => people::put_fault(db, *keeper, *task)?,
            Record::Entry(_, entry) => ledger::book(db, std::slice::from_ref(entry))?,
            Record::Module(record, publisher) => people::put_module(db, record, *publisher)?,
            Record::ApiKey(key) => people::put_key(db, key)?,
            Record::Profile(said) => profiles::put(db, said)?,
            Record::Webhook(hook, letters) => webhook(db, hook, letters)?,
            Record::Claim(who, until) => {
                let sql = "INSERT OR REPLACE INTO claims (who, until) VALUES (?1, ?2)";
                db.prepare_cached(sql)?.execute(params![who, ordered(until.0)])?;
            }
            Record::NonceKey(key) => {
                db.execute("INSERT OR IGNORE INTO nonce_key (one, key) VALUES (1, ?1)", [key])?;
            }
            Record::Answer(named) => answer(db, named)?,
            Record::Blob(name, bytes) => {
                let sql = "INSERT INTO archive (name, bytes) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
                db.prepare_cached(sql)?.execute(params![name.0, &bytes[..]])?;
            }
            Record::Lease(shard, token, mark) => lease(db, *shard, *token, *mark)?,
            Record::Numbers { serial, position } => {
                at_least(db, "jobs", u64::from(serial.saturating_sub(1)))?;
                at_least(db, "changes", *position)?;
            }
        }
    }
    Ok(())
}

/// The job that stands, and those whose place it has taken: of these there are their versions, for tasks that have them.
fn job(db: &Connection, stored: &StoredJob) -> Result<(), Fault> {
    let StoredJob { record, older, seq, .. } = stored;
    let JobRecord { job: newest, cursor, paused_at, deleted_at, updated_at, last_opened_at, .. } = record;
    let mut known = db.prepare_cached("SELECT 1 FROM jobs WHERE serial = ?1")?;
    if known.exists([newest.serial.0])? {
        return Ok(());
    }
    let mut put = db.prepare_cached(
        "INSERT INTO jobs (serial, id, version, owner, created_chain, safe, paused_at, deleted_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    let ordered_at = |at: &Option<Timestamp>| at.map(|at| ordered(at.0));
    let mut written: Option<&Job> = None;
    for version in older.iter().chain([newest]) {
        let is_newer = written.is_none_or(|written| written.serial != version.serial);
        if is_newer && version.serial != newest.serial {
            let last = older.iter().rfind(|other| other.serial == version.serial).unwrap_or(version);
            let at = ordered(newest.accepted_at.0);
            put.execute(params![
                last.serial.0,
                job_rows::replaced(last.id, last.serial),
                last.version,
                [0u8; 0],
                exact(last.created_chain.0),
                None::<[u8; 20]>,
                None::<i64>,
                at,
                at
            ])?;
        } else if is_newer {
            put.execute(params![
                newest.serial.0,
                of_job(newest.id),
                newest.version,
                newest.owner.0.0,
                exact(newest.created_chain.0),
                newest.safe.as_ref().map(|safe| safe.address.0.0),
                ordered_at(paused_at),
                ordered_at(deleted_at),
                ordered(updated_at.0)
            ])?;
        }
        job_rows::insert_version(db, version)?;
        written = Some(version);
    }
    let is_armed = paused_at.is_none() && deleted_at.is_none() && !cursor.finished;
    job_rows::insert_cursor(db, newest, cursor, is_armed)?;
    db.prepare_cached("UPDATE cursors SET last_opened_at = ?2 WHERE serial = ?1")?
        .execute(params![newest.serial.0, ordered_at(last_opened_at)])?;
    if *seq > 0 {
        db.prepare_cached("INSERT OR REPLACE INTO room_ends (job, seq) VALUES (?1, ?2)")?
            .execute(params![of_job(newest.id), ordered(*seq)])?;
    }
    Ok(())
}

fn task(db: &Connection, TaskRecord { task, facts }: &TaskRecord, listed: &mut Listed) -> Result<(), Fault> {
    let row = match facts::row_of(db, task.id)? {
        Some(row) => row,
        None => open(db, task, listed)?,
    };
    for fact in facts {
        facts::insert(db, row, &Written::new(&Recording::from(fact.clone())))?;
    }
    Ok(())
}

/// The row of a task that is not there yet.
fn open(db: &Connection, task: &Task, listed: &mut Listed) -> Result<i64, Fault> {
    let key = (task.serial, task.job_version);
    let (owner, safe) = match listed.get(&key) {
        Some(known) => *known,
        None => {
            let mut select =
                db.prepare_cached("SELECT body FROM job_versions WHERE serial = ?1 AND version = ?2")?;
            let found = select.query_row(params![key.0.0, key.1], |row| Ok(body::<Job>(row, "body")));
            let version = found.optional()?.ok_or_else(|| {
                corrupt(
                    "job_version",
                    &format!("version {} of the job of task {} is not there", key.1, task.id),
                )
            })??;
            let known = (version.owner, version.safe.map(|safe| safe.address));
            listed.insert(key, known);
            known
        }
    };
    db.prepare_cached(
        "INSERT INTO tasks (place, id, public_id, opened_at, owner, safe, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        place(task.id),
        task.id.0.0,
        ordered(task.public_id()),
        ordered(task.opened_at.0),
        owner.0.0,
        safe.map(|safe| safe.0.0),
        encode(task)
    ])?;
    Ok(db.last_insert_rowid())
}

fn webhook(db: &Connection, hook: &Webhook, letters: &[DeadLetter]) -> Result<(), Fault> {
    profiles::put_webhook(db, hook)?;
    letters.iter().try_for_each(|letter| profiles::put_letter(db, &hook.id, letter))
}

fn answer(db: &Connection, named: &NamedAnswer) -> Result<(), Fault> {
    let answer = named.answer.as_ref();
    db.prepare_cached(
        "INSERT OR REPLACE INTO answers (owner, name, request, holder, until, status, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        named.name.owner.0.0,
        named.name.name,
        named.hash.0,
        named.holder,
        ordered(named.until.0),
        answer.map(|answer| answer.status),
        answer.map(|answer| &answer.body[..])
    ])?;
    Ok(())
}

/// Free, with the token that it has had: the next holder's is higher than anyone's of before.
fn lease(db: &Connection, shard: Shard, token: Token, mark: u64) -> Result<(), Fault> {
    db.prepare_cached(
        "INSERT INTO leases (kind, shard, token, mark) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET token = max(token, ?3), mark = ?4",
    )?
    .execute(params![leases::number(shard.kind), shard.no, ordered(token.0), exact(mark)])?;
    Ok(())
}

/// What AUTOINCREMENT gives next is higher than this.
fn at_least(db: &Connection, table: &str, newest: u64) -> Result<(), Fault> {
    let newest = ordered(newest);
    let known = db
        .prepare_cached("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1")?
        .execute(params![table, newest])?;
    if known == 0 && newest > 0 {
        db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", params![table, newest])?;
    }
    Ok(())
}
