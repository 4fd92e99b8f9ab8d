//! What the edge answers instead of a result: `{"error", "code", "details"?}` with the status that clients look at.

use argus_ports::{ChainError, ContentError, RunnerError, StoreError};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{create::Fault, json::reply};

/// How every error is written.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Error")]
pub struct ShownError {
    /// A sentence that says what to do.
    error: String,
    /// A word for programs.
    #[schemars(regex(pattern = "^[A-Z][A-Z0-9_]*$"))]
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

/// What programs may look at beside.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Details {
    /// All that is wrong with a request.
    Faults(Vec<Fault>),
    /// Why a script is not admitted.
    Reasons(Vec<String>),
}

/// An answer that is no result. `code` is for programs, `message` says what to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// One word for programs, upper snake case.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
    /// What programs may look at beside.
    pub details: Option<Details>,
    /// Seconds until another try makes sense.
    pub retry_after_secs: Option<u64>,
}

impl ApiError {
    /// An error without details.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: None, retry_after_secs: None }
    }

    /// With details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.details = Some(details);
        self
    }

    /// With the time until another try makes sense.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs.max(1));
        self
    }

    /// The request cannot be read at all.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    /// The one answer for "there is none" and "it is somebody else's": both look alike in every byte.
    pub fn absent() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "there is nothing here under this name")
    }

    /// The key may not act for the address in the path, known or not.
    pub fn not_yours() -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN_ADDRESS", "this API key may not act for this address")
    }

    /// What was sent is well-formed and cannot be done.
    pub fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// It contradicts what is there.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// Something that we need does not answer.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message).retry_after(1)
    }

    /// Our own fault. The cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", "an internal fault; it has been logged")
    }
}

impl From<StoreError> for ApiError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Unavailable(cause) => {
                tracing::warn!(%cause, "store unavailable");
                Self::unavailable("STORE_UNAVAILABLE", "the store cannot be reached; try again")
            }
            StoreError::ReadOnly(cause) => {
                tracing::warn!(%cause, "store refuses writes");
                Self::unavailable("STORE_READ_ONLY", "the store refuses writes at the moment; reads go on")
            }
            StoreError::Corrupt(cause) => Self::internal(cause),
        }
    }
}

impl From<ContentError> for ApiError {
    fn from(e: ContentError) -> Self {
        let message = e.to_string();
        match e {
            ContentError::BadCid(_) => Self::unprocessable("INVALID_CID", message),
            ContentError::Absent(_) => Self::unprocessable("SCRIPT_NOT_FOUND", message),
            ContentError::Mismatch(_) => Self::unprocessable("SCRIPT_MISMATCH", message),
            ContentError::TooLarge { .. } => Self::unprocessable("SCRIPT_TOO_LARGE", message),
            ContentError::Lost(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "ARCHIVE_LOST", message),
            ContentError::Unavailable(_) => Self::unavailable("CONTENT_UNAVAILABLE", message),
        }
    }
}

impl From<ChainError> for ApiError {
    fn from(e: ChainError) -> Self {
        let message = e.to_string();
        match e {
            ChainError::Unreachable { .. } | ChainError::UnknownBlock(_) => {
                Self::unavailable("CHAIN_UNAVAILABLE", message)
            }
            ChainError::Reverted { .. }
            | ChainError::AlreadyKnown
            | ChainError::NonceTooLow
            | ChainError::Underpriced
            | ChainError::InsufficientFunds
            | ChainError::Refused(_) => Self::unprocessable("CHAIN_REFUSED", message),
        }
    }
}

impl From<RunnerError> for ApiError {
    fn from(e: RunnerError) -> Self {
        let message = e.to_string();
        match e {
            RunnerError::Refused(refusal) => {
                Self::unprocessable("SCRIPT_REFUSED", message).with_details(Details::Reasons(refusal.reasons))
            }
            RunnerError::Uncompiled(_) => Self::unprocessable("SCRIPT_REFUSED", message),
            RunnerError::Busy { .. } => Self::unavailable("RUNNER_BUSY", message),
            RunnerError::Diverged(_) | RunnerError::Host(_) => Self::internal(message),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ShownError { error: self.message, code: self.code, details: self.details };
        let mut response = reply(self.status, &body);
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        response
    }
}
