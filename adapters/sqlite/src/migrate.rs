//! Migrations: numbered SQL files, compiled in, each applied once and held against its checksum ever after.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest, Sha256};

use crate::{
    charges,
    database::{OpenError, Options, connect},
    fault::Fault,
    job_rows,
};

/// One file of migrations/sqlite.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    number: u32,
    name: &'static str,
    sql: &'static str,
    /// What SQL cannot do of it: it reads bodies.
    fill: Option<Fill>,
}

type Fill = fn(&Connection) -> Result<(), Fault>;

macro_rules! migration {
    ($number:literal, $folder:literal, $name:literal) => {
        migration!($number, $folder, $name, None)
    };
    ($number:literal, $folder:literal, $name:literal, $fill:expr) => {
        Migration {
            number: $number,
            name: $name,
            sql: include_str!(concat!("../../../migrations/sqlite/", $folder, $name, ".sql")),
            fill: $fill,
        }
    };
}

/// Those of the platform's file.
pub(crate) const PLATFORM: &[Migration] = &[
    migration!(1, "", "001_platform"),
    migration!(2, "", "002_secrets"),
    migration!(3, "", "003_charges_answers", Some(charges::fill)),
    migration!(4, "", "004_people"),
    migration!(5, "", "005_decisions"),
    migration!(6, "", "006_registrations"),
    migration!(7, "", "007_claims"),
    migration!(8, "", "008_leases"),
    migration!(9, "", "009_shards", Some(job_rows::fill_shards)),
];
/// Those of a keeper's journal.
pub(crate) const JOURNAL: &[Migration] = &[migration!(1, "journal/", "001_journal")];

impl Migration {
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

/// Where one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its number.
    pub number: u32,
    /// Its name, for example `001_platform`.
    pub name: String,
    /// When it was applied (`YYYY-MM-DD HH:MM:SS`, UTC); `None`: not yet.
    pub applied_at: Option<String>,
}

/// Applies what is missing to the platform's file, which is made if it is not there, and returns what that was.
/// Safe to run twice and by several processes at once: the second finds nothing to do.
///
/// # Errors
/// [`OpenError`], also when what was applied before differs from what this program knows.
pub fn up(path: &Path, options: &Options) -> Result<Vec<Status>, OpenError> {
    apply(&mut connect(path, options)?, PLATFORM)
}

/// Every migration that this program knows, and whether the file has it. One that is not there has none, and is not
/// made.
///
/// # Errors
/// [`OpenError`], as [`up`].
pub fn status(path: &Path, options: &Options) -> Result<Vec<Status>, OpenError> {
    if !path.try_exists()? {
        return compare(&[], PLATFORM);
    }
    look(&connect(path, options)?, PLATFORM)
}

/// Whether the file has exactly the migrations that this program knows, and is sound by SQLite's own check of its
/// structure, which reads all of it.
///
/// # Errors
/// [`OpenError::Behind`] where one is missing, [`OpenError::Differs`] where one is other than it was,
/// [`OpenError::Damaged`] where the file is.
pub fn verify(path: &Path, options: &Options) -> Result<(), OpenError> {
    if !path.try_exists()? {
        return none_missing(compare(&[], PLATFORM)?);
    }
    let db = connect(path, options)?;
    check(&db, PLATFORM)?;
    sound(&db)
}

/// Whether a file is sound by SQLite's own check, which reads all of it.
pub(crate) fn sound(db: &Connection) -> Result<(), OpenError> {
    let finding: String = db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if finding == "ok" { Ok(()) } else { Err(OpenError::Damaged(finding)) }
}

pub(crate) fn check(db: &Connection, known: &[Migration]) -> Result<(), OpenError> {
    none_missing(look(db, known)?)
}

fn none_missing(statuses: Vec<Status>) -> Result<(), OpenError> {
    match statuses.into_iter().find(|status| status.applied_at.is_none()) {
        Some(missing) => Err(OpenError::Behind(missing.name)),
        None => Ok(()),
    }
}

pub(crate) fn apply(db: &mut Connection, known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "CREATE TABLE IF NOT EXISTS migrations (
             number     INTEGER PRIMARY KEY,
             name       TEXT NOT NULL,
             sha256     TEXT NOT NULL,
             applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
         )",
    )?;
    let before = look(&transaction, known)?;
    for (migration, _) in known.iter().zip(&before).filter(|(_, status)| status.applied_at.is_none()) {
        transaction.execute_batch(migration.sql)?;
        if let Some(fill) = migration.fill {
            fill(&transaction)?;
        }
        transaction.execute(
            "INSERT INTO migrations (number, name, sha256) VALUES (?1, ?2, ?3)",
            params![migration.number, migration.name, migration.checksum()],
        )?;
    }
    let after = look(&transaction, known)?;
    transaction.commit()?;
    let was_missing =
        |status: &Status| before.iter().any(|old| old.number == status.number && old.applied_at.is_none());
    Ok(after.into_iter().filter(was_missing).collect())
}

fn look(db: &Connection, known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    compare(&applied(db)?, known)
}

fn compare(applied: &[Applied], known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    if let Some((number, name, ..)) = applied.iter().find(|row| known.iter().all(|m| m.number != row.0)) {
        return Err(OpenError::Ahead(format!("{number} ({name})")));
    }
    let statuses = known.iter().map(|migration| {
        let row = applied.iter().find(|row| row.0 == migration.number);
        match row {
            Some((_, name, sha256, _)) if *name != migration.name || *sha256 != migration.checksum() => {
                Err(OpenError::Differs(migration.name.to_owned()))
            }
            _ => Ok(Status {
                number: migration.number,
                name: migration.name.to_owned(),
                applied_at: row.map(|row| row.3.clone()),
            }),
        }
    });
    statuses.collect()
}

type Applied = (u32, String, String, String);

fn applied(db: &Connection) -> Result<Vec<Applied>, OpenError> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    if db.query_row(table, [], |row| row.get::<_, u32>(0))? == 0 {
        return Ok(Vec::new());
    }
    let mut select = db.prepare("SELECT number, name, sha256, applied_at FROM migrations ORDER BY number")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_once_and_all_at_once_is_once() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("argus.db");
        let options = Options::default();
        std::thread::scope(|scope| {
            let ups: Vec<_> =
                (0..4).map(|_| scope.spawn(|| up(&path, &options).expect("up").len())).collect();
            let applied: usize = ups.into_iter().map(|up| up.join().expect("no panic")).sum();
            assert_eq!(applied, PLATFORM.len());
        });
        assert_eq!(up(&path, &options).expect("up"), []);
        assert!(status(&path, &options).expect("status").iter().all(|s| s.applied_at.is_some()));
        verify(&path, &options).expect("sound");
    }

    #[test]
    fn what_differs_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, options) = (dir.path().join("argus.db"), Options::default());
        assert!(matches!(verify(&path, &options), Err(OpenError::Behind(_))));
        assert!(status(&path, &options).expect("status").iter().all(|s| s.applied_at.is_none()));
        assert!(!path.exists(), "looking makes nothing");
        up(&path, &options).expect("up");
        let db = connect(&path, &options).expect("connect");
        db.execute("UPDATE migrations SET sha256 = 'other'", []).expect("update");
        assert!(matches!(up(&path, &options), Err(OpenError::Differs(_))));
        db.execute("UPDATE migrations SET number = number + 900", []).expect("update");
        assert!(matches!(status(&path, &options), Err(OpenError::Ahead(_))));
    }
}
