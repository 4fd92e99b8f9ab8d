//! Jobs as JSON. `task_definition_id` exists here and in `create` alone.

use argus_domain::{
    event::{EventFilter, ParameterPlace},
    ids::TaskNumber,
    ids::public_task_id,
    job::{Action, Agreement, Args, Job, JobRecord, Misfire, Mode, Trigger},
    limits::Limits,
    rule::{Comparison, KeyRoute, Rule, SourceKind},
    schedule::Schedule,
    status::JobStatus,
    time::Timestamp,
};
use serde_json::{Map, Value, json};

use crate::json::{address_number, decimal_number, ether, instant};

/// Public task ids that a job shows at most: its newest.
const TASK_IDS_MAX: u32 = 1_000;

/// The kinds by which clients know jobs: 1 and 2 time, 3 and 4 event, 5 and 6 condition (even: a script gives the
/// arguments), 7 a script that decides what to call.
pub fn task_definition_id(job: &Job) -> u8 {
    let base = match (&job.action, &job.trigger) {
        (Action::Script { .. }, _) => return 7,
        (Action::Call(_), Trigger::Time(_)) => 1,
        (Action::Call(_), Trigger::Event(_)) => 3,
        (Action::Call(_), Trigger::Condition(_)) => 5,
    };
    match job.args {
        Args::Fixed(_) => base,
        Args::Computed { .. } => base + 1,
    }
}

/// A job's status as clients read it.
pub fn status_name(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Pending => "pending",
        JobStatus::Running => "running",
        JobStatus::Paused => "paused",
        JobStatus::Completed => "completed",
        JobStatus::Expired => "expired",
        JobStatus::Deleted => "deleted",
    }
}

/// Seconds for which a job lives.
pub fn time_frame(job: &Job) -> u64 {
    job.expires_at.since(job.accepted_at).as_secs()
}

/// A job with the object of its kind: an element of `jobs`.
pub fn entry(record: &JobRecord, now: Timestamp) -> Value {
    let name = match task_definition_id(&record.job) {
        1 | 2 => "time_job_data",
        3 | 4 => "event_job_data",
        5 | 6 => "condition_job_data",
        _ => "custom_job_data",
    };
    let mut map = Map::new();
    map.insert("job_data".to_owned(), Value::Object(job_data(record, now)));
    map.insert(name.to_owned(), Value::Object(kind_data(record, now)));
    Value::Object(map)
}

/// A job as one flat object.
pub fn flat(record: &JobRecord, now: Timestamp) -> Value {
    let mut map = kind_data(record, now);
    map.extend(job_data(record, now));
    Value::Object(map)
}

fn job_data(record: &JobRecord, now: Timestamp) -> Map<String, Value> {
    let job = &record.job;
    let link = job.link.and_then(|link| link.next);
    let value = json!({
        "job_id": job.id.to_string(),
        "job_title": job.title,
        "task_definition_id": task_definition_id(job),
        "user_id": address_number(job.owner),
        "user_address": job.owner,
        "link_job_id": link.map_or_else(|| "-1".to_owned(), |id| id.to_string()),
        "chain_status": u8::from(job.link.is_some_and(|link| link.position > 0)),
        "custom": job.remarks.custom,
        "language": job.remarks.language,
        "time_frame": time_frame(job),
        "recurring": job.recurring,
        "status": status_name(record.status(now)),
        "job_cost_prediction": job.remarks.cost_prediction.as_ref().map_or_else(|| json!(0), decimal_number),
        "job_cost_actual": ether(record.charged),
        "job_cost_actual_wei": record.charged.to_string(),
        "task_ids": task_ids(record),
        "created_at": job.accepted_at.to_rfc3339(),
        "updated_at": record.updated_at.to_rfc3339(),
        "last_executed_at": instant(record.last_opened_at),
        "expiration_time": job.expires_at.to_rfc3339(),
        "timezone": job.remarks.timezone,
        "is_imua": job.remarks.is_imua,
        "created_chain_id": job.created_chain.to_string(),
        "is_safe": job.safe.is_some(),
        "safe_address": job.safe.as_ref().map(|safe| safe.address.to_string()).unwrap_or_default(),
        "safe_name": job.safe.as_ref().map(|safe| safe.name.as_str()).unwrap_or_default(),
        "version": job.version,
        "mode": mode_name(job.policy.mode),
    });
    into_map(value)
}

