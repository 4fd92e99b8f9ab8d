//! The ledger, and what its accounts come to.
//!
//! An account's row decides what was booked: it has the sums, and the newest entries themselves. Whoever books next first
//! writes those where all entries are looked for, so that an entry counts once, whenever a process dies.

use std::collections::BTreeMap;

use argus_domain::{
    Address, B256,
    fees::{Board, LedgerEntry, LedgerReason, Standing},
};
use argus_ports::{Ledger, StoreError};
use argus_proto::encode;
use async_trait::async_trait;
use futures::FutureExt as _;
use scylla::DeserializeRow;

use crate::{
    cell::{address, body, corrupt, decimal, hash, values},
    jobs::crowded,
    session::{Cas, Statement, each, token},
    store::{Memory, ScyllaStore},
};

/// How often a booking is tried that others come before.
const TRIES: u32 = 64;
/// Entries of an account that are booked in one step: they lie in its row until the next step.
const STEP: usize = 128;
/// Entries looked for, or accounts booked to, at the same time.
const AT_ONCE: usize = 16;
/// Partitions of a board.
const SHARDS: u8 = 16;

macro_rules! account {
    () => {
        "SELECT user_points, jobs, user_tasks, keeper_points, keeper_tasks, attested, booked, last, stamp, writer
         FROM accounts WHERE account = ?"
    };
}

static ACCOUNT: Statement = Statement::read(account!());
static DECIDED: Statement = Statement::decided(account!());
/// Conditional, because all who book to an account add to the same sums.
static OPEN: Statement = Statement::conditional(
    "INSERT INTO accounts (user_points, jobs, user_tasks, keeper_points, keeper_tasks, attested, booked, last, stamp,
                           writer, account) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);
/// As [`OPEN`].
static ADD: Statement = Statement::conditional(
    "UPDATE accounts SET user_points = ?, jobs = ?, user_tasks = ?, keeper_points = ?, keeper_tasks = ?, attested = ?,
                         booked = ?, last = ?, stamp = ?, writer = ? WHERE account = ? IF stamp = ?",
);
static ENTRY: Statement =
    Statement::read("SELECT amount FROM ledger WHERE key = ? AND reason = ? AND account = ?");
static OF_KEY: Statement = Statement::read("SELECT reason, account, amount FROM ledger WHERE key = ?");
static OF_ACCOUNT: Statement = Statement::read(
    "SELECT key, reason, amount FROM ledger_by_account WHERE account = ? AND bucket = ? AND position <= ? LIMIT ?",
);
static FROM: Statement = Statement::read(
    "SELECT key, reason, amount FROM ledger_by_account WHERE account = ? AND bucket = ? AND position >= ?
     ORDER BY position ASC LIMIT ?",
);
static KEEP: Statement =
    Statement::write("INSERT INTO ledger (key, reason, account, amount) VALUES (?, ?, ?, ?)");
static KEEP_OF_ACCOUNT: Statement = Statement::write(
    "INSERT INTO ledger_by_account (account, bucket, position, key, reason, amount) VALUES (?, ?, ?, ?, ?, ?)",
);
/// The stamp as the timestamp: the newest one stays, in whichever order they come.
static KEEP_STANDING: Statement = Statement::write(
    "INSERT INTO standings (board, shard, account, points, jobs, tasks, attested) VALUES (?, ?, ?, ?, ?, ?, ?)
     USING TIMESTAMP ?",
);
static STANDINGS: Statement = Statement::read(
    "SELECT account, points, jobs, tasks, attested FROM standings WHERE board = ? AND shard = ?",
);

type StandingRow = (Vec<u8>, String, i64, i64, i64);

#[derive(DeserializeRow)]
struct Cells {
    user_points: String,
    jobs: i64,
    user_tasks: i64,
    keeper_points: String,
    keeper_tasks: i64,
    attested: i64,
    booked: i64,
    last: Option<Vec<Vec<u8>>>,
    stamp: i64,
    writer: i64,
}

