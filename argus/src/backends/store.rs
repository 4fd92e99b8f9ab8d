//! The platform's store: a file of SQLite, or a keyspace of ScyllaDB or Cassandra. The futures of the latter are boxed: they
//! have many kilobytes, which would lie in those of all callers.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use argus_domain::{migration::Recorded, time::Timestamp};
use argus_metrics::Figures;
use argus_ports::{PlatformStore, StoreError};
pub use argus_scylla::Nodes;
use argus_scylla::{OpenError, ScyllaStore};
use argus_sqlite::SqliteStore;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep};

use super::make_folder_of;
use crate::{
    cli::keygen::read_secret,
    config::{Cluster, Store},
    environment,
    metrics::{self, Calls, CountedStore},
};

/// Holds user and password of the cluster where no file does.
pub const STORE_LOGIN: &str = "ARGUS_STORE_LOGIN";

/// How long a cluster is waited for, and the pause between two tries. Whoever starts the process starts it again after
/// that, and systemd does not give up where that is rare.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(2);

/// Opens the platform's store. A file has its tables brought up to date by that; a keyspace that lacks some is refused.
pub async fn open(store: &Store) -> anyhow::Result<Arc<dyn PlatformStore>> {
    Ok(match store {
        Store::Sqlite(path) => Arc::new(open_sqlite(path)?),
        Store::Scylla(cluster) => Arc::new(open_scylla(cluster).await?),
    })
}

/// The same, with what is asked of it counted, for processes that start with their machines: a cluster that is away is
/// waited for, because its nodes may be starting, too.
pub async fn open_counted(
    store: &Store,
    figures: &Figures,
    calls: Calls,
) -> anyhow::Result<Arc<dyn PlatformStore>> {
    Ok(match store {
        Store::Sqlite(path) => {
            let sqlite = open_sqlite(path)?;
            metrics::register_writes(&sqlite, figures)?;
            Arc::new(CountedStore::new(sqlite, calls))
        }
        Store::Scylla(cluster) => {
            let scylla = once_it_answers(PATIENCE, PAUSE, async || open_scylla(cluster).await).await?;
            Arc::new(CountedStore::new(scylla, calls))
        }
    })
}

/// Opens again and again while nobody answers. What opening again does not change ends it at once.
async fn once_it_answers<T>(
    patience: Duration,
    pause: Duration,
    mut open: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let until = Instant::now() + patience;
    loop {
        match open().await {
            Err(error) if is_away(&error) && Instant::now() + pause < until => {
                tracing::warn!(error = format!("{error:#}"), "the store is waited for");
                sleep(pause).await;
            }
            opened => return opened,
        }
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(OpenError::Unreachable(_) | OpenError::Store(StoreError::Unavailable(_)))
    )
}

fn open_sqlite(path: &Path) -> anyhow::Result<SqliteStore> {
    make_folder_of(path)?;
    SqliteStore::open(path, &argus_sqlite::Options::default())
        .with_context(|| format!("the store {}", path.display()))
}

async fn open_scylla(cluster: &Cluster) -> anyhow::Result<ScyllaStore> {
    Box::pin(ScyllaStore::open(&options(cluster)?))
        .await
        .with_context(|| format!("the store, {}", place(cluster)))
}

/// Where a store lies, for people.
pub fn name(store: &Store) -> String {
    match store {
        Store::Sqlite(path) => path.display().to_string(),
        Store::Scylla(cluster) => place(cluster),
    }
}

fn place(Cluster { keyspace, nodes, .. }: &Cluster) -> String {
    format!("keyspace {keyspace} at {}", nodes.join(", "))
}

/// How the adapter reaches a cluster.
pub(super) fn options(cluster: &Cluster) -> anyhow::Result<argus_scylla::Options> {
    Ok(argus_scylla::Options {
        nodes: cluster.nodes.clone(),
        keyspace: cluster.keyspace.clone(),
        copies: cluster.copies,
        login: login(cluster)?,
        deadline: cluster.deadline,
        keep_changes: cluster.keep_changes,
        ..argus_scylla::Options::default()
    })
}

fn login(cluster: &Cluster) -> anyhow::Result<Option<(String, SecretString)>> {
    let text = match (environment::variable(STORE_LOGIN), &cluster.login_file) {
        (Some(text), _) => SecretString::from(text.to_string_lossy().into_owned()),
        (None, Some(path)) => read_secret(path, "the login of the store")?,
        (None, None) => return Ok(None),
    };
    let parts = text.expose_secret().split_once(':').filter(|(user, _)| !user.is_empty());
    let (user, password) = parts.with_context(|| {
        format!("[store] login_file, or {STORE_LOGIN}, has to be user:password on one line")
    })?;
    Ok(Some((user.to_owned(), SecretString::from(password.to_owned()))))
}

/// Where one migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// When it was applied, UTC; `None`: it is missing.
    pub applied_at: Option<String>,
    /// The migration that a program has to know to run on a store that has this one.
    pub needs: u32,
}

impl Migration {
    fn new(migration: &Recorded, applied_at: Option<String>) -> Self {
        Self { number: migration.number, name: migration.name.clone(), applied_at, needs: migration.needs() }
    }
}

