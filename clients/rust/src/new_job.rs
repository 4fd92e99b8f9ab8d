//! A job as it is created.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

/// A job that is to be created. What has no function here is set by its name: [`NewJob::set`].
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct NewJob(Map<String, Value>);

/// When a job runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trigger {
    kind: u8,
    fields: Value,
}

/// What a job calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    call: Value,
    is_computed: bool,
    decides: bool,
}

impl Trigger {
    /// Every so many whole seconds from its creation on.
    pub fn every(interval: Duration) -> Self {
        Self::time(json!({"schedule_type": "interval", "time_interval": interval.as_secs()}))
    }

    /// At the instants of a cron expression in a zone of the IANA database.
    pub fn cron(expression: &str, zone: &str) -> Self {
        let fields = json!({"schedule_type": "cron", "cron_expression": expression, "timezone": zone});
        Self::time(fields)
    }

    /// Once, at an instant (RFC 3339).
    pub fn at(instant: &str) -> Self {
        Self::time(json!({"schedule_type": "specific", "specific_schedule": instant}))
    }

    /// At each event of a contract, by its full signature.
    pub fn event(chain: u64, contract: &str, signature: &str) -> Self {
        let fields = json!({
            "trigger_chain_id": chain.to_string(), "trigger_contract_address": contract, "trigger_event": signature,
        });
        Self { kind: 3, fields }
    }

    /// When a value at a URL comes to fulfil a comparison (`greater_than`, `less_equal`, `equals`, ...). The limit is
    /// decimal text, and so is compared with all its digits.
    pub fn value(url: &str, route: &str, comparison: &str, limit: &str) -> Self {
        let fields = json!({
            "value_source_type": "api", "value_source_url": url, "selected_key_route": route,
            "condition_type": comparison, "upper_limit": limit,
        });
        Self { kind: 5, fields }
    }

    fn time(fields: Value) -> Self {
        Self { kind: 1, fields }
    }
}

impl Action {
    /// A function by its signature, with these arguments. Integers that a `u64` does not hold are texts.
    pub fn call<T: Into<Value>>(
        contract: &str,
        function: &str,
        arguments: impl IntoIterator<Item = T>,
    ) -> Self {
        let arguments: Vec<Value> = arguments.into_iter().map(Into::into).collect();
        let call = json!({
            "target_contract_address": contract, "target_function": function, "abi": "[]",
            "arg_type": 1, "arguments": arguments,
        });
        Self { call, is_computed: false, decides: false }
    }

    /// A function with the arguments that a script prints, by its `ipfs://` address.
    pub fn computed(contract: &str, function: &str, script: &str) -> Self {
        let call = json!({
            "target_contract_address": contract, "target_function": function, "abi": "[]",
            "arg_type": 2, "arguments": [], "dynamic_arguments_script_url": script,
        });
        Self { call, is_computed: true, decides: false }
    }

    /// What a script decides: whether, whom and with what. For [`Trigger::every`].
    pub fn decided(script: &str) -> Self {
        let call = json!({"arg_type": 2, "arguments": [], "dynamic_arguments_script_url": script});
        Self { call, is_computed: true, decides: true }
    }
}

impl NewJob {
    /// A job of an owner, whose calls go to this chain. Its id is a decimal number of up to 256 bits that no job has
    /// yet; a registry on chain gives one. It lives for an hour where [`NewJob::lives`] says nothing else.
    pub fn new(id: &str, owner: &str, title: &str, chain: u64, trigger: Trigger, action: Action) -> Self {
        let kind = if action.decides { 7 } else { trigger.kind + u8::from(action.is_computed) };
        let mut job = fields(json!({
            "job_id": id, "user_address": owner, "job_title": title, "task_definition_id": kind, "time_frame": 3600,
            "timezone": "UTC", "created_chain_id": chain.to_string(), "target_chain_id": chain.to_string(),
        }));
        job.extend(fields(trigger.fields));
        job.extend(fields(action.call));
        Self(job)
    }

    /// For how many whole seconds it lives.
    #[must_use]
    pub fn lives(self, time: Duration) -> Self {
        self.set("time_frame", time.as_secs())
    }

    /// Any field, by the name that the API has for it.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// A field as a query says it.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