/// An account's row.
struct Account {
    account: Address,
    user: Standing,
    keeper: Standing,
    entries: i64,
    last: Vec<LedgerEntry>,
    stamp: i64,
    token: i64,
}

impl Account {
    fn none(account: Address) -> Self {
        let (user, keeper) = (Standing::none(account), Standing::none(account));
        Self { account, user, keeper, entries: 0, last: Vec::new(), stamp: 0, token: 0 }
    }

    fn read(account: Address, cells: Cells) -> Result<Self, StoreError> {
        let count = i64::unsigned_abs;
        let user = Standing {
            points: decimal("user_points", &cells.user_points)?,
            jobs: count(cells.jobs),
            tasks: count(cells.user_tasks),
            ..Standing::none(account)
        };
        let keeper = Standing {
            points: decimal("keeper_points", &cells.keeper_points)?,
            tasks: count(cells.keeper_tasks),
            attested: count(cells.attested),
            ..Standing::none(account)
        };
        let last = cells.last.unwrap_or_default();
        let last = last.iter().map(|entry| body("last", entry)).collect::<Result<_, _>>()?;
        let Cells { booked: entries, stamp, writer: token, .. } = cells;
        Ok(Self { account, user, keeper, entries, last, stamp, token })
    }

    fn of(&self, board: Board) -> &Standing {
        match board {
            Board::Users => &self.user,
            Board::Keepers => &self.keeper,
        }
    }

    /// After these entries, which are new.
    fn with(&self, new: Vec<LedgerEntry>, token: i64) -> Self {
        let (mut user, mut keeper) = (self.user.clone(), self.keeper.clone());
        for entry in &new {
            match entry.reason.board() {
                Board::Users => user.count(entry.reason, entry.amount),
                Board::Keepers => keeper.count(entry.reason, entry.amount),
            }
        }
        let added = i64::try_from(new.len()).unwrap_or(i64::MAX);
        let (entries, stamp) = (self.entries.saturating_add(added), self.stamp.saturating_add(1));
        Self { account: self.account, user, keeper, entries, last: new, stamp, token }
    }
}

fn number(reason: LedgerReason) -> i32 {
    match reason {
        LedgerReason::Charged => 1,
        LedgerReason::Earned => 2,
        LedgerReason::JobCreated => 3,
        LedgerReason::Attested => 4,
    }
}

fn reason(number: i32) -> Result<LedgerReason, StoreError> {
    Ok(match number {
        1 => LedgerReason::Charged,
        2 => LedgerReason::Earned,
        3 => LedgerReason::JobCreated,
        4 => LedgerReason::Attested,
        other => return Err(corrupt("reason", &format!("{other} means nothing here"))),
    })
}

fn place(board: Board) -> i32 {
    match board {
        Board::Users => 1,
        Board::Keepers => 2,
    }
}

fn shard(account: Address) -> i32 {
    account.last().map_or(0, |byte| i32::from(byte % SHARDS))
}

#[async_trait]
impl Ledger for ScyllaStore {
    async fn book(&self, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        self.book_entries(&entries).await
    }

    async fn of_key(&self, key: B256) -> Result<Vec<LedgerEntry>, StoreError> {
        let rows: Vec<(i32, Vec<u8>, String)> = self.db().rows(&OF_KEY, values![key]).await?;
        let entry = |(number, account, amount): (i32, Vec<u8>, String)| {
            let (reason, account) = (reason(number)?, address("account", &account)?);
            Ok(LedgerEntry { key, reason, account, amount: decimal("amount", &amount)? })
        };
        rows.into_iter().map(entry).collect()
    }

