//! Faults of a request, each with its place.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::errors::ApiError;

/// Most faults that are reported: past it the request is not worth reading.
const FAULTS_MAX: usize = 500;

/// Faults found so far.
#[derive(Debug, Default)]
pub struct Faults(Vec<Fault>);

#[derive(Debug)]
struct Fault {
    path: String,
    code: &'static str,
    message: String,
}

impl Faults {
    /// Notes a fault at a JSON path, with a word for programs and a sentence for people.
    pub fn add(&mut self, path: impl Into<String>, code: &'static str, message: impl Into<String>) {
        if self.0.len() < FAULTS_MAX {
            self.0.push(Fault { path: path.into(), code, message: message.into() });
        }
    }

    /// Adds those of another list but for one path, whose fault is there already.
    pub fn extend_without(&mut self, other: Self, path: &str) {
        self.0.extend(other.0.into_iter().filter(|fault| fault.path != path));
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The answer that names them all.
    pub fn into_error(self) -> ApiError {
        let first: Vec<String> =
            self.0.iter().take(3).map(|fault| format!("{}: {}", fault.path, fault.message)).collect();
        let more = self.0.len().saturating_sub(3);
        let tail = if more > 0 { format!("; and {more} more") } else { String::new() };
        let details: Vec<Value> = self
            .0
            .iter()
            .map(|fault| json!({"path": fault.path, "code": fault.code, "message": fault.message}))
            .collect();
        ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "VALIDATION_FAILED",
            format!("{}{tail}", first.join("; ")),
        )
        .with_details(Value::Array(details))
    }
}
