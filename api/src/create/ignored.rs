//! What a client sent that means nothing for the job that it makes: no fault, and worth a word.

use argus_domain::{job::Trigger, schedule::Schedule};
use serde_json::Value;

use crate::{
    create::{Fields, job::Kind, policy::LIMITS},
    json,
};

pub(super) const SCHEDULE: [&str; 4] =
    ["schedule_type", "time_interval", "cron_expression", "specific_schedule"];
/// Those of them that say when.
const VALUES: [&str; 3] = ["time_interval", "cron_expression", "specific_schedule"];
pub(super) const EVENT: [&str; 6] = [
    "trigger_chain_id",
    "trigger_contract_address",
    "trigger_event",
    "event_filter_para_name",
    "event_filter_value",
    "confirmations",
];
pub(super) const CONDITION: [&str; 7] = [
    "condition_type",
    "upper_limit",
    "lower_limit",
    "value_source_type",
    "value_source_url",
    "selected_key_route",
    "cooldown",
];
const CALL: [&str; 2] = ["target_contract_address", "target_function"];
const SCRIPT: [&str; 4] = ["dynamic_arguments_script_url", "execution_script_url", "allow_hosts", "limits"];
/// What clients send for a field that their job does not have, besides nothing, zero and empty ones.
const BLANKS: [&str; 6] = ["NULL", "-", "0", "[]", "{}", "0x0000000000000000000000000000000000000000"];

/// A sentence for each field that counts for nothing, with its path.
pub(super) fn ignored(
    fields: &Fields<'_>,
    kind: Kind,
    (is_computed, arg_type): (bool, Option<u64>),
    trigger: &Trigger,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |names: &[&str], why: &str| {
        let given = names.iter().filter(|name| fields.get(name).is_some_and(|value| !is_blank(value)));
        found.extend(given.map(|name| format!("{} is ignored: {why}", fields.path(name))));
    };
    for (names, what, of) in [
        (&SCHEDULE[..], "schedule", &[Kind::Time, Kind::Script][..]),
        (&EVENT, "event", &[Kind::Event]),
        (&CONDITION, "condition", &[Kind::Condition]),
    ] {
        if !of.contains(&kind) {
            note(names, &format!("no {what} triggers a job of this kind"));
        }
    }
    if kind == Kind::Script {
        note(&CALL, "the script of a job of this kind names the call");
    }
    if !is_computed {
        note(&SCRIPT, "a job of this kind has no script");
    }
    match (arg_type, is_computed) {
        (Some(2), false) => note(&["arg_type"], "the arguments of a job of this kind are static"),
        (Some(1), true) => note(&["arg_type"], "the arguments of a job of this kind are a script's"),
        (Some(_) | None, _) => {}
    }
    if !fields.get("is_safe").and_then(json::flag).unwrap_or(false) {
        note(&["safe_address"], "is_safe is not true");
    }
    if let Trigger::Time(schedule) = trigger {
        let (used, repeats) = match schedule {
            Schedule::Interval { .. } => ("time_interval", true),
            Schedule::Cron { .. } => ("cron_expression", true),
            Schedule::Once { .. } => ("specific_schedule", false),
        };
        let others: Vec<&str> = VALUES.into_iter().filter(|name| *name != used).collect();
        note(&others, &format!("the job runs by its {used}"));
        if repeats && fields.get("recurring").and_then(json::flag) == Some(false) {
            let path = fields.path("recurring");
            found.push(format!("{path} is ignored: the job runs by its {used} until its time frame ends"));
        }
    }
    if let Some(Value::Object(limits)) = fields.get("limits") {
        let unknown = limits.keys().filter(|name| !LIMITS.contains(&name.as_str()));
        let path = fields.path("limits");
        let known = LIMITS.join(", ");
        found.extend(unknown.map(|name| format!("{path}.{name} is ignored: a job may set {known}")));
    }
    found
}

/// Whether a value says no more than that the client knows the field.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => is_zero(&number.to_string()),
        Value::String(text) => text.trim().is_empty() || BLANKS.contains(&text.trim()),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
    }
}

/// Whether a JSON number is zero, however it is written.
fn is_zero(number: &str) -> bool {
    let digits = number.split(['e', 'E']).next().unwrap_or_default();
    digits.bytes().all(|b| b"-0.".contains(&b))
}
