//! One run of a script before anything depends on it, and what its answer is worth.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{
    Address, B256, Bytes, Value,
    answer::{arguments, script_answer},
    digest::digest_of,
    ids::{AttemptNo, JobId, TaskId},
    limits::Limits,
    module::ModuleRecord,
    run::{FailureKind, RunEnd, RunInput, RunReport, ScriptChoice},
    secret::{Grants, RunSecrets, SecretName, unset},
    task::TriggerFact,
    time::Timestamp,
};
use argus_ports::RunnerError;

use crate::{
    Edge, chain,
    create::{CallShape, converted},
    errors::ApiError,
    json,
    script::Source,
};

/// 2025-01-01T00:00:00Z: where the clock of a script starts that runs outside any task, so that it uses the same
/// fuel in every run that meets the same answers.
pub const FIXED_DUE: Timestamp = Timestamp(1_735_689_600_000);
/// Longest output that is shown to the client.
const SHOWN_MAX: usize = 4_096;

/// A run, and what is recorded of its script.
pub struct Ran {
    /// How it went.
    pub report: RunReport,
    /// The script.
    pub record: ModuleRecord,
}

/// What a script is told and may use when it is tried.
pub struct Trial {
    /// Its trigger.
    pub trigger: TriggerFact,
    /// Static arguments.
    pub given: Vec<Value>,
    /// Hosts that it may reach.
    pub allow_hosts: Vec<String>,
    /// Whether it has storage.
    pub may_store: bool,
    /// Secrets that it may use.
    pub secrets: Grants,
    /// Whether it may compute with them.
    pub may_compute: bool,
    /// Those that have values.
    pub values: RunSecrets,
}

impl Trial {
    /// Of a script that belongs to no job: by hand, with storage, without secrets.
    pub fn by_hand(allow_hosts: Vec<String>) -> Self {
        Self {
            trigger: TriggerFact::Manual,
            given: Vec::new(),
            allow_hosts,
            may_store: true,
            secrets: Grants::new(),
            may_compute: false,
            values: RunSecrets::new(),
        }
    }
}

impl Ran {
    /// The first secret that it wanted to use and that has no value yet: how such a run ends says nothing of the next.
    pub fn missed<'a>(&self, granted: &'a Grants) -> Option<&'a SecretName> {
        let calls = &self.report.transcript.calls;
        granted.iter().find(|name| calls.iter().any(|call| call.reply.contains(&unset(name))))
    }

    /// Whether the script read or wrote storage, or its answer wants something remembered.
    pub fn uses_storage(&self) -> bool {
        let remembers = |answer: &Value| script_answer(answer).is_ok_and(|a| !a.storage_updates.is_empty());
        self.report.transcript.calls.iter().any(|call| call.import.starts_with("storage_"))
            || matches!(&self.report.end, RunEnd::Value(answer) if remembers(answer))
    }
}

/// Runs that are believed for a while, by everything that they depend on. Failures are not kept: many pass.
pub struct DryRuns {
    kept: Mutex<Kept>,
    max: usize,
    age: Duration,
}

#[derive(Default)]
struct Kept {
    runs: BTreeMap<B256, (Timestamp, Arc<Ran>)>,
    order: VecDeque<B256>,
}

impl DryRuns {
    /// Keeps at most `max` runs, each for `age`.
    pub fn new(max: usize, age: Duration) -> Self {
        Self { kept: Mutex::default(), max, age }
    }

    fn get(&self, key: B256, now: Timestamp) -> Option<Arc<Ran>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.runs.get(&key).filter(|(at, _)| now.since(*at) < self.age).map(|(_, ran)| Arc::clone(ran))
    }

    fn put(&self, key: B256, now: Timestamp, ran: Arc<Ran>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.runs.insert(key, (now, ran)).is_none() {
            kept.order.push_back(key);
        }
        while kept.order.len() > self.max {
            if let Some(oldest) = kept.order.pop_front() {
                kept.runs.remove(&oldest);
            }
        }
    }
}

/// A script that does not do what its job needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptRefused {
    /// JSON path of the script.
    pub path: String,
    /// Why, in a sentence.
    pub message: String,
    /// Whether it ran to its end.
    pub is_executable: bool,
    /// Whether its first value is the job's Safe.
    pub is_safe_match: bool,
    /// What it gave, or how it failed.
    pub output: String,
    /// What it logged before.
    pub log: String,
}

