//! Whether this process works, and its figures.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use futures::future::join_all;
use prometheus::{Encoder, TextEncoder};
use serde_json::{Map, Value, json};

use crate::{
    call::Call,
    errors::ApiError,
    json::{self, reply},
    openapi,
};

/// Time for one component to answer.
const CHECK_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

async fn checked(call: &Call) -> (bool, Map<String, Value>) {
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
        let value = match outcome {
            Ok(()) => json!({"status": "ok"}),
            Err(reason) => json!({"status": "failing", "error": reason}),
        };
        (name, value)
    });
    (good, shown.collect())
}

/// `GET /health`: 200, or 503 with the components that fail.
pub async fn health(call: Call) -> Result<Response, ApiError> {
    let (good, checks) = checked(&call).await;
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "status": if good { "ok" } else { "degraded" },
        "timestamp": call.now.to_rfc3339(),
        "service": "argus",
        "version": env!("CARGO_PKG_VERSION"),
        "checks": checks,
    });
    Ok(reply(status, &body))
}

/// `GET /ready`: 200 once every component answers and changes are being followed.
pub async fn ready(call: Call) -> Result<Response, ApiError> {
    let (good, checks) = checked(&call).await;
    let following = call.edge.hub.is_following();
    let good = good && following;
    let status = if good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok(reply(status, &json!({"ready": good, "following_changes": following, "checks": checks})))
}

/// `GET /metrics`
pub async fn metrics(call: Call) -> Result<Response, ApiError> {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    encoder.encode(&call.edge.ports.metrics.gather(), &mut text).map_err(ApiError::internal)?;
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static(prometheus::TEXT_FORMAT);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /openapi.json`
pub async fn openapi(_call: Call) -> Result<Response, ApiError> {
    Ok(json::ok(&openapi::document()))
}
