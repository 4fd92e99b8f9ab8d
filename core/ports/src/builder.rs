//! Where sources become modules that no process of the platform compiles itself.

use argus_domain::{
    build::SignedBuild,
    module::{Language, Refusal},
};
use async_trait::async_trait;
use bytes::Bytes;

/// Why there is no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The source is at fault: what the compiler says, or which limit was met.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Enough others wait already.
    #[error("{waiting} builds wait already; send the same request again")]
    Busy {
        /// How many.
        waiting: usize,
    },
    /// It takes longer than anybody waits, and goes on.
    #[error("the source is being built, which goes on; send the same request again to have what it comes to")]
    Underway,
    /// This machine is at fault: says nothing about the source.
    #[error("the builder failed: {0}")]
    Failed(String),
}

/// A module and the word of the one who built it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The record.
    pub record: SignedBuild,
    /// The module's bytes, which hash to what the record says.
    pub wasm: Bytes,
}

/// Builds sources with a toolchain.
#[async_trait]
pub trait ModuleBuilder: Send + Sync {
    /// The languages that it builds.
    fn builds(&self, language: Language) -> bool;

    /// The module of a source. Idempotent: a source is built once, later its record and module are given again. A build
    /// that is under way goes on when its caller leaves, and whoever asks for the same source shares it.
    async fn build(&self, source: Bytes, language: Language) -> Result<Built, BuildError>;
}
