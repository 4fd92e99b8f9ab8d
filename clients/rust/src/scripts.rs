//! Scripts: published, looked at, tried.

use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::{Client, Result};

/// A script's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script<'a> {
    /// Text in a language: `ts`, `js`, `go`.
    Source(&'a str, &'a str),
    /// A WebAssembly module as base64.
    Wasm(&'a str),
}

/// A published script.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Module {
    /// What its bytes are called.
    pub cid: String,
    /// Its language.
    pub language: String,
    /// Everything else that the platform says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// One run of a script by hand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Run {
    /// Whether it ended well.
    pub ok: bool,
    /// What it printed.
    pub arguments: Option<Vec<Value>>,
    /// Why it did not end well.
    pub error: Option<String>,
    /// What it logged.
    pub log: String,
    /// What it used.
    pub fuel: u64,
    /// Everything else, the transcript among it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Client {
    /// Publishes a script. Safe to call again.
    ///
    /// # Errors
    /// As every call's; a script that does not compile is refused. Where the platform builds it first, the code is
    /// `BUILD_UNDERWAY`: ask again after [`Refusal::retry_after`](crate::Refusal::retry_after).
    pub async fn publish(&self, script: Script<'_>) -> Result<Module> {
        let body = match script {
            Script::Source(source, language) => json!({"source": source, "language": language}),
            Script::Wasm(base64) => json!({"wasm_base64": base64, "language": "wasm"}),
        };
        self.json(self.ask(Method::POST, &["modules"])?.once().body(&body)?).await
    }

    /// What is known of a published script.
    ///
    /// # Errors
    /// As every call's.
    pub async fn module(&self, cid: &str) -> Result<Module> {
        self.json(self.get(&["modules", cid])?).await
    }

    /// Runs a published script once.
    ///
    /// # Errors
    /// As every call's. A script that fails is the answer.
    pub async fn run_module(&self, cid: &str) -> Result<Run> {
        self.json(self.ask(Method::POST, &["modules", cid, "run"])?).await
    }
}
