//! What jobs were charged: the sum over the receipts of their tasks that stand, kept while facts are recorded, so that
//! reading a job reads none of its tasks.

use std::collections::BTreeMap;

use argus_domain::{U256, status::TaskState, task::Fact};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{
    cell::{body, corrupt},
    fault::Fault,
};

/// Keys of facts about receipts: `received/1` to `revoked/65535`. 0 follows the slash.
macro_rules! of_receipts {
    () => {
        "f.key >= 'received/' AND f.key < 'revoked0'"
    };
}

/// Brings the sum of a task's job up to date, after a fact about a receipt was added under this key.
pub(crate) fn count(db: &Connection, task: i64, added: &str) -> Result<(), Fault> {
    let sql = concat!("SELECT f.key, f.body FROM facts f WHERE f.task = ?1 AND ", of_receipts!());
    let mut select = db.prepare_cached(sql)?;
    let mut rows = select.query([task])?;
    let (mut before, mut after) = (TaskState::default(), TaskState::default());
    while let Some(row) = rows.next()? {
        let (key, fact): (String, Fact) = (row.get("key")?, body(row, "body")?);
        after.take_in(&fact);
        if key != added {
            before.take_in(&fact);
        }
    }
    if before.charged() == after.charged() {
        return Ok(());
    }
    let mut select = db.prepare_cached("SELECT public_id >> 26 FROM tasks WHERE row = ?1")?;
    let serial: i64 = select.query_row([task], |row| row.get(0))?;
    let mut select = db.prepare_cached("SELECT charged FROM charges WHERE serial = ?1")?;
    let known = select.query_row([serial], |row| Ok(read(row))).optional()?;
    let sum = known.unwrap_or(Ok(U256::ZERO))?.saturating_sub(before.charged());
    put(db, serial, sum.saturating_add(after.charged()))
}

/// Sums up what was recorded before there were sums.
pub(crate) fn fill(db: &Connection) -> Result<(), Fault> {
    let sql = concat!(
        "SELECT t.public_id, f.body FROM facts f JOIN tasks t ON t.row = f.task WHERE ",
        of_receipts!(),
    );
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut tasks: BTreeMap<i64, TaskState> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let fact: Fact = body(row, "body")?;
        tasks.entry(row.get("public_id")?).or_default().take_in(&fact);
    }
    let mut sums: BTreeMap<i64, U256> = BTreeMap::new();
    for (public_id, state) in tasks {
        let sum = sums.entry(public_id >> 26).or_default();
        *sum = sum.saturating_add(state.charged());
    }
    sums.into_iter().try_for_each(|(serial, sum)| put(db, serial, sum))
}

fn put(db: &Connection, serial: i64, sum: U256) -> Result<(), Fault> {
    db.prepare_cached("INSERT OR REPLACE INTO charges (serial, charged) VALUES (?1, ?2)")?
        .execute(params![serial, sum.to_string()])?;
    Ok(())
}

/// The sum of a row that joins these; no sum yet is zero.
pub(crate) fn read(row: &Row<'_>) -> Result<U256, Fault> {
    let text: Option<String> = row.get("charged")?;
    text.map_or(Ok(U256::ZERO), |text| {
        U256::from_str_radix(&text, 10).map_err(|e| corrupt("charged", &e.to_string()))
    })
}

#[cfg(test)]
mod tests {
    use argus_domain::{
        Address, B256,
        ids::{ChainId, KeeperId, TaskId},
        task::Receipt,
        time::Timestamp,
    };
    use argus_proto::encode;

    use super::*;
    use crate::migrate::{PLATFORM, apply};

    fn received(sighting: u16, wei: u64) -> Fact {
        Fact::Received(Receipt {
            task: TaskId(B256::ZERO),
            sighting,
            chain: ChainId(1),
            transaction: B256::ZERO,
            block_number: 8,
            block_hash: B256::ZERO,
            block_time: Timestamp(1),
            keeper: KeeperId(Address::ZERO),
            success: true,
            gas_used: 50_000,
            charged: U256::from(wei),
        })
    }

    fn revoked(sighting: u16) -> Fact {
        Fact::Revoked { task: TaskId(B256::ZERO), sighting, block_hash: B256::ZERO, at: Timestamp(1) }
    }

    #[test]
    fn what_was_recorded_before_there_were_sums_is_summed_up() {
        let mut db = Connection::open_in_memory().expect("a database");
        apply(&mut db, &PLATFORM[..2]).expect("as it was");
        for (row, serial, facts) in [
            (1, 7i64, vec![received(1, 30)]),
            (2, 7, vec![received(1, 99), revoked(1), received(2, 4)]),
            (3, 8, vec![received(1, 1_000), revoked(1)]),
            (4, 9, vec![received(1, 5)]),
            (5, 10, vec![]),
        ] {
            let public_id = (serial << 26) + row;
            let job = "INSERT OR IGNORE INTO jobs (serial, id, version, owner, created_chain, updated_at)
                       VALUES (?1, ?1, 1, x'01', 1, 1)";
            db.execute(job, [serial]).expect("a job");
            let task = "INSERT INTO tasks (row, place, id, public_id, opened_at, owner, body)
                        VALUES (?1, ?1, x'00', ?2, 1, x'01', x'')";
            db.execute(task, [row, public_id]).expect("a task");
            for fact in facts {
                let values = params![row, fact.key().0, encode(&fact)];
                db.execute("INSERT INTO facts (task, key, body) VALUES (?1, ?2, ?3)", values)
                    .expect("a fact");
            }
        }
        apply(&mut db, PLATFORM).expect("as it is");
        let mut select = db.prepare("SELECT serial, charged FROM charges ORDER BY serial").expect("a table");
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        let sums: Vec<(i64, String)> = rows.collect::<Result<_, _>>().expect("rows");
        let expect = [(7, "34"), (8, "0"), (9, "5")].map(|(serial, sum)| (serial, sum.to_owned()));
        assert_eq!(sums, expect);
    }
}
