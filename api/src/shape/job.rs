//! Jobs as JSON. `task_definition_id` exists here and in `create` alone.

use argus_domain::{
    Address,
    decimal::Decimal,
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
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    formats::{Account, ChainNumber, DecimalNumber, Ether, Instant, JobNumber, Wei},
    job_types::{
        About, ConditionType, FlatJob, JobData, JobEntry, Kind, KindData, ScheduleType, Shared,
        ShownComparison, ShownCondition, ShownEvent, ShownLimits, ShownMode, ShownPolicy, ShownSchedule,
        ShownScript, ShownTarget, ShownTrigger, SourceType, StatusName,
    },
};
use crate::json::address_number;

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
pub fn entry(record: &JobRecord, now: Timestamp) -> JobEntry {
    let kind = Some(KindData {
        shared: shared(record),
        kind: kind(record, now),
        timezone: match &record.job.trigger {
            Trigger::Time(schedule) => Some(zone_name(schedule, &record.job.remarks.timezone)),
            Trigger::Event(_) | Trigger::Condition(_) => None,
        },
    });
    let job_data = JobData { shared: shared(record), about: about(record, now) };
    let none = JobEntry {
        job_data,
        time_job_data: None,
        event_job_data: None,
        condition_job_data: None,
        custom_job_data: None,
    };
    match task_definition_id(&record.job) {
        1 | 2 => JobEntry { time_job_data: kind, ..none },
        3 | 4 => JobEntry { event_job_data: kind, ..none },
        5 | 6 => JobEntry { condition_job_data: kind, ..none },
        _ => JobEntry { custom_job_data: kind, ..none },
    }
}

/// A job as one flat object, and why it was deleted, where its owner is not the reason.
pub fn flat(record: &JobRecord, now: Timestamp, deleted_because: Option<String>) -> FlatJob {
    FlatJob { shared: shared(record), about: about(record, now), kind: kind(record, now), deleted_because }
}

fn shared(record: &JobRecord) -> Shared {
    let job = &record.job;
    Shared {
        job_id: JobNumber(job.id),
        task_definition_id: task_definition_id(job),
        recurring: job.recurring,
        created_at: Instant(job.accepted_at),
        updated_at: Instant(record.updated_at),
        last_executed_at: record.last_opened_at.map(Instant),
        expiration_time: Instant(job.expires_at),
    }
}

fn about(record: &JobRecord, now: Timestamp) -> About {
    let job = &record.job;
    let link = job.link.and_then(|link| link.next);
    About {
        job_title: job.title.clone(),
        user_id: address_number(job.owner),
        user_address: Account(job.owner),
        link_job_id: link.map_or_else(|| "-1".to_owned(), |id| id.to_string()),
        chain_status: u8::from(job.link.is_some_and(|link| link.position > 0)),
        custom: job.remarks.custom,
        language: job.remarks.language.clone(),
        time_frame: time_frame(job),
        status: StatusName(record.status(now)),
        job_cost_prediction: DecimalNumber(job.remarks.cost_prediction.clone().unwrap_or_else(Decimal::zero)),
        job_cost_actual: Ether(record.charged),
        job_cost_actual_wei: Wei(record.charged),
        task_ids: task_ids(record),
        timezone: job.remarks.timezone.clone(),
        is_imua: job.remarks.is_imua,
        created_chain_id: ChainNumber(job.created_chain),
        is_safe: job.safe.is_some(),
        safe_address: job.safe.as_ref().map(|safe| safe.address.to_string()).unwrap_or_default(),
        safe_name: job.safe.as_ref().map(|safe| safe.name.clone()).unwrap_or_default(),
        version: job.version,
        mode: mode(job.policy.mode),
        policy: policy(job),
    }
}

fn task_ids(record: &JobRecord) -> Vec<u64> {
    let last = record.cursor.opened.0;
    let first = last.saturating_sub(TASK_IDS_MAX - 1).max(1);
    (first..=last).map(|n| public_task_id(record.job.serial, TaskNumber(n))).collect()
}

