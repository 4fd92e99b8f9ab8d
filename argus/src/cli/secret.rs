//! `argus job secret`: values that a job's script may send, and nobody may see.

use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde_json::json;

use super::show;
use crate::client::{self, Server};

/// The secret commands.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Set a secret that the job names in its "secrets"
    #[command(after_help = "Example:\n  argus job secret set 42 API_KEY --file key.txt\n  \
        pass show api | argus job secret set 42 API_KEY\n\n\
        The value comes from stdin or a file, never from the command line, where other users of the machine would see \
        it. One line break at its end is left out. It is shown to nobody again, the job's script included.")]
    Set {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// The secret's name
        #[arg(value_name = "NAME", value_parser = client::one_name)]
        name: String,
        /// File with the value; without it, stdin
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// List a job's secrets by name, and since when each has a value
    List {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// Where
        #[command(flatten)]
        server: Server,
    },
    /// Remove the value of a secret
    Unset {
        /// The job's id
        #[arg(value_name = "JOB_ID", value_parser = client::one_name)]
        id: String,
        /// The secret's name
        #[arg(value_name = "NAME", value_parser = client::one_name)]
        name: String,
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Carries out a secret command.
pub async fn run(command: SecretCommand, as_json: bool) -> anyhow::Result<()> {
    let (reply, line) = match command {
        SecretCommand::Set { id, name, file, server } => {
            let body = json!({ "value": value(file.as_deref())? });
            let reply = server.put(&format!("/jobs/{id}/secrets/{name}"), &body).await?;
            (reply, format!("set  {name}"))
        }
        SecretCommand::List { id, server } => {
            let reply = server.get(&format!("/jobs/{id}/secrets")).await?;
            let secrets = reply["secrets"].as_array().into_iter().flatten();
            let rows = secrets.map(|row| vec![show::field(row, "name"), show::field(row, "set_at")]);
            let table = show::table(&["name", "set"], rows);
            (reply, table)
        }
        SecretCommand::Unset { id, name, server } => {
            let reply = server.delete(&format!("/jobs/{id}/secrets/{name}")).await?;
            (reply, format!("removed  {name}"))
        }
    };
    if as_json {
        show::json(&reply);
    } else {
        show::line(line);
    }
    Ok(())
}

fn value(file: Option<&Path>) -> anyhow::Result<String> {
    let mut text = String::new();
    match file {
        Some(path) => {
            text =
                std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        }
        None if std::io::stdin().is_terminal() => {
            bail!(
                "give the value in a file (--file) or through a pipe: typed here it would stay on the screen"
            )
        }
        None => drop(std::io::stdin().read_to_string(&mut text)?),
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