fn task_ids(record: &JobRecord) -> Vec<u64> {
    let last = record.cursor.opened.0;
    let first = last.saturating_sub(TASK_IDS_MAX - 1).max(1);
    (first..=last).map(|n| public_task_id(record.job.serial, TaskNumber(n))).collect()
}

fn kind_data(record: &JobRecord, now: Timestamp) -> Map<String, Value> {
    let job = &record.job;
    let mut map = Map::new();
    map.insert("job_id".to_owned(), json!(job.id.to_string()));
    map.insert("task_definition_id".to_owned(), json!(task_definition_id(job)));
    if let Trigger::Time(_) = job.trigger {
        // What the other kinds of schedule have: clients read all three.
        map.extend(into_map(json!({"time_interval": 0, "cron_expression": "", "specific_schedule": ""})));
    }
    map.extend(trigger_fields(job));
    map.extend(target_fields(job));
    let (Args::Fixed(arguments) | Args::Computed { given: arguments, .. }) = &job.args;
    map.insert("arguments".to_owned(), arguments.iter().map(as_text).collect());
    let armed = record.is_armed(now);
    map.extend(into_map(json!({
        "recurring": job.recurring,
        "next_execution_timestamp": instant(record.cursor.next_due.filter(|_| armed)),
        "is_completed": record.cursor.finished || now > job.expires_at,
        "is_active": armed,
        "created_at": job.accepted_at.to_rfc3339(),
        "updated_at": record.updated_at.to_rfc3339(),
        "last_executed_at": instant(record.last_opened_at),
        "expiration_time": job.expires_at.to_rfc3339(),
    })));
    map
}

/// Clients expect texts, whatever was sent.
fn as_text(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Value::String(value.to_string())
        }
    }
}

/// A job in the shape in which it is created: what an update is laid over.
pub fn as_created(job: &Job) -> Map<String, Value> {
    let mut map = into_map(json!({
        "job_id": job.id.to_string(),
        "user_address": job.owner,
        "job_title": job.title,
        "task_definition_id": task_definition_id(job),
        "custom": job.remarks.custom,
        "language": job.remarks.language,
        "time_frame": time_frame(job),
        "recurring": job.recurring,
        "timezone": job.remarks.timezone,
        "is_imua": job.remarks.is_imua,
        "created_chain_id": job.created_chain.to_string(),
        "is_safe": job.safe.is_some(),
        "safe_address": job.safe.as_ref().map(|safe| safe.address.to_string()).unwrap_or_default(),
        "safe_name": job.safe.as_ref().map(|safe| safe.name.as_str()).unwrap_or_default(),
        "fee_cap": job.policy.fee_cap.to_string(),
        "gas_limit": job.policy.gas_limit,
        "misfire": misfire_name(job.policy.misfire),
        "limits": limits(&job.limits),
    }));
    if let Some(cost) = &job.remarks.cost_prediction {
        map.insert("job_cost_prediction".to_owned(), decimal_number(cost));
    }
    match job.policy.mode {
        Mode::Quorum { keepers, threshold } => {
            map.insert("keepers".to_owned(), json!(keepers));
            map.insert("threshold".to_owned(), json!(threshold));
        }
        Mode::Solo => {}
    }
    match &job.policy.agreement {
        Agreement::Median { tolerance } => {
            map.insert("agreement".to_owned(), json!("median"));
            map.insert("tolerance".to_owned(), decimal_number(tolerance));
        }
        Agreement::Exact => drop(map.insert("agreement".to_owned(), json!("exact"))),
        Agreement::TrustPerformer => drop(map.insert("agreement".to_owned(), json!("trust-performer"))),
    }
    map.extend(trigger_fields(job));
    map.extend(target_fields(job));
    map
}

fn limits(limits: &Limits) -> Value {
    json!({
        "fuel_max": limits.fuel_max,
        "memory_bytes": limits.memory_bytes,
        "wall_ms": limits.wall_ms,
        "command_bytes": limits.command_bytes,
    })
}

fn mode_name(mode: Mode) -> Value {
    match mode {
        Mode::Quorum { keepers, threshold } => {
            json!({"kind": "quorum", "keepers": keepers, "threshold": threshold})
        }
        Mode::Solo => json!({"kind": "solo"}),
    }
}

fn misfire_name(misfire: Misfire) -> &'static str {
    match misfire {
        Misfire::RunOnce => "run_once",
        Misfire::Skip => "skip",
        Misfire::CatchUp => "catch_up",
    }
}

