//! What the scheduler counts.

use argus_ports::count::Counter;

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Tasks opened.
    pub opened: Counter,
    /// Openings that were repetitions.
    pub repeated: Counter,
    /// Writes that another writer, a pause or a deletion forestalled.
    pub stale: Counter,
    /// Jobs whose write was refused because their shard had become another's.
    pub fenced: Counter,
    /// Tasks whose submission the dispatcher did not take; its own scan finds them.
    pub submit_failed: Counter,
    /// Cycles given up because the store or a chain failed.
    pub failed_cycles: Counter,
    /// Readings of sources.
    pub readings: Counter,
    /// Readings that gave no value.
    pub failed_readings: Counter,
    /// Looks without a task that are not kept, because there were too many or the store failed.
    pub decisions_dropped: Counter,
    /// Reorgs seen.
    pub reorgs: Counter,
}
