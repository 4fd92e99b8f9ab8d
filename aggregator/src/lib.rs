//! The aggregator: an attempt's life, from the assignments that go out to the quorum that comes back.
//!
//! It owns the keepers' streams and what is known of who is live. It checks every signature before a word counts,
//! archives transcripts and logs, and leaves the decisions to [`argus_machine::quorum`]. It runs no script, settles
//! no task and sends no transaction. A restarted aggregator knows nothing of its attempts, and need not: the
//! dispatcher asks again or begins others.
//!
//! Of several aggregators one leads, by a lease; the others let nobody in and take nothing, and say so. One that loses
//! the lease is as one that was restarted. What it still says and writes then does no harm: keepers' words are facts with
//! keys of their own, an outcome carries the claims that it rests on, and the verdict is the dispatcher's, once.

mod config;
mod courier;
mod credits;
mod gate;
mod inbox;
mod metrics;
mod open;
mod ports;
mod recorder;
mod roster;
mod sealing;
mod secrets;
mod service;
mod session;
mod term;

use std::{future::Future, sync::Arc};

use argus_ports::StoreError;
use tokio::sync::{mpsc, watch};

pub use config::Config;
pub use inbox::Handle;
pub use metrics::Metrics;
pub use ports::Ports;

use term::Terms;

/// Why the aggregator stops. Everything else it survives.
#[derive(Debug, thiserror::Error)]
pub enum AggregatorError {
    /// The store holds something that cannot be read.
    #[error("the aggregator stops: {0}")]
    Store(#[from] StoreError),
    /// A part of it ended that never does.
    #[error("the aggregator's {0} ended abruptly")]
    Ended(&'static str),
}

/// Messages that wait for the aggregator: a second and more of answers at full speed. Past that, keepers and
/// dispatcher wait.
const INBOX: usize = 8192;

/// The aggregator, to be polled by whoever owns it. The future runs until it is dropped, or ends with an error that a
/// human has to see to.
pub fn new(config: Config, ports: Ports) -> (Handle, impl Future<Output = Result<(), AggregatorError>>) {
    let (sender, inbox) = mpsc::channel(INBOX);
    let metrics = Arc::new(Metrics::default());
    let (live, watching) = watch::channel(Vec::new());
    let (begun, has_begun) = watch::channel(false);
    let handle = Handle {
        inbox: sender.clone(),
        ports: ports.clone(),
        nonces: Arc::default(),
        nonce_good_for: config.nonce_good_for,
        live: watching,
        begun: has_begun,
        metrics: metrics.clone(),
    };
    (handle, term::run(Terms { config, ports, sender, inbox, live, begun, metrics }))
}
