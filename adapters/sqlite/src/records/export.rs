//! Reading records: each kind in the order of a key of its table.

use argus_domain::{
    fees::LedgerEntry,
    ids::{ChainId, KeeperId},
    job::{Job, JobRecord},
    keeper::KeeperRecord,
    task::{Fact, Task, TaskRecord},
    time::Timestamp,
};
use argus_ports::{
    KeptAnswer, RequestName,
    records::{NamedAnswer, PAGE_BYTES, Page, Record, RecordKind, StoredJob},
};
use rusqlite::{Connection, Row, ToSql, params};

use super::place::{self, Key};
use crate::{
    bus,
    cell::{self, address, array, body, hash, instant, job_id, job_place, of_job, ordered, task_id},
    facts,
    fault::Fault,
    job_rows::{self, select_jobs},
    leases, ledger, profiles, registrations, secrets,
};

/// A record with its place and about how many bytes it has.
type Found = (Vec<Key>, Record, usize);

/// What is asked for.
struct Asked<'a> {
    db: &'a Connection,
    after: Option<&'a str>,
    at: i64,
    limit: u32,
}

pub(super) fn page(
    db: &Connection,
    kind: RecordKind,
    after: Option<&str>,
    (at, limit): (Timestamp, u32),
) -> Result<Page, Fault> {
    let asked = Asked { db, after, at: ordered(at.0), limit: limit.max(1) };
    match kind {
        RecordKind::Job => asked.rows(
            "n",
            select_jobs!("WHERE j.serial > ?1 AND length(j.id) = 32 ORDER BY j.serial LIMIT ?2"),
            |row| job(db, job_rows::record(row)?),
        ),
        RecordKind::Task => asked.rows(
            "n",
            "SELECT row, body FROM tasks WHERE row > ?1 ORDER BY row LIMIT ?2",
            |row| task(db, row),
        ),
        RecordKind::Decision => asked.rows(
            "bnn",
            "SELECT * FROM decisions WHERE (job, task, kind) > (?1, ?2, ?3) ORDER BY job, task, kind LIMIT ?4",
            |row| {
                let keys = vec![blob(row, "job")?, number(row, "task")?, number(row, "kind")?];
                Ok((keys, Record::Decision(job_id(row, "job")?, body(row, "body")?), 0))
            },
        ),
        RecordKind::Secret => asked.rows(
            "bt",
            "SELECT * FROM secrets WHERE (job, name) > (?1, ?2) ORDER BY job, name LIMIT ?3",
            |row| {
                let (name, sealed) = secrets::secret(row)?;
                let keys = vec![blob(row, "job")?, Key::Text(name.as_str().to_owned())];
                Ok((keys, Record::Secret((job_id(row, "job")?, name, sealed)), 0))
            },
        ),
        RecordKind::Registry => asked.rows(
            "nb",
            "SELECT * FROM registries WHERE (chain, registry) > (?1, ?2) ORDER BY chain, registry LIMIT ?3",
            |row| {
                let chain = ChainId(u64::from_ne_bytes(row.get::<_, i64>("chain")?.to_ne_bytes()));
                let block = row.get::<_, i64>("read_to")?.unsigned_abs();
                let keys = vec![number(row, "chain")?, blob(row, "registry")?];
                Ok((keys, Record::Registry(chain, address(row, "registry")?, block), 0))
            },
        ),
        RecordKind::Registration => asked.rows(
            "nb",
            "SELECT * FROM registrations WHERE (chain, job) > (?1, ?2) ORDER BY chain, job LIMIT ?3",
            |row| {
                let keys = vec![number(row, "chain")?, blob(row, "job")?];
                Ok((keys, Record::Registration(registrations::registration(row)?), 0))
            },
        ),
        RecordKind::Change => asked.rows(
            "n",
            "SELECT * FROM changes WHERE position > ?1 ORDER BY position LIMIT ?2",
            |row| {
                let position = row.get::<_, i64>("position")?;
                Ok((vec![Key::Number(position)], Record::Change(position.unsigned_abs(), bus::change(row)?), 0))
            },
        ),
        RecordKind::Keeper => {
            asked.rows("b", "SELECT * FROM keepers WHERE keeper > ?1 ORDER BY keeper LIMIT ?2", |row| {
                let keeper = KeeperRecord { faults: 0, ..body(row, "body")? };
                Ok((vec![blob(row, "keeper")?], Record::Keeper(keeper), 0))
            })
        }
        RecordKind::Fault => asked.rows(
            "bb",
            "SELECT * FROM faults WHERE (keeper, task) > (?1, ?2) ORDER BY keeper, task LIMIT ?3",
            |row| {
                let fault = Record::Fault(KeeperId(address(row, "keeper")?), task_id(row, "task")?);
                Ok((vec![blob(row, "keeper")?, blob(row, "task")?], fault, 0))
            },
        ),
        RecordKind::Entry => entries(&asked),
        RecordKind::Module => {
            asked.rows("n", "SELECT * FROM modules WHERE row > ?1 ORDER BY row LIMIT ?2", |row| {
                let module = Record::Module(body(row, "body")?, address(row, "publisher")?);
                Ok((vec![number(row, "row")?], module, 0))
            })
        }
        RecordKind::ApiKey => {
            asked.rows("n", "SELECT * FROM api_keys WHERE row > ?1 ORDER BY row LIMIT ?2", |row| {
                Ok((vec![number(row, "row")?], Record::ApiKey(body(row, "body")?), 0))
            })
        }
        RecordKind::Profile => {
            asked.rows("b", "SELECT * FROM profiles WHERE account > ?1 ORDER BY account LIMIT ?2", |row| {
                Ok((vec![blob(row, "account")?], Record::Profile(profiles::profile(row)?), 0))
            })
        }
        RecordKind::Webhook => {
            asked.rows("t", "SELECT * FROM webhooks WHERE id > ?1 ORDER BY id LIMIT ?2", |row| webhook(db, row))
        }
        RecordKind::Claim => asked.rows(
            "t",
            "SELECT * FROM claims WHERE who > ?1 AND until > ?3 ORDER BY who LIMIT ?2",
            |row| {
                let who: String = row.get("who")?;
                Ok((vec![Key::Text(who.clone())], Record::Claim(who, instant(row, "until")?), 0))
            },
        ),
        RecordKind::NonceKey => {
            asked.rows("n", "SELECT * FROM nonce_key WHERE one > ?1 LIMIT ?2", |row| {
                Ok((vec![number(row, "one")?], Record::NonceKey(array(row, "key")?), 0))
            })
        }
        RecordKind::Answer => asked.rows(
            "n",
            "SELECT * FROM answers WHERE row > ?1 AND until > ?3 ORDER BY row LIMIT ?2",
            answer,
        ),
        RecordKind::Blob => {
            asked.rows("b", "SELECT * FROM archive WHERE name > ?1 ORDER BY name LIMIT ?2", |row| {
                let bytes: Vec<u8> = row.get("bytes")?;
                let length = bytes.len();
                Ok((vec![blob(row, "name")?], Record::Blob(hash(row, "name")?, bytes.into()), length))
            })
        }
        RecordKind::Lease => asked.rows(
            "nn",
            "SELECT * FROM leases WHERE (kind, shard) > (?1, ?2) ORDER BY kind, shard LIMIT ?3",
            |row| {
                let lease = leases::lease(row)?;
                let keys = vec![number(row, "kind")?, number(row, "shard")?];
                Ok((keys, Record::Lease(lease.shard, lease.token, lease.mark), 0))
            },
        ),
        RecordKind::Numbers => numbers(&asked),
    }
}

