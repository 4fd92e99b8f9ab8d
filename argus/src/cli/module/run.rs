//! `argus module run`: one run, and everything that it did.

use std::path::PathBuf;

use argus_domain::{
    answer::usable,
    limits::Limits,
    run::{FailureKind, RunEnd, RunReport},
};
use argus_ports::RunnerError;
use serde_json::{Value, json};

use super::{
    super::{replay, show},
    calls::{self, Cost},
    inputs::Inputs,
    not_over,
};

/// Arguments of `argus module run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// What is run, and how
    #[command(flatten)]
    pub inputs: Inputs,
    /// Keep the run for `argus replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// Runs once; gives the exit code.
pub async fn run(args: RunArgs, as_json: bool) -> anyhow::Result<u8> {
    if let Some(file) = &args.record {
        not_over(file, args.inputs.what.as_ref())?;
    }
    let job = args.inputs.prepare().await?;
    match job.run().await {
        Ok(mut report) => {
            if let Some(file) = &args.record {
                replay::keep(file, &job.source, job.language, &job.input, &job.limits, &report)?;
            }
            report.end = usable(report.end);
            tell(&report, &job.limits, as_json);
            Ok(match report.end {
                RunEnd::Value(_) => 0,
                RunEnd::Skipped(_) => 3,
                RunEnd::Failed(_) => 1,
            })
        }
        Err(error) => {
            if as_json {
                show::json(&json!({
                    "ok": false, "skipped": false, "arguments": null, "log": "", "fuel": 0, "memory_bytes": 0,
                    "host_calls": 0, "error": error.to_string(), "stopped_by": "refused", "calls": [],
                }));
            } else {
                show::line(not_run(&error));
            }
            Ok(1)
        }
    }
}

/// Why nothing ran, for people: whether it is the script, or this machine at this moment.
fn not_run(error: &RunnerError) -> String {
    match error {
        RunnerError::Refused(_) => format!("refused: {error}"),
        RunnerError::Uncompiled(_) => format!("not compiled on this machine: {error}"),
        RunnerError::Busy { .. } => format!("busy: {error}"),
        // Their own words say it.
        RunnerError::Diverged(_) | RunnerError::Host(_) => error.to_string(),
    }
}

/// What ended a run that gave no arguments, for programs.
fn stopped_by(end: &RunEnd) -> Option<&'static str> {
    match end {
        RunEnd::Value(_) | RunEnd::Skipped(_) => None,
        RunEnd::Failed(failure) => Some(match failure.kind {
            FailureKind::Script => "script",
            FailureKind::Limit => "limit",
            FailureKind::Inconclusive => "inconclusive",
            FailureKind::Refused => "refused",
        }),
    }
}

/// Shows a report. The field names of the JSON form are relied upon by others.
fn tell(report: &RunReport, limits: &Limits, as_json: bool) {
    let (ok, skipped, arguments, error) = match &report.end {
        RunEnd::Value(value) => (true, false, value.clone(), None),
        RunEnd::Skipped(reason) => (false, true, Value::Null, Some(reason.clone())),
        RunEnd::Failed(failure) => (false, false, Value::Null, Some(failure.message.clone())),
    };
    let costs = calls::costs(report);
    if as_json {
        show::json(&json!({
            "ok": ok, "skipped": skipped, "arguments": arguments, "log": report.log, "fuel": report.fuel,
            "memory_bytes": report.memory_bytes, "host_calls": report.host_calls, "error": error,
            "transcript_root": report.transcript.root().to_string(), "wasm_hash": report.wasm_hash.0.to_string(),
            "engine": report.engine.0.to_string(), "stopped_by": stopped_by(&report.end),
            "calls": costs.iter().map(Cost::json).collect::<Vec<_>>(),
        }));
        return;
    }
    if !report.log.is_empty() {
        show::line(format!("log:\n{}", indent(&show::escaped(&report.log))));
    }
    if !costs.is_empty() {
        show::line(show::table(&calls::HEAD, costs.iter().map(Cost::row)));
    }
    show::line(show::table(&["used", "", "of at most"], calls::used(report, &costs, limits)));
    match (ok, skipped, error) {
        (true, ..) => show::line(format!("arguments: {arguments}")),
        (_, true, reason) => show::line(format!("skipped: {}", reason.unwrap_or_default())),
        (.., error) => show::line(format!("failed: {}", error.unwrap_or_default())),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use argus_domain::module::Refusal;

    use super::*;

    #[test]
    fn what_did_not_run_is_called_what_it_is() {
        let refusal = Refusal { reasons: vec!["it imports env.system".to_owned()] };
        for (error, words) in [
            (RunnerError::Refused(refusal), "refused: "),
            (
                RunnerError::Uncompiled("the compile time limit is used up".to_owned()),
                "not compiled on this machine: the",
            ),
            (
                RunnerError::Busy { what: "compilers", places: 2 },
                "busy: all 2 compilers are taken; try again",
            ),
            (RunnerError::Host("no memory".to_owned()), "the sandbox failed: no memory"),
        ] {
            let said = not_run(&error);
            assert!(said.starts_with(words), "{said:?}");
        }
    }
}
