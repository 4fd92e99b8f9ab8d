//! What the aggregator keeps of itself.

use argus_ports::count::{Counter, Level};

/// Counters since the start, and what waited at the last turn of the loop.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Assignments that a keeper was not given, because too many waited for its credits.
    pub full: Counter,
    /// Messages with which a keeper broke a rule.
    pub faults: Counter,
    /// Messages to keepers that were dropped, because a stream was full.
    pub dropped_to_keeper: Counter,
    /// Messages to the dispatcher that were dropped, because too many waited.
    pub dropped_to_dispatcher: Counter,
    /// Messages that wait for the dispatcher.
    pub errands: Level,
}
