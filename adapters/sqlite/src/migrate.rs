//! Migrations: numbered SQL files, compiled in, each applied once and held against its checksum ever after.

use std::path::Path;

use argus_domain::migration::{Recorded, admits, oldest};
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
    migration!(10, "", "010_copies"),
];

/// The number of the newest one that this program knows.
pub fn newest() -> u32 {
    PLATFORM.last().map_or(0, |migration| migration.number)
}
/// Those of a keeper's journal.
pub(crate) const JOURNAL: &[Migration] = &[migration!(1, "journal/", "001_journal")];

impl Migration {
    fn checksum(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }

    fn recorded(&self) -> Recorded {
        Recorded { number: self.number, name: self.name.to_owned(), oldest: oldest(self.sql) }
    }
}

/// Where one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it is, and which programs run with it.
    pub migration: Recorded,
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

/// Every migration that this program knows, and whether the file has it; and those that the file has from a newer
/// program. A file that is not there has none, and is not made.
///
/// # Errors
/// [`OpenError`], as [`up`].
pub fn status(path: &Path, options: &Options) -> Result<Vec<Status>, OpenError> {
    if !path.try_exists()? {
        return compare(&[], PLATFORM);
    }
    look(&connect(path, options)?, PLATFORM)
}

/// Whether the file has all migrations that this program knows, none that asks for a newer one, and is sound by
/// SQLite's own check of its structure, which reads all of it.
///
/// # Errors
/// [`OpenError::Behind`] where one is missing, [`OpenError::Ahead`] where one asks for a newer program,
/// [`OpenError::Differs`] where one is other than it was, [`OpenError::Damaged`] where the file is.
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
        Some(missing) => Err(OpenError::Behind(missing.migration.name)),
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
             applied_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
             oldest     INTEGER
         )",
    )?;
    // Made by a program that did not know it.
    if !has_oldest(&transaction)? {
        transaction.execute_batch("ALTER TABLE migrations ADD COLUMN oldest INTEGER")?;
    }
    let before = look(&transaction, known)?;
    let missing: Vec<u32> = missing(&before).collect();
    for migration in known.iter().filter(|migration| missing.contains(&migration.number)) {
        transaction.execute_batch(migration.sql)?;
        if let Some(fill) = migration.fill {
            fill(&transaction)?;
        }
        transaction.execute(
            "INSERT INTO migrations (number, name, sha256, oldest) VALUES (?1, ?2, ?3, ?4)",
            params![migration.number, migration.name, migration.checksum(), oldest(migration.sql)],
        )?;
    }
    let after = look(&transaction, known)?;
    transaction.commit()?;
    Ok(after.into_iter().filter(|status| missing.contains(&status.migration.number)).collect())
}

fn missing(statuses: &[Status]) -> impl Iterator<Item = u32> {
    statuses.iter().filter(|status| status.applied_at.is_none()).map(|status| status.migration.number)
}

fn look(db: &Connection, known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    compare(&applied(db)?, known)
}

fn compare(applied: &[Applied], known: &[Migration]) -> Result<Vec<Status>, OpenError> {
    admits(applied.iter().map(|row| &row.migration), known.last().map_or(0, |newest| newest.number))?;
    let statuses = known.iter().map(|migration| {
        let row = applied.iter().find(|row| row.migration.number == migration.number);
        match row {
            Some(row) if row.migration.name != migration.name || row.sha256 != migration.checksum() => {
                Err(OpenError::Differs(migration.name.to_owned()))
            }
            _ => Ok(Status {
                migration: migration.recorded(),
                applied_at: row.map(|row| row.applied_at.clone()),
            }),
        }
    });
    let newer = applied.iter().filter(|row| known.iter().all(|m| m.number != row.migration.number));
    let newer = newer
        .map(|row| Ok(Status { migration: row.migration.clone(), applied_at: Some(row.applied_at.clone()) }));
    statuses.chain(newer).collect()
}

/// A row of the table.
struct Applied {
    migration: Recorded,
    sha256: String,
    applied_at: String,
}

