//! Faults of a request, each with its place.

use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    errors::{ApiError, Details},
    script::ScriptRefused,
};

/// Most faults that are reported: past it the request is not worth reading.
const FAULTS_MAX: usize = 500;

/// Faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

/// What is wrong with a request at one place.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Fault {
    /// JSON path of the place.
    path: String,
    /// A word for programs.
    #[schemars(regex(pattern = "^[A-Z][A-Z0-9_]*$"))]
    code: &'static str,
    /// A sentence for people.
    message: String,
    #[serde(flatten)]
    script: Option<AtScript>,
}

/// How far a script came that was refused.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
struct AtScript {
    log: String,
    /// The line that its fault names.
    line: Option<u64>,
}

impl Faults {
    /// Notes a fault at a JSON path, with a word for programs and a sentence for people.
    pub fn add(&mut self, path: impl Into<String>, code: &'static str, message: impl Into<String>) {
        self.push(Fault { path: path.into(), code, message: message.into(), script: None });
    }

    /// Notes that a script was refused, with what it logged and the line that it came to.
    pub fn add_script(&mut self, refused: &ScriptRefused) {
        let (path, message) = (refused.path.clone(), refused.message.clone());
        let script = AtScript { log: refused.log.clone(), line: refused.line() };
        self.push(Fault { path, code: "SCRIPT", message, script: Some(script) });
    }

    fn push(&mut self, fault: Fault) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(fault);
        }
    }

    /// Adds those of another list.
    pub fn extend(&mut self, other: Self) {
        other.0.into_iter().for_each(|fault| self.push(fault));
    }

    /// Adds those of another list but for one path, whose fault is there already.
    pub fn extend_without(&mut self, other: Self, path: &str) {
        self.extend(Self(other.0.into_iter().filter(|fault| fault.path != path).collect()));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All of them, for programs.
    pub fn shown(self) -> Vec<Fault> {
        self.0
    }

    /// The answer that names them all.
    pub fn into_error(self) -> ApiError {
        let first: Vec<String> =
            self.0.iter().take(3).map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
        let more = self.0.len().saturating_sub(3);
        let tail = if more > 0 { format!("; and {more} more") } else { String::new() };
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_FAILED",
            format!("{}{tail}", first.join("; ")),
        )
        .with_details(Details::Faults(self.0))
    }
}
