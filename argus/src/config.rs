//! Configuration: parsed once, whole, before anything binds. All mistakes are told together.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use argus_domain::{Address, U256, chain::Contracts, ids::ChainId};
use argus_ports::Failpoint;
use toml::{Table, Value};

/// Every setting with its default, as text with comments.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Config {
    /// SQLite file.
    pub store_path: PathBuf,
    /// Content blocks.
    pub content_dir: PathBuf,
    /// Gateways.
    pub gateways: Vec<String>,
    /// Platform key.
    pub platform_key: PathBuf,
    /// REST and WebSocket.
    pub api: Api,
    /// Keepers per task.
    pub keepers: u8,
    /// How many must agree.
    pub threshold: u8,
    /// Processes.
    pub links: Links,
    /// Keepers of this process.
    pub keeper: Keeper,
    /// Runs at once.
    pub slots: u32,
    /// Compiled modules.
    pub compiled_dir: PathBuf,
    /// Operator's list of reachable hosts.
    pub egress_allow: Vec<String>,
    /// Periods and patience.
    pub timing: Timing,
    /// Chains by id.
    pub chains: BTreeMap<ChainId, Chain>,
    /// Where a test has this process die.
    pub failpoint: Failpoint,
}

/// Section `api`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether a job must be registered on chain.
    pub registry_required: bool,
    /// CORS.
    pub cors_origins: Vec<String>,
    /// Plain script URLs.
    pub http_scripts: bool,
}

/// Section `links`.
#[derive(Debug, Clone)]
pub struct Links {
    /// Where calls are taken.
    pub listen: Option<SocketAddr>,
    /// Other processes.
    pub scheduler: Option<String>,
    /// Other processes.
    pub dispatcher: Option<String>,
    /// Other processes.
    pub aggregator: Option<String>,
    /// Token of the platform's own processes.
    pub token_file: PathBuf,
    /// Token of keepers.
    pub keeper_token_file: PathBuf,
}

/// Section `keeper`.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Keys.
    pub key_files: Vec<PathBuf>,
    /// Journals.
    pub dir: PathBuf,
    /// Who signs assignments; `None`: our own platform key.
    pub platform: Option<Address>,
    /// Operator's bound, wei per gas.
    pub gas_price_max: Option<u128>,
}

/// Section `timing`, milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// Sources.
    pub source_poll_ms: u64,
    /// Chains.
    pub chain_poll_ms: u64,
    /// Agreement.
    pub attempt_ms: u64,
    /// Performer.
    pub patience_ms: u64,
}

/// One chain.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Node URLs.
    pub rpc: Vec<String>,
    /// Blocks on top.
    pub confirmations: u64,
    /// Age of a block before it is final besides.
    pub settle: Duration,
    /// Explorer.
    pub explorer: Option<String>,
    /// Our contracts.
    pub contracts: Option<Contracts>,
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} mistake{}:\n{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|f| format!("  - {f}")).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<String>);

/// The merged settings as one TOML text, for `--dump-config`.
pub fn merged(file: Option<&str>, overrides: &[String]) -> Result<Table, Mistakes> {
    let mut faults = Vec::new();
    let mut table: Table = DEFAULTS.parse().unwrap_or_default();
    if Failpoint::POSSIBLE {
        // Known to builds for tests only, and shown to nobody.
        let debug = Table::from_iter([("failpoint".to_owned(), Value::String(String::new()))]);
        table.insert("debug".to_owned(), Value::Table(debug));
    }
    if let Some(text) = file {
        match text.parse::<Table>() {
            Ok(changes) => merge(&mut table, changes, "", &mut faults),
            Err(error) => faults.push(format!("the file is no TOML: {}", error.message())),
        }
    }
    for text in overrides {
        match text.parse::<Table>() {
            Ok(changes) => merge(&mut table, changes, "", &mut faults),
            Err(error) => faults.push(format!("--set {text:?} is no TOML assignment: {}", error.message())),
        }
    }
    if faults.is_empty() { Ok(table) } else { Err(Mistakes(faults)) }
}

