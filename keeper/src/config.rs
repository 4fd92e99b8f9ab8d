//! What an operator can set, with its defaults.

use std::{collections::BTreeMap, time::Duration};

use argus_domain::{
    Address,
    call::ExecutorDomain,
    ids::ChainId,
    limits::{Limits, WASI_COMMAND_BYTES_MAX},
};
use argus_ports::Failpoint;

/// One keeper's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The platform's address: only what this key signed is run. No default.
    pub platform: Address,
    /// Executor contracts by chain; a chain without one is served in mode `Solo` alone. Default: none.
    pub executors: BTreeMap<ChainId, Address>,
    /// Where job owners' deposits lie, by chain; on a chain without one they are not weighed. Default: none.
    pub gas_registries: BTreeMap<ChainId, Address>,
    /// Runs taken at once. Default: 8, which keeps two cores busy while most runs wait for HTTP.
    pub capacity: u32,
    /// The operator's own limits: an assignment that asks for more is declined, never cut. Default: the protocol's
    /// ceiling, which declines nothing.
    pub limits_max: Limits,
    /// How far a due instant may lie ahead of this keeper's clock. Default: 2 s, what hosts kept by NTP never reach.
    pub due_skew: Duration,
    /// Oldest pin, in blocks below the head. Default: 64, what every node serves without being an archive.
    pub pin_age_blocks_max: u64,
    /// How long an assignment's chain facts may take to show on this keeper's node. Default: 5 s: a node a block
    /// behind catches up within that.
    pub check_timeout: Duration,
    /// Largest script fetched, bytes. Default: 64 MiB, the largest that any job may ask for.
    pub module_bytes_max: u64,
    /// Scripts kept in memory, bytes. Default: 64 MiB: thousands of scripts, sixteen of the largest modules, or one of the
    /// largest WASI commands.
    pub module_cache_bytes: u64,
    /// Between two signs of life. Default: 1 s; the platform takes a keeper for gone after a few.
    pub heartbeat: Duration,
    /// Wait before dialling again: doubles from the first to the second after each failure. Default: 250 ms to 10 s.
    pub reconnect: (Duration, Duration),
    /// Deadline of a dial and of one message. Default: 5 s.
    pub link_timeout: Duration,
    /// How it pays for transactions.
    pub fees: Fees,
    /// Shown to the platform. Default: this crate's version.
    pub version: String,
    /// Where a test wants this process to die. Default: nowhere.
    pub failpoint: Failpoint,
}

/// How a keeper pays for transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fees {
    /// Most that is ever offered per gas, wei. Default: 500 gwei.
    pub per_gas_max: u128,
    /// The same bytes are sent again after this. Default: 4 s.
    pub resend_after: Duration,
    /// A replacement that pays more follows after this. Default: 24 s, two blocks of the slowest large chain.
    pub replace_after: Duration,
    /// Between two looks at the account's nonce and the gas price. Default: 2 s, the block time of most chains.
    pub look: Duration,
    /// Blocks on top of a transaction's own before its nonce is done with. Default: 12.
    pub confirmations: u64,
    /// Transactions at most whose nonces are not done with, mined ones that wait for confirmations included. Default:
    /// 256: twenty a block over twelve confirmations.
    pub slots_max: usize,
}

impl Config {
    /// The defaults, for a platform.
    pub fn new(platform: Address) -> Self {
        Self {
            platform,
            executors: BTreeMap::new(),
            gas_registries: BTreeMap::new(),
            capacity: 8,
            limits_max: Limits::CEILING,
            due_skew: Duration::from_secs(2),
            pin_age_blocks_max: 64,
            check_timeout: Duration::from_secs(5),
            module_bytes_max: WASI_COMMAND_BYTES_MAX,
            module_cache_bytes: 64 << 20,
            heartbeat: Duration::from_secs(1),
            reconnect: (Duration::from_millis(250), Duration::from_secs(10)),
            link_timeout: Duration::from_secs(5),
            fees: Fees::default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            failpoint: Failpoint::NONE,
        }
    }

    /// Under which EIP-712 domain claims for a chain are signed. On a chain without an executor it is the zero
    /// address: such a signature is no use to any contract.
    pub fn domain(&self, chain: ChainId) -> ExecutorDomain {
        ExecutorDomain { chain, executor: self.executors.get(&chain).copied().unwrap_or(Address::ZERO) }
    }
}

impl Default for Fees {
    fn default() -> Self {
        Self {
            per_gas_max: 500_000_000_000,
            resend_after: Duration::from_secs(4),
            replace_after: Duration::from_secs(24),
            look: Duration::from_secs(2),
            confirmations: 12,
            slots_max: 256,
        }
    }
}
