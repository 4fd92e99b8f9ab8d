//! Migrations: numbered CQL files, compiled in, each applied once and held against its checksum ever after. A cluster has
//! no transaction over tables, so each statement of a file is one that can be repeated, and one process at a time
//! applies them, under a lock that ends with its holder.

use std::{collections::BTreeSet, time::Duration};

use argus_domain::migration::{Recorded, admits, oldest};
use argus_ports::StoreError;
use scylla::{
    client::session::Session,
    errors::{DbError, ExecutionError, RequestAttemptError},
    response::query_result::QueryResult,
    statement::{Consistency, SerialConsistency, unprepared},
    value::Row,
};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep};

use crate::{
    cell::{Cell, unsigned, values},
    session::token,
    store::{OpenError, Options, connect},
};

/// One file of migrations/scylla.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    pub number: u32,
    pub name: &'static str,
    pub cql: &'static str,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
            cql: include_str!(concat!("../../../migrations/scylla/", $name, ".cql")),
        }
    };
}

pub(crate) const PLATFORM: &[Migration] = &[migration!(1, "001_platform")];

/// The number of the newest one that this program knows.
pub fn newest() -> u32 {
    PLATFORM.last().map_or(0, |migration| migration.number)
}

/// How long the lock outlives its holder: longer than one statement of a migration takes with all nodes' agreement.
const LOCK_S: i32 = 180;
/// How long one waits for the lock of another.
const PATIENCE: Duration = Duration::from_secs(400);
/// How often one asks for it.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How long a change of the schema may take, and until every node knows of it.
const DEADLINE: Duration = Duration::from_secs(60);

impl Migration {
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.cql.as_bytes()))
    }

    fn recorded(&self) -> Recorded {
        Recorded { number: self.number, name: self.name.to_owned(), oldest: oldest(self.cql) }
    }

    fn statements(&self) -> Vec<String> {
        let lines =
            self.cql.lines().map(|line| line.split_once("--").map_or(line, |(cql, _)| cql).trim_end());
        let text: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let statements = text.join("\n");
        statements.split(';').map(str::trim).filter(|cql| !cql.is_empty()).map(str::to_owned).collect()
    }

    /// The tables that it makes.
    fn tables(&self) -> BTreeSet<String> {
        let name = |cql: &String| {
            let rest = cql.strip_prefix("CREATE TABLE IF NOT EXISTS ")?;
            rest.split_whitespace().next().map(str::to_owned)
        };
        self.statements().iter().filter_map(name).collect()
    }
}

/// Where one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is, and which programs run with it.
    pub migration: Recorded,
    /// When it was applied, by the cluster's clock in Unix milliseconds; `None`: not yet.
    pub applied_at: Option<i64>,
}

/// Applies what is missing to the keyspace, which is made if it is not there, and returns what that was. Safe to run
/// twice and by several processes at once: the second finds nothing to do. The very first one of a cluster of several
/// Cassandra nodes is run alone: the table that holds the lock cannot be made under it.
///
/// # Errors
/// [`OpenError`], also when what was applied before differs from what this program knows.
pub async fn up(options: &Options) -> Result<Vec<Status>, OpenError> {
    up_to(options, PLATFORM).await
}