fn merge(into: &mut Table, changes: Table, path: &str, faults: &mut Vec<String>) {
    for (key, value) in changes {
        let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (into.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(changes)) => merge(inner, changes, &name, faults),
            (Some(Value::Table(_)), _) => faults.push(format!("{name} is a section, not a value")),
            (Some(old), new) => *old = new,
            (None, new) if name == "chains" => {
                into.insert(key, new);
            }
            (None, _) => faults.push(format!("{name} is no setting; `argus run --dump-config` lists all")),
        }
    }
}

impl Config {
    /// Reads merged settings; every mistake at once.
    pub fn read(table: &Table) -> Result<Self, Mistakes> {
        let mut r = Reader { root: table, faults: Vec::new() };
        let data_dir = PathBuf::from(r.text("data_dir"));
        let config = Self {
            store_path: r.path(&data_dir, "store.path"),
            content_dir: r.path(&data_dir, "content.dir"),
            gateways: r.texts("content.gateways"),
            platform_key: r.path(&data_dir, "platform.key_file"),
            api: Api {
                listen: r.parsed("api.listen", "an address with a port, like 127.0.0.1:9002"),
                registry_required: r.one_of("api.job_registry", &["optional", "required"]) == 1,
                cors_origins: r.texts("api.cors_origins"),
                http_scripts: r.flag("api.http_scripts"),
            },
            keepers: r.number("policy.keepers", 1, 32) as u8,
            threshold: r.number("policy.threshold", 1, 32) as u8,
            links: Links {
                listen: r.optional("links.listen", "an address with a port, or empty"),
                scheduler: r.optional("links.scheduler", "a URL, or empty"),
                dispatcher: r.optional("links.dispatcher", "a URL, or empty"),
                aggregator: r.optional("links.aggregator", "a URL, or empty"),
                token_file: r.path(&data_dir, "links.token_file"),
                keeper_token_file: r.path(&data_dir, "links.keeper_token_file"),
            },
            keeper: Keeper {
                key_files: r.texts("keeper.key_files").iter().map(|p| data_dir.join(p)).collect(),
                dir: r.path(&data_dir, "keeper.dir"),
                platform: r.optional("keeper.platform", "an address, or empty"),
                gas_price_max: Some(r.parsed::<u128>("keeper.gas_price_max", "a number of wei in quotes"))
                    .filter(|p| *p > 0),
            },
            slots: r.number("runner.slots", 1, 1000) as u32,
            compiled_dir: r.path(&data_dir, "runner.dir"),
            egress_allow: r.texts("egress.allow"),
            timing: Timing {
                source_poll_ms: r.number("timing.source_poll_ms", 100, 86_400_000),
                chain_poll_ms: r.number("timing.chain_poll_ms", 20, 3_600_000),
                attempt_ms: r.number("timing.attempt_ms", 100, 600_000),
                patience_ms: r.number("timing.patience_ms", 100, 600_000),
            },
            chains: r.chains(),
            failpoint: r.failpoint(),
        };
        if config.threshold > config.keepers {
            r.faults.push(format!(
                "policy.threshold is {}, but only policy.keepers = {} run a task",
                config.threshold, config.keepers
            ));
        }
        if r.faults.is_empty() { Ok(config) } else { Err(Mistakes(r.faults)) }
    }

    /// Reads a file (or only the defaults) with overrides.
    pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Self, Mistakes> {
        let text = match file {
            None => None,
            Some(path) => Some(
                std::fs::read_to_string(path)
                    .map_err(|error| Mistakes(vec![format!("{}: {error}", path.display())]))?,
            ),
        };
        Self::read(&merged(text.as_deref(), overrides)?)
    }
}

