//! A registered keeper that breaks the rules, for tests alone: `hostile-keeper BEHAVIOUR FOLDER NUMBER GATE CACHE`
//! runs the keeper of that number of a folder of `argus dev` as the shipped program does, but for what passes between it
//! and the platform at GATE. Every deed is a line of JSON on stdout.

mod deeds;
mod stream;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use argus_domain::{Address, call::ExecutorDomain, ids::ChainId};
use argus_evm::{ChainConfig, EvmChain, LocalSigner};
use argus_host::{Host, HostConfig};
use argus_http::HttpEgress;
use argus_ipfs::{IpfsContent, Places};
use argus_memory::SystemClock;
use argus_ports::{ChainReader, ChainWriter, Egress, Signer};
use argus_sqlite::SqliteJournal;
use secrecy::SecretString;
use toml::{Table, Value};

use deeds::{Behaviour, Forger};
use stream::HostileLink;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let words = tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false);
    words.with_max_level(tracing::Level::INFO).init();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [behaviour, folder, number, gate, cache] = args.as_slice() else {
        bail!("usage: hostile-keeper BEHAVIOUR FOLDER NUMBER GATE CACHE");
    };
    let behaviour = Behaviour::named(behaviour).with_context(|| format!("no behaviour {behaviour:?}"))?;
    run(behaviour, Path::new(folder), number, gate, Path::new(cache)).await
}

async fn run(
    behaviour: Behaviour,
    folder: &Path,
    number: &str,
    gate: &str,
    cache: &Path,
) -> anyhow::Result<()> {
    let dev = Dev::read(folder)?;
    let signer =
        Arc::new(LocalSigner::from_hex(&secret(&folder.join(format!("keys/keeper-{number}.key")))?)?);
    let egress: Arc<dyn Egress> = Arc::new(HttpEgress::new()?);
    let evm = Arc::new(EvmChain::connect(&ChainConfig::new(dev.chain, vec![dev.rpc.clone()])).await?);
    let readers: BTreeMap<_, Arc<dyn ChainReader>> = [(dev.chain, evm.clone() as _)].into();
    let host = HostConfig {
        slots: 8,
        cache_dir: Some(cache.to_owned()),
        operator_hosts: dev.allowed.clone(),
        ..HostConfig::default()
    };
    let runner = Host::new(host, egress.clone(), readers.clone())?;
    runner.warm_up().await?;
    let home = folder.join("keepers").join(signer.address().to_string().to_lowercase());
    std::fs::create_dir_all(&home)?;
    let client = argus_grpc::Client::new(&argus_grpc::ClientConfig {
        url: gate.to_owned(),
        token: secret(&folder.join("keys/keepers.token"))?,
        tls: None,
        deadline: Duration::from_secs(5),
    })?;
    let domain = ExecutorDomain { chain: dev.chain, executor: dev.executor };
    let forger = Forger::new(behaviour, signer.clone(), domain);
    let mut config = argus_keeper::Config::new(dev.platform);
    config.executors = [(dev.chain, dev.executor)].into();
    let places = Places { root: folder.join("content"), operator: dev.allowed, ..Places::default() };
    let ports = argus_keeper::Ports {
        clock: Arc::new(SystemClock),
        link: Arc::new(HostileLink::new(client, forger)),
        signer,
        letterbox: None,
        journal: Arc::new(SqliteJournal::open(&home.join("journal.db"))?),
        content: Arc::new(IpfsContent::open(&places, &egress)?),
        runner: Arc::new(runner),
        readers,
        writers: [(dev.chain, evm as Arc<dyn ChainWriter>)].into(),
    };
    let (_handle, life) = argus_keeper::new(config, ports);
    Ok(life.await?)
}

/// What the folder's configuration says.
struct Dev {
    platform: Address,
    chain: ChainId,
    rpc: String,
    executor: Address,
    allowed: Vec<String>,
}

impl Dev {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let table: Table = std::fs::read_to_string(folder.join("argus.toml"))?.parse()?;
        let chain = table["chains"].get(0).context("a chain")?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        let allowed = table["egress"]["allow"].as_array().context("a list")?;
        Ok(Self {
            platform: text(&table["keeper"]["platform"])?.parse()?,
            chain: ChainId(u64::try_from(chain["id"].as_integer().context("a number")?)?),
            rpc: text(&chain["rpc"][0])?,
            executor: text(&chain["executor"])?.parse()?,
            allowed: allowed.iter().map(text).collect::<anyhow::Result<_>>()?,
        })
    }
}

fn secret(path: &Path) -> anyhow::Result<SecretString> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(SecretString::from(text.trim().to_owned()))
}