fn kind(record: &JobRecord, now: Timestamp) -> Kind {
    let job = &record.job;
    let (Args::Fixed(arguments) | Args::Computed { given: arguments, .. }) = &job.args;
    let armed = record.is_armed(now);
    Kind {
        trigger: trigger(job),
        target: target(job),
        arguments: arguments.iter().map(as_text).collect(),
        next_execution_timestamp: record.cursor.next_due.filter(|_| armed).map(Instant),
        is_completed: record.cursor.finished || now > job.expires_at,
        is_active: armed,
    }
}

/// Clients expect texts, whatever was sent.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            value.to_string()
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
    }));
    if let Some(cost) = &job.remarks.cost_prediction {
        map.insert("job_cost_prediction".to_owned(), json!(DecimalNumber(cost.clone())));
    }
    match job.policy.mode {
        Mode::Quorum { keepers, threshold } => {
            map.insert("keepers".to_owned(), json!(keepers));
            map.insert("threshold".to_owned(), json!(threshold));
        }
        Mode::Solo => {}
    }
    map.extend(fields_of(&policy(job)));
    map.extend(trigger_fields(job));
    map.extend(fields_of(&target(job)));
    let (Args::Fixed(arguments) | Args::Computed { given: arguments, .. }) = &job.args;
    map.insert("arguments".to_owned(), json!(arguments));
    map
}

fn policy(job: &Job) -> ShownPolicy {
    let (agreement, tolerance) = match &job.policy.agreement {
        Agreement::Median { tolerance } => ("median", Some(DecimalNumber(tolerance.clone()))),
        Agreement::Exact => ("exact", None),
        Agreement::TrustPerformer => ("trust-performer", None),
    };
    ShownPolicy {
        fee_cap: Wei(job.policy.fee_cap),
        gas_limit: job.policy.gas_limit,
        misfire: misfire_name(job.policy.misfire),
        agreement,
        tolerance,
        limits: limits(&job.limits),
    }
}

fn limits(limits: &Limits) -> ShownLimits {
    ShownLimits {
        fuel_max: limits.fuel_max,
        memory_bytes: limits.memory_bytes,
        wall_ms: limits.wall_ms,
        command_bytes: limits.command_bytes,
    }
}

fn mode(mode: Mode) -> ShownMode {
    match mode {
        Mode::Quorum { keepers, threshold } => ShownMode::Quorum { keepers, threshold },
        Mode::Solo => ShownMode::Solo,
    }
}

fn misfire_name(misfire: Misfire) -> &'static str {
    match misfire {
        Misfire::RunOnce => "run_once",
        Misfire::Skip => "skip",
        Misfire::CatchUp => "catch_up",
    }
}

/// The fields of a job's trigger as they are sent.
fn trigger_fields(job: &Job) -> Map<String, Value> {
    let mut map = fields_of(&trigger(job));
    match &job.trigger {
        Trigger::Time(schedule) => {
            map.retain(|_, value| *value != json!(0) && *value != json!(""));
            map.insert("timezone".to_owned(), json!(zone_name(schedule, &job.remarks.timezone)));
        }
        Trigger::Event(_) | Trigger::Condition(_) => {}
    }
    map
}

fn zone_name(schedule: &Schedule, told: &str) -> String {
    match schedule {
        Schedule::Cron { zone, .. } => zone.name().to_owned(),
        Schedule::Interval { .. } | Schedule::Once { .. } => told.to_owned(),
    }
}

fn trigger(job: &Job) -> ShownTrigger {
    match &job.trigger {
        Trigger::Time(schedule) => ShownTrigger::Time(shown_schedule(schedule)),
        Trigger::Event(filter) => ShownTrigger::Event(event(filter)),
        Trigger::Condition(rule) => ShownTrigger::Condition(condition(rule)),
    }
}

fn shown_schedule(schedule: &Schedule) -> ShownSchedule {
    let of = |schedule_type| ShownSchedule {
        schedule_type,
        time_interval: 0,
        cron_expression: String::new(),
        specific_schedule: String::new(),
    };
    match schedule {
        Schedule::Interval { every_secs } => {
            ShownSchedule { time_interval: *every_secs, ..of(ScheduleType::Interval) }
        }
        Schedule::Cron { expression, .. } => {
            ShownSchedule { cron_expression: expression.clone(), ..of(ScheduleType::Cron) }
        }
        Schedule::Once { at } => {
            ShownSchedule { specific_schedule: at.to_rfc3339(), ..of(ScheduleType::Specific) }
        }
    }
}