impl Asked<'_> {
    /// Rows after a place. The statement's first values are the cells of the place, then how many rows are wanted at
    /// most, then the instant where it has one more.
    fn rows(
        &self,
        types: &str,
        sql: &str,
        read: impl Fn(&Row<'_>) -> Result<Found, Fault>,
    ) -> Result<Page, Fault> {
        let keys = place::read(types, self.after)?;
        let mut values: Vec<&dyn ToSql> = keys.iter().map(|key| key as &dyn ToSql).collect();
        values.extend([&self.limit as &dyn ToSql, &self.at]);
        let mut select = self.db.prepare_cached(sql)?;
        values.truncate(select.parameter_count());
        let mut rows = select.query(values.as_slice())?;
        let (mut records, mut bytes, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            let (keys, record, length) = read(row)?;
            records.push(record);
            bytes += length;
            if records.len() >= self.limit as usize || bytes >= PAGE_BYTES {
                last = Some(place::write(&keys));
                break;
            }
        }
        Ok(Page { records, next: last })
    }
}

fn blob(row: &Row<'_>, column: &str) -> Result<Key, Fault> {
    Ok(Key::Blob(row.get(column)?))
}

fn number(row: &Row<'_>, column: &str) -> Result<Key, Fault> {
    Ok(Key::Number(row.get(column)?))
}

