//! A context as people write it into a file: the form in which scripts see it, with defaults for what is left out.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use argus_domain::{
    B256, U256,
    chain::{Log, Pin},
    ids::{AttemptNo, ChainId, JobId, Occurrence, TaskId},
    run::RunInput,
    state::State,
    task::TriggerFact,
    time::Timestamp,
};
use serde_json::Value;

use super::DEFAULT_DUE;

/// Why a JSON value is no context: the field, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct ContextError {
    /// The field, as a path.
    pub field: &'static str,
    /// What is wrong.
    pub reason: String,
}

/// The same for whatever reason a part does not parse.
trait Named<T> {
    fn field(self, field: &'static str) -> Result<T, ContextError>;
}

impl<T, E: Display> Named<T> for Result<T, E> {
    fn field(self, field: &'static str) -> Result<T, ContextError> {
        self.map_err(|error| ContextError { field, reason: error.to_string() })
    }
}

impl<T> Named<T> for Option<T> {
    fn field(self, field: &'static str) -> Result<T, ContextError> {
        self.ok_or_else(|| ContextError { field, reason: "is missing".to_owned() })
    }
}

/// Reads a context: `{"job_id", "task_id", "due", "attempt", "trigger", "arguments", "pinned"}`, each with its
/// default where it is left out, and beside it what the script remembers: `"storage"`, texts by key.
///
/// # Errors
/// [`ContextError`] for the first field that is wrong.
pub fn parse_context(given: Option<&Value>, allow_hosts: Vec<String>) -> Result<RunInput, ContextError> {
    let empty = Value::Object(serde_json::Map::new());
    let given = given.unwrap_or(&empty);
    if !given.is_object() {
        return Err(ContextError { field: "context", reason: "must be a JSON object".to_owned() });
    }
    let due = match text(given, "due") {
        None => DEFAULT_DUE,
        Some(due) => Timestamp::parse_rfc3339(due).ok_or("is no RFC 3339 instant").field("due")?,
    };
    let job: JobId = number_text(given, "job_id").as_deref().unwrap_or("1").parse().field("job_id")?;
    let task = match text(given, "task_id") {
        Some(hash) if hash.starts_with("0x") => hash.parse().field("task_id")?,
        // Scripts may see the API's number; any such text names a task of its own.
        Some(other) => TaskId::of(job, &Occurrence::Condition(other.parse().field("task_id")?)),
        None => TaskId::of(job, &Occurrence::Time(due)),
    };
    let mut pins = BTreeMap::new();
    for (chain, pin) in given["pinned"].as_object().into_iter().flatten() {
        let chain = ChainId(chain.parse().field("pinned")?);
        let number = number_text(pin, "number").field("pinned: number")?.parse().field("pinned: number")?;
        let hash = text(pin, "hash").field("pinned: hash")?.parse().field("pinned: hash")?;
        pins.insert(chain, Pin { number, hash });
    }
    Ok(RunInput {
        job,
        task,
        due,
        attempt: AttemptNo(number_text(given, "attempt").map_or(Ok(1), |t| t.parse()).field("attempt")?),
        trigger: trigger(&given["trigger"], due)?,
        arguments: given["arguments"].as_array().cloned().unwrap_or_default(),
        pins,
        allow_hosts,
        secrets: Default::default(),
        may_compute: false,
        state: Some(Arc::new(storage(&given["storage"])?)),
    })
}

/// What the script finds in its storage: texts by key; nothing where it is absent.
fn storage(value: &Value) -> Result<State, ContextError> {
    let mut state = State::default();
    for (key, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().ok_or("must be an object of texts").field("storage")?;
        state.set(key, text.as_bytes().to_vec().into()).field("storage")?;
    }
    Ok(state)
}

fn trigger(value: &Value, due: Timestamp) -> Result<TriggerFact, ContextError> {
    match text(value, "kind") {
        None | Some("time") => Ok(TriggerFact::Due),
        Some("manual") => Ok(TriggerFact::Manual),
        Some("condition") => {
            let observed = number_text(value, "value").field("trigger.value")?;
            Ok(TriggerFact::Value { value: observed.parse().field("trigger.value")?, at: due })
        }
        Some("event") => {
            let log = &value["log"];
            let topics = log["topics"].as_array().into_iter().flatten();
            let topics =
                topics.map(|t| t.as_str().unwrap_or_default().parse::<B256>()).collect::<Result<_, _>>();
            let or = |name: &str| number_text(value, name).map_or(Ok(U256::ZERO), |t| t.parse::<U256>());
            Ok(TriggerFact::Log(Log {
                chain: ChainId(or("chain_id").field("trigger.chain_id")?.to::<u64>()),
                address: text(log, "address")
                    .field("trigger.log.address")?
                    .parse()
                    .field("trigger.log.address")?,
                topics: topics.field("trigger.log.topics")?,
                data: text(log, "data").unwrap_or("0x").parse().field("trigger.log.data")?,
                block_number: or("block_number").field("trigger.block_number")?.to::<u64>(),
                block_hash: B256::ZERO,
                block_time: due,
                transaction: text(value, "tx_hash")
                    .map_or(Ok(B256::ZERO), str::parse)
                    .field("trigger.tx_hash")?,
                index_in_block: 0,
                index_in_transaction: 0,
            }))
        }
        Some(other) => {
            let reason =
                format!("is time, event, condition or manual, not {}", crate::text::quoted(other, 40));
            Err(ContextError { field: "trigger.kind", reason })
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str()
}

/// A number that may be written as a JSON number or as text.
fn number_text(value: &Value, name: &str) -> Option<String> {
    match value.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_given_is_the_same_every_time() {
        let a = parse_context(None, Vec::new()).expect("default");
        assert_eq!(a, parse_context(Some(&json!({})), Vec::new()).expect("empty"));
        assert_eq!(a.due.to_rfc3339(), "2025-01-01T00:00:00.000Z");
    }

    #[test]
    fn reads_what_scripts_see() {
        let given = json!({
            "job_id": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            "due": "2026-02-03T04:05:06Z", "attempt": 2,
            "trigger": { "kind": "condition", "value": "12.5" },
            "pinned": { "1": { "number": "5", "hash": B256::ZERO.to_string() } },
            "storage": { "n": "5" },
        });
        let input = parse_context(Some(&given), Vec::new()).expect("context");
        assert_eq!(input.job.0, U256::MAX);
        assert_eq!(input.attempt, AttemptNo(2));
        assert_eq!(input.pins[&ChainId(1)].number, 5);
        let state = input.state.expect("a state");
        assert_eq!(state.get("n").map(AsRef::as_ref), Some(&b"5"[..]));
        for bad in [
            json!([]),
            json!({ "due": "soon" }),
            json!({ "trigger": { "kind": "tea" } }),
            json!({ "job_id": "-1" }),
            json!({ "storage": { "n": 5 } }),
            json!({ "storage": { "": "5" } }),
        ] {
            assert!(parse_context(Some(&bad), Vec::new()).is_err(), "{bad}");
        }
    }
}
