//! What the dispatcher keeps of itself.

use argus_ports::count::{Counter, Level};

/// Numbers as they were at the last turn of the loop, or at the last step of the rescan.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Tasks in hand.
    pub tasks: Level,
    /// When the oldest of them was opened, in milliseconds since 1970; 0: there is none.
    pub oldest_ms: Level,
    /// Attempts under way.
    pub attempts: Level,
    /// Tasks that wait for an attempt.
    pub waiting: Level,
    /// What the machine asked for and was not carried out yet.
    pub effects: Level,
    /// Facts that were refused because their task's shard had become another's.
    pub fenced: Counter,
}
