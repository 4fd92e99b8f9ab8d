//! A run in one file: all that a replay needs, and what it must come to.

use std::sync::Arc;

use argus_domain::{
    B256, Bytes,
    limits::Limits,
    module::{EngineId, Language, WasmHash},
    run::{RunEnd, RunInput, RunReport, Transcript},
};
use argus_ports::{ModuleRunner, RunnerError};
use serde::{Deserialize, Serialize};

/// The format's name and version, first in the file.
const FORMAT: &str = "argus-bundle/1";
/// Largest file that is read: the largest module, as hexadecimal, and a transcript.
const BUNDLE_BYTES_MAX: usize = 64 << 20;

/// One run, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: String,
    /// What was published.
    pub source: Bytes,
    /// In which language.
    pub language: Language,
    /// What it was told.
    pub input: RunInput,
    /// Its budgets.
    pub limits: Limits,
    /// On which engine it ran.
    pub engine: EngineId,
    /// What the source was compiled to.
    pub wasm_hash: WasmHash,
    /// The answers it was given.
    pub transcript: Transcript,
    /// Head of the transcript's hash chain.
    pub root: B256,
    /// How it ended.
    pub end: RunEnd,
    /// Fuel it used.
    pub fuel: u64,
    /// What it logged.
    pub log: String,
}

/// Why a file is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Not JSON, or not of this form.
    #[error("this is no bundle: {0}")]
    Malformed(String),
    /// Its transcript is not what its root names.
    #[error("the bundle's transcript was changed: its root is {actual}, the bundle says {stated}")]
    Root {
        /// As computed.
        actual: B256,
        /// As written.
        stated: B256,
    },
    /// Another engine than this program's.
    #[error(
        "the bundle was made with engine {theirs}, this program has {ours}: replay it with the release that made it"
    )]
    Engine {
        /// The bundle's.
        theirs: B256,
        /// Ours.
        ours: B256,
    },
    /// The replay itself did not come to an end.
    #[error(transparent)]
    Replay(#[from] RunnerError),
}

/// One thing in which a replay differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub what: &'static str,
    /// As in the bundle.
    pub recorded: String,
    /// As the replay gave it.
    pub replayed: String,
}

impl Bundle {
    /// The bundle of a run that has just been made.
    pub fn new(
        source: bytes::Bytes,
        language: Language,
        input: RunInput,
        limits: Limits,
        report: &RunReport,
    ) -> Self {
        Self {
            format: FORMAT.to_owned(),
            source: Bytes(source),
            language,
            input,
            limits,
            engine: report.engine,
            wasm_hash: report.wasm_hash,
            root: report.transcript.root(),
            transcript: report.transcript.clone(),
            end: report.end.clone(),
            fuel: report.fuel,
            log: report.log.clone(),
        }
    }

    /// As the file's bytes: JSON.
    pub fn encode(&self) -> Vec<u8> {
        // Types without maps that have other keys than numbers and strings: this cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// Where it is none, or its transcript does not have the root it states.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::Malformed(format!("it has more than {BUNDLE_BYTES_MAX} bytes")));
        }
        let bundle: Self =
            serde_json::from_slice(bytes).map_err(|e| BundleError::Malformed(e.to_string()))?;
        if bundle.format != FORMAT {
            let shown = crate::text::quoted(&bundle.format, 40);
            return Err(BundleError::Malformed(format!("its format is {shown}, not {FORMAT}")));
        }
        let actual = bundle.transcript.root();
        if actual != bundle.root {
            return Err(BundleError::Root { actual, stated: bundle.root });
        }
        Ok(bundle)
    }

    /// Replays it and lists what differs: nothing, if all is as it should be.
    ///
    /// # Errors
    /// Where the engine is another, or the replay makes another call than was recorded ([`RunnerError::Diverged`]).
    pub async fn verify(&self, runner: &dyn ModuleRunner) -> Result<Vec<Difference>, BundleError> {
        let ours = runner.engine();
        if ours != self.engine {
            return Err(BundleError::Engine { theirs: self.engine.0, ours: ours.0 });
        }
        let input = Arc::new(self.input.clone());
        let transcript = Arc::new(self.transcript.clone());
        let source = self.source.0.clone();
        let report = runner.replay(source, self.language, input, self.limits, transcript).await?;
        let mut differences = Vec::new();
        let mut compare = |what, recorded: String, replayed: String| {
            if recorded != replayed {
                differences.push(Difference { what, recorded, replayed });
            }
        };
        compare("module", self.wasm_hash.0.to_string(), report.wasm_hash.0.to_string());
        compare("result", format!("{:?}", self.end), format!("{:?}", report.end));
        compare("fuel", self.fuel.to_string(), report.fuel.to_string());
        compare("root", self.root.to_string(), report.transcript.root().to_string());
        compare("log", self.log.clone(), report.log);
        Ok(differences)
    }
}