/// The same for a program that knows these.
pub(crate) async fn up_to(options: &Options, known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    let session = connect(options).await?;
    let keyspace = &options.keyspace;
    let replication =
        format!("{{'class': 'NetworkTopologyStrategy', 'replication_factor': {}}}", options.copies);
    if !has_keyspace(&session, keyspace).await? {
        let make = format!("CREATE KEYSPACE IF NOT EXISTS \"{keyspace}\" WITH replication = {replication}");
        run(&session, &make, vec![]).await?;
    }
    enter(&session, keyspace).await?;
    if !has_tables(&session, keyspace).await? {
        for make in [
            "CREATE TABLE IF NOT EXISTS migrations (part int, number int, name text, sha256 text, applied_at bigint,
                                                    oldest int, PRIMARY KEY (part, number))",
            "CREATE TABLE IF NOT EXISTS migration_lock (name text PRIMARY KEY, holder bigint)",
        ] {
            run(&session, make, vec![]).await?;
        }
    }
    if missing(&look(&session, keyspace, known).await?).is_empty() {
        return Ok(Vec::new());
    }
    let holder = token()?;
    lock(&session, holder).await?;
    let applied = apply(&session, keyspace, known, holder).await;
    let given =
        run(&session, "DELETE FROM migration_lock WHERE name = 'up' IF holder = ?", values![holder]).await;
    // What a migration met says more than that the lock ends by itself.
    let applied = applied?;
    given?;
    Ok(applied)
}

/// Every migration that this program knows, and whether the keyspace has it; and those that the keyspace has from a
/// newer program.
///
/// # Errors
/// [`OpenError`], as [`up`].
pub async fn status(options: &Options) -> Result<Vec<Status>, OpenError> {
    look(&connect(options).await?, &options.keyspace, PLATFORM).await
}

/// Whether the keyspace has all migrations that this program knows, none that asks for a newer one, and all their tables.
///
/// # Errors
/// [`OpenError::Behind`] where one is missing, [`OpenError::Ahead`] where one asks for a newer program,
/// [`OpenError::Differs`] where one is other than it was, [`OpenError::Damaged`] where a table is gone.
pub async fn verify(options: &Options) -> Result<(), OpenError> {
    let session = connect(options).await?;
    check(&session, &options.keyspace).await?;
    let found = tables(&session, &options.keyspace).await?;
    let wanted = PLATFORM.iter().flat_map(Migration::tables);
    match wanted.into_iter().find(|table| !found.contains(table)) {
        Some(table) => Err(OpenError::Damaged(format!("the table {table} is missing"))),
        None => Ok(()),
    }
}

pub(crate) async fn check(session: &Session, keyspace: &str) -> Result<(), OpenError> {
    let statuses = look(session, keyspace, PLATFORM).await?;
    match statuses.into_iter().find(|status| status.applied_at.is_none()) {
        Some(missing) => Err(OpenError::Behind(missing.migration.name)),
        None => Ok(()),
    }
}

fn missing(statuses: &[Status]) -> Vec<u32> {
    let missing = statuses.iter().filter(|status| status.applied_at.is_none());
    missing.map(|status| status.migration.number).collect()
}

/// Uses a keyspace, which a node may not know yet that another process has just made.
async fn enter(session: &Session, keyspace: &str) -> Result<(), OpenError> {
    let until = Instant::now() + DEADLINE;
    while let Err(e) = session.use_keyspace(keyspace, true).await {
        if Instant::now() >= until {
            let why = format!("the keyspace {keyspace} cannot be used: {e}");
            return Err(StoreError::Unavailable(why).into());
        }
        sleep(ASK_EVERY).await;
    }
    Ok(())
}

async fn lock(session: &Session, holder: i64) -> Result<(), OpenError> {
    let until = Instant::now() + PATIENCE;
    let take = "INSERT INTO migration_lock (name, holder) VALUES ('up', ?) IF NOT EXISTS USING TTL ?";
    loop {
        if run(session, take, values![holder, LOCK_S]).await? {
            return Ok(());
        }
        // Where the answer was lost, the row tells.
        if renew(session, holder).await? {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(OpenError::Locked);
        }
        sleep(ASK_EVERY).await;
    }
}

async fn renew(session: &Session, holder: i64) -> Result<bool, OpenError> {
    let keep = "UPDATE migration_lock USING TTL ? SET holder = ? WHERE name = 'up' IF holder = ?";
    run(session, keep, values![LOCK_S, holder, holder]).await
}

