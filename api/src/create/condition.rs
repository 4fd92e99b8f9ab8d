//! Conditions of condition jobs.

use argus_domain::rule::{BadRule, Comparison, Rule, SourceKind, ValueSource};
use argus_ports::Reach;

use crate::{
    Edge,
    create::{Faults, Fields},
};

/// Longest time between two crossings: a year.
pub const COOLDOWN_MAX: u64 = 31_536_000;

/// The condition of a job. Its source is checked against the egress filter; it is not read here.
pub fn parse(edge: &Edge, fields: &Fields<'_>, faults: &mut Faults) -> Option<Rule> {
    let upper = fields.decimal("upper_limit", faults);
    let lower = fields.decimal("lower_limit", faults);
    let operator = fields.text("condition_type", faults).to_ascii_lowercase();
    let comparison = match Comparison::parse(&operator, upper.clone(), lower.clone()) {
        Ok(comparison) => Some(comparison),
        Err(e) => {
            let field = match &e {
                BadRule::NoLimit(_) | BadRule::EmptyRange { .. } => "upper_limit",
                BadRule::Operator(_) | BadRule::Route(_) | BadRule::Source(_) | BadRule::Static { .. } => {
                    "condition_type"
                }
            };
            faults.add(fields.path(field), "CONDITION", e.to_string());
            // Whatever the operator, it compares with something.
            if let (BadRule::Operator(_), None, None) = (&e, upper, lower) {
                let missing = BadRule::NoLimit("give upper_limit, or lower_limit");
                faults.add(fields.path("upper_limit"), "CONDITION", missing.to_string());
            }
            None
        }
    };
    let kind = fields.text("value_source_type", faults).to_ascii_lowercase();
    let url = fields.text("value_source_url", faults);
    let route = fields.text("selected_key_route", faults);
    let source = match ValueSource::parse(&kind, &url, &route) {
        Ok(source) => Some(source),
        Err(e) => {
            let field = match &e {
                BadRule::Route(_) => "selected_key_route",
                BadRule::Static { .. } => "value_source_url",
                BadRule::Source(_)
                | BadRule::Operator(_)
                | BadRule::NoLimit(_)
                | BadRule::EmptyRange { .. } => "value_source_type",
            };
            faults.add(fields.path(field), "VALUE_SOURCE", e.to_string());
            if matches!(e, BadRule::Source(_)) && url.is_empty() {
                faults.add(fields.path("value_source_url"), "VALUE_SOURCE", "value_source_url is missing");
            }
            None
        }
    };
    if let Some(source) = &source {
        check_url(edge, fields, source, faults);
    }
    let cooldown_secs = fields.whole("cooldown", (0, COOLDOWN_MAX), faults).unwrap_or(0);
    Some(Rule { comparison: comparison?, source: source?, cooldown_secs })
}

fn check_url(edge: &Edge, fields: &Fields<'_>, source: &ValueSource, faults: &mut Faults) {
    let url = match source.kind {
        SourceKind::Static => return,
        SourceKind::Api | SourceKind::Oracle => source.url.clone(),
        // The filter speaks of http; a WebSocket is opened to the same hosts.
        SourceKind::WebSocket => match source.url.strip_prefix("ws") {
            Some(rest) => format!("http{rest}"),
            None => {
                let message = "a WebSocket source's URL begins with ws:// or wss://";
                faults.add(fields.path("value_source_url"), "FORBIDDEN_URL", message);
                return;
            }
        },
    };
    let reach = Reach { allow: Vec::new(), operator: edge.config.operator_reach.clone() };
    if let Err(e) = edge.ports.egress.check(&url, &reach) {
        faults.add(fields.path("value_source_url"), "FORBIDDEN_URL", e.to_string());
    }
}
