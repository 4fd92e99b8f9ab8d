//! Configuration: parsed once, whole, before anything binds. All mistakes are told together.

mod chains;
mod fees;
mod layers;
mod links;
mod reader;
mod redis;
mod signer;
mod store;
mod traces;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use argus_domain::{Address, U256, chain::Contracts, ids::ChainId};
use argus_ports::Failpoint;

pub use fees::Fees;
pub use layers::{Laid, Layers};
use reader::Reader;
pub use reader::{is_secret, seen};
pub use redis::Redis;
pub use signer::{Key, Signer};
pub use store::{Cluster, Store};
pub use traces::Traces;

use crate::environment;

/// Every setting with its default, as text with comments.
pub const DEFAULTS: &str = include_str!("../defaults.toml");

/// A configuration that holds together.
#[derive(Debug, Clone)]
pub struct Config {
    /// Everything durable.
    pub store: Store,
    /// What processes share.
    pub redis: Redis,
    /// Content blocks.
    pub content_dir: PathBuf,
    /// Gateways.
    pub gateways: Vec<String>,
    /// The RPC of the IPFS node where published scripts are pinned.
    pub ipfs_node: Option<String>,
    /// The remote signer; `None`: all keys are in files.
    pub signer: Option<Signer>,
    /// Platform key.
    pub platform_key: Key,
    /// Keys under which secrets are stored; `None`: no file.
    pub secrets_key: Option<PathBuf>,
    /// REST and WebSocket.
    pub api: Api,
    /// Coins for trying things out.
    pub faucet: Faucet,
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
    /// Longest compilation of one module.
    pub compile_ms: u64,
    /// Builds of Go sources.
    pub builder: Builder,
    /// Operator's list of reachable hosts.
    pub egress_allow: Vec<String>,
    /// Periods and patience.
    pub timing: Timing,
    /// What tasks cost.
    pub fees: Fees,
    /// Chains by id.
    pub chains: BTreeMap<ChainId, Chain>,
    /// Where figures are shown besides the API's `/metrics`.
    pub metrics_listen: Option<SocketAddr>,
    /// Who is told of spans.
    pub traces: Traces,
    /// Why a job did not fire: rows kept of each job.
    pub decisions_kept: u64,
    /// Where a test has this process die.
    pub failpoint: Failpoint,
}

/// Section `api`.
#[derive(Debug, Clone)]
pub struct Api {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Certificate chain and key, PEM; `None`: no TLS.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether a job must be registered on chain.
    pub registry_required: bool,
    /// CORS.
    pub cors_origins: Vec<String>,
    /// Whether X-Forwarded-For is believed.
    pub behind_proxy: bool,
    /// Requests per minute from one address, whatever its keys.
    pub keyed_per_minute: u32,
    /// Plain script URLs.
    pub http_scripts: bool,
    /// Where users sign in with their accounts.
    pub sign_in_domains: Vec<String>,
    /// Hosts under which the keepers' board shows only some of them.
    pub boards: argus_api::config::BoardHosts,
    /// WebSockets of one key.
    pub connections_per_key: usize,
}

/// Section `faucet`.
#[derive(Debug, Clone)]
pub struct Faucet {
    /// The key of its account; `None`: there is no faucet.
    pub key: Option<Key>,
    /// Per claim, wei.
    pub amount: U256,
    /// Chains by the names that clients have for them.
    pub networks: BTreeMap<String, ChainId>,
}

/// Section `links`.
#[derive(Debug, Clone)]
pub struct Links {
    /// Where calls are taken.
    pub listen: Option<SocketAddr>,
    /// Where other processes are a scheduler.
    pub scheduler: Vec<String>,
    /// Where other processes are a dispatcher.
    pub dispatcher: Vec<String>,
    /// Where other processes are an aggregator.
    pub aggregator: Vec<String>,
    /// Token of the platform's own processes.
    pub token_file: PathBuf,
    /// Token of keepers.
    pub keeper_token_file: PathBuf,
    /// Certificates; `None`: links are in clear.
    pub tls: Option<argus_tls::Files>,
}

