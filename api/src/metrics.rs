//! Figures of the edge.

use argus_metrics::{Counter, Counters, Figures, Gauge, Times, Unregistered, table};

/// Figures of the edge.
pub struct Metrics {
    /// Answers by route, method and status.
    pub answers: Counters,
    /// Time to an answer by route and method.
    pub seconds: Times,
    /// Open WebSockets.
    pub sockets: Gauge,
    /// WebSockets that were dropped because they read too slowly.
    pub slow_readers: Counter,
    /// Jobs stored.
    pub jobs_created: Counter,
    /// Tries at telling webhooks, by what came of them.
    pub webhooks: Counters,
}

impl Metrics {
    /// Registers them.
    pub fn register(figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self {
            answers: figures.counters(&table::API_ANSWERS)?,
            seconds: figures.times(&table::API_SECONDS)?,
            sockets: figures.gauge(&table::API_SOCKETS)?,
            slow_readers: figures.counter(&table::API_SLOW_READERS)?,
            jobs_created: figures.counter(&table::API_JOBS_CREATED)?,
            webhooks: figures.counters(&table::API_WEBHOOKS)?,
        })
    }
}
