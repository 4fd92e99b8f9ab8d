//! What can go wrong, in the two kinds that matter: the host's own failures, and why a run was stopped.

use argus_domain::{
    difference::CallDifference,
    run::{FailureKind, RunFailure},
};
use argus_ports::RunnerError;

use crate::text;

/// The host itself failed; says nothing about any script.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// wasmtime could not be set up, for example because the address space is limited.
    #[error(
        "the WASM engine cannot start: {0}; lower the number of run slots or lift the address-space limit"
    )]
    Engine(String),
    /// A prebuilt module does not compile or link.
    #[error("the prebuilt module {module} is unusable: {reason}")]
    Prebuilt {
        /// Which.
        module: &'static str,
        /// What wasmtime said.
        reason: String,
    },
    /// The directory of compiled modules cannot be used.
    #[error("the cache of compiled modules in {dir}: {reason}")]
    Cache {
        /// The directory.
        dir: String,
        /// What happened.
        reason: String,
    },
    /// Something of ours broke its own rule.
    #[error("{0}")]
    Internal(String),
}

impl HostError {
    pub(crate) fn engine(error: impl std::fmt::Display) -> Self {
        Self::Engine(format!("{error:#}"))
    }

    pub(crate) fn internal(error: impl std::fmt::Display) -> Self {
        Self::Internal(format!("{error:#}"))
    }
}

impl From<HostError> for RunnerError {
    fn from(error: HostError) -> Self {
        Self::Host(error.to_string())
    }
}

/// Why a run ended before its code did. Host functions return it as their error; `run` takes it out of the trap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stop {
    /// `proc_exit` or `process.exit`.
    #[error("exit {0}")]
    Exit(u32),
    /// A budget is used up.
    #[error("{0}")]
    Limit(String),
    /// The guest broke the calling convention: a trap.
    #[error("{0}")]
    Trap(String),
    /// This machine had no room for what the run's limits allow: says nothing about the script.
    #[error("this machine has no memory for the run: {0}")]
    Machine(String),
    /// A replay met another call than was recorded.
    #[error("{0}")]
    Diverged(Box<CallDifference>),
}

impl Stop {
    /// "limit X of Y is used up: remedy".
    pub fn limit(what: &str, value: impl std::fmt::Display, remedy: &str) -> Self {
        Self::Limit(format!("the {what} limit of {value} is used up: {remedy}"))
    }
}

/// A failure with its text cut to what is kept of guests' words and escaped.
pub(crate) fn failure(kind: FailureKind, message: impl AsRef<str>) -> RunFailure {
    RunFailure { kind, message: text::shown(message.as_ref(), argus_domain::limits::ERROR_TEXT_BYTES_MAX) }
}
