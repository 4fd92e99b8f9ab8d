//! A run, or all that is known of a task's runs, in one file: what a replay needs, and what keepers put their names to.
//!
//! There is one format. A run by hand has a script and a run; a task's bundle has each keeper's run that was kept, the
//! one that was taken first, and the task's account beside them: job, facts, and what the platform sealed. What of it
//! holds can be told from the file alone ([`check`]), but for the replay, which needs a sandbox.

mod check;
mod receipt;

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::{
    answer::outcome_of_run,
    attempt::{Attempt, Output},
    call::ExecutorDomain,
    chain::Inclusion,
    digest::digest_of,
    ids::{AttemptNo, KeeperId},
    job::Job,
    limits::{Limits, WASI_COMMAND_BYTES_MAX},
    module::{EngineId, Language, WasmHash},
    run::{RunEnd, RunInput, RunReport, Transcript},
    seal::Seal,
    task::{Fact, TaskRecord},
};

pub use check::{Check, Finding, Tools, check};

/// The format's name and version, first in the file.
const FORMAT: &str = "argus-bundle/4";
/// Largest file: the largest module, as hexadecimal, and a few transcripts.
pub const BUNDLE_BYTES_MAX: usize = 2 * WASI_COMMAND_BYTES_MAX as usize + (32 << 20);

/// Runs of one script, complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    format: String,
    /// What ran; `None` where the arguments are given and nothing did.
    pub script: Option<Script>,
    /// Its runs; of a task the one that was taken first.
    pub runs: Vec<Run>,
    /// The task; `None` for a run by hand.
    pub task: Option<Account>,
    /// What was left out, and why.
    pub omitted: Vec<String>,
    /// Over all of the above: a file that was damaged is found before anything is made of it.
    digest: B256,
}

/// A published script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// What was published.
    pub source: Bytes,
    /// In which language.
    pub language: Language,
    /// What it is compiled to, where that is known.
    pub wasm_hash: Option<WasmHash>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Who ran it, in which attempt; `None`: by hand.
    pub by: Option<(AttemptNo, KeeperId)>,
    /// On which engine.
    pub engine: EngineId,
    /// What it was told.
    pub input: RunInput,
    /// Its budgets.
    pub limits: Limits,
    /// The answers it was given.
    pub transcript: Transcript,
    /// Head of the transcript's hash chain.
    pub root: B256,
    /// Fuel it used.
    pub fuel: u64,
    /// What it logged.
    pub log: String,
    /// How it ended.
    pub came_to: CameTo,
    /// Root of the state that it came to; `None`: it has no storage.
    pub state: Option<B256>,
}

/// How a run ended, as far as whoever wrote it down knew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CameTo {
    /// What the script gave.
    End(RunEnd),
    /// What its keeper made of it, and signed.
    Output(Output),
}

/// What is known of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its job, in the version that it ran.
    pub job: Job,
    /// The task with its facts: attempts, observations, claims, verdict, handoffs, receipts.
    pub record: TaskRecord,
    /// For which executor claims were signed; `None`: the job's chain has none.
    pub domain: Option<ExecutorDomain>,
    /// What the platform sealed, where it was kept.
    pub seals: Vec<AssignmentSeal>,
    /// What shows the receipt that stands, where a node gave it.
    pub inclusion: Option<Inclusion>,
}

/// The platform's seal over one assignment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssignmentSeal {
    /// Of which attempt.
    pub attempt: AttemptNo,
    /// The platform's address, as it says.
    pub by: Address,
    /// The seal over [`crate::attempt::Assignment::digest`].
    pub seal: Seal,
}

/// Why a file is no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not JSON, or not of this form.
    #[error("this is no bundle: {0}")]
    Malformed(String),
    /// Larger than a bundle may be.
    #[error("the bundle has {0} bytes, {BUNDLE_BYTES_MAX} at most")]
    TooLarge(usize),
    /// Not what was written.
    #[error("the bundle was changed: its content has the digest {actual}, the file says {stated}")]
    Changed {
        /// As computed.
        actual: B256,
        /// As written.
        stated: B256,
    },
}

impl Bundle {
    /// A bundle of these parts.
    pub fn new(script: Option<Script>, runs: Vec<Run>, task: Option<Account>, omitted: Vec<String>) -> Self {
        let mut bundle = Self { format: FORMAT.to_owned(), script, runs, task, omitted, digest: B256::ZERO };
        bundle.digest = bundle.content_digest();
        bundle
    }

    fn content_digest(&self) -> B256 {
        digest_of(FORMAT, &(&self.script, &self.runs, &self.task, &self.omitted))
    }

    /// As the file's bytes: JSON.
    ///
    /// # Errors
    /// [`BundleError::TooLarge`].
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        let bytes = serde_json::to_vec(self).map_err(|e| BundleError::Malformed(e.to_string()))?;
        if bytes.len() > BUNDLE_BYTES_MAX { Err(BundleError::TooLarge(bytes.len())) } else { Ok(bytes) }
    }

    /// From a file's bytes.
    ///
    /// # Errors
    /// Where it is none, or not what was written.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let malformed = |e: serde_json::Error| BundleError::Malformed(e.to_string());
        let Head { format } = serde_json::from_slice(bytes).map_err(malformed)?;
        if format != FORMAT {
            let shown: String = format.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(BundleError::Malformed(format!(
                "its format is \"{shown}\", and this program reads {FORMAT}: use the release that wrote it"
            )));
        }
        let bundle: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        let actual = bundle.content_digest();
        if actual != bundle.digest {
            return Err(BundleError::Changed { actual, stated: bundle.digest });
        }
        Ok(bundle)
    }

    /// The run that stands for the others: the one that was taken, or made by hand.
    pub fn first_run(&self) -> Option<&Run> {
        self.runs.first()
    }
}

impl Run {
    /// A run that has just been made by hand.
    pub fn by_hand(input: RunInput, limits: Limits, report: &RunReport) -> Self {
        Self {
            by: None,
            engine: report.engine,
            input,
            limits,
            root: report.transcript.root(),
            transcript: report.transcript.clone(),
            fuel: report.fuel,
            log: report.log.clone(),
            came_to: CameTo::End(report.end.clone()),
            state: report.state.as_ref().map(|state| state.root()),
        }
    }

    /// What a replay with this report came to, in the terms in which this run is written down, and the root of its
    /// state; `None`: nothing that a keeper would report.
    pub fn outcome_of(&self, report: &RunReport, job: Option<&Job>) -> Option<(CameTo, Option<B256>)> {
        let (end, after) = (report.end.clone(), report.state.clone());
        let (came_to, state) = match &self.came_to {
            CameTo::End(_) => (CameTo::End(end), after),
            CameTo::Output(_) => {
                let outcome = outcome_of_run(job?, end, self.input.state.as_ref(), after)?;
                (CameTo::Output(outcome.output), outcome.state)
            }
        };
        Some((came_to, state.map(|state| state.root())))
    }
}

impl Account {
    /// The attempt with this number.
    pub fn attempt(&self, no: AttemptNo) -> Option<&Attempt> {
        self.record.facts.iter().find_map(|fact| match fact {
            Fact::Attempted(attempt) if attempt.no == no => Some(attempt.as_ref()),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
