//! From what a script answered to the call that a task makes.
//!
//! One path for every place that needs it (creation, dry run, keeper, challenger), so that all of them come to the
//! same call from the same answer.

use std::sync::Arc;

use alloy_primitives::{Address, Bytes, U256};
use serde_json::Value;

use crate::{
    abi::{AbiError, Function, encode_call},
    attempt::Output,
    call::Call,
    job::{Action, Args, Job, Safe, Target},
    limits::ERROR_TEXT_BYTES_MAX,
    run::{FailureKind, RunEnd, RunFailure, ScriptChoice},
    state::{NOT_GRANTED, State},
};

/// Most storage entries that one answer may write.
pub const STORAGE_UPDATES_MAX: usize = 64;

/// Why an answer leads to no call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// The script of a call with a given target printed something else than an array.
    #[error("the script must print one JSON array of arguments, not {0}")]
    NoArray(&'static str),
    /// The script that chooses its call printed something else than an object.
    #[error(
        "the script must print one JSON object {{\"shouldExecute\", \"targetContract\", \"calldata\"}}, not {0}"
    )]
    NoObject(&'static str),
    /// A member of that object.
    #[error("{member}: {reason}")]
    Member {
        /// Its name.
        member: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The arguments do not encode.
    #[error(transparent)]
    Arguments(#[from] AbiError),
    /// The first argument names another Safe.
    #[error("the first argument must be the job's Safe {safe}, and is {given}")]
    OtherSafe {
        /// The job's.
        safe: Address,
        /// As given.
        given: String,
    },
    /// A script ran where the job has none, or none where it has one.
    #[error("the job's arguments are given: no script decides them")]
    NoScript,
}

/// What a script of the call-choosing kind answered, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptAnswer {
    /// Whether and what to call.
    pub choice: ScriptChoice,
    /// What it wants remembered, in its order.
    pub storage_updates: Updates,
}

/// Keys and values that an answer wants remembered.
pub type Updates = Vec<(String, Value)>;

/// The arguments that a script printed.
pub fn arguments(value: Value) -> Result<Vec<Value>, BadAnswer> {
    match value {
        Value::Array(items) => Ok(items),
        other => Err(BadAnswer::NoArray(kind(&other))),
    }
}

/// How a run ended to whoever does not know which job it is for: a value that no job can use is a failure.
pub fn usable(end: RunEnd) -> RunEnd {
    let fault = match &end {
        RunEnd::Value(Value::Array(_)) | RunEnd::Skipped(_) | RunEnd::Failed(_) => None,
        RunEnd::Value(value @ Value::Object(_)) => script_answer(value).err().map(|why| {
            format!(
                "{}; a job whose script chooses the call would say: {why}",
                BadAnswer::NoArray(kind(value))
            )
        }),
        RunEnd::Value(value) => Some(BadAnswer::NoArray(kind(value)).to_string()),
    };
    match fault {
        Some(message) => RunEnd::Failed(RunFailure { kind: FailureKind::Script, message }),
        None => end,
    }
}

/// Reads `{shouldExecute, targetContract, calldata, storageUpdates, metadata}`. `metadata.reason` is the reason of a
/// script that declines; the rest of `metadata` is for people and not read. A declining script needs name no call.
pub fn script_answer(value: &Value) -> Result<ScriptAnswer, BadAnswer> {
    let fields = match value {
        Value::Object(fields) => Some(fields),
        // A component gives a list whatever its job is: the object is the one thing in it.
        Value::Array(items) => match items.as_slice() {
            [Value::Object(fields)] => Some(fields),
            _ => None,
        },
        _ => None,
    };
    let fields = fields.ok_or_else(|| BadAnswer::NoObject(kind(value)))?;
    let storage_updates = match fields.get("storageUpdates") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(updates)) if updates.len() <= STORAGE_UPDATES_MAX => {
            updates.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        Some(Value::Object(updates)) => {
            return Err(member(
                "storageUpdates",
                format!("{} entries, {STORAGE_UPDATES_MAX} at most", updates.len()),
            ));
        }
        Some(other) => {
            return Err(member("storageUpdates", format!("an object is needed, not {}", kind(other))));
        }
    };
    let choice = match fields.get("shouldExecute") {
        Some(Value::Bool(false)) => {
            let reason = fields.get("metadata").and_then(|m| m.get("reason")).and_then(Value::as_str);
            ScriptChoice::Skip(cut(reason.filter(|r| !r.is_empty()).unwrap_or("shouldExecute is false")))
        }
        Some(Value::Bool(true)) => {
            let target: Address = text(fields.get("targetContract"), "targetContract")?
                .parse()
                .map_err(|_| member("targetContract", "0x and 40 hex digits are needed".to_owned()))?;
            let calldata: Bytes = text(fields.get("calldata"), "calldata")?
                .parse()
                .map_err(|_| member("calldata", "0x and pairs of hex digits are needed".to_owned()))?;
            ScriptChoice::Call { target, calldata }
        }
        Some(other) => {
            return Err(member("shouldExecute", format!("true or false is needed, not {}", kind(other))));
        }
        None => return Err(member("shouldExecute", "missing: true or false".to_owned())),
    };
    Ok(ScriptAnswer { choice, storage_updates })
}

fn text<'a>(value: Option<&'a Value>, name: &'static str) -> Result<&'a str, BadAnswer> {
    match value {
        Some(Value::String(text)) if text.starts_with("0x") => Ok(text),
        Some(Value::String(_)) => Err(member(name, "it must begin with 0x".to_owned())),
        Some(other) => Err(member(name, format!("a string is needed, not {}", kind(other)))),
        None => Err(member(name, "missing".to_owned())),
    }
}

