//! Connecting, and the store that all ports of the platform share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    Address,
    ids::{JobId, TaskId},
    job::Job,
    migration::Ahead,
};
use argus_ports::StoreError;
use scylla::{
    client::{session::Session, session_builder::SessionBuilder},
    errors::NewSessionError,
};
use secrecy::{ExposeSecret, SecretString};

use crate::{buckets::Notes, log::Log, migrate, records, session::Db, watch::Watch};

/// How a cluster is reached, and what is kept in it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nodes by host and port, of which one has to answer: the others are learnt from it.
    pub nodes: Vec<String>,
    /// The keyspace.
    pub keyspace: String,
    /// Copies of each row, where [`migrate::up`] makes the keyspace. One that is there stays as it is.
    pub copies: u8,
    /// User and password, where the cluster asks for them.
    pub login: Option<(String, SecretString)>,
    /// How long one statement may take, with all that the driver tries again.
    pub deadline: Duration,
    /// How long a connection may take to be made.
    pub connect_within: Duration,
    /// How often the changes of other processes are looked for.
    pub poll_every: Duration,
    /// How long published changes are kept; zero: for ever.
    pub keep_changes: Duration,
    /// Open a keyspace, too, into which another store is being copied: for whoever copies.
    pub half_copied: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            nodes: vec!["127.0.0.1:9042".to_owned()],
            keyspace: "argus".to_owned(),
            copies: 3,
            login: None,
            deadline: Duration::from_secs(5),
            connect_within: Duration::from_secs(5),
            poll_every: Duration::from_millis(100),
            keep_changes: Duration::ZERO,
            half_copied: false,
        }
    }
}

/// Why a store was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No node answers, or none lets us in.
    #[error("the cluster cannot be reached: {0}")]
    Unreachable(Box<NewSessionError>),
    /// A statement failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The keyspace's name is none.
    #[error("{0:?} is no name of a keyspace: letters, digits and underscores, 48 at most")]
    BadKeyspace(String),
    /// A migration is missing.
    #[error("the keyspace lacks migration {0}: run `argus migrate up`")]
    Behind(String),
    /// A newer program was here, and older ones do not run on what it left.
    #[error("the keyspace has another program's tables: {0}")]
    Ahead(#[from] Ahead),
    /// An applied migration is not what this program has under that name.
    #[error(
        "migration {0} was applied in another form than this program knows: use the build that made this keyspace, or begin with a new one"
    )]
    Differs(String),
    /// A copy into it has begun, and nobody knows what is missing.
    #[error(
        "the keyspace holds half a copy of another store: let the same `argus store copy` come to its end, which goes on where it was"
    )]
    HalfCopied,
    /// Somebody else migrates and does not come to an end.
    #[error("another process migrates this keyspace: try again in a minute")]
    Locked,
    /// A table or a column is missing.
    #[error("the keyspace is damaged: {0}; restore a backup")]
    Damaged(String),
}

impl From<NewSessionError> for OpenError {
    fn from(e: NewSessionError) -> Self {
        Self::Unreachable(Box::new(e))
    }
}

/// The platform's store: every port but the journal. Clones share the connections.
#[derive(Clone)]
pub struct ScyllaStore(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub db: Arc<Db>,
    pub notes: Arc<Notes>,
    pub log: Arc<Log>,
    pub watch: Watch,
    pub memory: Mutex<Memory>,
}

/// What this process knows for certain, so that it neither reads nor writes it again.
#[derive(Default)]
pub(crate) struct Memory {
    /// Versions of jobs never change.
    pub versions: HashMap<(JobId, u32), Arc<Job>>,
    /// The newest task of a job whose row is written.
    pub tasks: HashMap<JobId, TaskId>,
    /// The stamp of an account up to which its entries are written.
    pub accounts: HashMap<Address, i64>,
}

impl Memory {
    /// Entries of each kind, of a few hundred bytes to a few KB each.
    const MAX: usize = 20_000;

    /// Keeps one more, in place of all where there are too many.
    pub(crate) fn keep<K: Eq + std::hash::Hash, V>(map: &mut HashMap<K, V>, key: K, value: V) {
        if map.len() >= Self::MAX {
            map.clear();
        }
        map.insert(key, value);
    }
}

impl ScyllaStore {
    /// Connects to a keyspace that has all migrations that this program knows, and none that asks for a newer one.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(options: &Options) -> Result<Self, OpenError> {
        let session = connect(options).await?;
        migrate::check(&session, &options.keyspace).await?;
        session.use_keyspace(&options.keyspace, true).await.map_err(|e| {
            StoreError::Unavailable(format!("the keyspace {} cannot be used: {e}", options.keyspace))
        })?;
        let db = Arc::new(Db::new(session, options.deadline));
        if !options.half_copied && records::is_half_copied(&db).await? {
            return Err(OpenError::HalfCopied);
        }
        let notes = Arc::new(Notes::default());
        let log = Arc::new(Log::open(Arc::clone(&db), Arc::clone(&notes), options.keep_changes).await?);
        let watch = Watch::start(Arc::clone(&log), options.poll_every);
        Ok(Self(Arc::new(Inner { db, notes, log, watch, memory: Mutex::default() })))
    }

    pub(crate) fn db(&self) -> &Db {
        &self.0.db
    }

    pub(crate) fn notes(&self) -> &Notes {
        &self.0.notes
    }

    pub(crate) fn remember<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        act(&mut self.0.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

pub(crate) async fn connect(options: &Options) -> Result<Session, OpenError> {
    let name = &options.keyspace;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.len() > 48 || !name.chars().all(is_name) {
        return Err(OpenError::BadKeyspace(name.clone()));
    }
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.nodes)
        .connection_timeout(options.connect_within)
        .fetch_schema_metadata(true)
        .keyspaces_to_fetch([name.clone()]);
    if let Some((user, password)) = &options.login {
        builder = builder.user(user, password.expose_secret());
    }
    // Its future has many kilobytes, which would lie in those of all callers.
    Ok(Box::pin(builder.build()).await?)
}
