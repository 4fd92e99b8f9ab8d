//! deploy/compose: whether its files belong together, as far as that can be said without an engine that runs them.

mod parts;
mod reach;
mod rules;

use std::path::Path;

use serde_json::Value;
use toml::Table;

use crate::{Faults, text::File};

pub use parts::Part;

/// Where it lies.
pub const FOLDER: &str = "deploy/compose";

/// The files of the deployment.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// compose.yml.
    pub compose: Value,
    /// prometheus.yml.
    pub prometheus: Value,
    /// argus.toml.
    pub settings: Table,
    /// keeper.toml.
    pub keepers: Table,
    /// README.md.
    pub readme: String,
    /// scripts/versions.sh.
    pub versions: String,
}

impl Deployment {
    /// Reads it.
    ///
    /// # Panics
    /// Where a file is missing, or is not what its name says.
    pub fn read(root: &Path) -> Self {
        let text = |path: &str| {
            std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
        };
        let ours = |name: &str| text(&format!("{FOLDER}/{name}"));
        let yaml = |name: &str| serde_saphyr::from_str(&ours(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let toml = |name: &str| ours(name).parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            compose: yaml("compose.yml"),
            prometheus: yaml("prometheus.yml"),
            settings: toml("argus.toml"),
            keepers: toml("keeper.toml"),
            readme: ours("README.md"),
            versions: text("scripts/versions.sh"),
        }
    }

    /// What breaks a rule. `exists` says whether a path below the root of the repository is there.
    pub fn check(&self, exists: impl Fn(&str) -> bool) -> Faults {
        let parts = self.parts();
        [
            rules::check_images(&parts, &self.versions),
            rules::check_life(&parts),
            rules::check_secrets(self, &parts),
            rules::check_files(self, &parts, exists),
            reach::check_names(self, &parts),
            rules::check_replicas(self, &parts),
            rules::check_ports(&parts),
            rules::check_scraped(self, &parts),
        ]
        .concat()
    }

    /// The services, with what is said of each.
    pub fn parts(&self) -> Vec<Part<'_>> {
        let services = self.compose["services"].as_object().into_iter().flatten();
        services.map(|(name, service)| Part { name, service }).collect()
    }

    /// The commands of the README that need no engine and nobody's rights: what an operator makes beforehand.
    pub fn preparations(&self) -> String {
        let blocks = self.readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
        let is_ours = |block: &&str| !["docker ", "sudo ", "tar "].iter().any(|word| block.contains(word));
        blocks.filter(is_ours).collect::<Vec<_>>().join("\n")
    }
}

/// Settings that name a file below /run/secrets, by the roles that read them.
const SECRET_SETTINGS: &[(&str, &[&str])] = &[
    ("links.token_file", &["api", "scheduler", "dispatcher", "aggregator", "oversight"]),
    ("links.keeper_token_file", &["api", "scheduler", "dispatcher", "aggregator", "oversight", "keeper"]),
    ("redis.url_file", &["api", "scheduler", "dispatcher", "aggregator", "oversight"]),
    ("secrets.key_file", &["api", "aggregator"]),
    ("platform.key_file", &["aggregator"]),
];

/// A setting by its dotted name.
fn setting<'a>(table: &'a Table, name: &str) -> Option<&'a toml::Value> {
    let (section, key) = name.split_once('.')?;
    table.get(section)?.get(key)
}

/// The text of a setting, or those of a list.
fn texts<'a>(table: &'a Table, name: &str) -> Vec<&'a str> {
    match setting(table, name) {
        Some(toml::Value::String(text)) => vec![text],
        Some(toml::Value::Array(list)) => list.iter().filter_map(toml::Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The port of an address like 0.0.0.0:9000.
fn port(table: &Table, name: &str) -> Option<u16> {
    texts(table, name).first()?.rsplit_once(':')?.1.parse().ok()
}

/// Tracked files in folders that hold an operator's keys and certificates.
pub fn check_tracked(files: &[File]) -> Faults {
    let is_made = |path: &str| {
        let rest = path.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| parts::MADE.iter().any(|made| rest.starts_with(&format!("{made}/"))))
    };
    files
        .iter()
        .filter(|file| is_made(&file.path))
        .map(|file| format!("{} is an operator's, and is tracked", file.path))
        .collect()
}

#[cfg(test)]
mod tests;
