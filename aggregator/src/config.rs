//! What can be set, with its defaults.

use std::{collections::BTreeMap, time::Duration};

use argus_domain::{Address, ids::ChainId};
use argus_ports::Failpoint;

/// The aggregator's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Executor contracts by chain: what claims are checked against. Default: none.
    pub executors: BTreeMap<ChainId, Address>,
    /// How long a nonce waits for its hello. Default: 60 s.
    pub nonce_good_for: Duration,
    /// Deadline of one message to a keeper; one that takes none for so long is cut off. Default: 10 s.
    pub send_timeout: Duration,
    /// A keeper not heard for so long is gone. Default: 5 s, five missed heartbeats.
    pub silent_after: Duration,
    /// Between two readings of the keeper set: stake, faults, and who has left it. Default: 5 s.
    pub refresh: Duration,
    /// Most assignments that wait for one keeper's credits; the next one counts as declined. Default: 4096, a few
    /// seconds of work for the largest keepers, so that a waiting one still meets its deadline.
    pub waiting_max: usize,
    /// Deadline of recording, after which it is made again. Default: 30 s.
    pub store_timeout: Duration,
    /// Waits between calls to a store that fails: the first, and the longest. Default: 50 ms to 2 s.
    pub store_backoff: (Duration, Duration),
    /// Where a test wants this process to die. Default: nowhere.
    pub failpoint: Failpoint,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            executors: BTreeMap::new(),
            nonce_good_for: Duration::from_secs(60),
            send_timeout: Duration::from_secs(10),
            silent_after: Duration::from_secs(5),
            refresh: Duration::from_secs(5),
            waiting_max: 4096,
            store_timeout: Duration::from_secs(30),
            store_backoff: (Duration::from_millis(50), Duration::from_secs(2)),
            failpoint: Failpoint::NONE,
        }
    }
}