/// Section `keeper`.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// Keys.
    pub keys: Vec<Key>,
    /// Journals.
    pub dir: PathBuf,
    /// Who signs assignments; `None`: our own platform key.
    pub platform: Option<Address>,
    /// Operator's bound, wei per gas.
    pub gas_price_max: Option<u128>,
}

/// Section `builder`.
#[derive(Debug, Clone)]
pub struct Builder {
    /// The `go` command; `None`: looked for.
    pub go: Option<PathBuf>,
    /// Packages, modules, builds.
    pub dir: PathBuf,
    /// Where modules are fetched from.
    pub module_proxy: Option<String>,
    /// Another user that builds run as.
    pub user: Option<u32>,
    /// Longest that a request waits for a build.
    pub patience_ms: u64,
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
    /// Registrations without a job.
    pub registration_grace_ms: u64,
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
    /// Nothing of them is in earlier blocks.
    pub contracts_from: u64,
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} mistake{}:\n{}", .0.len(), if .0.len() == 1 { "" } else { "s" }, .0.iter().map(|f| format!("  - {f}")).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<String>);

impl Config {
    /// Reads settings; every mistake at once, after those that were found in laying them.
    pub fn read(laid: Laid) -> Result<Self, Mistakes> {
        let mut r =
            Reader { root: &laid.table, prefix: String::new(), said: &laid.said, faults: laid.faults };
        let data_dir = PathBuf::from(r.text("data_dir"));
        let (keepers, threshold) = policy(&mut r);
        let keys = signer::read(&mut r, &data_dir);
        let config = Self {
            store: store::read(&mut r, &data_dir),
            redis: redis::read(&mut r, &data_dir),
            content_dir: r.path(&data_dir, "content.dir"),
            gateways: r.urls("content.gateways", &["http", "https"]),
            ipfs_node: r.http_url(
                "content.node",
                "the URL of the RPC of an IPFS node, like http://127.0.0.1:5001, or empty",
            ),
            signer: keys.signer,
            platform_key: keys.platform,
            secrets_key: r
                .optional::<PathBuf>("secrets.key_file", "a path, or empty")
                .map(|p| data_dir.join(p)),
            api: Api {
                listen: r.parsed("api.listen", "an address with a port, like 127.0.0.1:9002"),
                tls: tls(&mut r, &data_dir),
                registry_required: r.one_of("api.job_registry", &["optional", "required"]) == 1,
                cors_origins: r.origins("api.cors_origins"),
                behind_proxy: r.flag("api.behind_proxy"),
                keyed_per_minute: r.number("api.keyed_per_minute", 1, 100_000_000) as u32,
                http_scripts: r.flag("api.http_scripts"),
                sign_in_domains: r.texts("api.sign_in_domains"),
                boards: argus_api::config::BoardHosts {
                    imua: r.texts("api.imua_hosts"),
                    others: r.texts("api.other_hosts"),
                },
                connections_per_key: r.number("api.connections_per_key", 1, 1_000_000) as usize,
            },
            faucet: Faucet {
                key: keys.faucet,
                amount: r.wei("faucet.amount_wei"),
                networks: networks(&mut r),
            },
            keepers: keepers as u8,
            threshold: threshold as u8,
            links: links::read(&mut r, &data_dir),
            keeper: Keeper {
                keys: keys.keepers,
                dir: r.path(&data_dir, "keeper.dir"),
                platform: r.optional("keeper.platform", "an address, or empty"),
                gas_price_max: Some(r.parsed::<u128>("keeper.gas_price_max", "a number of wei in quotes"))
                    .filter(|p| *p > 0),
            },
            slots: r.number("runner.slots", 1, 1000) as u32,
            compiled_dir: r.path(&data_dir, "runner.dir"),
            compile_ms: r.number("runner.compile_ms", 1_000, 600_000),
            builder: Builder {
                go: r.optional("builder.go", "the path of a go command, or empty"),
                dir: r.path(&data_dir, "builder.dir"),
                module_proxy: r.optional("builder.module_proxy", "a URL as GOPROXY takes it, or empty"),
                user: Some(r.number("builder.user", 0, u64::from(u32::MAX)) as u32).filter(|user| *user > 0),
                // The API answers within 110 s, and a build is not all that it waits for.
                patience_ms: r.number("builder.patience_ms", 10, 90_000),
            },
            egress_allow: r.texts("egress.allow"),
            timing: Timing {
                source_poll_ms: r.number("timing.source_poll_ms", 100, 86_400_000),
                chain_poll_ms: r.number("timing.chain_poll_ms", 20, 3_600_000),
                attempt_ms: r.number("timing.attempt_ms", 100, 600_000),
                patience_ms: r.number("timing.patience_ms", 100, 600_000),
                registration_grace_ms: r.number("timing.registration_grace_ms", 0, 86_400_000),
            },
            fees: fees::read(&mut r),
            chains: chains::read(&mut r),
            metrics_listen: r.optional("metrics.listen", "an address with a port, or empty"),
            traces: traces::read(&mut r),
            decisions_kept: r.number("scheduler.decisions_kept", 1, 10_000),
            failpoint: r.failpoint(),
        };
        if r.faults.is_empty() { Ok(config) } else { Err(Mistakes(r.faults)) }
    }

