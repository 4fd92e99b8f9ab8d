//! Opening, and the store that all ports of the platform share.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use argus_domain::{ids::JobId, job::Job, migration::Ahead};
use argus_ports::StoreError;
use rusqlite::{Connection, config::DbConfig};

use crate::{
    fault::Fault,
    migrate,
    readers::Readers,
    records,
    watch::Watch,
    writer::{Group, Writer, Writes},
};

/// How a database is opened. The defaults suit a platform on one host.
#[derive(Debug, Clone)]
pub struct Options {
    /// Apply missing migrations on opening; otherwise a file that lacks one is refused.
    pub migrate: bool,
    /// Reading threads, each with its connection.
    pub readers: usize,
    /// How long a process waits for another one's transaction.
    pub busy_timeout: Duration,
    /// Rows after which a group of writes is committed.
    pub group_rows: usize,
    /// Time after which a group of writes is committed, however many wait.
    pub group_time: Duration,
    /// How often the rows of other processes are looked for while anyone subscribes.
    pub poll_every: Duration,
    /// Open a file, too, into which another store is being copied: for whoever copies.
    pub half_copied: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            migrate: true,
            readers: 3,
            busy_timeout: Duration::from_secs(5),
            group_rows: 1000,
            group_time: Duration::from_millis(20),
            poll_every: Duration::from_millis(50),
            half_copied: false,
        }
    }
}

/// Why a database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite refuses.
    #[error("the database cannot be opened: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// No thread or no folder.
    #[error("the database cannot be opened: {0}")]
    System(#[from] std::io::Error),
    /// A migration is missing.
    #[error("the database lacks migration {0}: run `argus migrate up`")]
    Behind(String),
    /// A newer program was here, and older ones do not run on what it left.
    #[error("the database has another program's tables: {0}")]
    Ahead(#[from] Ahead),
    /// An applied migration is not what this program has under that name.
    #[error(
        "migration {0} was applied in another form than this program knows: use the build that made this file, or begin with a new one"
    )]
    Differs(String),
    /// SQLite's own check finds a fault.
    #[error("the database is damaged: {0}; restore a backup")]
    Damaged(String),
    /// A copy into it has begun, and nobody knows what is missing.
    #[error(
        "the database holds half a copy of another store: let the same `argus store copy` come to its end, which goes on where it was"
    )]
    HalfCopied,
    /// One process at a time.
    #[error("another process uses this journal: a key must be used by one process only")]
    InUse,
}

/// The platform's store: every port but the journal. Clones share the connections; the last one to go waits for what
/// is being written.
#[derive(Clone)]
pub struct SqliteStore(Arc<Inner>);

struct Inner {
    writer: Writer,
    readers: Readers,
    watch: Watch,
    versions: Mutex<Versions>,
}

/// Versions of jobs never change, so those that were read lately are kept.
pub(crate) type Versions = HashMap<(JobId, u32), Arc<Job>>;

impl SqliteStore {
    /// Opens the file, which is made if it is not there.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, options: &Options) -> Result<Self, OpenError> {
        let mut writer = connect(path, options)?;
        if options.migrate {
            for applied in migrate::apply(&mut writer, migrate::PLATFORM)? {
                tracing::info!(migration = applied.migration.name, "applied");
            }
        }
        migrate::check(&writer, migrate::PLATFORM)?;
        if !options.half_copied && records::is_half_copied(&writer)? {
            return Err(OpenError::HalfCopied);
        }
        let readers = (0..options.readers.max(1)).map(|_| connect_to_read(path, options));
        let readers = Readers::start(readers.collect::<Result<_, _>>()?, options.busy_timeout)?;
        let watch = Watch::start(connect_to_read(path, options)?, connect_to_read(path, options)?, options)?;
        let Options { group_rows: rows_max, group_time: time_max, .. } = *options;
        let group = Group { rows_max, time_max, gather: Duration::ZERO };
        let writer = Writer::start(writer, group)?;
        Ok(Self(Arc::new(Inner { writer, readers, watch, versions: Mutex::default() })))
    }

    /// What was written so far, and what waits.
    pub fn writes(&self) -> Writes {
        self.0.writer.writes()
    }

    pub(crate) async fn write<T, F>(&self, rows: usize, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.writer.write(rows, act).await
    }

    pub(crate) async fn read<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        self.0.readers.read(act).await
    }

    /// Reads a few rows by their keys: see [`Readers::find`]. What was just written is still in the memory of the
    /// connection that wrote it, while the others have to read it again; so that one is asked while nobody writes.
    pub(crate) async fn find<T, F>(&self, act: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let Inner { writer, readers, .. } = &*self.0;
        match writer.while_idle(|db| readers.find_at_once(db, &act)).flatten() {
            Some(found) => Ok(found?),
            None => readers.find(act).await,
        }
    }

    pub(crate) fn watch(&self) -> &Watch {
        &self.0.watch
    }

    pub(crate) fn versions(&self) -> &Mutex<Versions> {
        &self.0.versions
    }
}

/// A connection that writes: commits are durable when they return (WAL with an fsync each).
pub(crate) fn connect(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let db = Connection::open(path)?;
    db.busy_timeout(options.busy_timeout)?;
    // The switch to WAL asks for the file alone, and SQLite does not wait for that by itself.
    let patience = std::time::Instant::now() + options.busy_timeout;
    while let Err(e) = db.pragma_update(None, "journal_mode", "wal") {
        let busy = e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
        if !busy || std::time::Instant::now() >= patience {
            return Err(e.into());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    tune(&db)?;
    Ok(db)
}

/// Carries a statement out that has no values and gives no rows. It is prepared once, where a batch is parsed each time.
pub(crate) fn say(db: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

/// The settings that every connection has.
pub(crate) fn tune(db: &Connection) -> Result<(), rusqlite::Error> {
    db.set_prepared_statement_cache_capacity(128);
    // Without it this build of SQLite, which has STAT4, plans a statement anew whenever its values change: half of
    // the writer's time.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -32768;
         PRAGMA wal_autocheckpoint = 16384;
         PRAGMA journal_size_limit = 134217728;",
    )
}

fn connect_to_read(path: &Path, options: &Options) -> Result<Connection, OpenError> {
    let db = Connection::open(path)?;
    db.busy_timeout(options.busy_timeout)?;
    tune(&db)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}
