//! Conditions: a value from a source, compared exactly, edge-triggered.

use serde::{Deserialize, Serialize};

use crate::decimal::Decimal;

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

/// A path into a JSON value: names and array indexes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct KeyRoute {
    /// The steps; a step of digits alone indexes an array, and in an object names a key.
    pub steps: Vec<String>,
}
