//! One run of a script: what goes in, what comes out, and the transcript that makes it repeatable.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{B256, Keccak256};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chain::Pin,
    digest::digest_of,
    ids::{AttemptNo, ChainId, JobId, TaskId},
    limits::Limits,
    module::{EngineId, WasmHash},
    secret::Grants,
    state::State,
    task::TriggerFact,
    time::Timestamp,
};

/// Everything a script is told. Two runs with equal inputs, limits and answers are equal in every observable way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    /// The job.
    pub job: JobId,
    /// The task.
    pub task: TaskId,
    /// Its due instant: where the script's clock starts.
    pub due: Timestamp,
    /// Which attempt.
    pub attempt: AttemptNo,
    /// What set it off.
    pub trigger: TriggerFact,
    /// The job's static arguments.
    pub arguments: Vec<Value>,
    /// The block at which each chain is read.
    pub pins: BTreeMap<ChainId, Pin>,
    /// Hosts that the script may reach; empty: any public one.
    pub allow_hosts: Vec<String>,
    /// The job's state, all of it; `None`: the job has no storage.
    #[serde(default)]
    pub state: Option<Arc<State>>,
    /// Secrets that it may use, by name: their values are no input, and nothing depends on them but what comes back.
    #[serde(default)]
    pub secrets: Grants,
    /// Whether it may compute with them: its job trusts one keeper's run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_compute: bool,
}

impl RunInput {
    /// What an observation commits to as "the input", limits included.
    pub fn digest(&self, limits: &Limits) -> B256 {
        digest_of("argus/input/1", &(self, limits))
    }
}

/// One recorded host call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostCall {
    /// From 0, without gaps.
    pub sequence: u32,
    /// The import, for example `http_fetch`.
    pub import: String,
    /// keccak256 of the request as the script made it.
    pub request_hash: B256,
    /// The request as JSON text, for people who compare two runs.
    pub request: String,
    /// What came back, as JSON text: the only input that a replay has.
    pub reply: String,
    /// Fuel used when the call was made.
    pub fuel: u64,
    /// How far the call moved the script's clock, milliseconds.
    pub elapsed_ms: u64,
}

/// The recorded calls of one run, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transcript {
    /// The calls.
    pub calls: Vec<HostCall>,
}

impl Transcript {
    /// Head of the hash chain over all calls: `h0 = keccak256("argus/transcript/1")`,
    /// `h(n+1) = keccak256(h(n) || length-prefixed fields of call n)`.
    pub fn root(&self) -> B256 {
        self.calls.iter().fold(alloy_primitives::keccak256(b"argus/transcript/1"), |head, call| {
            let mut h = Keccak256::new();
            h.update(head);
            h.update(call.sequence.to_be_bytes());
            for text in [&call.import, &call.reply] {
                h.update((text.len() as u64).to_be_bytes());
                h.update(text.as_bytes());
            }
            h.update(call.request_hash);
            h.update(call.fuel.to_be_bytes());
            h.update(call.elapsed_ms.to_be_bytes());
            h.finalize()
        })
    }

    /// Whether it is as a run writes one: its calls are numbered from 0, and the request that each shows is the one
    /// whose hash the chain holds.
    pub fn is_whole(&self) -> bool {
        (0u32..).zip(&self.calls).all(|(n, call)| {
            call.sequence == n && call.request_hash == alloy_primitives::keccak256(&call.request)
        })
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RunEnd {
    /// It gave this JSON value: an array of arguments, or for a script that chooses the call an object.
    Value(Value),
    /// It said "not now", and why.
    Skipped(String),
    /// It failed, was refused or met a limit, and why.
    Failed(RunFailure),
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFailure {
    /// The kind, for programs.
    pub kind: FailureKind,
    /// One sentence with limit, value and remedy, or the script's own message and stack; cut and escaped.
    pub message: String,
}

/// Kinds of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureKind {
    /// The script itself: an exception, a non-zero exit, no JSON.
    Script,
    /// A limit of the run; the same for every keeper.
    Limit,
    /// The operator's wall-clock seat belt or native stack exhaustion: says nothing that another keeper could
    /// repeat, and is therefore never signed.
    Inconclusive,
    /// The bytes were not admitted.
    Refused,
}

/// What a run leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// What ran.
    pub wasm_hash: WasmHash,
    /// On what.
    pub engine: EngineId,
    /// How it ended.
    pub end: RunEnd,
    /// The script's log, cut at its limit.
    pub log: String,
    /// Fuel used.
    pub fuel: u64,
    /// Largest linear memory, bytes.
    pub memory_bytes: u64,
    /// Host calls that count against the limit.
    pub host_calls: u32,
    /// What was recorded.
    pub transcript: Transcript,
    /// The state that the script's own writes come to, however it ended; `None`: the job has no storage.
    pub state: Option<Arc<State>>,
}

/// What a script of the call-choosing kind answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptChoice {
    /// It declined, with its reason where it gave one.
    Skip(String),
    /// It names target and calldata.
    Call {
        /// Called contract.
        target: alloy_primitives::Address,
        /// Complete calldata.
        calldata: alloy_primitives::Bytes,
    },
}