/// Reads values by dotted name and collects what is wrong with them.
struct Reader<'a> {
    root: &'a Table,
    faults: Vec<String>,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let mut value = self.root.get(parts.next()?)?;
        for part in parts {
            value = value.as_table()?.get(part)?;
        }
        Some(value)
    }

    fn fault(&mut self, name: &str, wanted: &str) {
        let found = self.value(name).map_or_else(|| "nothing".to_owned(), ToString::to_string);
        self.faults.push(format!("{name} must be {wanted}, not {found}"));
    }

    fn text(&mut self, name: &str) -> String {
        match self.value(name).and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None => {
                self.fault(name, "text in quotes");
                String::new()
            }
        }
    }

    fn path(&mut self, base: &Path, name: &str) -> PathBuf {
        base.join(self.text(name))
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        let list = self.value(name).and_then(Value::as_array);
        match list.map(|l| l.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()) {
            Some(Some(texts)) => texts,
            _ => {
                self.fault(name, "a list of texts in quotes");
                Vec::new()
            }
        }
    }

    fn flag(&mut self, name: &str) -> bool {
        let flag = self.value(name).and_then(Value::as_bool);
        if flag.is_none() {
            self.fault(name, "true or false");
        }
        flag.unwrap_or_default()
    }

    fn number(&mut self, name: &str, min: u64, max: u64) -> u64 {
        let n = self.value(name).and_then(Value::as_integer).and_then(|n| u64::try_from(n).ok());
        match n.filter(|n| (min..=max).contains(n)) {
            Some(n) => n,
            None => {
                self.fault(name, &format!("a whole number from {min} to {max}"));
                min
            }
        }
    }

    fn parsed<T: std::str::FromStr + Fallback>(&mut self, name: &str, wanted: &str) -> T {
        match self.value(name).and_then(Value::as_str).and_then(|t| t.parse().ok()) {
            Some(value) => value,
            None => {
                self.fault(name, wanted);
                T::fallback()
            }
        }
    }

    fn optional<T: std::str::FromStr>(&mut self, name: &str, wanted: &str) -> Option<T> {
        match self.value(name).and_then(Value::as_str) {
            Some("") => None,
            Some(text) => {
                let value = text.parse().ok();
                if value.is_none() {
                    self.fault(name, wanted);
                }
                value
            }
            None => {
                self.fault(name, wanted);
                None
            }
        }
    }

    fn one_of(&mut self, name: &str, choices: &[&str]) -> usize {
        let found = self.value(name).and_then(Value::as_str);
        match found.and_then(|t| choices.iter().position(|c| *c == t)) {
            Some(position) => position,
            None => {
                self.fault(name, &format!("one of {choices:?}"));
                0
            }
        }
    }

    fn failpoint(&mut self) -> Failpoint {
        match self.value("debug.failpoint").and_then(Value::as_str).unwrap_or_default() {
            "" => Failpoint::NONE,
            name => Failpoint::named(name).unwrap_or_else(|| {
                self.fault("debug.failpoint", "the name of a step");
                Failpoint::NONE
            }),
        }
    }

    fn chains(&mut self) -> BTreeMap<ChainId, Chain> {
        let mut chains = BTreeMap::new();
        let Some(value) = self.root.get("chains") else { return chains };
        let Some(list) = value.as_array() else {
            self.faults.push("chains must be written as [[chains]] sections".to_owned());
            return chains;
        };
        for (i, entry) in list.iter().enumerate() {
            let name = format!("chains[{i}]");
            let Some(table) = entry.as_table() else {
                self.faults.push(format!("{name} must be a [[chains]] section"));
                continue;
            };
            let mut inner = Reader { root: table, faults: Vec::new() };
            let (id, chain) = read_chain(&mut inner);
            self.faults.extend(inner.faults.into_iter().map(|f| format!("{name}.{f}")));
            if chains.insert(id, chain).is_some() {
                self.faults.push(format!("{name}.id: chain {id} is there twice"));
            }
        }
        chains
    }
}

