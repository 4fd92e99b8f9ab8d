//! Stores that are copied or compared: opened by one process, while nobody else uses them.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail, ensure};
use argus_scylla::ScyllaStore;
use argus_sqlite::SqliteStore;
use argus_transfer::Side;

use super::{make_folder_of, store};
use crate::config::Store;

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// To be read: it has to be there, with all its tables.
    Source,
    /// To be written: a file is made where there is none.
    Target,
}

/// Refuses one file under two names.
pub fn differ(from: &Store, to: &Store) -> anyhow::Result<()> {
    if let (Store::Sqlite(from), Store::Sqlite(to)) = (from, to)
        && let (Ok(one), Ok(other)) = (from.canonicalize(), to.canonicalize())
    {
        ensure!(one != other, "{} and the target are the same store: name two", from.display());
    }
    Ok(())
}

/// Opens a store that is of this program's version and that nobody uses, as far as that shows: a file that is open nowhere.
pub async fn open(place: &Store, purpose: Use) -> anyhow::Result<Side> {
    let name = store::name(place);
    if let (Store::Sqlite(path), Use::Source) = (place, purpose) {
        ensure!(path.exists(), "there is no store at {name}");
    }
    let newest = store::newest(place);
    let rows = store::migrations(place).await.with_context(|| format!("the store, {name}"))?;
    if let Some(newer) = rows.iter().find(|row| row.number > newest) {
        bail!("{name} has migration {} of a newer program: copy it with that program", newer.name);
    }
    match place {
        Store::Sqlite(path) => {
            if argus_sqlite::is_in_use(path).with_context(|| format!("the store {name}"))? {
                bail!(
                    "{name} is open in another process: stop every process of the platform, then start this again"
                );
            }
            let opened = Arc::new(file(path, purpose).with_context(|| format!("the store {name}"))?);
            Ok(Side { records: Arc::clone(&opened) as _, leases: opened, name })
        }
        Store::Scylla(cluster) => {
            let options = argus_scylla::Options { half_copied: true, ..store::options(cluster)? };
            let opened = Box::pin(ScyllaStore::open(&options)).await;
            let opened = Arc::new(opened.with_context(|| format!("the store, {name}"))?);
            Ok(Side { records: Arc::clone(&opened) as _, leases: opened, name })
        }
    }
}

fn file(path: &Path, purpose: Use) -> anyhow::Result<SqliteStore> {
    make_folder_of(path)?;
    let migrate = purpose == Use::Target;
    let options = argus_sqlite::Options { migrate, half_copied: true, ..argus_sqlite::Options::default() };
    Ok(SqliteStore::open(path, &options)?)
}