/// The number of the newest migration that this program knows of a store of this kind.
pub fn newest(store: &Store) -> u32 {
    match store {
        Store::Sqlite(_) => argus_sqlite::migrate::newest(),
        Store::Scylla(_) => argus_scylla::migrate::newest(),
    }
}

/// Applies what is missing.
pub async fn migrate(store: &Store) -> anyhow::Result<()> {
    match store {
        Store::Sqlite(path) => {
            make_folder_of(path)?;
            argus_sqlite::migrate::up(path, &argus_sqlite::Options::default())?;
        }
        Store::Scylla(cluster) => {
            Box::pin(argus_scylla::migrate::up(&options(cluster)?)).await?;
        }
    }
    Ok(())
}

/// All that this program knows, and whether they are applied, and those that a newer one has applied. Looks, and changes
/// nothing.
pub async fn migrations(store: &Store) -> anyhow::Result<Vec<Migration>> {
    Ok(match store {
        Store::Sqlite(path) => {
            let rows = argus_sqlite::migrate::status(path, &argus_sqlite::Options::default())?;
            rows.into_iter().map(|row| Migration::new(&row.migration, row.applied_at)).collect()
        }
        Store::Scylla(cluster) => {
            let rows = Box::pin(argus_scylla::migrate::status(&options(cluster)?)).await?;
            let at = |ms: i64| Timestamp(ms.unsigned_abs()).to_utc().format("%F %T").to_string();
            rows.into_iter().map(|row| Migration::new(&row.migration, row.applied_at.map(at))).collect()
        }
    })
}

/// Whether all are applied that this program knows, none that asks for a newer one, and what they made is there.
pub async fn verify(store: &Store) -> anyhow::Result<()> {
    match store {
        Store::Sqlite(path) => argus_sqlite::migrate::verify(path, &argus_sqlite::Options::default())?,
        Store::Scylla(cluster) => Box::pin(argus_scylla::migrate::verify(&options(cluster)?)).await?,
    }
    Ok(())
}

/// Copies a file of SQLite, as it is at one moment, into a new one; its length in bytes. The nodes of a cluster copy it.
pub async fn backup(store: &Store, to: &Path) -> anyhow::Result<u64> {
    let Store::Sqlite(path) = store else {
        bail!("{} is copied by its nodes: `nodetool snapshot` on each of them", name(store));
    };
    make_folder_of(to)?;
    let (path, to) = (path.clone(), to.to_owned());
    Ok(tokio::task::spawn_blocking(move || argus_sqlite::backup(&path, &to)).await??)
}

/// How many nodes a cluster has, and how many copies of each row lie on them.
pub async fn nodes(cluster: &Cluster) -> anyhow::Result<Nodes> {
    Ok(Box::pin(argus_scylla::nodes(&options(cluster)?)).await?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn the_login_is_read_from_a_file_of_its_owner_alone_and_never_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("store.login");
        let set = [
            "store.kind = \"scylla\"".to_owned(),
            // Nobody listens there.
            "store.nodes = [\"127.0.0.1:1\"]".to_owned(),
            format!("store.login_file = {:?}", file.to_string_lossy()),
        ];
        let store = Config::load(None, &set).expect("a configuration").store;
        let Store::Scylla(cluster) = &store else { panic!("a cluster") };
        let write = |mode, text: &str| {
            std::fs::write(&file, text).expect("written");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("changed");
        };
        write(0o600, "argus:canary:colon\n");
        let known = options(cluster).expect("options");
        let (user, password) = known.login.clone().expect("a login");
        assert_eq!((user.as_str(), password.expose_secret()), ("argus", "canary:colon"));
        assert!(!format!("{known:?}").contains("canary"), "{known:?}");
        let away = format!("{:#}", open(&store).await.err().expect("nobody is there"));
        assert!(away.contains("keyspace argus at 127.0.0.1:1") && !away.contains("canary"), "{away}");
        for (mode, text, part) in [
            (0o644, "argus:canary", "chmod 600"),
            (0o600, "canary", "has to be user:password"),
            (0o600, ":canary", "has to be user:password"),
        ] {
            write(mode, text);
            let said = format!("{:#}", open(&store).await.err().expect("refused"));
            assert!(said.contains(part) && !said.contains("canary"), "{said}");
        }
    }

    #[tokio::test]
    async fn a_cluster_that_is_away_is_waited_for_and_nothing_else_is() {
        let away = || OpenError::Store(StoreError::Unavailable("nobody".to_owned()));
        let behind = || OpenError::Behind("001_platform".to_owned());
        let tried = async |patience: Duration, answers: &dyn Fn(u32) -> Result<(), OpenError>| {
            let mut tries = 0;
            let opened = once_it_answers(patience, Duration::from_millis(1), async || {
                tries += 1;
                answers(tries).context("the store")
            });
            let is_open = opened.await.is_ok();
            (is_open, tries)
        };
        let long = Duration::from_secs(60);
        assert_eq!(tried(long, &|n| if n < 4 { Err(away()) } else { Ok(()) }).await, (true, 4));
        assert_eq!(tried(long, &|_| Err(behind())).await, (false, 1));
        let (is_open, tries) = tried(Duration::from_millis(50), &|_| Err(away())).await;
        assert!(!is_open && tries > 1, "{tries}");
    }
}