    /// Reads a file (or only the defaults), the environment and overrides.
    pub fn load(file: Option<&Path>, overrides: &[String]) -> Result<Self, Mistakes> {
        Self::read(lay(file, overrides))
    }
}

/// Lays a file, the environment and overrides over the defaults.
pub fn lay(file: Option<&Path>, overrides: &[String]) -> Laid {
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let (text, unread) = match file.map(read).transpose() {
        Ok(text) => (text, None),
        Err(fault) => (None, Some(fault)),
    };
    let (environment, no_text) = environment::settings();
    let layers = Layers { file: text.as_deref(), environment: &environment, overrides };
    let mut laid = Laid::over_defaults(&layers);
    laid.faults.extend(unread);
    laid.faults.extend(no_text.iter().map(|name| format!("{name} holds no text in UTF-8")));
    laid
}

/// The faucet's chains by their names.
fn networks(r: &mut Reader<'_>) -> BTreeMap<String, ChainId> {
    let name = "faucet.networks";
    let named = |text: &String| {
        let (name, id) = text.split_once('=')?;
        Some((name.trim().to_owned(), ChainId(id.trim().parse().ok()?))).filter(|(name, _)| !name.is_empty())
    };
    let read: Option<BTreeMap<_, _>> = r.texts(name).iter().map(named).collect();
    read.unwrap_or_else(|| {
        r.fault(name, "a list of texts like \"base_sepolia=84532\", a client's name and the chain's id");
        BTreeMap::new()
    })
}

/// Certificate and key of the API: both, or none.
fn tls(r: &mut Reader<'_>, data_dir: &Path) -> Option<(PathBuf, PathBuf)> {
    let mut file = |name: &str| r.optional::<PathBuf>(name, "a path, or empty").map(|p| data_dir.join(p));
    match (file("api.tls_cert_file"), file("api.tls_key_file")) {
        (Some(certificates), Some(key)) => Some((certificates, key)),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => {
            r.tell("api.tls_cert_file", " and api.tls_key_file go together: give both, or neither");
            None
        }
    }
}

