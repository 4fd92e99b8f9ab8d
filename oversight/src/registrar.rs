//! Registry contract -> keeper set.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_domain::{contracts, ids::KeeperId, keeper::KeeperRecord};
use argus_ports::{ChainError, Clock, KeeperStore, StoreError, chain::At};

use crate::{Term, WatchedChain, WatchedChains};

/// Settings of the registrar.
#[derive(Debug, Clone)]
pub struct Config {
    /// Between two readings of the registries. A removed keeper is chosen for this long at most; the contract
    /// refuses its signature at once.
    pub interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { interval: Duration::from_secs(5) }
    }
}

/// What the registrar needs.
#[derive(Clone)]
pub struct Ports {
    /// The keeper set: the registrar is its one writer.
    pub keepers: Arc<dyn KeeperStore>,
    /// Where the registries are.
    pub chains: WatchedChains,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why a pass over the registries came to nothing. The next one starts from nothing again.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// A registry could not be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The keeper set could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An answer that no keeper registry gives.
    #[error("the keeper registry of chain {0} gave an answer that cannot be read: is the address right?")]
    Malformed(argus_domain::ids::ChainId),
}

/// Keeps the keeper set equal to the registries until dropped.
pub async fn run(config: Config, ports: Ports, term: Term) {
    loop {
        if let Err(error) = sync(&ports, Some(&term)).await {
            tracing::warn!(%error, "the keeper set could not be brought up to date; trying again");
        }
        ports.clock.sleep_until(ports.clock.now() + config.interval).await;
    }
}

/// One pass: reads every registry and writes what differs. Idempotent. Without a term where nobody else can watch yet.
pub async fn sync(ports: &Ports, term: Option<&Term>) -> Result<(), SyncError> {
    let mut found: BTreeMap<KeeperId, (u128, BTreeSet<_>)> = BTreeMap::new();
    for (chain, watched) in &ports.chains {
        for (keeper, stake) in read_registry(watched).await? {
            let entry = found.entry(keeper).or_default();
            entry.0 = entry.0.saturating_add(stake);
            entry.1.insert(*chain);
        }
    }
    // A keeper that is taken out loses what counted against it, and is cut off until the next pass.
    if let Some(term) = term {
        term.stands().await?;
    }
    let known: BTreeMap<_, _> = ports.keepers.all().await?.into_iter().map(|k| (k.keeper, k)).collect();
    for gone in known.keys().filter(|k| !found.contains_key(k)) {
        tracing::info!(keeper = %gone, "keeper left the registry");
        ports.keepers.remove(*gone).await?;
    }
    let changed: Vec<_> = found
        .into_iter()
        .filter_map(|(keeper, (stake, chains))| {
            let old = known.get(&keeper);
            if old.is_some_and(|o| o.stake == stake && o.chains == chains) {
                return None;
            }
            Some(KeeperRecord {
                keeper,
                name: old.map(|o| o.name.clone()).unwrap_or_default(),
                stake,
                chains,
                faults: 0,
                registered_at: old.map_or_else(|| ports.clock.now(), |o| o.registered_at),
            })
        })
        .collect();
    if !changed.is_empty() {
        tracing::info!(keepers = changed.len(), "keepers joined or changed");
        ports.keepers.put(changed).await?;
    }
    Ok(())
}

async fn read_registry(watched: &WatchedChain) -> Result<Vec<(KeeperId, u128)>, SyncError> {
    let Some(ours) = watched.contracts else { return Ok(Vec::new()) };
    let reader = &watched.reader;
    let malformed = || SyncError::Malformed(reader.chain());
    // All answers come from one block, so that a keeper that moves meanwhile is seen once or not at all.
    let Some(head) = reader.block(At::Head).await? else {
        // Not an empty registry: a set that is emptied stops everything.
        let reason = "its node has no newest block".to_owned();
        return Err(ChainError::Unreachable { chain: reader.chain(), reason }.into());
    };
    let at = At::Hash(head.hash);
    let list = reader.call(None, ours.keeper_registry, contracts::encode_keepers(), at).await?;
    let mut keepers = Vec::new();
    for keeper in contracts::decode_keepers(&list).ok_or_else(malformed)? {
        let answer = reader.call(None, ours.keeper_registry, contracts::encode_keeper(keeper), at).await?;
        // Two words; what is shorter would pass for a keeper that is not active.
        if answer.len() < 64 {
            return Err(malformed());
        }
        if let Some(stake) = contracts::decode_keeper(&answer) {
            keepers.push((keeper, stake));
        }
    }
    Ok(keepers)
}
