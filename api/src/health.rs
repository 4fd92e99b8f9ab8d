//! Whether this process works, and its figures.

use std::{collections::BTreeMap, sync::LazyLock};

use futures::future::join_all;
use schemars::{JsonSchema, Schema, json_schema};
use serde::Serialize;

use crate::{
    call::Call,
    errors::ApiError,
    openapi,
    reply::{Document, Either, File, Reply},
    shape::formats::Instant,
};

/// Time for one component to answer.
const CHECK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// What each component says, by its name.
type Checks = BTreeMap<String, Check>;

/// What a component says.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Check {
    Ok,
    Failing { error: String },
}

async fn checked(call: &Call) -> (bool, Checks) {
    let checks = call.edge.ports.checks.iter().map(|check| async move {
        let outcome = match tokio::time::timeout(CHECK_TIMEOUT, check.check()).await {
            Ok(outcome) => outcome,
            Err(_) => Err("no answer".to_owned()),
        };
        (check.name().to_owned(), outcome)
    });
    let outcomes = join_all(checks).await;
    let good = outcomes.iter().all(|(_, outcome)| outcome.is_ok());
    let shown = outcomes.into_iter().map(|(name, outcome)| {
        let check = match outcome {
            Ok(()) => Check::Ok,
            Err(error) => Check::Failing { error },
        };
        (name, check)
    });
    (good, shown.collect())
}

/// The body with 200 where all is well, else with 503.
pub type Verdict<T> = Either<Reply<T>, Reply<T, 503>>;

/// Answers with 200 where all is well, else with 503.
pub fn verdict<T>(good: bool, body: T) -> Verdict<T> {
    if good { Either::One(Reply::of(body)) } else { Either::Other(Reply::of(body)) }
}

/// What this process is, and whether it works.
#[derive(Serialize, JsonSchema)]
pub struct Health {
    #[schemars(extend("enum" = ["ok", "degraded"]))]
    status: &'static str,
    timestamp: Instant,
    service: &'static str,
    version: &'static str,
    checks: Checks,
}

/// `GET /health`: 200, or 503 with the components that fail.
pub async fn health(call: Call) -> Result<Verdict<Health>, ApiError> {
    let (good, checks) = checked(&call).await;
    let body = Health {
        status: if good { "ok" } else { "degraded" },
        timestamp: Instant(call.now),
        service: "argus",
        version: env!("CARGO_PKG_VERSION"),
        checks,
    };
    Ok(verdict(good, body))
}

/// Whether this process takes requests.
#[derive(Serialize, JsonSchema)]
pub struct Readiness {
    ready: bool,
    following_changes: bool,
    checks: Checks,
}

/// `GET /ready`: 200 once every component answers and changes are being followed.
pub async fn ready(call: Call) -> Result<Verdict<Readiness>, ApiError> {
    let (good, checks) = checked(&call).await;
    let following_changes = call.edge.hub.is_following();
    let ready = good && following_changes;
    Ok(verdict(ready, Readiness { ready, following_changes, checks }))
}

/// Metrics in the text format of Prometheus.
pub struct MetricsText;

impl Document for MetricsText {
    const MEDIA_TYPE: &'static str = argus_metrics::TEXT;
    fn schema() -> Schema {
        json_schema!({"type": "string"})
    }
}

/// `GET /metrics`
pub async fn metrics(call: Call) -> Result<File<MetricsText>, ApiError> {
    Ok(File::of(call.edge.ports.metrics.text().map_err(ApiError::internal)?))
}

/// A description of an API.
pub struct OpenApi;

impl Document for OpenApi {
    const MEDIA_TYPE: &'static str = "application/json";
    fn schema() -> Schema {
        json_schema!({
            "type": "object",
            "required": ["openapi", "info", "paths", "components"],
            "properties": {
                "openapi": {"type": "string", "pattern": "^3\\.1\\."},
                "info": {"type": "object"},
                "paths": {"type": "object"},
                "components": {"type": "object"},
            },
        })
    }
}

/// `GET /openapi.json`
pub async fn openapi(_call: Call) -> Result<File<OpenApi>, ApiError> {
    static TEXT: LazyLock<String> = LazyLock::new(|| openapi::document().to_string());
    Ok(File::of(TEXT.as_str()))
}
