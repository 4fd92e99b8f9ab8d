//! A keeper in a process of its own, beside a platform that leaves it one of the registered keys.

use std::path::{Path, PathBuf};

use argus_domain::Address;
use argus_evm::LocalSigner;
use argus_ports::Signer;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet};

use crate::{
    Platform,
    process::{Process, Said, leashed},
    until,
};

/// A keeper that runs. Dropping it ends it.
#[derive(Debug)]
pub struct Keeper {
    process: Process,
    deeds: Said,
    _reader: JoinSet<()>,
    address: Address,
    journal: PathBuf,
}

impl Keeper {
    /// The shipped one, with further settings; returns once it is connected.
    pub async fn honest(platform: &Platform, number: usize, settings: &[&str]) -> Self {
        Self::logging(platform, number, "info", settings).await
    }

    /// The same, which says so much of its work.
    pub async fn logging(platform: &Platform, number: usize, log: &str, settings: &[&str]) -> Self {
        let mut command = leashed(&crate::program());
        command.args(["keeper", "--log", log, "--config"]).arg(platform.folder().join("argus.toml"));
        let gate = format!("links.aggregator = {:?}", platform.gate());
        let key = format!("keeper.key_files = [\"keys/keeper-{number}.key\"]");
        let runner = format!("runner.dir = {:?}", crate::compiled());
        // An operator has no token but the keepers'.
        let token = "links.token_file = \"keys/none\"";
        for setting in [gate.as_str(), key.as_str(), runner.as_str(), token].iter().chain(settings) {
            command.args(["--set", setting]);
        }
        Self::start(&mut command, platform.folder(), number).await
    }

    /// The one of `hostile-keeper` that behaves in this way; returns once it is connected.
    pub async fn hostile(platform: &Platform, number: usize, behaviour: &str) -> Self {
        let mut command = leashed(&crate::hostile_keeper());
        command.arg(behaviour).arg(platform.folder()).arg(number.to_string()).arg(platform.gate());
        command.arg(crate::compiled());
        Self::start(&mut command, platform.folder(), number).await
    }

    async fn start(command: &mut Command, folder: &Path, number: usize) -> Self {
        let key = std::fs::read_to_string(folder.join(format!("keys/keeper-{number}.key"))).expect("a key");
        let signer = LocalSigner::from_hex(&SecretString::from(key.trim().to_owned())).expect("a key");
        let address = signer.address();
        let journal = folder.join("keepers").join(address.to_string().to_lowercase()).join("journal.db");
        let (process, out) = Process::start(command);
        let deeds = Said::default();
        let mut reader = JoinSet::new();
        reader.spawn(deeds.clone().read(out));
        let keeper = Self { process, deeds, _reader: reader, address, journal };
        until("the keeper is connected", 30, async || {
            keeper.process.words().contains("connected").then_some(())
        })
        .await;
        keeper
    }

    /// Who it is, as the API writes it.
    pub fn address(&self) -> String {
        json!(self.address).as_str().expect("a text").to_owned()
    }

    /// What it has said on stderr so far.
    pub fn words(&self) -> String {
        self.process.words()
    }

    /// Its journal.
    pub fn journal(&self) -> &Path {
        &self.journal
    }

    /// What a hostile one did so far, oldest first.
    pub fn deeds(&self) -> Vec<Value> {
        self.deeds.lines().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits until it dies by itself.
    pub async fn dies(&mut self, secs: u64) {
        self.process.aborts(secs).await;
    }

    /// Kills it.
    pub async fn kill(mut self) {
        self.process.kill().await;
    }
}
