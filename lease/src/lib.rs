//! A member's life: the shell of [`argus_machine::lease`] over a store of leases.
//!
//! It asks what the machine wants asked, tells it what came back and what time it is, and shows which shards are held.
//! Any service whose replicas share work uses it, each under its own kind. It decides nothing, and does none of the
//! work: a service asks its [`Handle`] before it takes a thing up, and writes with the fence that it got. Where all of a
//! service's work is one shard, whoever holds it leads ([`Handle::lead`]) and the others stand by.

mod held;
mod lead;
mod life;

use std::{future::Future, sync::Arc};

use argus_domain::lease::{MemberId, ServiceKind};
use argus_machine::lease::Config;
use argus_ports::LeaseStore;
use tokio_util::sync::CancellationToken;

pub use held::Handle;

/// Builds a member: a handle, and the future that is its life. `id` was drawn for this process and kind, and for no
/// other ever. `config` has no [fault](Config::fault).
///
/// Once `stop` is cancelled it holds nothing, and the future ends when the store knows, or after a ttl. Whoever drops
/// the future before leaves the others to wait for a ttl.
pub fn member(
    config: Config,
    kind: ServiceKind,
    id: MemberId,
    store: Arc<dyn LeaseStore>,
    stop: CancellationToken,
) -> (Handle, impl Future<Output = ()> + Send) {
    let (sender, handle) = held::channel(kind);
    (handle, life::Life::new(config, kind, id, store, sender).run(stop))
}
