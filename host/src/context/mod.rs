//! What a script is told: the context as JSON, and the few environment variables.

use std::collections::BTreeMap;

use argus_domain::{
    B256, U256,
    chain::Pin,
    ids::{AttemptNo, ChainId, JobId, TaskId},
    run::RunInput,
    secret::Grants,
    task::TriggerFact,
    time::Timestamp,
};
use serde_json::{Value, json};

use crate::evm;

mod read;

pub use read::{ContextError, parse_context};

/// Due instant of a run that is given no input, 2025-01-01T00:00:00Z: fixed, so that its fuel is the same for
/// everybody who meets the same answers.
const DEFAULT_DUE: Timestamp = Timestamp(1_735_689_600_000);

/// The input of a run outside any task: fixed, so that two such runs are equal.
pub fn default_input() -> RunInput {
    RunInput {
        job: JobId(U256::ZERO),
        task: TaskId(B256::ZERO),
        due: DEFAULT_DUE,
        attempt: AttemptNo(1),
        trigger: TriggerFact::Manual,
        arguments: Vec::new(),
        pins: BTreeMap::new(),
        allow_hosts: Vec::new(),
        state: None,
        secrets: Grants::new(),
        may_compute: false,
    }
}

/// The context of a run, as JSON. Numbers that may pass 2^53 are decimal strings. Written at once: a tree of values
/// costs a small run a twentieth of its time. What stands between quotes here has none in it.
pub(crate) fn context(input: &RunInput) -> String {
    Told::of(input).context()
}

/// What the JavaScript engine's `run_script` takes: the environment, a line feed, the context.
pub(crate) fn script_input(input: &RunInput) -> String {
    let told = Told::of(input);
    let mut text = String::with_capacity(1024);
    let mut before = "{";
    told.each_variable(|prefix, name, value| {
        for part in [before, "\"", prefix, name, "\":\"", value, "\""] {
            text.push_str(part);
        }
        before = ",";
    });
    text.push_str("}\n");
    text.push_str(&told.context());
    text
}

/// All that a script can see of an environment: its context, and the placeholders of its secrets.
pub(crate) fn environment(input: &RunInput) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    Told::of(input).each_variable(|prefix, name, value| {
        variables.push((format!("{prefix}{name}"), value.to_owned()));
    });
    variables
}

/// What environments begin their names with. The second is what scripts written for TriggerX read.
const PREFIXES: [&str; 2] = ["ARGUS_", "TRIGGERX_"];

/// What a run is told, in the words in which it is.
struct Told<'a> {
    input: &'a RunInput,
    job: String,
    task: String,
    due: String,
    attempt: String,
}

impl<'a> Told<'a> {
    fn of(input: &'a RunInput) -> Self {
        Self {
            input,
            job: input.job.to_string(),
            task: input.task.to_string(),
            due: input.due.to_rfc3339(),
            attempt: input.attempt.0.to_string(),
        }
    }

    fn context(&self) -> String {
        let Self { input, job, task, due, attempt } = self;
        let trigger = trigger(&input.trigger);
        let arguments = input.arguments.iter().map(Value::to_string).collect::<Vec<_>>().join(",");
        let pin = |(chain, pin): (&ChainId, &Pin)| {
            format!(r#""{chain}":{{"number":{},"hash":"{:#x}"}}"#, pin.number, pin.hash)
        };
        let pinned = input.pins.iter().map(pin).collect::<Vec<_>>().join(",");
        format!(
            r#"{{"job_id":"{job}","task_id":"{task}","due":"{due}","attempt":{attempt},"trigger":{trigger},"arguments":[{arguments}],"pinned":{{{pinned}}}}}"#
        )
    }

    /// Every variable: the beginning of its name, the rest of it, and its value.
    fn each_variable(&self, mut see: impl FnMut(&str, &str, &str)) {
        let Self { input, job, task, due, attempt } = self;
        let chain = match &input.trigger {
            TriggerFact::Log(log) => Some(log.chain),
            TriggerFact::Due | TriggerFact::Value { .. } | TriggerFact::Manual => {
                input.pins.keys().next().copied()
            }
        };
        let chain = chain.map(|chain| chain.to_string());
        for prefix in PREFIXES {
            see(prefix, "JOB_ID", job);
            see(prefix, "TASK_ID", task);
            see(prefix, "DUE", due);
            see(prefix, "ATTEMPT", attempt);
            see(prefix, "TRIGGER_KIND", kind(&input.trigger));
            if let Some(chain) = &chain {
                see(prefix, "CHAIN_ID", chain);
            }
        }
        for name in &input.secrets {
            see("", name.as_str(), &name.placeholder(input.job));
        }
    }
}

fn kind(fact: &TriggerFact) -> &'static str {
    match fact {
        TriggerFact::Due => "time",
        TriggerFact::Log(_) => "event",
        TriggerFact::Value { .. } => "condition",
        TriggerFact::Manual => "manual",
    }
}

fn trigger(fact: &TriggerFact) -> String {
    let kind = kind(fact);
    match fact {
        TriggerFact::Due | TriggerFact::Manual => format!(r#"{{"kind":"{kind}"}}"#),
        TriggerFact::Log(log) => json!({
            "kind": kind,
            "chain_id": log.chain.0,
            "block_number": log.block_number,
            "tx_hash": log.transaction,
            "log": evm::shown(log),
        })
        .to_string(),
        TriggerFact::Value { value, at } => {
            json!({ "kind": kind, "value": value.to_string(), "observed_at": at.to_rfc3339() }).to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_context_is_the_json_that_it_says_it_is() {
        let hash = B256::repeat_byte(0xab);
        let mut input = RunInput {
            job: JobId(U256::MAX),
            arguments: vec![json!("a \"quoted\" word\n"), json!({ "deep": [1, null] }), json!(true)],
            trigger: TriggerFact::Value { value: "1.5".parse().expect("a decimal"), at: Timestamp(0) },
            ..default_input()
        };
        input.pins.insert(ChainId(1), Pin { number: u64::MAX, hash });
        input.pins.insert(ChainId(10), Pin { number: 0, hash: B256::ZERO });
        let read: Value = serde_json::from_str(&context(&input)).expect("JSON");
        let expected = json!({
            "job_id": U256::MAX.to_string(),
            "task_id": format!("0x{}", "00".repeat(32)),
            "due": "2025-01-01T00:00:00.000Z",
            "attempt": 1,
            "trigger": { "kind": "condition", "value": "1.5", "observed_at": "1970-01-01T00:00:00.000Z" },
            "arguments": input.arguments,
            "pinned": {
                "1": { "number": u64::MAX, "hash": format!("0x{}", "ab".repeat(32)) },
                "10": { "number": 0, "hash": format!("0x{}", "00".repeat(32)) },
            },
        });
        assert_eq!(read, expected);
        assert!(!context(&input).contains('\n'), "a line feed would end it");
        let bare: Value = serde_json::from_str(&context(&default_input())).expect("JSON");
        assert_eq!((&bare["arguments"], &bare["pinned"]), (&json!([]), &json!({})));
    }
}
