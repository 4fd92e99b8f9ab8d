//! `argus dev`: everything on this machine. It makes what is missing (keys, chain, contracts, configuration), then runs
//! the same roles from the same configuration as production does.

mod accounts;
mod chain;
mod folder;
mod miner;
mod node;
mod processes;
mod ready;

use anyhow::Context;
use argus_domain::U256;
use argus_evm::{deploy, deploy::Plan};
use argus_ports::Signer;

use crate::{
    backends,
    cli::{Dev, keygen, show},
    config::Config,
    roles::{self, Role},
};
use chain::DevChain;
use folder::Folder;
use miner::Miner;

/// Keepers of a development platform, and how many must agree.
const KEEPERS: usize = 3;
const QUORUM: u64 = 2;
/// Deposit of each development account in the gas registry, wei: 10 of the chain's coin.
const DEPOSIT: u64 = 10_000_000_000_000_000_000;
/// Charged on top of gas per call, wei.
const FEE: u64 = 2_000_000_000_000;

/// Runs until Ctrl-C.
pub async fn run(args: &Dev, json: bool) -> anyhow::Result<()> {
    // A port that is taken is said before anything is made or started.
    let port = folder::free_port(args.port)?;
    let folder = Folder::open(&args.data)?;
    say("keys", &format!("{}", folder.path("keys").display()));
    let keepers = (1..=KEEPERS)
        .map(|n| folder.key(&format!("keys/keeper-{n}.key")))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let platform = folder.key("keys/platform.key")?;
    folder.token("keys/links.token")?;
    folder.token("keys/keepers.token")?;
    folder.token("keys/secrets.key")?;

    let mut dev_chain = DevChain::start(args.rpc.as_deref(), &folder).await?;
    say("chain", &format!("{} at {}", dev_chain.id, dev_chain.url));
    let deployer = accounts::deployer()?;
    dev_chain.fund(&deployer, &keepers.iter().map(Signer::address).collect::<Vec<_>>()).await?;
    let plan = Plan {
        keepers: keepers.iter().map(|k| (k.address(), 1)).collect(),
        quorum: QUORUM,
        fee: U256::from(FEE),
        deposits: accounts::users().map(|a| (a.address, U256::from(DEPOSIT))).collect(),
        demo: true,
        safes: true,
    };
    let deployed = deploy::ensure(&dev_chain.evm, &deployer, &plan)
        .await
        .context("the contracts could not be put on the chain")?;
    say("contracts", &format!("executor {}", deployed.contracts.executor));

    let settings = folder.write_config(&folder::Dev {
        port,
        chain: dev_chain.id,
        rpc: &dev_chain.url,
        contracts: deployed.contracts,
        keepers: KEEPERS,
        platform: platform.address(),
        allow_hosts: &args.allow_hosts,
    })?;
    // Handed over beside the file, which the next start finds without them.
    let failpoint = args.failpoint.iter().map(|step| format!("debug.failpoint = {step:?}"));
    let once: Vec<_> = failpoint.collect();
    let config = Config::load(Some(&settings), &[&args.overrides[..], &once].concat())?;
    let keys = folder.api_keys(&config).await?;
    say("keepers", &format!("{KEEPERS} registered, {QUORUM} must agree"));

    // What is set up until here is not waited for.
    let miner = match dev_chain.own_node()?.filter(|_| !args.block_time.is_zero()) {
        Some(node) => Some(Miner::take_over(node, args.block_time).await?),
        None => None,
    };
    let ready = ready::Ready {
        port,
        chain: dev_chain.id,
        rpc: dev_chain.url.clone(),
        deployed,
        keys,
        content: config.content_dir.clone(),
    };
    let serving = async {
        if args.processes {
            backends::warm_cache(&config).await?;
            let ended = processes::supervise(&config, &settings, &args.overrides, &once).await;
            ended.and(Err(anyhow::anyhow!("the platform ended by itself")))
        } else {
            // The folder is this process's alone.
            roles::until_stopped(config, &Role::everything(), true).await
        }
    };
    let mining = async {
        match miner {
            Some(miner) => match miner.run().await {},
            None => std::future::pending::<anyhow::Result<()>>().await,
        }
    };
    let announced = async {
        ready::wait(port).await?;
        ready.show(json);
        std::future::pending::<anyhow::Result<()>>().await
    };
    let outcome = tokio::select! {
        ended = serving => ended,
        failed = announced => failed,
        never = mining => never,
        status = dev_chain.ended() => Err(anyhow::anyhow!("the chain ended (status {status:?}); start again to go on where it was")),
        // Roles of this process hear the signal themselves.
        signal = stop_signal(), if args.processes => signal,
    };
    say("stopping", "saving the chain's state");
    dev_chain.stop().await;
    outcome
}

/// Ctrl-C, or the signal that service managers send.
pub async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.map_err(Into::into),
        _ = terminate.recv() => Ok(()),
    }
}

/// One line of progress.
fn say(what: &str, text: &str) {
    show::progress(format!("  {what:<10} {text}"));
}

/// Whose jobs the keys of a development platform list.
#[cfg(test)]
pub fn first_user() -> argus_domain::Address {
    accounts::users().next().map(|account| account.address).unwrap_or_default()
}

/// Makes or reads a key of a development folder.
fn key(path: &std::path::Path) -> anyhow::Result<argus_evm::LocalSigner> {
    if path.exists() { keygen::read_key(path) } else { keygen::create_key(path) }
}
