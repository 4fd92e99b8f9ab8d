//! `Idempotency-Key`: a request that is sent again under the same key gets the answer of the first one, and nothing is
//! done twice. Kept is what was answered to something that was done; after any other answer the key is free again.

use std::{
    collections::BTreeSet,
    future::Future,
    pin::pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use argus_domain::{B256, keccak256};
use argus_ports::{KeptAnswer, Leave, NamedRequest, RequestName};
use axum::{
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use http_body_util::BodyExt;
use tokio::sync::Notify;

use crate::{Edge, call::Call, errors::ApiError};

/// Where a client names its request.
pub const HEADER: &str = "idempotency-key";
/// Says of an answer that it is that of an earlier request.
pub const REPLAYED: &str = "idempotency-replayed";
/// Longest name, bytes.
const NAME_MAX: usize = 255;
/// Names of one owner at a time; a front end makes jobs for many.
const NAMES_MAX: u32 = 100_000;
/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How long a process that says nothing is believed to be still at work, and how often one says so.
const LEAVE: Duration = Duration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(5);
/// How often one looks whether another process is done.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Marks an answer with 2xx that tells that nothing was done, as old clients expect it: it is not kept.
#[derive(Clone, Copy)]
pub struct Undone;

/// What this process is carrying out.
pub struct Once {
    holder: [u8; 16],
    underway: Mutex<BTreeSet<RequestName>>,
    left: Notify,
}

impl Default for Once {
    fn default() -> Self {
        Self { holder: *uuid::Uuid::new_v4().as_bytes(), underway: Mutex::default(), left: Notify::new() }
    }
}

/// The turn of one request: no other of its name is carried out in this process until it is dropped.
struct Turn<'a> {
    once: &'a Once,
    name: RequestName,
}

impl Once {
    async fn turn(&self, name: RequestName) -> Turn<'_> {
        loop {
            let mut left = pin!(self.left.notified());
            left.as_mut().enable();
            if self.underway.lock().unwrap_or_else(PoisonError::into_inner).insert(name.clone()) {
                return Turn { once: self, name };
            }
            left.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.once.underway.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
        self.once.left.notify_waiters();
    }
}

/// The name that a request has; `None`: it has none.
pub fn name(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(HEADER).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().ok().map(str::trim).filter(|text| (1..=NAME_MAX).contains(&text.len()));
    match (text, values.next()) {
        (Some(text), None) => Ok(Some(text.to_owned())),
        _ => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_IDEMPOTENCY_KEY",
            format!("send one Idempotency-Key of 1 to {NAME_MAX} visible ASCII characters"),
        )),
    }
}

/// Carries a request out, unless that was done under its name before.
pub async fn carry_out(call: Call, name: String) -> Result<Response, ApiError> {
    let edge = call.edge.clone();
    let name = RequestName { owner: call.key()?.owner, name };
    let turn = edge.once.turn(name.clone()).await;
    let mut request = NamedRequest {
        name,
        hash: hash(&call),
        holder: edge.once.holder,
        at: call.now,
        until: call.now + LEAVE,
        names_max: NAMES_MAX,
    };
    loop {
        match ask(&edge, &mut request).await? {
            Leave::Granted => break,
            Leave::Answered(answer) => return replayed(answer),
            Leave::Underway => tokio::time::sleep(LOOK_EVERY).await,
            Leave::Other => {
                let message =
                    "this Idempotency-Key was used for another request within 24 hours: take a fresh one";
                return Err(ApiError::unprocessable("IDEMPOTENCY_KEY_REUSED", message));
            }
            Leave::Full => {
                let message = format!(
                    "{NAMES_MAX} Idempotency-Keys of yours are kept for 24 hours each; send without one"
                );
                return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, "IDEMPOTENCY_KEYS_FULL", message)
                    .retry_after(60));
            }
        }
    }
    let handler = call.route.handler;
    let outcome = held(&edge, &mut request, handler(call)).await;
    let outcome = keep(&edge, request, outcome).await;
    drop(turn);
    outcome
}

fn hash(call: &Call) -> B256 {
    keccak256(format!("{} {} {}", call.parts.method, call.parts.uri.path(), keccak256(&call.body)))
}

async fn ask(edge: &Edge, request: &mut NamedRequest) -> Result<Leave, ApiError> {
    request.at = edge.ports.clock.now();
    request.until = request.at + LEAVE;
    Ok(edge.ports.answers.begin(request.clone()).await?)
}

/// Carries out what there is leave for, and says from time to time that it is still at it.
async fn held<T>(edge: &Edge, request: &mut NamedRequest, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        match tokio::time::timeout(RENEW_EVERY, work.as_mut()).await {
            Ok(done) => return done,
            Err(_) => {
                if let Err(error) = ask(edge, request).await {
                    tracing::warn!(code = error.code, "leave for a request could not be renewed");
                }
            }
        }
    }
}

async fn keep(
    edge: &Edge,
    request: NamedRequest,
    outcome: Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    let (answers, NamedRequest { name, holder, .. }) = (&edge.ports.answers, request);
    let done = match outcome {
        Ok(response) if response.status().is_success() && response.extensions().get::<Undone>().is_none() => {
            response
        }
        undone => {
            if let Err(cause) = answers.give_up(name, holder).await {
                tracing::warn!(%cause, "leave for a request could not be given back; it runs out by itself");
            }
            return undone;
        }
    };
    let (head, body) = done.into_parts();
    let body = body.collect().await.map_err(ApiError::internal)?.to_bytes();
    let answer = KeptAnswer { status: head.status.as_u16(), body: body.clone() };
    let until = edge.ports.clock.now() + KEPT;
    match answers.finish(name, holder, answer, until).await {
        Ok(true) => {}
        Ok(false) => tracing::warn!("leave for a request ran out before it was done"),
        Err(cause) => tracing::warn!(%cause, "an answer could not be kept"),
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn replayed(answer: KeptAnswer) -> Result<Response, ApiError> {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).map_err(ApiError::internal)?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
    Ok(response)
}
