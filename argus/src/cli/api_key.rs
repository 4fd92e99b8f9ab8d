//! `argus api-key`: keys to the API, made where the store is. The first one can come from nowhere else.

use std::path::PathBuf;

use argus_domain::{Address, access::Role};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::{
    Settings,
    keygen::{random_text, write_secret},
    show,
};
use crate::{backends, config::Config};

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub enum ApiKeyCommand {
    /// Make a key, and let the platform's store know it
    #[command(
        after_help = "Example:\n  argus api-key create --config argus.toml --role admin --out admin.key\n\n\
        The file holds the key and is readable by you alone; the store keeps its hash. With an admin's key \
        POST /api/admin/api-keys makes more."
    )]
    Create(Create),
}

/// Arguments of `argus api-key create`.
#[derive(Debug, Args)]
pub struct Create {
    /// Whose key: an operator's, a front end's that acts for any user, or one user's
    #[arg(long, value_enum)]
    pub role: Whose,
    /// Whose jobs the key lists; a user's key acts for this address alone
    #[arg(long, value_name = "ADDRESS", required_if_eq("role", "user"))]
    pub owner: Option<Address>,
    /// File to write; it must not exist yet
    #[arg(long, value_name = "FILE", default_value = "api.key")]
    pub out: PathBuf,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// Roles that a key can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    /// The platform's operator
    Admin,
    /// A trusted front end
    App,
    /// One user
    User,
}

/// Carries it out.
pub async fn run(command: ApiKeyCommand, as_json: bool) -> anyhow::Result<()> {
    let ApiKeyCommand::Create(args) = command;
    let config = Config::load(args.settings.config.as_deref(), &args.settings.overrides)?;
    let store = backends::store::open(&config.store).await?;
    let (role, name) = match args.role {
        Whose::Admin => (Role::Admin, "admin"),
        Whose::App => (Role::App, "app"),
        Whose::User => (Role::User, "user"),
    };
    let key = format!("TGRX-{}", random_text()?);
    write_secret(&args.out, &key)?;
    backends::know_key(&*store, &key, role, args.owner.unwrap_or_default()).await?;
    if as_json {
        show::json(&json!({ "role": name, "file": args.out }));
    } else {
        show::line(format!("role  {name}\nfile  {}", args.out.display()));
    }
    Ok(())
}