fn read_chain(r: &mut Reader<'_>) -> (ChainId, Chain) {
    const KNOWN: [&str; 9] = [
        "id",
        "rpc",
        "confirmations",
        "settle_secs",
        "explorer",
        "executor",
        "keeper_registry",
        "job_registry",
        "gas_registry",
    ];
    for key in r.root.keys().filter(|k| !KNOWN.contains(&k.as_str())) {
        r.faults.push(format!("{key} is no setting of a chain: {KNOWN:?}"));
    }
    let id = ChainId(r.number("id", 1, u64::from(u32::MAX)));
    let rpc = r.texts("rpc");
    if rpc.is_empty() {
        r.faults.push("rpc must name at least one node".to_owned());
    }
    let confirmations =
        if r.root.contains_key("confirmations") { r.number("confirmations", 0, 10_000) } else { 3 };
    let settle = if r.root.contains_key("settle_secs") { r.number("settle_secs", 0, 3600) } else { 0 };
    let settle = Duration::from_secs(settle);
    let explorer = if r.root.contains_key("explorer") { Some(r.text("explorer")) } else { None };
    let names = ["executor", "keeper_registry", "job_registry", "gas_registry"];
    let given = names.iter().filter(|n| r.root.contains_key(**n)).count();
    let contracts = match given {
        0 => None,
        4 => {
            let mut address = |name| r.parsed::<Address>(name, "an address in quotes");
            Some(Contracts {
                executor: address("executor"),
                keeper_registry: address("keeper_registry"),
                job_registry: address("job_registry"),
                gas_registry: address("gas_registry"),
            })
        }
        _ => {
            r.faults.push(format!("{names:?}: give all four, or none"));
            None
        }
    };
    (id, Chain { rpc, confirmations, settle, explorer, contracts })
}

/// What stands in for a value that was refused; it is never used, because the refusal ends the reading.
trait Fallback {
    fn fallback() -> Self;
}

impl Fallback for SocketAddr {
    fn fallback() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

impl Fallback for Address {
    fn fallback() -> Self {
        Self::ZERO
    }
}

impl Fallback for u128 {
    fn fallback() -> Self {
        0
    }
}

/// Most wei that a task may cost where a job says nothing: 0.05 of the chain's coin.
pub const FEE_CAP_DEFAULT: U256 = U256::from_limbs([50_000_000_000_000_000, 0, 0, 0]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_hold_together() {
        let config = Config::load(None, &[]).expect("defaults");
        assert_eq!(config.api.listen.port(), 9002);
        assert!(config.api.registry_required);
        assert!(config.links.listen.is_none());
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let text = r#"
            surprise = 1
            [api]
            listen = "nowhere"
            job_registry = "maybe"
            [timing]
            attempt_ms = -1
            [policy]
            threshold = 9
            [[chains]]
            id = 0
            rpc = []
            executor = "0x00"
        "#;
        // What is no setting at all is told before values are looked at.
        let faults = Config::read(&merged(Some(&text.replace("surprise = 1", "")), &[]).expect("merged"))
            .expect_err("faults")
            .0;
        for part in [
            "api.listen",
            "api.job_registry",
            "timing.attempt_ms",
            "policy.threshold",
            "chains[0].id",
            "chains[0].rpc",
            "all four",
        ] {
            assert!(faults.iter().any(|f| f.contains(part)), "{part} in {faults:#?}");
        }
        assert!(merged(Some(text), &[]).expect_err("unknown").0[0].contains("surprise"));
    }

    #[test]
    fn overrides_come_last() {
        let config =
            Config::load(None, &["api.listen = \"127.0.0.1:0\"".to_owned(), "policy.keepers = 5".to_owned()])
                .expect("config");
        assert_eq!((config.api.listen.port(), config.keepers), (0, 5));
    }
}
