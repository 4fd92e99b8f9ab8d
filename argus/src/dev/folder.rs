//! The folder of a development platform: keys, configuration, and everything that is kept.

use std::{
    fs::File,
    net::TcpListener,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use argus_domain::{Address, access::Role, chain::Contracts, ids::ChainId};
use argus_evm::LocalSigner;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::accounts;
use crate::{
    backends,
    cli::keygen::{random_text, read_secret, write_secret},
    config::{Config, Laid, Layers},
};

/// A development folder, held by this process alone.
pub struct Folder {
    root: PathBuf,
    // Locked as long as it is open.
    _lock: File,
}

/// The three API keys of a development platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKeys {
    /// Acts for any user; what it lists as its own is the first account's.
    pub app: String,
    /// Manages the platform.
    pub admin: String,
    /// Acts for the first account.
    pub user: String,
}

/// What the configuration of a development platform depends on.
pub struct Dev<'a> {
    /// Of the API.
    pub port: u16,
    /// The chain.
    pub chain: ChainId,
    /// Its node.
    pub rpc: &'a str,
    /// Our contracts on it.
    pub contracts: Contracts,
    /// How many keepers.
    pub keepers: usize,
    /// Who signs assignments.
    pub platform: Address,
    /// Private hosts that may be reached.
    pub allow_hosts: &'a [String],
}

impl Folder {
    /// Makes or opens it, and keeps other processes out.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(root)
            .with_context(|| format!("cannot make the folder {}", root.display()))?;
        let root = root.canonicalize()?;
        let lock = File::create(root.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("another `argus dev` runs on {}; stop it, or give --data another folder", root.display());
        }
        Ok(Self { root, _lock: lock })
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A folder in it, made where it is missing.
    pub fn make(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path(name);
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        Ok(path)
    }

    /// A key, made at the first start.
    pub fn key(&self, name: &str) -> anyhow::Result<LocalSigner> {
        super::key(&self.path(name))
    }

    /// A random token, made at the first start.
    pub fn token(&self, name: &str) -> anyhow::Result<()> {
        let path = self.path(name);
        if !path.exists() {
            write_secret(&path, &random_text()?)?;
        }
        Ok(())
    }

    /// The API keys: made at the first start, known to the store by their hashes at every one.
    pub async fn api_keys(&self, config: &Config) -> anyhow::Result<ApiKeys> {
        let path = self.path("keys/api.json");
        let keys = if path.exists() {
            serde_json::from_str(read_secret(&path, "the API keys")?.expose_secret())
                .context("keys/api.json is damaged; delete it")?
        } else {
            let make = || random_text().map(|t| format!("TGRX-{t}"));
            let keys = ApiKeys { app: make()?, admin: make()?, user: make()? };
            write_secret(&path, &serde_json::to_string(&keys)?)?;
            keys
        };
        let first = accounts::users().next().map(|a| a.address).unwrap_or_default();
        let store = backends::store::open(&config.store).await?;
        for (key, role, owner) in [
            (&keys.app, Role::App, first),
            (&keys.admin, Role::Admin, Address::ZERO),
            (&keys.user, Role::User, first),
        ] {
            backends::know_key(&*store, key, role, owner).await?;
        }
        Ok(keys)
    }

    /// Writes the configuration that the roles run with.
    pub fn write_config(&self, dev: &Dev<'_>) -> anyhow::Result<PathBuf> {
        let text = |s: &dyn ToString| Value::String(s.to_string());
        let texts = |list: &[String]| Value::Array(list.iter().map(|s| Value::String(s.clone())).collect());
        let keys: Vec<String> = (1..=dev.keepers).map(|n| format!("keys/keeper-{n}.key")).collect();
        let section = |rows: Vec<(&str, Value)>| {
            Value::Table(rows.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<Table>())
        };
        let chain = section(vec![
            ("id", Value::Integer(i64::try_from(dev.chain.0).context("the chain id is too large")?)),
            ("rpc", texts(&[dev.rpc.to_owned()])),
            // An idle development chain mines nothing, so nothing waits for more blocks.
            ("confirmations", Value::Integer(0)),
            // anvil saves its state once a second: what it loses when it is killed is not final yet.
            ("settle_secs", Value::Integer(2)),
            ("executor", text(&dev.contracts.executor)),
            ("keeper_registry", text(&dev.contracts.keeper_registry)),
            ("job_registry", text(&dev.contracts.job_registry)),
            ("gas_registry", text(&dev.contracts.gas_registry)),
        ]);
        let settings: Table = [
            ("data_dir", text(&self.root.display())),
            (
                "api",
                section(vec![
                    ("listen", text(&format!("127.0.0.1:{}", dev.port))),
                    ("job_registry", text(&"optional")),
                    ("http_scripts", Value::Boolean(true)),
                    (
                        "sign_in_domains",
                        texts(&["localhost", "127.0.0.1"].map(|host| format!("{host}:{}", dev.port))),
                    ),
                ]),
            ),
            ("keeper", section(vec![("key_files", texts(&keys)), ("platform", text(&dev.platform))])),
            // Editors and compilers want the processor, too, and a Go module is large.
            ("runner", section(vec![("compile_ms", Value::Integer(60_000))])),
            ("secrets", section(vec![("key_file", text(&"keys/secrets.key"))])),
            ("egress", section(vec![("allow", texts(dev.allow_hosts))])),
            (
                "timing",
                section(vec![
                    ("source_poll_ms", Value::Integer(1000)),
                    ("chain_poll_ms", Value::Integer(100)),
                ]),
            ),
            ("chains", Value::Array(vec![chain])),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect();
        let path = self.path("argus.toml");
        let written = toml::to_string(&settings)?;
        // What is written has to be readable: a mistake here is told here.
        Config::read(Laid::over_defaults(&Layers { file: Some(&written), ..Layers::default() }))?;
        std::fs::write(&path, format!("# Written by `argus dev` at each start.\n{written}"))?;
        Ok(path)
    }
}

/// The port that was asked for, or a free one; an error where it is taken.
pub fn free_port(wanted: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", wanted)).with_context(|| {
        format!("port {wanted} on 127.0.0.1 is taken; give --port another one (0 takes any that is free)")
    })?;
    Ok(listener.local_addr()?.port())
}