async fn apply(
    session: &Session,
    keyspace: &str,
    known: &[Migration],
    holder: i64,
) -> Result<Vec<Status>, OpenError> {
    let missing = missing(&look(session, keyspace, known).await?);
    let mut statements: Vec<String> = Vec::new();
    // Made by a program that did not know it.
    if !has_oldest(session, keyspace).await? {
        statements.push("ALTER TABLE migrations ADD oldest int".to_owned());
    }
    for migration in known.iter().filter(|migration| missing.contains(&migration.number)) {
        statements.extend(migration.statements());
        for statement in statements.drain(..) {
            if !renew(session, holder).await? {
                return Err(OpenError::Locked);
            }
            run(session, &statement, vec![]).await?;
        }
        let note = "INSERT INTO migrations (part, number, name, sha256, oldest, applied_at)
                    VALUES (0, ?, ?, ?, ?, toUnixTimestamp(now()))";
        let Recorded { number, name, oldest } = migration.recorded();
        run(session, note, values![number, name, migration.checksum(), oldest]).await?;
    }
    let after = look(session, keyspace, known).await?;
    Ok(after.into_iter().filter(|status| missing.contains(&status.migration.number)).collect())
}

/// A row of the table.
struct Applied {
    migration: Recorded,
    sha256: String,
    applied_at: i64,
}

async fn applied(session: &Session, keyspace: &str) -> Result<Vec<Applied>, OpenError> {
    if !has_tables(session, keyspace).await? {
        return Ok(Vec::new());
    }
    let of = format!("FROM \"{keyspace}\".migrations WHERE part = 0");
    let columns = "SELECT number, name, sha256, applied_at";
    let found: Vec<(i32, String, String, i64, Option<i32>)> = if has_oldest(session, keyspace).await? {
        rows(session, &format!("{columns}, oldest {of}"), vec![]).await?
    } else {
        let found: Vec<(i32, String, String, i64)> =
            rows(session, &format!("{columns} {of}"), vec![]).await?;
        found.into_iter().map(|(number, name, sha256, at)| (number, name, sha256, at, None)).collect()
    };
    let read = |(number, name, sha256, applied_at, oldest): (i32, String, String, i64, Option<i32>)| {
        let number = unsigned("number", number)?;
        let oldest = oldest.map(|oldest| unsigned("oldest", oldest)).transpose()?;
        Ok(Applied { migration: Recorded { number, name, oldest }, sha256, applied_at })
    };
    found.into_iter().map(read).collect()
}

async fn look(session: &Session, keyspace: &str, known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    let applied = applied(session, keyspace).await?;
    admits(applied.iter().map(|row| &row.migration), known.last().map_or(0, |newest| newest.number))?;
    let statuses = known.iter().map(|migration| {
        let row = applied.iter().find(|row| row.migration.number == migration.number);
        match row {
            Some(row) if row.migration.name != migration.name || row.sha256 != migration.checksum() => {
                Err(OpenError::Differs(migration.name.to_owned()))
            }
            _ => Ok(Status { migration: migration.recorded(), applied_at: row.map(|row| row.applied_at) }),
        }
    });
    let newer = applied.iter().filter(|row| known.iter().all(|m| m.number != row.migration.number));
    let newer =
        newer.map(|row| Ok(Status { migration: row.migration.clone(), applied_at: Some(row.applied_at) }));
    statuses.chain(newer).collect()
}

async fn has_keyspace(session: &Session, keyspace: &str) -> Result<bool, OpenError> {
    let select = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    let found: Vec<(String,)> = rows(session, select, values![keyspace]).await?;
    Ok(!found.is_empty())
}

async fn tables(session: &Session, keyspace: &str) -> Result<BTreeSet<String>, OpenError> {
    let select = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let found: Vec<(String,)> = rows(session, select, values![keyspace]).await?;
    Ok(found.into_iter().map(|(table,)| table).collect())
}

