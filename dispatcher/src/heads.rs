//! The newest block of each chain: what attempts pin.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Duration};

use argus_domain::{chain::Pin, ids::ChainId};
use argus_ports::{ChainReader, chain::At};
use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};

/// Heads by chain.
pub(crate) type Heads = BTreeMap<ChainId, Pin>;

/// Follows one chain's head. A node that does not answer leaves the last head in place: keepers decline a pin that
/// is too old.
pub(crate) async fn follow(
    reader: Arc<dyn ChainReader>,
    every: Duration,
    deadline: Duration,
    heads: watch::Sender<Heads>,
) -> Infallible {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Some(head) = look(reader.as_ref(), deadline).await {
            note(&heads, reader.chain(), head);
        }
    }
}

/// One look; `None` where no node answers in time.
pub(crate) async fn look(reader: &dyn ChainReader, deadline: Duration) -> Option<Pin> {
    let chain = reader.chain();
    match timeout(deadline, reader.block(At::Head)).await {
        Ok(Ok(Some(block))) => return Some(Pin { number: block.number, hash: block.hash }),
        Ok(Ok(None)) => tracing::warn!(%chain, "a chain without a head"),
        Ok(Err(error)) => tracing::warn!(%chain, %error, "the head cannot be read"),
        Err(_) => tracing::warn!(%chain, "the head was not read in time"),
    }
    None
}

/// Takes a head in; wakes those who watch only where it is another one.
pub(crate) fn note(heads: &watch::Sender<Heads>, chain: ChainId, head: Pin) {
    heads.send_if_modified(|known| known.insert(chain, head) != Some(head));
}