impl ScriptRefused {
    /// It does not come to its end.
    pub fn new(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            path: String::new(),
            output: message.clone(),
            message,
            is_executable: false,
            is_safe_match: true,
            log: String::new(),
        }
    }

    /// It ran to its end, and what it gave does not fit.
    fn misfit(output: &str, message: impl Into<String>) -> Self {
        Self { output: output.to_owned(), is_executable: true, ..Self::new(message) }
    }

    /// The line of the script that the reason names first: compilers and engines write `FILE:LINE:COLUMN`.
    pub fn line(&self) -> Option<u64> {
        let words = self.message.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')'));
        words.into_iter().find_map(|word| {
            let mut parts = word.split(':');
            parts.next().filter(|file| file.contains('.'))?;
            let (line, column) = (parts.next()?.parse().ok()?, parts.next()?);
            column.parse::<u64>().ok().map(|_| line)
        })
    }
}

/// What a script is told outside any task: a trigger that is made up where its job is known, and an empty storage.
pub async fn run_input(
    edge: &Edge,
    trigger: TriggerFact,
    given: Vec<Value>,
    allow_hosts: Vec<String>,
    secrets: Grants,
) -> RunInput {
    RunInput {
        job: JobId(argus_domain::U256::ZERO),
        task: TaskId(B256::ZERO),
        due: FIXED_DUE,
        attempt: AttemptNo(1),
        trigger,
        arguments: given,
        pins: chain::pins(edge).await,
        allow_hosts,
        state: Some(Arc::default()),
        secrets,
        may_compute: false,
    }
}

/// Admits a script; what is then recorded of it. The outer error is ours or passes, the inner one is the script's.
async fn admitted(
    edge: &Edge,
    source: &Source,
    limits: Limits,
) -> Result<Result<ModuleRecord, ScriptRefused>, ApiError> {
    let admitting = edge.ports.runner.admit(source.bytes.clone(), source.module.language, limits);
    let admitted = match admitting.await {
        Ok(admitted) => admitted,
        Err(e @ (RunnerError::Refused(_) | RunnerError::Uncompiled(_))) => {
            return Ok(Err(ScriptRefused::new(e.to_string())));
        }
        Err(e) => return Err(e.into()),
    };
    Ok(Ok(ModuleRecord {
        module: source.module.clone(),
        wasm_hash: admitted.wasm_hash,
        source_bytes: source.bytes.len() as u64,
        module_bytes: admitted.module_bytes,
        shape: admitted.shape,
        published_at: edge.ports.clock.now(),
    }))
}

/// Admits a script and runs it once, to whatever end that [`judge`] can say something of. The outer error is ours or
/// passes, the inner one is the script's.
pub async fn dry_run(
    edge: &Edge,
    source: &Source,
    limits: Limits,
    trial: Trial,
) -> Result<Result<Arc<Ran>, ScriptRefused>, ApiError> {
    let Trial { trigger, given, allow_hosts, may_store, secrets, may_compute, values } = trial;
    // Values change, and are nothing that a key should be made of.
    let is_kept = secrets.is_empty();
    let limits = Limits::effective(&limits);
    let now = edge.ports.clock.now();
    let key =
        digest_of("argus/dry-run/1", &(&source.module, &limits, &trigger, &given, &allow_hosts, may_store));
    if let Some(ran) = edge.dry_runs.get(key, now).filter(|_| is_kept) {
        return Ok(Ok(ran));
    }
    let record = match admitted(edge, source, limits).await? {
        Ok(record) => record,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut input = run_input(edge, trigger, given, allow_hosts, secrets).await;
    input.state = input.state.filter(|_| may_store);
    input.may_compute = may_compute;
    let (bytes, language) = (source.bytes.clone(), source.module.language);
    let run = edge.ports.runner.run(bytes, language, Arc::new(input), limits, Arc::new(values));
    let report = match run.await {
        Ok(report) => report,
        Err(e @ (RunnerError::Refused(_) | RunnerError::Uncompiled(_))) => {
            return Ok(Err(ScriptRefused::new(e.to_string())));
        }
        Err(e) => return Err(e.into()),
    };
    let is_kept = match &report.end {
        RunEnd::Failed(failure) if failure.kind == FailureKind::Inconclusive => {
            return Err(ApiError::unavailable("RUN_INCONCLUSIVE", failure.message.clone()));
        }
        RunEnd::Failed(_) => false,
        RunEnd::Value(_) | RunEnd::Skipped(_) => is_kept,
    };
    let ran = Arc::new(Ran { report, record });
    if is_kept {
        edge.dry_runs.put(key, now, Arc::clone(&ran));
    }
    Ok(Ok(ran))
}

/// What a dry run's answer is worth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// The call that would be made; `None` where the script says "not now".
    pub call: Option<(Address, Bytes)>,
    /// The arguments as encoded, where they are those of a function.
    pub arguments: Option<Vec<Value>>,
    /// Why the script says "not now".
    pub skip: Option<String>,
    /// What it gave, as text.
    pub output: String,
}