/// How many keepers run a task, and how many of them must agree: what a job that names neither gets, and so what it
/// could name. Only numbers that are sound are compared.
fn policy(r: &mut Reader<'_>) -> (u64, u64) {
    let before = r.faults.len();
    let (keepers, threshold) = (r.number("policy.keepers", 1, 15), r.number("policy.threshold", 1, 15));
    if r.faults.len() == before && threshold > keepers {
        let keepers = format!("policy.keepers = {keepers}");
        let says =
            format!(" is {threshold}, but only {keepers} run a task: lower the one, or raise the other");
        r.tell("policy.threshold", &says);
    } else if r.faults.len() == before && threshold <= keepers / 2 {
        let least = keepers / 2 + 1;
        let says = format!(
            " is {threshold} of policy.keepers = {keepers}: more than half have to agree, {least} at least"
        );
        r.tell("policy.threshold", &says);
    }
    (keepers, threshold)
}

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

    /// Everything that is wrong with a file.
    fn mistakes(text: &str) -> Vec<String> {
        let layers = Layers { file: Some(text), ..Layers::default() };
        Config::read(Laid::over_defaults(&layers)).expect_err("mistakes").0
    }

    #[track_caller]
    fn expect(mistakes: &[String], starts: &[&str]) {
        for start in starts {
            assert!(mistakes.iter().any(|m| m.starts_with(start)), "{start} in {mistakes:#?}");
        }
        assert_eq!(mistakes.len(), starts.len(), "{mistakes:#?}");
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let text = r#"
            surprise = 1
            links = 5
            [api]
            listen = "nowhere"
            job_registry = "maybe"
            cors_origins = ["https://app.example/", "*"]
            colour = "red"
            [timing]
            attempt_ms = -1
            [policy]
            threshold = 9
            [content]
            gateways = ["ftp://files"]
            node = "/ip4/127.0.0.1/tcp/5001"
            [[chains]]
            id = 0
            rpc = []
            executor = "0x00"
        "#;
        let found = mistakes(text);
        expect(
            &found,
            &[
                "surprise is no setting: correct its name or remove it",
                "links is a section: write [links]",
                "api.colour is no setting",
                "api.listen must be an address with a port",
                "api.job_registry must be one of",
                "api.cors_origins must be a list of origins like https://app.example, without a path",
                "timing.attempt_ms must be a whole number from 100",
                "policy.threshold is 9, but only policy.keepers = 3",
                "content.gateways must be a list of http or https URLs",
                "content.node must be the URL of the RPC of an IPFS node",
                "chains[0].id must be a whole number from 1",
                "chains[0].rpc must be a list of one or more URLs",
                "chains[0].executor must be an address",
                "chains[0].keeper_registry is missing: give all four",
                "chains[0].job_registry is missing: give all four",
                "chains[0].gas_registry is missing: give all four",
            ],
        );
    }

    #[test]
    fn no_mistake_of_a_chain_hides_another_or_makes_one_up() {
        let text = r#"
            [policy]
            keepers = 99
            [links]
            aggregator = "platform:9000"
            [[chains]]
            name = "main"
            rpc = ["https://a.example", "node.example:8545"]
            confirmations = "three"
            settle_secs = 9000
            explorer = 5
            executor = 7
            gas_registry = "0x1"
            [[chains]]
            id = "one"
            rpc = "https://a.example"
            [[chains]]
            id = 1
            rpc = ["wss://a.example"]
            [[chains]]
            id = 1
            rpc = ["https://b.example"]
        "#;
        expect(
            &mistakes(text),
            &[
                "policy.keepers must be a whole number from 1 to 15",
                "links.aggregator must be a URL like http://host:9000, or a list of them",
                "chains[0].name is no setting: correct its name or remove it; a chain has id, rpc,",
                "chains[0].id is missing: give a whole number from 1 to 4294967295",
                "chains[0].rpc must be a list of http, https, ws or wss URLs",
                "chains[0].confirmations must be a whole number",
                "chains[0].settle_secs must be a whole number from 0 to 3600",
                "chains[0].explorer must be text in quotes",
                "chains[0].executor must be an address in quotes",
                "chains[0].gas_registry must be an address in quotes",
                "chains[0].keeper_registry is missing",
                "chains[0].job_registry is missing",
                "chains[1].id must be a whole number",
                "chains[1].rpc must be a list of one or more URLs",
                "chains[3].id: chain 1 is there twice",
            ],
        );
    }

    #[test]
    fn a_file_that_is_no_toml_says_where_and_does_not_hide_the_overrides() {
        let overrides = ["policy.keepers = 0".to_owned()];
        let layers = Layers { file: Some("[api]\nlisten = \n"), overrides: &overrides, ..Layers::default() };
        let found = Config::read(Laid::over_defaults(&layers)).expect_err("mistakes").0;
        expect(&found, &["the file is no TOML: ", "policy.keepers must be"]);
        assert!(found[0].ends_with("(line 2)"), "{found:?}");
    }

    #[test]
    fn overrides_come_last() {
        let config =
            Config::load(None, &["api.listen = \"127.0.0.1:0\"".to_owned(), "policy.keepers = 2".to_owned()])
                .expect("config");
        assert_eq!((config.api.listen.port(), config.keepers), (0, 2));
    }
}