fn event(filter: &EventFilter) -> ShownEvent {
    let (name, value) =
        filter.test.as_ref().map_or(("", ""), |test| (test.name.as_str(), test.value.as_str()));
    let place = filter.test.as_ref().map(|test| match &test.place {
        ParameterPlace::Topic { index, .. } => format!("topic{index}"),
        ParameterPlace::Data { index, .. } => format!("data[{index}]"),
    });
    ShownEvent {
        trigger_chain_id: ChainNumber(filter.chain),
        trigger_contract_address: Account(filter.contract),
        trigger_event: filter.signature.clone(),
        event_filter_para_name: name.to_owned(),
        event_filter_value: value.to_owned(),
        event_filter_place: place,
        confirmations: filter.confirmations,
    }
}

/// Operator and limits, as clients give them.
pub fn comparison(comparison: &Comparison) -> ShownComparison {
    let (condition_type, lower, upper) = match comparison {
        Comparison::GreaterThan(limit) => (ConditionType::GreaterThan, None, Some(limit)),
        Comparison::LessThan(limit) => (ConditionType::LessThan, None, Some(limit)),
        Comparison::Between(lower, upper) => (ConditionType::Between, Some(lower), Some(upper)),
        Comparison::Equals(limit) => (ConditionType::Equals, None, Some(limit)),
        Comparison::NotEquals(limit) => (ConditionType::NotEquals, None, Some(limit)),
        Comparison::GreaterEqual(limit) => (ConditionType::GreaterEqual, None, Some(limit)),
        Comparison::LessEqual(limit) => (ConditionType::LessEqual, None, Some(limit)),
    };
    let limit = |limit: Option<&Decimal>| DecimalNumber(limit.cloned().unwrap_or_else(Decimal::zero));
    ShownComparison { condition_type, upper_limit: limit(upper), lower_limit: limit(lower) }
}

fn condition(rule: &Rule) -> ShownCondition {
    ShownCondition {
        comparison: comparison(&rule.comparison),
        value_source_type: match rule.source.kind {
            SourceKind::Api => SourceType::Api,
            SourceKind::Oracle => SourceType::Oracle,
            SourceKind::Static => SourceType::Static,
            SourceKind::WebSocket => SourceType::Websocket,
        },
        value_source_url: rule.source.url.clone(),
        selected_key_route: rule.source.route.as_ref().map(route_text).unwrap_or_default(),
        cooldown: rule.cooldown_secs,
    }
}

/// Steps joined by dots, dots and backslashes within a step escaped.
fn route_text(route: &KeyRoute) -> String {
    let steps = route.steps.iter().map(|step| step.replace('\\', "\\\\").replace('.', "\\."));
    steps.collect::<Vec<_>>().join(".")
}

fn target(job: &Job) -> ShownTarget {
    let (contract, function, abi) = match &job.action {
        Action::Call(target) => (target.contract, target.function.as_str(), target.abi.as_str()),
        Action::Script { .. } => (Address::ZERO, "", "[]"),
    };
    let (arg_type, url, script) = match &job.args {
        Args::Fixed(_) => (1, "", None),
        Args::Computed { url, allow_hosts, module, storage, secrets, .. } => {
            let script = ShownScript {
                script_cid: module.source.0.clone(),
                script_language: module.language.to_string(),
                allow_hosts: allow_hosts.clone(),
                storage: *storage,
                secrets: secrets.iter().map(ToString::to_string).collect(),
            };
            (2, url.as_str(), Some(script))
        }
    };
    ShownTarget {
        target_chain_id: ChainNumber(job.target_chain()),
        target_contract_address: Account(contract),
        target_function: function.to_owned(),
        abi: abi.to_owned(),
        arg_type,
        dynamic_arguments_script_url: url.to_owned(),
        script,
    }
}

/// The fields of an object.
fn fields_of(shown: &impl Serialize) -> Map<String, Value> {
    into_map(json!(shown))
}

fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
