//! Settings of the scheduler.

use std::time::Duration;

use argus_machine::schedule::Rules;
use argus_ports::failpoint::Failpoint;

/// Settings, each with a default that suits production.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// How often the store is asked for what is due, whatever else was heard: what a lost nudge costs at most.
    pub rescan: Duration,
    /// Jobs looked at in one go, and tasks opened in one write.
    pub batch: u32,
    /// Most jobs of one kind that are watched. More are refused with an error in the log, not dropped silently.
    pub jobs_max: u32,
    /// How lateness is treated.
    pub rules: Rules,
    /// How often a linked job that waits for its predecessor is looked at again.
    pub link_poll: Duration,
    /// How often each chain is asked for its head.
    pub chain_poll: Duration,
    /// Blocks per question for logs.
    pub log_range: u64,
    /// Contracts per question for logs.
    pub log_addresses: usize,
    /// Questions for logs in one poll, so that a job far behind does not hold up the others.
    pub log_rounds: usize,
    /// Blocks read again after a start, because a reorg may have come in between.
    pub look_back: u64,
    /// A cursor that met no log is written after so many blocks.
    pub cursor_every_blocks: u64,
    /// How often each distinct source is read.
    pub source_poll: Duration,
    /// The longest that one reading may take.
    pub source_timeout: Duration,
    /// Readings at the same time.
    pub source_concurrency: usize,
    /// How often it is written why jobs did not fire.
    pub decision_write: Duration,
    /// How many rows of that are kept of each job.
    pub decisions_kept: u32,
    /// The longest that the store, the bus, a chain or the dispatcher is waited for.
    pub call_timeout: Duration,
    /// Pause after the store failed.
    pub retry: Duration,
    /// Where a test has the process die.
    pub failpoint: Failpoint,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rescan: Duration::from_secs(5),
            batch: 500,
            jobs_max: 100_000,
            rules: Rules::default(),
            link_poll: Duration::from_millis(250),
            chain_poll: Duration::from_secs(2),
            log_range: 1000,
            log_addresses: 100,
            log_rounds: 8,
            look_back: 16,
            cursor_every_blocks: 64,
            source_poll: Duration::from_secs(5),
            source_timeout: Duration::from_secs(5),
            source_concurrency: 64,
            decision_write: Duration::from_secs(5),
            decisions_kept: 100,
            call_timeout: Duration::from_secs(10),
            retry: Duration::from_millis(500),
            failpoint: Failpoint::NONE,
        }
    }
}

impl Config {
    /// For one machine with an idle development chain: everything at least once a second.
    pub fn dev() -> Self {
        Self {
            rescan: Duration::from_secs(1),
            chain_poll: Duration::from_millis(250),
            source_poll: Duration::from_secs(1),
            decision_write: Duration::from_secs(1),
            // Its blocks carry whatever time a test gave them, which says nothing about a job's creation.
            look_back: 0,
            ..Self::default()
        }
    }
}
