//! `argus store`

mod copy;
mod place;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Settings, show};
use crate::{backends::store, config::Config};

/// What can be done with the store as a whole.
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy the store, while the platform runs, into a file
    #[command(
        after_help = "Example:\n  argus store backup --config argus.toml --to backup/argus-2026-01-31.db\n\n\
        The copy is the store as it was at one moment. To go back to it: stop every process of the platform, move the \
        store's file and those with -wal and -shm at the end of its name away, put the copy in its place, and start them \
        again. What was done since is done again, except calls through the executor contract, which takes each task \
        once: docs/operations.md says what that means for jobs without a quorum, and for conditions. Published \
        scripts are copied with [content] dir; never put an old copy of a keeper's journal back."
    )]
    Backup(Backup),
    /// Move to another kind of store, while the platform is stopped: copy everything, then compare both
    #[command(after_help = "Examples:\n  \
        argus store copy --from sqlite:argus-data/argus.db --to scylla:10.0.0.1:9042,10.0.0.2:9042/argus --config argus.toml\n  \
        argus store copy --from scylla:10.0.0.1:9042/argus --to sqlite:argus-data/argus.db --config argus.toml\n\n\
        Stop every process of the platform first, and make the tables of a keyspace with `argus migrate up`. The target \
        has to be empty; a file is made. Stopped or killed, the same command goes on where it was. At the end both stores \
        are read and compared, record by record; only then processes start on the target: point [store] at it, and move \
        the source away, so that nothing is started on it any more.\n\n\
        User and password of a cluster come from [store] login_file or ARGUS_STORE_LOGIN, its other settings from [store], \
        too. Exit code: 0 all is copied and equal, 1 otherwise.")]
    Copy(Pair),
    /// Compare two stores, while the platform is stopped, record by record
    #[command(after_help = "Example:\n  \
        argus store verify --from sqlite:argus.db --to scylla:10.0.0.1:9042/argus --config argus.toml\n\n\
        Exit code: 0 both hold the same, 1 otherwise, with the first thing found that they do not share.")]
    Verify(Pair),
}

/// Arguments of `argus store backup`.
#[derive(Debug, Args)]
pub struct Backup {
    /// File to write; it must not exist yet
    #[arg(long, value_name = "FILE")]
    pub to: PathBuf,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// Two stores.
#[derive(Debug, Args)]
pub struct Pair {
    /// The one that is there: sqlite:PATH or scylla:HOST:PORT,HOST:PORT,.../KEYSPACE
    #[arg(long, value_name = "STORE")]
    pub from: String,
    /// The other one, written in the same way
    #[arg(long, value_name = "STORE")]
    pub to: String,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// Carries it out; the exit code.
pub async fn run(command: StoreCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        StoreCommand::Backup(args) => backup(&args, as_json).await.map(|()| 0),
        StoreCommand::Copy(pair) => copy::copy(&pair, as_json).await,
        StoreCommand::Verify(pair) => copy::verify(&pair, as_json).await,
    }
}

async fn backup(args: &Backup, as_json: bool) -> anyhow::Result<()> {
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let bytes = show::waiting("copying the store", store::backup(&config.store, &args.to)).await?;
    if as_json {
        show::json(&json!({ "file": args.to, "bytes": bytes }));
    } else {
        show::line(format!("file   {}\nbytes  {bytes}", args.to.display()));
    }
    Ok(())
}