/// What is held against a run's answer.
#[derive(Clone, Copy)]
pub enum Wants<'a> {
    /// Arguments of this function of this contract.
    Arguments(&'a CallShape, Address),
    /// Arguments of a function that is not known, of which the first is this Safe.
    AnyArguments(Option<Address>),
    /// The choice of a script that chooses its call.
    Choice,
}

/// Whether a run's answer fits.
pub fn judge(report: &RunReport, wants: Wants<'_>) -> Result<Judged, ScriptRefused> {
    let judged = match &report.end {
        RunEnd::Value(value) => judge_value(value, wants),
        RunEnd::Skipped(reason) => {
            Ok(Judged { skip: Some(reason.clone()), output: reason.clone(), ..Judged::default() })
        }
        RunEnd::Failed(failure) => Err(ScriptRefused::new(failure.message.clone())),
    };
    judged.map_err(|refused| ScriptRefused { log: report.log.clone(), ..refused })
}

fn judge_value(value: &Value, wants: Wants<'_>) -> Result<Judged, ScriptRefused> {
    let output: String = value.to_string().chars().take(SHOWN_MAX).collect();
    if let Wants::Choice = wants {
        let answer = script_answer(value).map_err(|e| ScriptRefused::misfit(&output, e.to_string()))?;
        return Ok(match answer.choice {
            ScriptChoice::Call { target, calldata } => {
                Judged { call: Some((target, calldata)), output, ..Judged::default() }
            }
            ScriptChoice::Skip(reason) => Judged { skip: Some(reason), output, ..Judged::default() },
        });
    }
    let values = arguments(value.clone()).map_err(|e| ScriptRefused::misfit(&output, e.to_string()))?;
    let is_safe_match = match wants {
        Wants::Arguments(shape, _) => shape.is_safe_match(&values),
        Wants::AnyArguments(safe) => {
            safe.is_none() || values.first().and_then(Value::as_str).and_then(json::address) == safe
        }
        Wants::Choice => true,
    };
    if !is_safe_match {
        let refused = ScriptRefused::misfit(&output, "the script's first value must be the job's Safe");
        return Err(ScriptRefused { is_safe_match, ..refused });
    }
    let Wants::Arguments(shape, contract) = wants else { return Ok(Judged { output, ..Judged::default() }) };
    match converted(shape, values) {
        Ok((calldata, arguments)) => Ok(Judged {
            call: Some((contract, calldata)),
            arguments: Some(arguments),
            output,
            ..Judged::default()
        }),
        Err(e) => {
            let message = format!("what the script gave does not fit the function: {e}");
            Err(ScriptRefused::misfit(&output, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_the_first_that_is_named() {
        for (message, line) in [
            ("script.ts:1:17: unexpected token", Some(1)),
            ("TypeError: x\n    at inner (script.ts:9:39)\n    at main (script.ts:20:23)", Some(9)),
            ("the program does not compile:\n./main.go:4:2: undefined: x", Some(4)),
            ("the limit of 10:30 is over", None),
            ("at 127.0.0.1:80", None),
            ("", None),
        ] {
            assert_eq!(ScriptRefused::new(message).line(), line, "{message}");
        }
    }
}
