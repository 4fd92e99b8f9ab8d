//! The development chain: an anvil of our own, or one that runs already.

use std::path::PathBuf;

use anyhow::{Context, bail};
use argus_domain::{Address, U256, ids::ChainId};
use argus_evm::{
    ChainConfig, EvmChain, LocalSigner,
    anvil::{self, Anvil, AnvilConfig},
    deploy,
};
use argus_ports::{ChainReader, Signer, chain::At};

use super::{folder::Folder, node::Node};
use crate::environment;

/// What a keeper has for gas: less than this is made up to [`KEEPER_FUNDS`], wei.
const KEEPER_LOW: u64 = 1_000_000_000_000_000_000;
const KEEPER_FUNDS: u128 = 100_000_000_000_000_000_000;

/// A chain for development.
pub struct DevChain {
    /// Its number.
    pub id: ChainId,
    /// HTTP URL of its node.
    pub url: String,
    /// Reads and writes it.
    pub evm: EvmChain,
    anvil: Option<Anvil>,
}

impl DevChain {
    /// Starts anvil with the folder's state, or connects to a node that runs.
    pub async fn start(rpc: Option<&str>, folder: &Folder) -> anyhow::Result<Self> {
        let (url, anvil) = match rpc {
            Some(url) => (url.to_owned(), None),
            None => {
                let config = AnvilConfig {
                    state: Some(folder.make("chain")?.join("state.json")),
                    ..AnvilConfig::new(find()?)
                };
                let anvil = Anvil::start(&config).await?;
                (anvil.http_url(), Some(anvil))
            }
        };
        let id = match &anvil {
            Some(anvil) => ChainId(anvil.chain_id()),
            None => {
                Node::new(&url)?.chain_id().await.with_context(|| format!("no chain answers at {url}"))?
            }
        };
        let evm = EvmChain::connect(&ChainConfig::new(id, vec![url.clone()])).await?;
        Ok(Self { id, url, evm, anvil })
    }

    /// Our own node; `None`, where it is somebody else's.
    pub fn own_node(&self) -> anyhow::Result<Option<Node>> {
        self.anvil.as_ref().map(|anvil| Node::new(&anvil.http_url())).transpose()
    }

    /// Gives keepers gas. On a chain of somebody else's the deployer must have some.
    pub async fn fund(&self, deployer: &LocalSigner, keepers: &[Address]) -> anyhow::Result<()> {
        for keeper in keepers {
            if self.evm.balance(*keeper, At::Head).await? < U256::from(KEEPER_LOW) {
                if self.evm.balance(deployer.address(), At::Head).await? < U256::from(KEEPER_FUNDS) {
                    bail!(
                        "{} cannot pay for the keepers' gas on chain {}: `argus dev --rpc` needs a development chain \
                         with the usual test accounts",
                        deployer.address(),
                        self.id
                    );
                }
                let nothing = argus_domain::Bytes::new();
                deploy::transact(&self.evm, deployer, *keeper, U256::from(KEEPER_FUNDS), nothing).await?;
            }
        }
        Ok(())
    }

    /// Ends when our anvil ends; never, where it is not ours.
    pub async fn ended(&mut self) -> Option<i32> {
        match &mut self.anvil {
            Some(anvil) => anvil.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Stops our anvil and lets it save its state.
    pub async fn stop(self) {
        if let Some(anvil) = self.anvil {
            anvil.stop().await;
        }
    }
}

/// Where anvil is, by what the environment says.
fn find() -> anyhow::Result<PathBuf> {
    let named = environment::variable("ARGUS_ANVIL").map(PathBuf::from);
    let cache = environment::cache_folder().unwrap_or_default();
    Ok(anvil::find(named.as_deref(), &environment::program_folders(), &cache)?)
}
