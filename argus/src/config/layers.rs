//! Settings as they lie over one another: defaults, the file, the environment, flags; and who said each of them.

use std::collections::BTreeMap;

use argus_ports::Failpoint;
use toml::{
    Table, Value,
    de::{DeArray, DeTable, DeValue},
};

use super::DEFAULTS;
use crate::backends::{SECRETS_KEY, redis::REDIS_URL, signers::SIGNER_LOGIN, store::STORE_LOGIN};

/// Variables that begin like settings and are none.
const NO_SETTINGS: [&str; 6] =
    ["ARGUS_API_KEY", "ARGUS_API_URL", SECRETS_KEY, REDIS_URL, SIGNER_LOGIN, STORE_LOGIN];

/// Stands for all chains at once.
const CHAINS: &str = "ARGUS_CHAINS";

/// What lies over the defaults, the later over the earlier.
#[derive(Debug, Clone, Copy, Default)]
pub struct Layers<'a> {
    /// The text of a configuration file.
    pub file: Option<&'a str>,
    /// Variables and their values.
    pub environment: &'a [(String, String)],
    /// Assignments of `--set`.
    pub overrides: &'a [String],
}

/// All settings.
#[derive(Debug, Default)]
pub struct Laid {
    /// With their values.
    pub table: Table,
    /// Who said those that have not their default, by dotted name.
    pub said: BTreeMap<String, String>,
    /// What could not be laid there: it does not keep the rest from being read.
    pub faults: Vec<String>,
}

impl Laid {
    /// Lays all layers.
    pub fn over_defaults(layers: &Layers<'_>) -> Self {
        let mut laid = Self { table: DEFAULTS.parse().unwrap_or_default(), ..Self::default() };
        if Failpoint::POSSIBLE {
            // Known to builds for tests only, and shown to nobody.
            let debug = Table::from_iter([("failpoint".to_owned(), Value::String(String::new()))]);
            laid.table.insert("debug".to_owned(), Value::Table(debug));
        }
        if let Some(text) = layers.file {
            laid.lay_file(text);
        }
        for (variable, value) in layers.environment {
            laid.lay_variable(variable, value);
        }
        for text in layers.overrides {
            match text.parse::<Table>() {
                Ok(changes) => laid.lay(changes, &|_| "--set".to_owned()),
                Err(error) => {
                    let name = text.split('=').next().unwrap_or_default().trim();
                    laid.faults.push(format!("--set {name} is no TOML assignment: {}", error.message()));
                }
            }
        }
        laid
    }

    fn lay_file(&mut self, text: &str) {
        let (lines, table) = match (DeTable::parse(text), text.parse::<Table>()) {
            (Ok(spans), Ok(table)) => (lines(text, spans.get_ref()), table),
            (Err(error), _) | (_, Err(error)) => {
                let line = error.span().map(|span| format!(" (line {})", line(text, span.start)));
                let line = line.unwrap_or_default();
                return self.faults.push(format!("the file is no TOML: {}{line}", error.message()));
            }
        };
        let says = |name: &str| lines.get(name).map_or_else(String::new, |line| format!("line {line}"));
        self.lay(table, &says);
        // Of lists of sections each member has its place.
        self.said.extend(
            lines
                .iter()
                .filter(|(name, _)| name.contains('['))
                .map(|(name, line)| (name.clone(), format!("line {line}"))),
        );
    }

    fn lay_variable(&mut self, variable: &str, value: &str) {
        if variable == CHAINS {
            match parsed(value) {
                Some(chains) => {
                    self.table.insert("chains".to_owned(), chains);
                    // What the file said of chains is gone.
                    self.said.retain(|name, _| !name.starts_with("chains"));
                    self.said.insert("chains".to_owned(), CHAINS.to_owned());
                }
                None => self
                    .faults
                    .push(format!("{CHAINS} must be chains like [{{ id = 1, rpc = [\"https://...\"] }}]")),
            }
            return;
        }
        let Some(name) = setting_of(&self.table, variable) else {
            let is_meant = sections(&self.table).any(|section| variable.starts_with(&section));
            if is_meant && !NO_SETTINGS.contains(&variable) {
                self.faults.push(format!("{variable} is no setting: correct its name or unset it"));
            }
            return;
        };
        let (section, key) = name.split_once('.').unwrap_or(("", &name));
        let old = match section {
            "" => self.table.get_mut(key),
            _ => {
                self.table.get_mut(section).and_then(Value::as_table_mut).and_then(|table| table.get_mut(key))
            }
        };
        if let Some(old) = old {
            *old = as_kind_of(old, value);
            self.said.insert(name, variable.to_owned());
        }
    }

    fn lay(&mut self, changes: Table, says: &dyn Fn(&str) -> String) {
        let Self { table, said, faults } = self;
        merge(table, changes, "", &mut |name, fault| {
            let told = says(name);
            match fault {
                Some(fault) if told.is_empty() => faults.push(fault),
                Some(fault) => faults.push(format!("{fault} ({told})")),
                None => drop(said.insert(name.to_owned(), told)),
            }
        });
    }
}

/// Lays changes over a table, and tells of each setting whether it was laid or what is wrong with it.
fn merge(into: &mut Table, changes: Table, path: &str, tell: &mut dyn FnMut(&str, Option<String>)) {
    for (key, value) in changes {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(changes)) => merge(inner, changes, &name, tell),
            (Some(Value::Table(_)), _) => {
                tell(&name, Some(format!("{name} is a section: write [{name}] and its settings under it")));
            }
            (Some(old), new) => {
                *old = new;
                tell(&name, None);
            }
            (None, new) if name == "chains" => {
                into.insert(key, new);
                tell(&name, None);
            }
            (None, _) => {
                let says = "correct its name or remove it; `argus config default` lists all";
                tell(&name, Some(format!("{name} is no setting: {says}")));
            }
        }
    }
}

