//! From a request to its handler and back: policy first, then the body, then the handler.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use argus_ports::time::Allowance;
use axum::{
    Router,
    body::HttpBody,
    extract::{FromRequestParts, RawPathParams, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodFilter, on},
};
use bytes::Bytes;
use futures::FutureExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::Instant;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tracing::Instrument;

use crate::{
    Edge,
    auth::{authenticate, check_role, client_address, find_subject, too_many},
    call::Call,
    config::Config,
    errors::ApiError,
    once,
    ports::Answered,
    routes::{self, Access, Body, Route},
    trace::{TRACE_ID, TRACEPARENT, Trace},
};

/// The router over the table.
pub fn router(edge: Arc<Edge>) -> Router {
    let cors = cors(&edge.config);
    let mut router = Router::new();
    for route in routes::all() {
        // The table holds no method that axum cannot route; one that it could not would answer 405.
        let Ok(filter) = MethodFilter::try_from(route.method.clone()) else { continue };
        let edge = Arc::clone(&edge);
        let handler = move |request: Request| serve(Arc::clone(&edge), route, request);
        router = router.route(route.path, on(filter, handler));
    }
    router
        .fallback(|headers: HeaderMap| async move {
            let absent = ApiError::new(StatusCode::NOT_FOUND, "NO_SUCH_ROUTE", "there is no such route");
            Trace::of(&headers).put(absent.into_response())
        })
        .method_not_allowed_fallback(|headers: HeaderMap| async move {
            let others = "this route has other methods; see /openapi.json";
            let refused = ApiError::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", others);
            Trace::of(&headers).put(refused.into_response())
        })
        .layer(cors)
}

fn cors(config: &Config) -> CorsLayer {
    let named = |names: &[&'static str]| -> Vec<HeaderName> {
        names.iter().map(|name| HeaderName::from_static(name)).collect()
    };
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        .allow_headers(named(&[
            "content-type",
            "x-api-key",
            "authorization",
            TRACE_ID,
            TRACEPARENT,
            once::HEADER,
        ]))
        .expose_headers(named(&[
            "x-ratelimit-limit",
            "x-ratelimit-remaining",
            "x-ratelimit-reset",
            "retry-after",
            "link",
            once::REPLAYED,
            TRACE_ID,
        ]));
    if config.cors_origins.iter().any(|origin| origin == "*") {
        return layer.allow_origin(Any);
    }
    let origins = config.cors_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    layer.allow_origin(AllowOrigin::list(origins))
}

/// One request through one route.
async fn serve(edge: Arc<Edge>, route: &'static Route, request: Request) -> Response {
    let started = Instant::now();
    let mut allowance = None;
    let (parts, body) = request.into_parts();
    let trace = Trace::of(&parts.headers);
    let span = tracing::info_span!("request", trace_id = trace.name());
    // Who asks for leave to send a body (RFC 9110, section 10.1.1) has not sent it yet.
    let asks_leave = parts.headers.contains_key(header::EXPECT);
    let mut body = Incoming { body, until: started + edge.config.body_timeout };
    let work = answer(Arc::clone(&edge), route, parts, &mut body, &mut allowance);
    let caught = AssertUnwindSafe(Box::pin(work.instrument(span.clone()))).catch_unwind().await;
    let mut response = match caught {
        Ok(Ok(response)) => response,
        Ok(Err(e)) => e.into_response(),
        Err(_) => ApiError::internal(format!("a panic in {} {}", route.method, route.path)).into_response(),
    };
    if let Some(witness) = &edge.ports.witness {
        witness.answered(&Answered {
            trace: trace.name(),
            parent: trace.parent,
            id: *uuid::Uuid::new_v4().as_bytes(),
            method: route.method.as_str(),
            path: route.path,
            status: response.status().as_u16(),
            took: started.elapsed(),
        });
    }
    response = trace.put(response);
    if let Some(allowance) = &allowance {
        put_allowance(&mut response, allowance);
    }
    if !asks_leave {
        body.drain(edge.config.drain_max).await;
    }
    edge.metrics.seconds.observe(&[route.path, route.method.as_str()], started.elapsed());
    let status = response.status();
    span.in_scope(
        || tracing::debug!(method = %route.method, path = route.path, status = status.as_u16(), "answered"),
    );
    edge.metrics.answers.of(&[route.path, route.method.as_str(), status.as_str()]).inc();
    response
}

