//! Conditions: a value from a source, compared exactly, edge-triggered.

mod route;

use serde::{Deserialize, Serialize};

pub use route::{USUAL_NAMES, extract};

use crate::decimal::{BadDecimal, Decimal};

/// Why a condition is refused. Each message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRule {
    /// No such operator.
    #[error(
        "unknown condition_type {0:?}: use greater_than, less_than, between, equals, not_equals, greater_equal or less_equal"
    )]
    Operator(String),
    /// No limit to compare with.
    #[error("a limit is missing: {0}")]
    NoLimit(&'static str),
    /// The range is empty.
    #[error("between: the lower limit {lower} is above the upper limit {upper}")]
    EmptyRange {
        /// As given.
        lower: Decimal,
        /// As given.
        upper: Decimal,
    },
    /// The route.
    #[error(
        "the key route cannot be read: {0}; write for example data.0.price, and \\. for a dot within a name"
    )]
    Route(String),
    /// No such kind of source.
    #[error("unknown value_source_type {0:?}: use api, oracle, static or websocket")]
    Source(String),
    /// A static source without a number.
    #[error("a static source is a number, and {text:?} is {fault}")]
    Static {
        /// As given.
        text: String,
        /// What is wrong with it.
        fault: BadDecimal,
    },
}

/// Why an answer gives no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadValue {
    /// The route ends early.
    #[error("there is nothing at step {position} ({step:?}) of the key route")]
    NoSuchStep {
        /// The step.
        step: String,
        /// From 1.
        position: usize,
    },
    /// Something else than a number.
    #[error("a number is needed, and there is {0}")]
    NoNumber(String),
    /// An object without any of the names that are tried.
    #[error("none of {} holds a number: name the place with selected_key_route", USUAL_NAMES.join(", "))]
    NoUsualName,
}

/// A condition job's trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The comparison.
    pub comparison: Comparison,
    /// Where the value comes from.
    pub source: ValueSource,
    /// Least time between two crossings, seconds; 0: none.
    pub cooldown_secs: u64,
}

/// The seven operators, with their limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// value > limit
    GreaterThan(Decimal),
    /// value < limit
    LessThan(Decimal),
    /// lower <= value <= upper
    Between(Decimal, Decimal),
    /// value = limit
    Equals(Decimal),
    /// value != limit
    NotEquals(Decimal),
    /// value >= limit
    GreaterEqual(Decimal),
    /// value <= limit
    LessEqual(Decimal),
}

impl Comparison {
    /// From the client's operator and limits. An operator with one limit takes the upper one where it is given and
    /// not zero, else the lower one, else the upper zero: clients send both, and zero for the one they do not mean.
    pub fn parse(operator: &str, upper: Option<Decimal>, lower: Option<Decimal>) -> Result<Self, BadRule> {
        if operator == "between" {
            let (Some(lower), Some(upper)) = (lower, upper) else {
                return Err(BadRule::NoLimit("between takes lower_limit and upper_limit"));
            };
            if lower > upper {
                return Err(BadRule::EmptyRange { lower, upper });
            }
            return Ok(Self::Between(lower, upper));
        }
        let with = match operator {
            "greater_than" => Self::GreaterThan,
            "less_than" => Self::LessThan,
            "equals" => Self::Equals,
            "not_equals" => Self::NotEquals,
            "greater_equal" => Self::GreaterEqual,
            "less_equal" => Self::LessEqual,
            other => return Err(BadRule::Operator(other.chars().take(40).collect())),
        };
        let limit = match (upper, lower) {
            (Some(upper), _) if !upper.is_zero() => upper,
            (_, Some(lower)) => lower,
            (Some(zero), None) => zero,
            (None, None) => return Err(BadRule::NoLimit("give upper_limit, or lower_limit")),
        };
        Ok(with(limit))
    }

    /// The limit that it compares with; of two, the lower one.
    pub fn limit(&self) -> &Decimal {
        match self {
            Self::GreaterThan(limit)
            | Self::LessThan(limit)
            | Self::Between(limit, _)
            | Self::Equals(limit)
            | Self::NotEquals(limit)
            | Self::GreaterEqual(limit)
            | Self::LessEqual(limit) => limit,
        }
    }

    /// Whether the value fulfils it.
    pub fn holds(&self, value: &Decimal) -> bool {
        match self {
            Self::GreaterThan(limit) => value > limit,
            Self::LessThan(limit) => value < limit,
            Self::Between(lower, upper) => lower <= value && value <= upper,
            Self::Equals(limit) => value == limit,
            Self::NotEquals(limit) => value != limit,
            Self::GreaterEqual(limit) => value >= limit,
            Self::LessEqual(limit) => value <= limit,
        }
    }
}

/// Where values come from. Equal sources are fetched once for all their jobs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ValueSource {
    /// The kind, as users name it.
    pub kind: SourceKind,
    /// The URL, or for a static source the number itself.
    pub url: String,
    /// Which part of the JSON answer; `None`: the usual names are tried.
    pub route: Option<KeyRoute>,
}

/// Kinds of source. `oracle` is fetched like `api`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SourceKind {
    /// JSON over HTTP.
    Api,
    /// JSON over HTTP, named differently by clients.
    Oracle,
    /// A number that never changes.
    Static,
    /// A WebSocket that sends JSON.
    WebSocket,
}

impl ValueSource {
    /// From the client's fields. The URL of a fetched source is checked by the egress filter, not here.
    pub fn parse(kind: &str, url: &str, route: &str) -> Result<Self, BadRule> {
        let kind = match kind {
            "api" => SourceKind::Api,
            "oracle" => SourceKind::Oracle,
            "static" => SourceKind::Static,
            "websocket" => SourceKind::WebSocket,
            other => return Err(BadRule::Source(other.chars().take(40).collect())),
        };
        if kind == SourceKind::Static
            && let Err(fault) = url.parse::<Decimal>()
        {
            return Err(BadRule::Static { text: url.chars().take(60).collect(), fault });
        }
        Ok(Self { kind, url: url.trim().to_owned(), route: KeyRoute::parse(route)? })
    }

    /// Where it is read from, for logs: of a URL its host and port, since what surrounds them may hold a key.
    pub fn host(&self) -> &str {
        let Some((_, rest)) = self.url.split_once("://") else { return "" };
        let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
        authority.rsplit('@').next().unwrap_or_default()
    }
}

/// A path into a JSON value: names and array indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyRoute {
    /// The steps; a step of digits alone indexes an array, and in an object names a key.
    pub steps: Vec<String>,
}

#[cfg(test)]
mod tests;
