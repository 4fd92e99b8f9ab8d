//! `argus migrate`: the store's tables.

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Settings, show};
use crate::config::Config;

/// Arguments of `argus migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  argus migrate --config argus.toml\n  argus migrate status\n\n\
    Safe to run twice and at the same time.")]
pub struct Migrate {
    /// What to do
    #[arg(value_enum, default_value = "up")]
    pub what: What,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// What can be done about the tables.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum What {
    /// Apply what is missing
    Up,
    /// Say what is applied and what is missing
    Status,
    /// Compare what is applied with what this program carries
    Verify,
}

/// Carries it out.
pub fn run(args: &Migrate, as_json: bool) -> anyhow::Result<()> {
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let path = &config.store_path;
    let options = argus_sqlite::Options::default();
    let rows = match args.what {
        What::Up => {
            crate::backends::make_folder_of(path)?;
            argus_sqlite::migrate::up(path, &options)?;
            argus_sqlite::migrate::status(path, &options)?
        }
        What::Status => argus_sqlite::migrate::status(path, &options)?,
        What::Verify => {
            argus_sqlite::migrate::verify(path, &options)?;
            argus_sqlite::migrate::status(path, &options)?
        }
    };
    if as_json {
        let list: Vec<_> =
            rows.iter().map(|r| json!({ "migration": r.name, "applied_at": r.applied_at })).collect();
        show::json(&json!({ "store": path, "migrations": list }));
    } else {
        let missing = || "missing".to_owned();
        let table = rows.iter().map(|r| vec![r.name.clone(), r.applied_at.clone().unwrap_or_else(missing)]);
        show::line(show::table(&["migration", "applied"], table));
    }
    Ok(())
}
