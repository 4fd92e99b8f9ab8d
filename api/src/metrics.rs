//! Figures of the edge.

use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// Figures of the edge.
pub struct Metrics {
    /// Answers by route, method and status.
    pub answers: IntCounterVec,
    /// Seconds to an answer by route.
    pub seconds: HistogramVec,
    /// Open WebSockets.
    pub sockets: IntGauge,
    /// WebSockets that were dropped because they read too slowly.
    pub slow_readers: IntCounter,
    /// Jobs stored.
    pub jobs_created: IntCounter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            answers: IntCounterVec::new(
                Opts::new("argus_api_answers_total", "Answers by route, method and status"),
                &["route", "method", "status"],
            )?,
            seconds: HistogramVec::new(
                HistogramOpts::new("argus_api_answer_seconds", "Seconds to an answer by route")
                    .buckets(vec![0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]),
                &["route", "method"],
            )?,
            sockets: IntGauge::new("argus_api_sockets", "Open WebSockets")?,
            slow_readers: IntCounter::new(
                "argus_api_slow_readers_total",
                "WebSockets dropped because they read too slowly",
            )?,
            jobs_created: IntCounter::new("argus_api_jobs_created_total", "Jobs stored")?,
        };
        registry.register(Box::new(metrics.answers.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.sockets.clone()))?;
        registry.register(Box::new(metrics.slow_readers.clone()))?;
        registry.register(Box::new(metrics.jobs_created.clone()))?;
        Ok(metrics)
    }
}