async fn answer(
    edge: Arc<Edge>,
    route: &'static Route,
    mut parts: Parts,
    body: &mut Incoming,
    allowance: &mut Option<Allowance>,
) -> Result<Response, ApiError> {
    let target_length = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target_length > edge.config.uri_max {
        return Err(ApiError::new(
            StatusCode::URI_TOO_LONG,
            "URI_TOO_LONG",
            format!("the request target has {target_length} bytes; at most {}", edge.config.uri_max),
        ));
    }
    check_headers(&edge.config, &parts.headers)?;
    let params = path_params(&mut parts).await?;
    let key = match route.access {
        Access::Open => None,
        Access::Limited => {
            let bucket = format!("address:{}", client_address(&edge, &parts));
            take(&edge, &bucket, edge.config.open_per_minute, allowance).await?;
            None
        }
        Access::Keyed(roles) => {
            let bucket = format!("keyed-address:{}", client_address(&edge, &parts));
            take(&edge, &bucket, edge.config.keyed_per_minute, allowance).await?;
            let key = authenticate(&edge, &parts).await?;
            take(&edge, &format!("key:{}", key.id), key.rate_limit, allowance).await?;
            check_role(&key, roles)?;
            Some(key)
        }
    };
    let param = |name: &str| params.get(name).cloned().unwrap_or_default();
    let subject = find_subject(&edge, route, key.as_ref(), param).await?;
    let body = match route.body {
        Body::None => Bytes::new(),
        Body::Unread | Body::Json(..) => body.read(&parts.headers, edge.config.body_max).await?,
        Body::Module(_) => body.read(&parts.headers, edge.config.module_body_max).await?,
    };
    let now = edge.ports.clock.now();
    let limit = edge.config.answer_timeout;
    let call = Call { edge, route, key, params, subject, parts, body, now };
    let name = if route.is_once { once::name(&call.parts.headers)? } else { None };
    let work = async {
        match name {
            Some(name) => once::carry_out(call, name).await,
            None => (route.handler)(call).await,
        }
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(_) => Err(ApiError::new(
            StatusCode::GATEWAY_TIMEOUT,
            "ANSWER_TIMEOUT",
            format!("no answer within {} s; the same request may be sent again", limit.as_secs()),
        )),
    }
}

fn check_headers(config: &Config, headers: &HeaderMap) -> Result<(), ApiError> {
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if headers.len() <= config.headers_max && bytes <= config.header_bytes_max {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "HEADERS_TOO_LARGE",
        format!(
            "the request has {} headers of {bytes} bytes; at most {} of {}",
            headers.len(),
            config.headers_max,
            config.header_bytes_max
        ),
    ))
}

async fn path_params(parts: &mut Parts) -> Result<BTreeMap<String, String>, ApiError> {
    let raw = RawPathParams::from_request_parts(parts, &())
        .await
        .map_err(|_| ApiError::bad_request("the path is no valid UTF-8 once decoded"))?;
    Ok(raw.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

async fn take(
    edge: &Edge,
    bucket: &str,
    per_minute: u32,
    allowance: &mut Option<Allowance>,
) -> Result<(), ApiError> {
    let taken = edge.ports.limiter.take(bucket, per_minute).await;
    *allowance = Some(taken);
    if taken.allowed { Ok(()) } else { Err(too_many(&taken)) }
}

fn put_allowance(response: &mut Response, allowance: &Allowance) {
    let reset_secs: u64 = allowance.reset_after.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX);
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from(allowance.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(allowance.remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset_secs));
}

/// A request's body, which has until an instant to arrive.
struct Incoming {
    body: axum::body::Body,
    until: Instant,
}

impl Incoming {
    async fn read(&mut self, headers: &HeaderMap, max: usize) -> Result<Bytes, ApiError> {
        let too_large = || {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "BODY_TOO_LARGE",
                format!("the body is larger than {max} bytes"),
            )
        };
        let told = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        if told.is_some_and(|length| length > max as u64) {
            return Err(too_large());
        }
        match tokio::time::timeout_at(self.until, Limited::new(&mut self.body, max).collect()).await {
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
            Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large()),
            Ok(Err(_)) => Err(ApiError::bad_request("the body broke off")),
            Err(_) => Err(ApiError::new(
                StatusCode::REQUEST_TIMEOUT,
                "BODY_TIMEOUT",
                "the body took too long to arrive; the same request may be sent again",
            )),
        }
    }

    /// Takes what is left of a body that was refused. The connection is closed behind an answer that came before the
    /// whole body did, and who is still sending then gets a reset in its place. Past `max` bytes they do.
    async fn drain(&mut self, max: usize) {
        let rest = async {
            let mut left = max;
            while !self.body.is_end_stream()
                && let Some(Ok(frame)) = self.body.frame().await
            {
                let length = frame.data_ref().map_or(0, Bytes::len);
                let Some(less) = left.checked_sub(length) else { return };
                left = less;
            }
        };
        let _is_whole = tokio::time::timeout_at(self.until, rest).await.is_ok();
    }
}
