//! `argus secret`: what an operator does about the keys under which secrets are stored.

use anyhow::Context;
use argus_ports::{Secrets, StoredSecret};
use clap::Subcommand;
use serde_json::json;

use super::{Settings, show};
use crate::{backends, config::Config};

/// What can be done about stored secrets.
#[derive(Debug, Subcommand)]
pub enum SecretKeyCommand {
    /// Seal every stored secret with the newest key
    #[command(after_help = "To change the key under which secrets are stored:\n  \
        1. put the new key (openssl rand -hex 32) on a line before the old one in [secrets] key_file\n  \
        2. restart what runs the roles api and aggregator\n  \
        3. argus secret rewrap --config argus.toml\n  \
        4. take the old line out once this says that nothing is left, and restart them again\n\n\
        It can be stopped and begun again at any moment, and the platform may run. Exit code: 0 nothing is left under \
        another key, 1 otherwise.")]
    Rewrap(Settings),
}

/// Values that are read at once.
const PAGE: u32 = 200;

/// Carries it out; gives the exit code.
pub async fn run(command: SecretKeyCommand, as_json: bool) -> anyhow::Result<u8> {
    let SecretKeyCommand::Rewrap(settings) = command;
    let config = Config::load(settings.config.as_deref(), &settings.overrides)?;
    let secrets = backends::secrets(&config, backends::store::open(&config.store).await?)?;
    let secrets = secrets.context("the configuration names no key: set [secrets] key_file")?;
    let rewrapped = rewrap(&secrets).await?;
    let left = left(&secrets).await?;
    let is_done = left.is_empty();
    if as_json {
        let left: Vec<_> =
            left.iter().map(|(job, name, why)| json!({ "job_id": job, "name": name, "why": why })).collect();
        show::json(&json!({ "rewrapped": rewrapped, "left": left }));
        return Ok(u8::from(!is_done));
    }
    show::line(format!("rewrapped  {rewrapped}"));
    if is_done {
        show::line("left       0: every stored secret opens with the newest key");
    } else {
        let rows = left.into_iter().map(|(job, name, why)| vec![job, name, why]);
        show::line(show::table(&["job", "left under another key", "why"], rows));
    }
    Ok(u8::from(!is_done))
}

/// Each value by itself and only in the place of what was read: what is set meanwhile stays, and after a stop the next
/// run goes on with what is left.
async fn rewrap(Secrets { store, vault }: &Secrets) -> anyhow::Result<u64> {
    let (mut after, mut rewrapped) = (None, 0);
    loop {
        let page = store.sealed_otherwise(vault.key(), after, PAGE).await?;
        let Some((job, name, _)) = page.last() else { return Ok(rewrapped) };
        after = Some((*job, name.clone()));
        for (job, name, sealed) in page {
            // One that does not open stays as it is, and is told of at the end.
            let Ok(value) = vault.open(job, &name, &sealed) else { continue };
            let new = vault.seal(job, &name, &value, sealed.set_at)?;
            rewrapped += u64::from(store.replace((job, name, sealed), new).await?);
        }
    }
}

/// The first of those that are under another key still, and why.
async fn left(Secrets { store, vault }: &Secrets) -> anyhow::Result<Vec<(String, String, String)>> {
    let left = store.sealed_otherwise(vault.key(), None, PAGE).await?;
    let row = |(job, name, sealed): StoredSecret| {
        let why = match vault.open(job, &name, &sealed) {
            Ok(_) => "set meanwhile, by a process that does not seal with the newest key: restart it, and run this again"
                .to_owned(),
            Err(error) => error.to_string(),
        };
        (job.to_string(), name.to_string(), why)
    };
    Ok(left.into_iter().map(row).collect())
}
