//! The context of a run, as JSON in a file: the form in which scripts see it.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use argus_domain::{
    B256, U256,
    chain::{Log, Pin},
    ids::{AttemptNo, ChainId, JobId, Occurrence, TaskId},
    run::RunInput,
    task::TriggerFact,
    time::Timestamp,
};
use serde_json::Value;

/// The due instant of a run that is told nothing: fixed, so that two such runs use the same fuel.
const DEFAULT_DUE: &str = "2025-01-01T00:00:00Z";

/// Reads a context; what is not there has its default.
pub fn parse(given: Option<&Value>, allow_hosts: Vec<String>) -> anyhow::Result<RunInput> {
    let empty = Value::Object(serde_json::Map::new());
    let given = given.unwrap_or(&empty);
    if !given.is_object() {
        bail!("the context must be a JSON object");
    }
    let due = text(given, "due").unwrap_or(DEFAULT_DUE);
    let due =
        Timestamp::parse_rfc3339(due).with_context(|| format!("due: {due:?} is no RFC 3339 instant"))?;
    let job: JobId = number_text(given, "job_id").as_deref().unwrap_or("1").parse().context("job_id")?;
    let task = match text(given, "task_id") {
        Some(hash) if hash.starts_with("0x") => hash.parse().context("task_id")?,
        // Scripts may see the API's number; any such text names a task of its own.
        Some(other) => TaskId::of(job, &Occurrence::Condition(other.parse().context("task_id")?)),
        None => TaskId::of(job, &Occurrence::Time(due)),
    };
    let mut pins = BTreeMap::new();
    for (chain, pin) in given["pinned"].as_object().into_iter().flatten() {
        let chain = ChainId(chain.parse().with_context(|| format!("pinned: {chain:?} is no chain id"))?);
        let number =
            number_text(pin, "number").context("pinned: number")?.parse().context("pinned: number")?;
        let hash = text(pin, "hash").context("pinned: hash")?.parse().context("pinned: hash")?;
        pins.insert(chain, Pin { number, hash });
    }
    Ok(RunInput {
        job,
        task,
        due,
        attempt: AttemptNo(number_text(given, "attempt").map_or(Ok(1), |t| t.parse()).context("attempt")?),
        trigger: trigger(&given["trigger"], due)?,
        arguments: given["arguments"].as_array().cloned().unwrap_or_default(),
        pins,
        allow_hosts,
    })
}

fn trigger(value: &Value, due: Timestamp) -> anyhow::Result<TriggerFact> {
    match text(value, "kind") {
        None | Some("time") => Ok(TriggerFact::Due),
        Some("manual") => Ok(TriggerFact::Manual),
        Some("condition") => {
            let observed = number_text(value, "value").context("trigger.value")?;
            Ok(TriggerFact::Value { value: observed.parse().context("trigger.value")?, at: due })
        }
        Some("event") => {
            let log = &value["log"];
            let topics = log["topics"].as_array().into_iter().flatten();
            let topics =
                topics.map(|t| t.as_str().unwrap_or_default().parse::<B256>()).collect::<Result<_, _>>();
            let or = |name: &str| number_text(value, name).map_or(Ok(U256::ZERO), |t| t.parse::<U256>());
            Ok(TriggerFact::Log(Log {
                chain: ChainId(or("chain_id").context("trigger.chain_id")?.to::<u64>()),
                address: text(log, "address")
                    .context("trigger.log.address")?
                    .parse()
                    .context("trigger.log.address")?,
                topics: topics.context("trigger.log.topics")?,
                data: text(log, "data").unwrap_or("0x").parse().context("trigger.log.data")?,
                block_number: or("block_number").context("trigger.block_number")?.to::<u64>(),
                block_hash: B256::ZERO,
                block_time: due,
                transaction: text(value, "tx_hash")
                    .map_or(Ok(B256::ZERO), str::parse)
                    .context("trigger.tx_hash")?,
                index_in_block: 0,
                index_in_transaction: 0,
            }))
        }
        Some(other) => bail!("trigger.kind is time, event, condition or manual, not {other:?}"),
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
        let a = parse(None, Vec::new()).expect("default");
        assert_eq!(a, parse(Some(&json!({})), Vec::new()).expect("empty"));
        assert_eq!(a.due.to_rfc3339(), "2025-01-01T00:00:00.000Z");
    }

    #[test]
    fn reads_what_scripts_see() {
        let given = json!({
            "job_id": "115792089237316195423570985008687907853269984665640564039457584007913129639935",
            "due": "2026-02-03T04:05:06Z", "attempt": 2,
            "trigger": { "kind": "condition", "value": "12.5" },
            "pinned": { "1": { "number": "5", "hash": B256::ZERO.to_string() } },
        });
        let input = parse(Some(&given), Vec::new()).expect("context");
        assert_eq!(input.job.0, U256::MAX);
        assert_eq!(input.attempt, AttemptNo(2));
        assert_eq!(input.pins[&ChainId(1)].number, 5);
        for bad in [
            json!([]),
            json!({ "due": "soon" }),
            json!({ "trigger": { "kind": "tea" } }),
            json!({ "job_id": "-1" }),
        ] {
            assert!(parse(Some(&bad), Vec::new()).is_err(), "{bad}");
        }
    }
}