/// The fields of a job's trigger.
pub fn trigger_fields(job: &Job) -> Map<String, Value> {
    match &job.trigger {
        Trigger::Time(schedule) => schedule_fields(schedule, &job.remarks.timezone),
        Trigger::Event(filter) => event_fields(filter),
        Trigger::Condition(rule) => rule_fields(rule),
    }
}

fn schedule_fields(schedule: &Schedule, zone: &str) -> Map<String, Value> {
    into_map(match schedule {
        Schedule::Interval { every_secs } => {
            json!({"schedule_type": "interval", "time_interval": every_secs, "timezone": zone})
        }
        Schedule::Cron { expression, zone } => {
            json!({"schedule_type": "cron", "cron_expression": expression, "timezone": zone.name()})
        }
        Schedule::Once { at } => {
            json!({"schedule_type": "specific", "specific_schedule": at.to_rfc3339(), "timezone": zone})
        }
    })
}

fn event_fields(filter: &EventFilter) -> Map<String, Value> {
    let (name, value) =
        filter.test.as_ref().map_or(("", ""), |test| (test.name.as_str(), test.value.as_str()));
    let place = filter.test.as_ref().map(|test| match &test.place {
        ParameterPlace::Topic { index, .. } => format!("topic{index}"),
        ParameterPlace::Data { index, .. } => format!("data[{index}]"),
    });
    into_map(json!({
        "trigger_chain_id": filter.chain.to_string(),
        "trigger_contract_address": filter.contract,
        "trigger_event": filter.signature,
        "event_filter_para_name": name,
        "event_filter_value": value,
        "event_filter_place": place,
    }))
}

/// Operator and limits, as clients give them.
pub fn comparison_fields(comparison: &Comparison) -> Map<String, Value> {
    let (name, lower, upper) = match comparison {
        Comparison::GreaterThan(limit) => ("greater_than", None, Some(limit)),
        Comparison::LessThan(limit) => ("less_than", None, Some(limit)),
        Comparison::Between(lower, upper) => ("between", Some(lower), Some(upper)),
        Comparison::Equals(limit) => ("equals", None, Some(limit)),
        Comparison::NotEquals(limit) => ("not_equals", None, Some(limit)),
        Comparison::GreaterEqual(limit) => ("greater_equal", None, Some(limit)),
        Comparison::LessEqual(limit) => ("less_equal", None, Some(limit)),
    };
    into_map(json!({
        "condition_type": name,
        "upper_limit": upper.map_or_else(|| json!(0), decimal_number),
        "lower_limit": lower.map_or_else(|| json!(0), decimal_number),
    }))
}

fn rule_fields(rule: &Rule) -> Map<String, Value> {
    let kind = match rule.source.kind {
        SourceKind::Api => "api",
        SourceKind::Oracle => "oracle",
        SourceKind::Static => "static",
        SourceKind::WebSocket => "websocket",
    };
    let mut map = comparison_fields(&rule.comparison);
    map.extend(into_map(json!({
        "value_source_type": kind,
        "value_source_url": rule.source.url,
        "selected_key_route": rule.source.route.as_ref().map(route_text).unwrap_or_default(),
        "cooldown": rule.cooldown_secs,
    })));
    map
}

/// Steps joined by dots, dots and backslashes within a step escaped.
fn route_text(route: &KeyRoute) -> String {
    let steps = route.steps.iter().map(|step| step.replace('\\', "\\\\").replace('.', "\\."));
    steps.collect::<Vec<_>>().join(".")
}

fn target_fields(job: &Job) -> Map<String, Value> {
    let mut map = into_map(match &job.action {
        Action::Call(target) => json!({
            "target_chain_id": target.chain.to_string(),
            "target_contract_address": target.contract,
            "target_function": target.function,
            "abi": target.abi,
        }),
        Action::Script { chain } => json!({
            "target_chain_id": chain.to_string(),
            "target_contract_address": argus_domain::Address::ZERO,
            "target_function": "",
            "abi": "[]",
        }),
    });
    map.extend(into_map(match &job.args {
        Args::Fixed(values) => {
            json!({"arg_type": 1, "arguments": values, "dynamic_arguments_script_url": ""})
        }
        Args::Computed { url, given, allow_hosts, module, storage, secrets } => json!({
            "arg_type": 2,
            "arguments": given,
            "dynamic_arguments_script_url": url,
            "script_cid": module.source.0,
            "script_language": module.language.to_string(),
            "allow_hosts": allow_hosts,
            "storage": storage,
            "secrets": secrets,
        }),
    }));
    map
}

/// The fields of an object.
pub fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
