//! Where scripts run.

use std::sync::Arc;

use argus_domain::{
    difference::CallDifference,
    limits::Limits,
    module::{Admitted, EngineId, Language, Refusal},
    run::{RunInput, RunReport, Transcript},
    secret::RunSecrets,
};
use async_trait::async_trait;
use bytes::Bytes;

/// Why there is no report at all. A script's own failure is a report, not an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunnerError {
    /// The bytes are no module or script of ours.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Native compilation did not come to an end within its limits, here: says nothing about another machine.
    #[error("{0}")]
    Uncompiled(String),
    /// All places are taken.
    #[error("all {places} {what} are taken; try again")]
    Busy {
        /// Which.
        what: &'static str,
        /// How many there are.
        places: u32,
    },
    /// A replay met another call than the transcript holds.
    #[error("{0}")]
    Diverged(Box<CallDifference>),
    /// The host itself failed: says nothing about the script.
    #[error("the sandbox failed: {0}")]
    Host(String),
}

/// Compiles, runs and replays scripts.
#[async_trait]
pub trait ModuleRunner: Send + Sync {
    /// The engine that results depend on.
    fn engine(&self) -> EngineId;

    /// Compiles a source, or checks a module, and keeps the result in its cache. Of `limits` those count that say what
    /// a module may be. Idempotent, deterministic.
    async fn admit(&self, source: Bytes, language: Language, limits: Limits)
    -> Result<Admitted, RunnerError>;

    /// Runs it once, in a fresh instance, within `limits`. The source is what was published; what runs is derived
    /// from it (and comes from the cache where it is known). What the script sends has the values of `secrets` in the
    /// place of their placeholders; nothing that comes back, and nothing of the report, holds one.
    async fn run(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        secrets: Arc<RunSecrets>,
    ) -> Result<RunReport, RunnerError>;

    /// Runs it again with the transcript as its only source of answers: no network, no clock, no secrets. Equal code and input
    /// give the same report, fuel and root included.
    async fn replay(
        &self,
        source: Bytes,
        language: Language,
        input: Arc<RunInput>,
        limits: Limits,
        transcript: Arc<Transcript>,
    ) -> Result<RunReport, RunnerError>;
}