fn job(db: &Connection, record: JobRecord) -> Result<Found, Fault> {
    let job = &record.job;
    let serial = i64::from(job.serial.0);
    let mut older: Vec<Job> = job_rows::versions(db, job.id)?;
    older.retain(|version| version.version != job.version);
    let newest: Option<Task> = {
        let (first, end) = (serial << 26, (serial + 1) << 26);
        let sql =
            "SELECT body FROM tasks WHERE public_id >= ?1 AND public_id < ?2 ORDER BY public_id DESC LIMIT 1";
        cell::all(db, sql, &[&first, &end], |row| body(row, "body"))?.pop()
    };
    let mut seq = db.prepare_cached(
        "SELECT max(coalesce((SELECT seq FROM changes WHERE job_place = ?1 AND job = ?2 ORDER BY seq DESC LIMIT 1), 0),
                    coalesce((SELECT seq FROM room_ends WHERE job = ?2), 0))",
    )?;
    let seq: i64 = seq.query_row(params![job_place(job.id), of_job(job.id)], |row| row.get(0))?;
    // A few KB each.
    let bytes = (older.len() + 1) << 12;
    let job = StoredJob { record, older, newest, seq: seq.unsigned_abs() };
    Ok((vec![Key::Number(serial)], Record::Job(Box::new(job)), bytes))
}

fn task(db: &Connection, row: &Row<'_>) -> Result<Found, Fault> {
    let place: i64 = row.get("row")?;
    let (task, facts): (Task, Vec<Fact>) = (body(row, "body")?, facts::of_task(db, place)?);
    // About a KB each.
    let bytes = (facts.len() + 1) << 10;
    Ok((vec![Key::Number(place)], Record::Task(TaskRecord { task, facts }), bytes))
}

fn webhook(db: &Connection, row: &Row<'_>) -> Result<Found, Fault> {
    let webhook = profiles::webhook(row)?;
    let sql = "SELECT * FROM dead_letters WHERE webhook = ?1 ORDER BY row";
    let letters = cell::all(db, sql, &[&webhook.id], profiles::letter)?;
    Ok((vec![Key::Text(webhook.id.clone())], Record::Webhook(webhook, letters), 0))
}

fn answer(row: &Row<'_>) -> Result<Found, Fault> {
    let (status, bytes): (Option<u16>, Option<Vec<u8>>) = (row.get("status")?, row.get("body")?);
    let bytes = bytes.unwrap_or_default();
    let length = bytes.len();
    let answer = NamedAnswer {
        name: RequestName { owner: address(row, "owner")?, name: row.get("name")? },
        hash: hash(row, "request")?,
        holder: array(row, "holder")?,
        until: instant(row, "until")?,
        answer: status.map(|status| KeptAnswer { status, body: bytes.into() }),
    };
    Ok((vec![number(row, "row")?], Record::Answer(answer), length))
}

/// By account, and counted within it: the place of the last one has its number, too.
fn entries(asked: &Asked<'_>) -> Result<Page, Fault> {
    let keys = place::read("bnn", asked.after)?;
    let [Key::Blob(account), Key::Number(row), Key::Number(count)] = keys.as_slice() else {
        return Err(cell::corrupt("place", "it is none"));
    };
    let mut select = asked.db.prepare_cached(
        "SELECT * FROM ledger WHERE (account, row) > (?1, ?2) ORDER BY account, row LIMIT ?3",
    )?;
    let mut rows = select.query(params![account, row, asked.limit])?;
    let (mut last, mut records) = ((account.clone(), *row, (*count).max(0)), Vec::new());
    while let Some(row) = rows.next()? {
        let entry: LedgerEntry = ledger::entry(row)?;
        let account = entry.account.to_vec();
        let count = if account == last.0 { last.2 + 1 } else { 1 };
        last = (account, row.get("row")?, count);
        records.push(Record::Entry(count.unsigned_abs(), entry));
    }
    let is_full = records.len() >= asked.limit as usize;
    let (account, row, count) = last;
    let place = [Key::Blob(account), Key::Number(row), Key::Number(count)];
    Ok(Page { records, next: is_full.then(|| place::write(&place)) })
}

fn numbers(asked: &Asked<'_>) -> Result<Page, Fault> {
    if asked.after.is_some() {
        return Ok(Page::default());
    }
    let newest = |table: &str| -> Result<u64, Fault> {
        let sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
        let seq: i64 = asked.db.prepare_cached(sql)?.query_row([table], |row| row.get(0))?;
        Ok(seq.unsigned_abs())
    };
    let last = u32::try_from(newest("jobs")?).map_err(|e| cell::corrupt("seq", &e.to_string()))?;
    let numbers = Record::Numbers { serial: last.saturating_add(1), position: newest("changes")? };
    Ok(Page { records: vec![numbers], next: None })
}
