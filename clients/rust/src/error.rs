//! What can go wrong, and what to do about it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What this crate's calls come to.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The platform answered with a refusal.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The platform ran a job's script, and the script is refused. Nothing was stored.
    #[error("the script was refused: {}", .0.message)]
    Script(Box<ScriptRefusal>),
    /// No answer came, or it broke off. Whether a request that changes something was carried out is not known.
    #[error("{url} does not answer: is the platform running, and is its URL right?")]
    Connection {
        /// Where it was sent, without its query.
        url: String,
        /// What the connection says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The call's deadline passed, all tries included.
    #[error("no answer within {0:?}; ask for a later deadline, or look whether it was done")]
    Deadline(Duration),
    /// A room of live changes cannot be joined, or gives no more.
    #[error("{message} ({code})")]
    Room {
        /// A word for programs, such as `NOT_FOUND` or `RESUME_TOO_LONG`.
        code: String,
        /// A sentence for people.
        message: String,
    },
    /// The answer is not what this version of the client reads.
    #[error("the answer is not what this client reads: {0}")]
    Answer(String),
    /// What the caller gave cannot be sent.
    #[error("{0}")]
    Input(String),
}

impl Error {
    /// The refusal, where it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Script(_)
            | Self::Connection { .. }
            | Self::Deadline(_)
            | Self::Room { .. }
            | Self::Answer(_)
            | Self::Input(_) => None,
        }
    }
}

/// What the platform says no with.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{sentence} ({code}, HTTP {status})")]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// A word for programs, such as `VALIDATION_FAILED`.
    pub code: String,
    /// A sentence for people.
    pub sentence: String,
    /// What the sentence sums up; `Null` where there is no more to say.
    pub details: Value,
    /// When the platform wants to be asked again.
    pub retry_after: Option<Duration>,
}

/// One thing that is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Where, as a path in the JSON: `[0].arguments[1]`.
    pub path: String,
    /// A word for programs.
    #[serde(default)]
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// The line of a script.
    pub line: Option<u32>,
}

impl Refusal {
    pub(crate) fn read(status: u16, retry_after: Option<Duration>, text: &str) -> Self {
        let body: Value = serde_json::from_str(text).unwrap_or_default();
        let said = |name: &str| body[name].as_str().map(str::to_owned);
        // Whoever stands in front of the platform answers in words of its own.
        let sentence = said("error").unwrap_or_else(|| text.chars().take(200).collect());
        let code = said("code").unwrap_or_else(|| "UNKNOWN".to_owned());
        Self { status, code, sentence, details: body["details"].clone(), retry_after }
    }

    /// Every fault of the body that was refused; none where it was refused for another reason.
    pub fn faults(&self) -> Vec<Fault> {
        Vec::deserialize(&self.details).unwrap_or_default()
    }

    /// Whether the same request may be taken later.
    pub fn is_transient(&self) -> bool {
        matches!(self.status, 429 | 502 | 503 | 504)
    }
}

/// Why a script was refused when its job was created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ScriptRefusal {
    /// A sentence for people.
    pub message: String,
    /// What the script had logged.
    #[serde(default, rename = "validation_log")]
    pub log: String,
}
