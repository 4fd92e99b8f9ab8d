//! What can be set, with its defaults.

use std::time::Duration;

use argus_machine::dispatch;
use argus_ports::Failpoint;

/// The dispatcher's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Attempts, budgets and patience. Defaults: see [`dispatch::Config`].
    pub machine: dispatch::Config,
    /// Messages that wait for the dispatcher; a sender that meets a full inbox is told to come again. Default: 8192,
    /// a second and more of work at full speed.
    pub inbox: usize,
    /// Messages taken in at once, and tasks whose facts share one commit. Default: 512, where a commit costs less than
    /// the messages do.
    pub batch: usize,
    /// Commits that are waited for at the same time, each for the facts of other tasks. Default: 4: one is written,
    /// one waits for the disk, and what came of the others is on its way.
    pub waves: usize,
    /// What the machine asked for and was not carried out yet, at most, before it is told nothing more. Default:
    /// 16,384: eight times what goes out in one round of waves.
    pub queued_max: usize,
    /// Between two steps of the rescan that finds tasks whose submission was lost. Default: 2 s.
    pub rescan: Duration,
    /// Tasks read in one step of a rescan or of recovery. Default: 512.
    pub rescan_page: u32,
    /// Between two looks at a chain's head. Default: 2 s: a pin is then a block or two old.
    pub head: Duration,
    /// Between two readings of the live keepers and their load. Default: 1 s.
    pub keepers: Duration,
    /// Deadline of one call to a chain, the aggregator or the bus. Default: 3 s; what was lost is sent again.
    pub call_timeout: Duration,
    /// Deadline of one call to the store, after which it is made again. Default: 30 s.
    pub store_timeout: Duration,
    /// Waits between calls to a store that fails: the first, and the longest. Default: 50 ms to 2 s.
    pub store_backoff: (Duration, Duration),
    /// How old a job's record may be when its tasks are taken in. Default: 2 s: a deletion is nudged besides, and
    /// the store refuses to settle what was deleted.
    pub job_good_for: Duration,
    /// Where a test wants this process to die. Default: nowhere.
    pub failpoint: Failpoint,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            machine: dispatch::Config::default(),
            inbox: 8192,
            batch: 512,
            waves: 4,
            queued_max: 16_384,
            rescan: Duration::from_secs(2),
            rescan_page: 512,
            head: Duration::from_secs(2),
            keepers: Duration::from_secs(1),
            call_timeout: Duration::from_secs(3),
            store_timeout: Duration::from_secs(30),
            store_backoff: (Duration::from_millis(50), Duration::from_secs(2)),
            job_good_for: Duration::from_secs(2),
            failpoint: Failpoint::NONE,
        }
    }
}
