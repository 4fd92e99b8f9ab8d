//! `argus store`

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

/// Carries it out.
pub async fn run(command: StoreCommand, as_json: bool) -> anyhow::Result<()> {
    let StoreCommand::Backup(args) = command;
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let bytes = show::waiting("copying the store", store::backup(&config.store, &args.to)).await?;
    if as_json {
        show::json(&json!({ "file": args.to, "bytes": bytes }));
    } else {
        show::line(format!("file   {}\nbytes  {bytes}", args.to.display()));
    }
    Ok(())
}