    async fn of_account(&self, account: Address, limit: u32) -> Result<Vec<LedgerEntry>, StoreError> {
        let known = self.account(&ACCOUNT, account).await?;
        let mut found: Vec<LedgerEntry> = known.last.iter().rev().cloned().collect();
        let mut below = known.entries.saturating_sub(i64::try_from(known.last.len()).unwrap_or_default());
        while found.len() < limit as usize && below > 0 {
            let cells = values![account, below >> 12, below, limit];
            let rows: Vec<(Vec<u8>, i32, String)> = self.db().rows(&OF_ACCOUNT, cells).await?;
            for (key, number, amount) in rows {
                let (key, reason, amount) =
                    (hash("key", &key)?, reason(number)?, decimal("amount", &amount)?);
                found.push(LedgerEntry { key, reason, account, amount });
            }
            below = ((below >> 12) << 12).saturating_sub(1);
        }
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn standings(&self, board: Board, limit: u32) -> Result<Vec<Standing>, StoreError> {
        let shards = (0..i32::from(SHARDS))
            .map(|shard| self.db().rows::<StandingRow>(&STANDINGS, values![place(board), shard]).boxed());
        let mut found = Vec::new();
        for (account, points, jobs, tasks, attested) in each(AT_ONCE, shards.collect()).await?.concat() {
            found.push(Standing {
                account: address("account", &account)?,
                points: decimal("points", &points)?,
                jobs: jobs.unsigned_abs(),
                tasks: tasks.unsigned_abs(),
                attested: attested.unsigned_abs(),
            });
        }
        found.sort_by_cached_key(Standing::rank);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn standing(&self, board: Board, account: Address) -> Result<Standing, StoreError> {
        Ok(self.account(&ACCOUNT, account).await?.of(board).clone())
    }
}

impl ScyllaStore {
    async fn account(&self, statement: &Statement, account: Address) -> Result<Account, StoreError> {
        let cells: Option<Cells> = self.db().one(statement, values![account]).await?;
        cells.map_or_else(|| Ok(Account::none(account)), |cells| Account::read(account, cells))
    }

    /// Entries of an account from a place on, in the order of booking.
    pub(crate) async fn entries_from(
        &self,
        account: Address,
        first: u64,
        limit: u32,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let known = self.account(&ACCOUNT, account).await?;
        self.keep_last(&known).await?;
        let mut first = crate::cell::ordered(first);
        let mut found = Vec::new();
        while first <= known.entries && found.len() < limit as usize {
            let left = limit.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
            let cells = values![account, first >> 12, first, left];
            let rows: Vec<(Vec<u8>, i32, String)> = self.db().rows(&FROM, cells).await?;
            for (key, number, amount) in rows {
                let (key, reason, amount) =
                    (hash("key", &key)?, reason(number)?, decimal("amount", &amount)?);
                found.push(LedgerEntry { key, reason, account, amount });
            }
            first = ((first >> 12) + 1) << 12;
        }
        Ok(found)
    }

    /// Books those that are not there yet.
    pub(crate) async fn book_entries(&self, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        let mut accounts: BTreeMap<Address, Vec<LedgerEntry>> = BTreeMap::new();
        for entry in entries {
            let known = accounts.entry(entry.account).or_default();
            if !known.iter().any(|other| same_place(other, entry)) {
                known.push(entry.clone());
            }
        }
        let booked =
            accounts.into_iter().map(|(account, entries)| self.book_all_to(account, entries).boxed());
        each(AT_ONCE, booked.collect()).await.map(drop)
    }

    async fn book_all_to(&self, account: Address, entries: Vec<LedgerEntry>) -> Result<(), StoreError> {
        for step in entries.chunks(STEP) {
            self.book_to(account, step).await?;
        }
        Ok(())
    }

    async fn book_to(&self, account: Address, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let before = self.account(&ACCOUNT, account).await?;
            self.keep_last(&before).await?;
            let new = self.new_entries(&before, entries).await?;
            if new.is_empty() {
                return self.keep_standing(&before, entries).await;
            }
            let after = before.with(new, token()?);
            if self.add(&before, &after).await? {
                self.keep_last(&after).await?;
                return self.keep_standing(&after, entries).await;
            }
        }
        Err(crowded("this account"))
    }

    async fn new_entries(
        &self,
        account: &Account,
        entries: &[LedgerEntry],
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let looked = entries.iter().map(|entry| {
            let cells = values![entry.key, number(entry.reason), entry.account];
            self.db().one::<(String,)>(&ENTRY, cells).boxed()
        });
        let known = each(AT_ONCE, looked.collect()).await?;
        let fresh = entries.iter().zip(known).filter(|(_, known)| known.is_none()).map(|(entry, _)| entry);
        let is_new = |entry: &&LedgerEntry| !account.last.iter().any(|other| same_place(other, entry));
        Ok(fresh.filter(is_new).cloned().collect())
    }

    async fn add(&self, before: &Account, after: &Account) -> Result<bool, StoreError> {
        let count = |n: u64| crate::cell::ordered(n);
        let last: Vec<Vec<u8>> = after.last.iter().map(encode).collect();
        let mut cells = values![
            after.user.points.to_string(),
            count(after.user.jobs),
            count(after.user.tasks),
            after.keeper.points.to_string(),
            count(after.keeper.tasks),
            count(after.keeper.attested),
            after.entries,
            last,
            after.stamp,
            after.token,
            after.account,
        ];
        let outcome = if before.stamp == 0 {
            self.db().cas(&OPEN, cells).await?
        } else {
            cells.extend(values![before.stamp]);
            self.db().cas(&ADD, cells).await?
        };
        match outcome {
            Cas::Applied => Ok(true),
            Cas::Refused => Ok(false),
            // Where others have booked since, looking at the entries tells.
            Cas::Unknown(_) => Ok(self.account(&DECIDED, after.account).await?.token == after.token),
        }
    }

    /// Writes an account's newest entries where all are looked for.
    async fn keep_last(&self, account: &Account) -> Result<(), StoreError> {
        let known = self.remember(|memory| memory.accounts.get(&account.account).copied());
        if account.last.is_empty() || known == Some(account.stamp) {
            return Ok(());
        }
        let first = account.entries.saturating_sub(i64::try_from(account.last.len()).unwrap_or_default());
        let mut buckets: BTreeMap<i64, Vec<_>> = BTreeMap::new();
        for (entry, position) in account.last.iter().zip(first.saturating_add(1)..) {
            let (reason, amount) = (number(entry.reason), entry.amount.to_string());
            let cells = values![entry.account, position >> 12, position, entry.key, reason, amount];
            buckets.entry(position >> 12).or_default().push((&KEEP_OF_ACCOUNT, cells));
        }
        for rows in buckets.into_values() {
            self.db().write_all(rows).await?;
        }
        let keep = account.last.iter().map(|entry| {
            let amount = entry.amount.to_string();
            let cells = values![entry.key, number(entry.reason), entry.account, amount];
            self.db().write(&KEEP, cells).boxed()
        });
        each(AT_ONCE, keep.collect()).await?;
        self.remember(|memory| Memory::keep(&mut memory.accounts, account.account, account.stamp));
        Ok(())
    }

    /// Writes what an account comes to on the boards that these entries are of.
    async fn keep_standing(&self, account: &Account, entries: &[LedgerEntry]) -> Result<(), StoreError> {
        for board in [Board::Users, Board::Keepers] {
            if !entries.iter().any(|entry| entry.reason.board() == board) {
                continue;
            }
            let Standing { points, jobs, tasks, attested, .. } = account.of(board);
            let count = |n: &u64| crate::cell::ordered(*n);
            let cells = values![
                place(board),
                shard(account.account),
                account.account,
                points.to_string(),
                count(jobs),
                count(tasks),
                count(attested),
                account.stamp
            ];
            self.db().write(&KEEP_STANDING, cells).await?;
        }
        Ok(())
    }
}

fn same_place(a: &LedgerEntry, b: &LedgerEntry) -> bool {
    (a.key, a.reason, a.account) == (b.key, b.reason, b.account)
}
