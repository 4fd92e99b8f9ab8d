//! Scripts that run.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{
    limits::Limits,
    module::{Admitted, EngineId, Language},
    run::{FailureKind, RunEnd, RunInput, RunReport, Transcript},
    secret::RunSecrets,
};
use argus_metrics::{Counters, Figures, Times, Unregistered, table};
use argus_ports::{ModuleRunner, RunnerError};
use async_trait::async_trait;
use bytes::Bytes;

/// A sandbox whose runs are counted.
pub struct CountedRunner {
    inner: Arc<dyn ModuleRunner>,
    runs: Counters,
    seconds: Times,
    fuel: Counters,
    host_calls: Counters,
    admissions: Counters,
    admission_seconds: Times,
}

impl CountedRunner {
    /// Registers the figures.
    pub fn register(inner: Arc<dyn ModuleRunner>, figures: &Figures) -> Result<Self, Unregistered> {
        Ok(Self {
            inner,
            runs: figures.counters(&table::RUNS)?,
            seconds: figures.times(&table::RUN_SECONDS)?,
            fuel: figures.counters(&table::RUN_FUEL)?,
            host_calls: figures.counters(&table::RUN_HOST_CALLS)?,
            admissions: figures.counters(&table::ADMISSIONS)?,
            admission_seconds: figures.times(&table::ADMISSION_SECONDS)?,
        })
    }

    fn ended(&self, kind: &str, took: Duration, outcome: &Result<RunReport, RunnerError>) {
        let name = match outcome {
            Ok(report) => end(&report.end),
            Err(error) => fault(error),
        };
        self.runs.of(&[kind, name]).inc();
        self.seconds.observe(&[kind], took);
        if let Ok(report) = outcome {
            self.fuel.of(&[kind]).add(report.fuel);
            self.host_calls.of(&[kind]).add(u64::from(report.host_calls));
        }
    }
}

fn end(end: &RunEnd) -> &'static str {
    match end {
        RunEnd::Value(_) => "value",
        RunEnd::Skipped(_) => "skipped",
        RunEnd::Failed(failure) => match failure.kind {
            FailureKind::Script => "script",
            FailureKind::Limit => "limit",
            FailureKind::Inconclusive => "inconclusive",
            FailureKind::Refused => "refused",
        },
    }
}

fn fault(error: &RunnerError) -> &'static str {
    match error {
        RunnerError::Refused(_) => "refused",
        RunnerError::Uncompiled(_) => "uncompiled",
        RunnerError::Busy { .. } => "busy",
        RunnerError::Diverged(_) => "diverged",
        RunnerError::Host(_) => "host",
    }
}

#[async_trait]
impl ModuleRunner for CountedRunner {
    fn engine(&self) -> EngineId {
        self.inner.engine()
    }

    async fn admit(
        &self,
        source: Bytes,
        language: Language,
        limits: Limits,
    ) -> Result<Admitted, RunnerError> {
        let began = Instant::now();
        let outcome = self.inner.admit(source, language, limits).await;
        self.admissions.of(&[outcome.as_ref().map_or_else(fault, |_| "admitted")]).inc();
        self.admission_seconds.observe(&[], began.elapsed());
        outcome
    }

    async fn run(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        secrets: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError> {
        let began = Instant::now();
        let outcome = self.inner.run(source, language, input, limits, secrets).await;
        self.ended("run", began.elapsed(), &outcome);
        outcome
    }

    async fn replay(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        transcript: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError> {
        let began = Instant::now();
        let outcome = self.inner.replay(source, language, input, limits, transcript).await;
        self.ended("replay", began.elapsed(), &outcome);
        outcome
    }
}