/// Whether the tables are there that say what was applied.
async fn has_tables(session: &Session, keyspace: &str) -> Result<bool, OpenError> {
    let found = tables(session, keyspace).await?;
    Ok(["migrations", "migration_lock"].iter().all(|table| found.contains(*table)))
}

/// Whether the table says which programs run on the keyspace.
async fn has_oldest(session: &Session, keyspace: &str) -> Result<bool, OpenError> {
    let select = "SELECT column_name FROM system_schema.columns
                  WHERE keyspace_name = ? AND table_name = 'migrations' AND column_name = 'oldest'";
    let found: Vec<(String,)> = rows(session, select, values![keyspace]).await?;
    Ok(!found.is_empty())
}

fn statement(cql: &str) -> unprepared::Statement {
    let mut statement = unprepared::Statement::new(cql);
    statement.set_consistency(Consistency::Quorum);
    statement.set_serial_consistency(Some(SerialConsistency::Serial));
    statement.set_request_timeout(Some(DEADLINE));
    statement
}

async fn rows<R>(session: &Session, cql: &str, values: Vec<Cell>) -> Result<Vec<R>, OpenError>
where
    R: for<'frame> scylla::deserialize::row::DeserializeRow<'frame, 'frame>,
{
    let result = ask(session, cql, values).await?.into_rows_result().map_err(|e| told(&e, cql))?;
    let rows = result.rows::<R>().map_err(|e| told(&e, cql))?;
    Ok(rows.collect::<Result<_, _>>().map_err(|e| told(&e, cql))?)
}

/// Carries a statement out; of a conditional one, whether it was applied.
async fn run(session: &Session, cql: &str, values: Vec<Cell>) -> Result<bool, OpenError> {
    let result = ask(session, cql, values).await?;
    if !result.is_rows() {
        return Ok(true);
    }
    let rows = result.into_rows_result().map_err(|e| told(&e, cql))?;
    let first = rows.maybe_first_row::<Row>().map_err(|e| told(&e, cql))?;
    let applied = first.and_then(|row| row.columns.into_iter().next().flatten());
    Ok(applied.and_then(|value| value.as_boolean()).unwrap_or_default())
}

/// Asks until the node knows what the statement names: it lists a table that another process has just made before it
/// takes statements about it. What was refused for that has changed nothing.
async fn ask(session: &Session, cql: &str, values: Vec<Cell>) -> Result<QueryResult, OpenError> {
    let until = Instant::now() + DEADLINE;
    loop {
        match session.query_unpaged(statement(cql), &values).await {
            Err(ExecutionError::LastAttemptError(RequestAttemptError::DbError(DbError::Invalid, _)))
                if Instant::now() < until =>
            {
                sleep(ASK_EVERY).await;
            }
            result => return Ok(result.map_err(|e| told(&e, cql))?),
        }
    }
}

fn told(e: &dyn std::fmt::Display, cql: &str) -> StoreError {
    StoreError::Unavailable(format!("{e}: {cql}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_and_can_be_repeated() {
        for (n, migration) in PLATFORM.iter().enumerate() {
            assert_eq!(usize::try_from(migration.number).expect("small"), n + 1);
            let name = migration.name;
            assert!(name.starts_with(&format!("{:03}_", migration.number)), "{name}");
            // The first has no older ones.
            let oldest = oldest(migration.cql);
            assert_eq!(oldest.is_some(), n > 0, "{name}: its head has a line `-- oldest: N`");
            assert!(oldest.is_none_or(|oldest| oldest <= migration.number), "{name}: at most its own number");
            for statement in migration.statements() {
                assert!(statement.contains(" IF NOT EXISTS "), "{statement}");
                let asks_another = " WITH speculative_retry = '50ms'";
                assert!(statement.contains(asks_another), "a dead node is waited for: {statement}");
            }
            assert_eq!(migration.tables().len(), migration.statements().len());
        }
    }
}
