//! The dispatcher: a task's life from open to decided, and who may act on it.
//!
//! It owns attempts, verdicts and handoffs. It decides nothing here: the decisions are
//! [`argus_machine::dispatch`]'s, and this crate reads what the machine has to know and carries out what it asks
//! for. It runs no script, checks no signature and sends no transaction.
//!
//! Several dispatchers share the jobs by their shards: one leads the tasks of those whose leases it holds, and writes
//! their facts under the leases' fences. One that gets a shard knows what the store knows: it pages through what is
//! unfinished before it takes anything else in, and goes on doing so slowly, so that a lost message costs time and never
//! a task.

mod config;
mod heads;
mod inbox;
mod intake;
mod metrics;
mod perform;
mod ports;
mod retry;
mod service;

use std::{future::Future, sync::Arc};

use argus_ports::StoreError;
use tokio::sync::mpsc;

pub use config::Config;
pub use inbox::Handle;
pub use metrics::Metrics;
pub use ports::Ports;

/// Why the dispatcher stops. Everything else it survives.
#[derive(Debug, thiserror::Error)]
pub enum DispatcherError {
    /// The store holds something that cannot be read.
    #[error("the dispatcher stops: {0}")]
    Store(#[from] StoreError),
    /// A part of it ended that never does.
    #[error("the dispatcher's {0} ended abruptly")]
    Ended(&'static str),
}

/// The dispatcher, to be polled by whoever owns it. The future ends when every handle is dropped, or with an error
/// that a human has to see to.
pub fn new(config: Config, ports: Ports) -> (Handle, impl Future<Output = Result<(), DispatcherError>>) {
    let (sender, inbox) = mpsc::channel(config.inbox);
    let metrics = Arc::new(Metrics::default());
    let handle = Handle { inbox: sender, metrics: metrics.clone(), effects_max: config.queued_max };
    (handle, service::run(config, ports, inbox, metrics))
}
