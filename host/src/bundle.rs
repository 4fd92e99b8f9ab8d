//! The part of a bundle's checking that needs the sandbox: replaying its runs, and running other code on their answers.

use std::sync::Arc;

use argus_domain::{
    B256,
    bundle::{Bundle, CameTo, Run, Script},
    difference::{CallDifference, ValueDifference, first_value},
    module::Language,
    run::{RunEnd, RunReport},
};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;

use crate::Host;

/// What a replay of a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// The same, bit for bit.
    Equal,
    /// In these things it is another run.
    Differs(Vec<Difference>),
    /// It could not be replayed here: why.
    Not(String),
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

/// Replays one run of a bundle, with its transcript as the only source of answers.
pub async fn replay(runner: &dyn ModuleRunner, bundle: &Bundle, run: &Run) -> Replayed {
    let Some(script) = &bundle.script else {
        return Replayed::Not("the script is not in the bundle".to_owned());
    };
    let report = match replay_report(runner, script, run).await {
        Ok(report) => report,
        Err(RunnerError::Diverged(call)) => {
            return Replayed::Differs(vec![Difference {
                what: "calls",
                recorded: "as recorded".to_owned(),
                replayed: call.to_string(),
            }]);
        }
        Err(
            error @ (RunnerError::Refused(_)
            | RunnerError::Uncompiled(_)
            | RunnerError::Busy { .. }
            | RunnerError::Host(_)),
        ) => {
            return Replayed::Not(error.to_string());
        }
    };
    let job = bundle.task.as_ref().map(|account| &account.job);
    let mut differences = Vec::new();
    let (result, state) = match run.outcome_of(&report, job) {
        Some((result, state)) => (Some(result), state),
        None => (None, report.state.as_ref().map(|state| state.root())),
    };
    if result.as_ref() != Some(&run.came_to) {
        let replayed = result.as_ref().map_or_else(|| ended(&report.end), came_to);
        differences.push(Difference { what: "result", recorded: came_to(&run.came_to), replayed });
    }
    let mut compare = |what, recorded: String, replayed: String| {
        if recorded != replayed {
            differences.push(Difference { what, recorded, replayed });
        }
    };
    let rooted = |root: Option<B256>| root.map_or_else(|| "no storage".to_owned(), |root| root.to_string());
    compare("state", rooted(run.state), rooted(state));
    let module = |hash: argus_domain::module::WasmHash| hash.0.to_string();
    let compiled = script.wasm_hash.unwrap_or(report.wasm_hash);
    compare("module", module(compiled), module(report.wasm_hash));
    compare("fuel", run.fuel.to_string(), report.fuel.to_string());
    compare("root", run.root.to_string(), report.transcript.root().to_string());
    compare("log", run.log.clone(), report.log);
    if differences.is_empty() { Replayed::Equal } else { Replayed::Differs(differences) }
}

async fn replay_report(
    runner: &dyn ModuleRunner,
    script: &Script,
    run: &Run,
) -> Result<RunReport, RunnerError> {
    if runner.engine() != run.engine {
        return Err(RunnerError::Host(format!(
            "it was made with engine {}, this program has {}: replay it with the release that made it",
            run.engine.0,
            runner.engine().0
        )));
    }
    let (input, transcript) = (Arc::new(run.input.clone()), Arc::new(run.transcript.clone()));
    runner.replay(script.source.0.clone(), script.language, input, run.limits, transcript).await
}

/// How other code fares on the answers of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// It asks for the same and comes to the same.
    Same {
        /// Fuel that the recorded run used.
        recorded: u64,
        /// Fuel that the other code uses.
        now: u64,
    },
    /// The first call in which it is another one; nothing is known of what would follow.
    Call(Box<CallDifference>),
    /// The same calls, and another result.
    Result(ValueDifference),
}

/// Runs other code on a run's input and recorded answers.
///
/// # Errors
/// Where the recorded run cannot be replayed itself, or the other code is refused.
pub async fn compare(
    host: &Host,
    bundle: &Bundle,
    run: &Run,
    (source, language): (Bytes, Language),
) -> Result<Compared, RunnerError> {
    let before = match (&run.came_to, &bundle.script) {
        (CameTo::End(end), _) => end.clone(),
        (CameTo::Output(_), Some(script)) => replay_report(host, script, run).await?.end,
        (CameTo::Output(_), None) => {
            return Err(RunnerError::Host("the script is not in the bundle".to_owned()));
        }
    };
    let (input, transcript) = (Arc::new(run.input.clone()), Arc::new(run.transcript.clone()));
    let after = match host.run_on(source, language, input, run.limits, transcript).await {
        Ok(report) => report,
        Err(RunnerError::Diverged(call)) => return Ok(Compared::Call(call)),
        Err(error) => return Err(error),
    };
    let difference = match (&before, &after.end) {
        (RunEnd::Value(one), RunEnd::Value(other)) => first_value(one, other),
        (one, other) if one == other => None,
        (one, other) => {
            let (one, other) = (Some(ended(one)), Some(ended(other)));
            Some(ValueDifference { path: "$".to_owned(), one, other })
        }
    };
    Ok(difference.map_or(Compared::Same { recorded: run.fuel, now: after.fuel }, Compared::Result))
}

fn ended(end: &RunEnd) -> String {
    match end {
        RunEnd::Value(value) => value.to_string(),
        RunEnd::Skipped(reason) => format!("skipped: {reason}"),
        RunEnd::Failed(failure) => format!("failed: {}", failure.message),
    }
}

fn came_to(known: &CameTo) -> String {
    match known {
        CameTo::End(end) => ended(end),
        CameTo::Output(output) => format!("{output:?}"),
    }
}
