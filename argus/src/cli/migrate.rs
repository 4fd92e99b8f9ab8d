//! `argus migrate`: the store's tables.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Settings, show};
use crate::{backends::store, config::Config};

/// Arguments of `argus migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    argus migrate up --config argus.toml      before the first start, and that of a newer version\n  \
    argus migrate status --config argus.toml  exit code 1 where a migration is missing\n  \
    argus migrate verify --config argus.toml  exit code 1 where the store is damaged, too\n\n\
    [store] says which store. A file of SQLite is made and brought up to date by whoever opens it, too; a keyspace of \
    ScyllaDB or Cassandra by `up` alone, and no process starts on one that lacks a migration. One that has a migration \
which the program does not know is opened where `status` says of that one that it needs none which this program does \
not know; otherwise nothing starts on it but a newer program.\n\n\
    `up` may be repeated, and run by several processes at the same time: the second finds nothing to do. The very first \
    one on a cluster of several Cassandra nodes is run alone. The others change nothing.")]
pub struct Migrate {
    /// What to do
    #[arg(value_enum, default_value = "up")]
    pub what: What,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be done about the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// Apply what is missing
    Up,
    /// Say what is applied and what is missing
    Status,
    /// Compare what is applied with what this program carries
    Verify,
}

/// Carries it out; the exit code.
pub async fn run(args: &Migrate, as_json: bool) -> anyhow::Result<u8> {
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let store = &config.store;
    match args.what {
        What::Up => show::waiting("applying migrations ...", store::migrate(store)).await?,
        What::Status => {}
        What::Verify => show::waiting("looking at the store ...", store::verify(store)).await?,
    }
    let rows = store::migrations(store).await?;
    let is_missing = rows.iter().any(|row| row.applied_at.is_none());
    if as_json {
        let row = |r: &store::Migration| json!({ "migration": r.name, "applied_at": r.applied_at, "needs": r.needs });
        let list: Vec<_> = rows.iter().map(row).collect();
        show::json(&json!({ "store": store::name(store), "migrations": list }));
    } else {
        let missing = || "missing".to_owned();
        let table = rows
            .iter()
            .map(|r| vec![r.name.clone(), r.applied_at.clone().unwrap_or_else(missing), r.needs.to_string()]);
        show::line(show::table(&["migration", "applied", "needs a program that knows"], table));
        if is_missing {
            show::line("`argus migrate up` applies what is missing");
        }
    }
    Ok(u8::from(is_missing))
}