fn applied(db: &Connection) -> Result<Vec<Applied>, OpenError> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'";
    if db.query_row(table, [], |row| row.get::<_, u32>(0))? == 0 {
        return Ok(Vec::new());
    }
    let oldest = if has_oldest(db)? { "oldest" } else { "NULL" };
    let select = format!("SELECT number, name, sha256, applied_at, {oldest} FROM migrations ORDER BY number");
    let mut select = db.prepare(&select)?;
    let rows = select.query_map([], |row| {
        let migration = Recorded { number: row.get(0)?, name: row.get(1)?, oldest: row.get(4)? };
        Ok(Applied { migration, sha256: row.get(2)?, applied_at: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether the table says which programs run on the file.
fn has_oldest(db: &Connection) -> Result<bool, OpenError> {
    let column = "SELECT count(*) FROM pragma_table_info('migrations') WHERE name = 'oldest'";
    Ok(db.query_row(column, [], |row| row.get::<_, u32>(0))? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SqliteStore;

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

    /// What has been applied somewhere is never changed: the files up to here have no line for older programs.
    #[test]
    fn files_are_numbered_and_say_which_programs_run_with_them() {
        for (known, without) in [(PLATFORM, 9), (JOURNAL, 1)] {
            for (n, migration) in known.iter().enumerate() {
                assert_eq!(usize::try_from(migration.number).expect("small"), n + 1);
                let name = migration.name;
                assert!(name.starts_with(&format!("{:03}_", migration.number)), "{name}");
                let oldest = oldest(migration.sql);
                assert_eq!(oldest.is_some(), n >= without, "{name}: its head has a line `-- oldest: N`");
                assert!(
                    oldest.is_none_or(|oldest| oldest <= migration.number),
                    "{name}: at most its own number"
                );
            }
        }
    }

    /// A file that a newer program has migrated.
    fn next(sql: &'static str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("argus.db");
        let mut db = connect(&path, &Options::default()).expect("connect");
        let next = Migration { number: 11, name: "011_next", sql, fill: None };
        apply(&mut db, &[PLATFORM, &[next]].concat()).expect("the newer program's");
        (dir, path)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_that_a_newer_program_expanded_is_used_as_before() {
        let expands = "-- oldest: 10
            ALTER TABLE jobs ADD COLUMN note TEXT;
            CREATE TABLE notes (serial INTEGER PRIMARY KEY, note TEXT NOT NULL);";
        let fresh = || {
            let (dir, path) = next(expands);
            let store = SqliteStore::open(&path, &Options::default()).expect("opens");
            // An open file outlives its folder.
            drop(dir);
            store
        };
        argus_conformance::jobs::suite(fresh).await;
        let (_dir, path) = next(expands);
        let options = Options::default();
        assert_eq!(up(&path, &options).expect("up"), [], "nothing is missing");
        verify(&path, &options).expect("sound");
        let rows = status(&path, &options).expect("status");
        let newest = rows.last().expect("rows");
        assert!(newest.migration.number == 11 && newest.migration.oldest == Some(10), "{newest:?}");
        assert!(newest.applied_at.is_some());
    }

    #[test]
    fn a_file_that_a_newer_program_contracted_is_refused() {
        for (sql, needs) in
            [("-- oldest: 11\nDROP TABLE charges;", 11), ("CREATE TABLE notes (note TEXT);", 11)]
        {
            let (_dir, path) = next(sql);
            let options = Options::default();
            let opened = SqliteStore::open(&path, &options).err();
            for error in [opened, up(&path, &options).err(), status(&path, &options).err()] {
                let Some(OpenError::Ahead(ahead)) = error else { panic!("{sql}: {error:?}") };
                assert_eq!((ahead.needs, ahead.knows), (needs, 10));
            }
        }
    }

    #[test]
    fn a_table_from_before_programs_were_named_is_read_and_gets_its_column() {
        let (_dir, path) = next("-- oldest: 9");
        let (options, db) = (Options::default(), connect(&path, &Options::default()).expect("connect"));
        db.execute_batch("ALTER TABLE migrations DROP COLUMN oldest").expect("as it was");
        assert!(matches!(status(&path, &options), Err(OpenError::Ahead(_))), "11 says nothing any more");
        db.execute("DELETE FROM migrations WHERE number > 8", []).expect("deleted");
        db.execute_batch("DROP INDEX cursors_due; ALTER TABLE cursors DROP COLUMN shard").expect("as it was");
        db.execute_batch("CREATE INDEX cursors_due ON cursors (serial)").expect("as it was");
        db.execute_batch("DROP TABLE settings; DROP TABLE room_ends").expect("as it was");
        let rows = status(&path, &options).expect("status");
        assert_eq!(rows.iter().filter(|row| row.applied_at.is_none()).count(), 2);
        assert!(!has_oldest(&db).expect("columns"), "looking makes nothing");
        assert_eq!(up(&path, &options).expect("up").len(), 2);
        assert!(has_oldest(&db).expect("columns"));
        verify(&path, &options).expect("sound");
    }
}
