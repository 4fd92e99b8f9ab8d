//! The ledger, and what its accounts come to.

use argus_domain::{
    Address, B256, U256,
    fees::{Board, LedgerEntry, LedgerReason, Standing},
};
use argus_ports::{Ledger, StoreError};
use async_trait::async_trait;
use rusqlite::{Connection, Row, params};

use crate::{
    cell::{address, all, corrupt, hash, ordered},
    database::SqliteStore,
    fault::Fault,
};

fn number(reason: LedgerReason) -> u8 {
    match reason {
        LedgerReason::Charged => 1,
        LedgerReason::Earned => 2,
        LedgerReason::JobCreated => 3,
        LedgerReason::Attested => 4,
    }
}

pub(crate) fn entry(row: &Row<'_>) -> Result<LedgerEntry, Fault> {
    let reason = match row.get::<_, u8>("reason")? {
        1 => LedgerReason::Charged,
        2 => LedgerReason::Earned,
        3 => LedgerReason::JobCreated,
        4 => LedgerReason::Attested,
        other => return Err(corrupt("reason", &format!("{other} means nothing here"))),
    };
    let amount: String = row.get("amount")?;
    let amount = U256::from_str_radix(&amount, 10).map_err(|e| corrupt("amount", &e.to_string()))?;
    Ok(LedgerEntry { key: hash(row, "key")?, reason, account: address(row, "account")?, amount })
}

#[async_trait]
impl Ledger for SqliteStore {
    async fn book(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.write(entries.len(), move |db| book(db, &entries)).await
    }

    async fn of_key(&self, key: B256) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(move |db| all(db, "SELECT * FROM ledger WHERE key = ?1 ORDER BY row", &[&key.0], entry))
            .await
    }

    async fn of_account(&self, account: Address, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT * FROM ledger WHERE account = ?1 ORDER BY row DESC LIMIT ?2";
            all(db, sql, &[&account.0.0, &limit], entry)
        })
        .await
    }

    async fn standings(&self, board: Board, limit: u32) -> Result<Vec<Standing>, StoreError> {
        self.read(move |db| {
            let sql = "SELECT * FROM standings WHERE board = ?1
                       ORDER BY points DESC, tasks DESC, attested DESC, account LIMIT ?2";
            all(db, sql, &[&place(board), &limit], standing)
        })
        .await
    }

    async fn standing(&self, board: Board, account: Address) -> Result<Standing, StoreError> {
        self.read(move |db| of_board(db, board, account)).await
    }
}

/// Books those that are not there yet.
pub(crate) fn book(db: &Connection, entries: &[LedgerEntry]) -> Result<(), Fault> {
    let mut book = db.prepare_cached(
        "INSERT INTO ledger (key, reason, account, amount) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?;
    for entry in entries {
        let amount = entry.amount.to_string();
        let key = params![entry.key.0, number(entry.reason), entry.account.0.0, amount];
        if book.execute(key)? > 0 {
            count(db, entry)?;
        }
    }
    Ok(())
}

fn place(board: Board) -> u8 {
    match board {
        Board::Users => 1,
        Board::Keepers => 2,
    }
}

fn standing(row: &Row<'_>) -> Result<Standing, Fault> {
    let points: String = row.get("points")?;
    let points = U256::from_str_radix(&points, 10).map_err(|e| corrupt("points", &e.to_string()))?;
    let number = |column: &str| row.get::<_, i64>(column).map(i64::unsigned_abs);
    let (jobs, tasks, attested) = (number("jobs")?, number("tasks")?, number("attested")?);
    Ok(Standing { account: address(row, "account")?, points, jobs, tasks, attested })
}

fn of_board(db: &Connection, board: Board, account: Address) -> Result<Standing, Fault> {
    let sql = "SELECT * FROM standings WHERE board = ?1 AND account = ?2";
    let known = all(db, sql, &[&place(board), &account.0.0], standing)?.pop();
    Ok(known.unwrap_or_else(|| Standing::none(account)))
}

/// Adds a new entry to the sums of its account.
fn count(db: &Connection, entry: &LedgerEntry) -> Result<(), Fault> {
    let board = entry.reason.board();
    let mut standing = of_board(db, board, entry.account)?;
    standing.count(entry.reason, entry.amount);
    db.prepare_cached(
        "INSERT INTO standings (board, account, points, jobs, tasks, attested) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET points = ?3, jobs = ?4, tasks = ?5, attested = ?6",
    )?
    .execute(params![
        place(board),
        standing.account.0.0,
        format!("{:0>78}", standing.points.to_string()),
        ordered(standing.jobs),
        ordered(standing.tasks),
        ordered(standing.attested)
    ])?;
    Ok(())
}