/// The call of a job whose arguments are given: what creation checks and what keepers sign.
pub fn fixed_call(job: &Job) -> Result<Call, BadAnswer> {
    match (&job.args, &job.action) {
        (Args::Fixed(values), Action::Call(target)) => call_with(job, target, values.clone()),
        (Args::Fixed(_) | Args::Computed { .. }, _) => Err(BadAnswer::NoScript),
    }
}

/// The call that a script's answer leads to; `Ok(Err(reason))` where it declined.
pub fn call_of_answer(job: &Job, answer: Value) -> Result<Result<Call, String>, BadAnswer> {
    call_and_updates(job, answer).map(|call| call.map(|(call, _)| call))
}

/// The call, and what the answer wants remembered with it.
fn call_and_updates(job: &Job, answer: Value) -> Result<Result<(Call, Updates), String>, BadAnswer> {
    match &job.action {
        Action::Call(target) => call_with(job, target, arguments(answer)?).map(|call| Ok((call, Vec::new()))),
        Action::Script { chain } => {
            let ScriptAnswer { choice, storage_updates } = script_answer(&answer)?;
            Ok(match choice {
                ScriptChoice::Skip(reason) => Err(reason),
                ScriptChoice::Call { target, calldata } => {
                    let (chain, value) = (*chain, U256::ZERO);
                    Ok((Call { chain, target, value, calldata, arguments: Vec::new() }, storage_updates))
                }
            })
        }
    }
}

/// What a run comes to for its job.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What a keeper reports.
    pub output: Output,
    /// The job's state if the output's call is made; the one before where there is none to make, so that a script
    /// that declines or fails changes nothing. `None`: the job has no storage.
    pub state: Option<Arc<State>>,
}

/// What a run that began with the state `before` comes to; `None` where it says nothing that another keeper could
/// repeat. `after` is the state that its own writes came to ([`crate::run::RunReport::state`]).
pub fn outcome_of_run(
    job: &Job,
    end: RunEnd,
    before: Option<&Arc<State>>,
    after: Option<Arc<State>>,
) -> Option<Outcome> {
    let unchanged = |output| Outcome { output, state: before.cloned() };
    Some(match end {
        RunEnd::Value(answer) => match call_and_updates(job, answer) {
            Ok(Ok((call, updates))) => match updated(after, updates) {
                Ok(state) => Outcome { output: Output::Call(call), state },
                Err(fault) => unchanged(Output::Fail(cut(&fault.to_string()))),
            },
            Ok(Err(reason)) => unchanged(Output::Skip(reason)),
            Err(fault) => unchanged(Output::Fail(cut(&fault.to_string()))),
        },
        RunEnd::Skipped(reason) => unchanged(Output::Skip(reason)),
        RunEnd::Failed(failure) => match failure.kind {
            FailureKind::Inconclusive => return None,
            FailureKind::Script | FailureKind::Limit | FailureKind::Refused => {
                unchanged(Output::Fail(failure.message))
            }
        },
    })
}

/// The state with an answer's updates in it: a text as its bytes, any other value as its JSON text.
fn updated(state: Option<Arc<State>>, updates: Updates) -> Result<Option<Arc<State>>, BadAnswer> {
    if updates.is_empty() {
        return Ok(state);
    }
    let refused = |why: String| member("storageUpdates", why);
    let mut state = state.ok_or_else(|| refused(NOT_GRANTED.to_owned()))?;
    for (key, value) in updates {
        let text = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        let kept = Arc::make_mut(&mut state).set(&key, text.into_bytes().into());
        kept.map_err(|why| refused(why.to_string()))?;
    }
    Ok(Some(state))
}

fn call_with(job: &Job, target: &Target, values: Vec<Value>) -> Result<Call, BadAnswer> {
    let function = Function::of_target(target)?;
    let values = complete(job, &function, values)?;
    let (calldata, arguments) = encode_call(&function, &values)?;
    Ok(Call { chain: target.chain, target: target.contract, value: U256::ZERO, calldata, arguments })
}

/// The function by which the platform's module acts on a Safe.
pub const SAFE_FUNCTION: &str = "execJobFromHub";

/// What is added to and asked of the arguments of a job that acts through a Safe: the first one is the Safe itself,
/// and a call of [`SAFE_FUNCTION`] that is one argument short gets the job's owner, because clients know the module
/// with five parameters and with six. Other jobs' arguments are returned as they are.
pub fn complete(job: &Job, function: &Function, mut values: Vec<Value>) -> Result<Vec<Value>, BadAnswer> {
    let Some(safe) = &job.safe else {
        return Ok(values);
    };
    check_safe(safe, &values)?;
    if function.name() == SAFE_FUNCTION && values.len() + 1 == function.inputs().len() {
        values.push(Value::String(job.owner.to_checksum(None)));
    }
    Ok(values)
}

/// Whether the first value is the job's Safe, in whatever case it is written.
pub fn check_safe(safe: &Safe, values: &[Value]) -> Result<(), BadAnswer> {
    let given = values.first().and_then(Value::as_str);
    match given.and_then(|text| text.trim().parse::<Address>().ok()) {
        Some(address) if address == safe.address => Ok(()),
        _ => Err(BadAnswer::OtherSafe {
            safe: safe.address,
            given: values
                .first()
                .map_or_else(|| "missing".to_owned(), |v| v.to_string().chars().take(80).collect()),
        }),
    }
}

fn member(member: &'static str, reason: String) -> BadAnswer {
    BadAnswer::Member { member, reason }
}

fn cut(text: &str) -> String {
    if text.len() <= ERROR_TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = ERROR_TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