/// The setting that a variable stands for: ARGUS_API_LISTEN is api.listen.
fn setting_of(table: &Table, variable: &str) -> Option<String> {
    settings(table).find(|name| variable_of(name) == variable)
}

/// The variable of a setting.
fn variable_of(name: &str) -> String {
    format!("ARGUS_{}", name.replace('.', "_").to_uppercase())
}

/// How the variables of each section begin.
fn sections(table: &Table) -> impl Iterator<Item = String> {
    table.iter().filter(|(_, value)| value.is_table()).map(|(name, _)| format!("{}_", variable_of(name)))
}

/// The dotted names of all settings but those of chains.
fn settings(table: &Table) -> impl Iterator<Item = String> {
    table.iter().flat_map(|(section, value)| match value {
        Value::Table(inner) => inner.keys().map(|key| format!("{section}.{key}")).collect(),
        _ => vec![section.clone()],
    })
}

/// A variable's text as the value that it stands in for is written: a list in brackets, or with commas. What is none of
/// that kind stays a text, and is told of as a setting of the wrong kind.
fn as_kind_of(old: &Value, text: &str) -> Value {
    match old {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            Value::Array(elements.map(|element| Value::String(element.to_owned())).collect())
        }
        _ => parsed(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// A value as TOML writes it.
fn parsed(text: &str) -> Option<Value> {
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}

/// The lines on which settings stand, by dotted name.
fn lines(text: &str, table: &DeTable<'_>) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    walk(table, "", &mut |name, at| {
        found.insert(name, line(text, at));
    });
    found
}

fn walk(table: &DeTable<'_>, path: &str, see: &mut dyn FnMut(String, usize)) {
    for (key, value) in table.iter() {
        let name =
            if path.is_empty() { key.get_ref().to_string() } else { format!("{path}.{}", key.get_ref()) };
        see(name.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => walk(inner, &name, see),
            DeValue::Array(elements) => walk_elements(elements, &name, see),
            _ => {}
        }
    }
}

fn walk_elements(elements: &DeArray<'_>, path: &str, see: &mut dyn FnMut(String, usize)) {
    for (n, element) in elements.iter().enumerate() {
        if let DeValue::Table(inner) = element.get_ref() {
            let name = format!("{path}[{n}]");
            see(name.clone(), element.span().start);
            walk(inner, &name, see);
        }
    }
}

/// The number of the line in which a byte stands.
fn line(text: &str, at: usize) -> usize {
    text.get(..at).map_or(0, |before| before.matches('\n').count()) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_settings_have_one_variable() {
        let table: Table = DEFAULTS.parse().expect("the defaults are TOML");
        let mut variables: Vec<String> = settings(&table).map(|name| variable_of(&name)).collect();
        let all = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), all);
        assert!(NO_SETTINGS.iter().all(|name| setting_of(&table, name).is_none()));
    }

    #[test]
    fn each_layer_lies_over_the_one_before_and_is_remembered() {
        let file = "[api]\nlisten = \"127.0.0.1:1\"\nkeyed_per_minute = 5\n\n[policy]\nkeepers = 5\nthreshold = 3\n\n[[chains]]\nid = 9\n";
        let pairs = [
            ("ARGUS_API_LISTEN", "127.0.0.1:2"),
            ("ARGUS_API_KEYED_PER_MINUTE", "6"),
            ("ARGUS_API_BEHIND_PROXY", "true"),
            ("ARGUS_API_CORS_ORIGINS", "https://a.example, https://b.example"),
            ("ARGUS_API_KEY", "no setting"),
            ("ARGUS_DATA_DIR", "/elsewhere"),
            ("ARGUS_API_LISTN", "x"),
            ("ARGUS_ANVIL", "x"),
            ("ARGUS_CHAINS", "[{ id = 1, rpc = [\"https://node/canary\"] }]"),
        ];
        let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let overrides = ["api.listen = \"127.0.0.1:3\"".to_owned()];
        let layers = Layers { file: Some(file), environment: &environment, overrides: &overrides };
        let laid = Laid::over_defaults(&layers);
        let value = |section: &str, key: &str| laid.table[section][key].to_string();
        assert_eq!(value("api", "listen"), "\"127.0.0.1:3\"");
        assert_eq!(value("api", "keyed_per_minute"), "6");
        assert_eq!(value("api", "behind_proxy"), "true");
        assert_eq!(value("api", "cors_origins"), "[\"https://a.example\", \"https://b.example\"]");
        assert_eq!(laid.table["data_dir"].as_str(), Some("/elsewhere"));
        let said: Vec<(&str, &str)> = laid.said.iter().map(|(n, s)| (n.as_str(), s.as_str())).collect();
        assert_eq!(
            said,
            [
                ("api.behind_proxy", "ARGUS_API_BEHIND_PROXY"),
                ("api.cors_origins", "ARGUS_API_CORS_ORIGINS"),
                ("api.keyed_per_minute", "ARGUS_API_KEYED_PER_MINUTE"),
                ("api.listen", "--set"),
                ("chains", "ARGUS_CHAINS"),
                ("data_dir", "ARGUS_DATA_DIR"),
                ("policy.keepers", "line 6"),
                ("policy.threshold", "line 7"),
            ]
        );
        assert_eq!(laid.table["chains"][0]["id"].as_integer(), Some(1));
        assert_eq!(laid.faults, ["ARGUS_API_LISTN is no setting: correct its name or unset it"]);
    }
}
