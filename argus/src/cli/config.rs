//! `argus config`

use clap::Subcommand;
use serde_json::{Map, json};
use toml::{Table, Value};

use super::{Settings, show};
use crate::{
    backends::{SECRETS_KEY, redis::REDIS_URL, signers::SIGNER_LOGIN, store::STORE_LOGIN},
    config::{Config, DEFAULTS, is_secret, lay, seen},
    environment,
};

/// Secrets that the environment alone holds.
const SECRET_VARIABLES: [&str; 4] = [SECRETS_KEY, REDIS_URL, SIGNER_LOGIN, STORE_LOGIN];

/// What is done with settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print every setting with its default and what it means: where a file begins
    #[command(after_help = "Example:\n  argus config default > argus.toml")]
    Default,
    /// Say whether the settings hold together; every mistake at once, with its line
    #[command(after_help = "Example:\n  argus config check --config argus.toml\n\n\
        Flags lie over the environment, that over the file, and that over the defaults: api.listen is \
        ARGUS_API_LISTEN in the environment.")]
    Check(Settings),
    /// Print the settings as they would be used, and who said each; of secrets only whether they are set
    Dump(Settings),
}

/// Carries it out.
pub fn run(command: &ConfigCommand, as_json: bool) -> anyhow::Result<()> {
    match command {
        ConfigCommand::Default => show::line(DEFAULTS.trim_end()),
        ConfigCommand::Check(settings) => {
            Config::load(settings.config.as_deref(), &settings.overrides)?;
            if as_json {
                show::json(&json!({ "ok": true }));
            } else {
                show::line("the settings hold together");
            }
        }
        ConfigCommand::Dump(settings) => {
            let laid = lay(settings.config.as_deref(), &settings.overrides);
            let said = laid.said.clone();
            let mut table = laid.table.clone();
            // What builds for tests have is nobody's to set.
            table.remove("debug");
            // Mistakes are told in place of what they would make.
            Config::read(laid)?;
            let lines = lines(&table);
            let who = |name: &str| said.get(name).map_or("default", String::as_str);
            if as_json {
                let shown: Map<_, _> = lines
                    .iter()
                    .map(|(_, name, value)| {
                        let value = serde_json::to_value(value).unwrap_or_default();
                        (name.clone(), json!({ "value": value, "said_by": who(name) }))
                    })
                    .collect();
                let variables: Map<_, _> =
                    variables().map(|(name, set)| (name.to_owned(), json!(set))).collect();
                show::json(&json!({ "settings": shown, "environment": variables }));
                return Ok(());
            }
            let mut section = String::new();
            for (of, name, value) in lines {
                if of != section {
                    show::line(format!("\n{of}"));
                    section = of;
                }
                let key = name.rsplit('.').next().unwrap_or(&name);
                let by = said.get(&name).map(|who| format!("  # {who}")).unwrap_or_default();
                show::line(format!("{key} = {value}{by}"));
            }
            show::line("");
            for (name, set) in variables() {
                show::line(format!("# {name}: {set}"));
            }
        }
    }
    Ok(())
}

fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    SECRET_VARIABLES.into_iter().map(|name| (name, is_set(environment::variable(name).is_some())))
}

fn is_set(set: bool) -> &'static str {
    if set { "set" } else { "unset" }
}

/// All settings, each with the head of its section and its dotted name; plain ones before sections, as TOML wants it.
fn lines(table: &Table) -> Vec<(String, String, Value)> {
    let mut found: Vec<_> = table
        .iter()
        .filter(|(_, value)| !value.is_table() && !is_sections(value))
        .map(|(key, value)| (String::new(), key.clone(), shown(key, key, value)))
        .collect();
    for (section, value) in table {
        match value {
            Value::Table(inner) => found.extend(inner.iter().map(|(key, value)| {
                let name = format!("{section}.{key}");
                (format!("[{section}]"), name.clone(), shown(&name, key, value))
            })),
            Value::Array(list) if is_sections(value) => {
                for (n, inner) in list.iter().enumerate() {
                    let Value::Table(inner) = inner else { continue };
                    found.extend(inner.iter().map(|(key, value)| {
                        let name = format!("{section}[{n}].{key}");
                        (format!("[[{section}]]  # {n}"), name.clone(), shown(&name, key, value))
                    }));
                }
            }
            _ => {}
        }
    }
    found
}

fn is_sections(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().any(Value::is_table))
}

/// A value as it may be seen: of a secret, whether it is set.
fn shown(name: &str, key: &str, value: &Value) -> Value {
    if !is_secret(name) && !is_secret(key) {
        return seen(value);
    }
    let is_empty = match value {
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    Value::String(is_set(!is_empty).to_owned())
}
