//! The http capability: one request of a script, its redirects followed, through the egress port.

use std::{sync::Arc, time::Duration};

use argus_domain::Bytes;
use argus_ports::{Egress, EgressError, EgressRequest, EgressResponse, Method, Reach};
use serde::Deserialize;
use tokio::time::{Instant, timeout};
use url::Url;

use crate::{
    calls::{parse, ready},
    reply::{Answer, CallError, ErrorKind, HttpAnswer, Reply},
    secrets::{NotSent, Secrets},
    state::{self, Flight, Run},
    text,
};

/// Default and longest time of one call.
const CALL_TIMEOUT_MS: u64 = 5_000;
/// Longest request: what a script sends is the operator's bandwidth.
const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;
const URL_BYTES_MAX: usize = 8 * 1024;
const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Response headers that scripts see and transcripts hold.
pub const HEADERS_SEEN: [&str; 10] = [
    "content-type",
    "content-length",
    "etag",
    "last-modified",
    "retry-after",
    "cache-control",
    "date",
    "location",
    "link",
    "x-total-count",
];
/// And all whose names begin with this.
pub const HEADERS_SEEN_PREFIX: &str = "x-ratelimit-";
/// Headers that belong to the connection, not to the script.
pub const HEADERS_OURS: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "proxy-authorization"];
/// Headers that are not carried to another origin.
const HEADERS_PRIVATE: [&str; 2] = ["authorization", "cookie"];

#[derive(Deserialize)]
struct Request {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: Option<Bytes>,
    #[serde(default)]
    timeout_ms: Option<u64>,
    #[serde(default)]
    redirect: Redirect,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Redirect {
    #[default]
    Follow,
    Manual,
    Error,
}

fn get() -> String {
    "GET".to_owned()
}

/// A request that may go out, and what bounds it.
struct Outgoing {
    egress: Arc<dyn Egress>,
    secrets: Arc<Secrets>,
    /// As the script made it, and as redirects changed it: with placeholders.
    request: EgressRequest,
    redirect: Redirect,
    timeout: Duration,
    /// Whether the run's whole HTTP time, not the call's own, set `timeout`.
    run_bound: Option<u64>,
    hops_left: u32,
    body_max: u64,
    calls_max: u32,
}

/// Sends a request off.
pub(crate) fn start(run: &Run, request: &str) -> Flight {
    match outgoing(run, request) {
        Ok(outgoing) => Box::pin(outgoing.fetch()),
        Err(reply) => ready(reply),
    }
}

fn outgoing(run: &Run, request: &str) -> Result<Outgoing, Reply> {
    let request: Request = parse(request)?;
    check(&request)?;
    let limits = &run.limits;
    let left_ms = limits.http_wall_ms.saturating_sub(run.used.http_wait_ms);
    let own_ms = request.timeout_ms.unwrap_or(CALL_TIMEOUT_MS).clamp(1, CALL_TIMEOUT_MS);
    let timeout = Duration::from_millis(own_ms.min(left_ms.max(1)));
    Ok(Outgoing {
        egress: run.world.egress.clone(),
        secrets: run.secrets.clone(),
        request: EgressRequest {
            method: method(&request.method)?,
            url: request.url,
            headers: request.headers,
            body: request.body.map(|b| b.0),
            timeout,
            max_body: limits.http_body_bytes,
            reach: Reach { allow: run.input.allow_hosts.clone(), operator: run.world.operator_hosts.clone() },
        },
        redirect: request.redirect,
        timeout,
        run_bound: (left_ms < own_ms).then_some(limits.http_wall_ms),
        hops_left: run.hops_left(),
        body_max: limits.http_body_bytes,
        calls_max: limits.http_calls,
    })
}

fn invalid(message: impl Into<String>) -> Reply {
    Reply::err(ErrorKind::Invalid, message)
}

fn check(request: &Request) -> Result<(), Reply> {
    if request.url.len() > URL_BYTES_MAX {
        return Err(invalid(format!("a URL has at most {URL_BYTES_MAX} bytes")));
    }
    if request.body.as_ref().is_some_and(|b| b.len() > REQUEST_BODY_BYTES_MAX) {
        let max = text::bytes(REQUEST_BODY_BYTES_MAX as u64);
        return Err(invalid(format!("a request body has at most {max}: send less")));
    }
    if request.headers.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>() > HEADER_BYTES_MAX {
        return Err(invalid(format!("the request headers have at most {HEADER_BYTES_MAX} bytes together")));
    }
    for (name, value) in &request.headers {
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) || value.bytes().any(|b| b < b' ' && b != b'\t') {
            return Err(invalid(format!("the header {} is malformed", text::quoted(name, 60))));
        }
        if HEADERS_OURS.iter().any(|ours| name.eq_ignore_ascii_case(ours)) {
            return Err(invalid(format!("the header {name} is set by the platform")));
        }
    }
    Ok(())
}

fn method(name: &str) -> Result<Method, Reply> {
    Ok(match name {
        "GET" | "get" => Method::Get,
        "HEAD" | "head" => Method::Head,
        "POST" | "post" => Method::Post,
        "PUT" | "put" => Method::Put,
        "PATCH" | "patch" => Method::Patch,
        "DELETE" | "delete" => Method::Delete,
        other => {
            let shown = text::quoted(other, 20);
            return Err(invalid(format!(
                "method {shown} is not available: use GET, HEAD, POST, PUT, PATCH or DELETE"
            )));
        }
    })
}

impl Outgoing {
    async fn fetch(mut self) -> Reply {
        let deadline = Instant::now() + self.timeout;
        let first = self.request.url.clone();
        let mut hops = 0;
        let mut result = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.request.timeout = left;
            let sent = match self.secrets.put_in(&self.request, &first) {
                Ok(sent) => sent,
                Err(NotSent(kind, why)) => break Err(error(kind, why)),
            };
            let answer = match timeout(left, self.egress.fetch(sent)).await {
                Ok(Ok(answer)) => match self.secrets.scrub(answer).await {
                    Ok(clean) => clean,
                    Err(error) => break Err(self.refused(error)),
                },
                Ok(Err(error)) => break Err(self.refused(self.secrets.scrub_error(error))),
                Err(_) => break Err(self.too_slow()),
            };
            match self.next(&answer) {
                Ok(None) => break Ok(self.answer(answer)),
                Ok(Some(_)) if hops == self.hops_left => {
                    let message = format!(
                        "the HTTP call limit of {} is used up by redirects: name the final URL",
                        self.calls_max
                    );
                    break Err(error(ErrorKind::Limit, message));
                }
                Ok(Some(next)) => {
                    self.request = next;
                    hops += 1;
                }
                Err(problem) => break Err(problem),
            }
        };
        if let Ok(answer) = &result
            && answer.body.len() as u64 > self.body_max
        {
            result = Err(self.refused(EgressError::TooLarge(self.body_max)));
        }
        Reply { result: result.map(Answer::Http), hops }
    }

    /// The request that a redirect asks for; `None` where the answer is final.
    fn next(&self, answer: &EgressResponse) -> Result<Option<EgressRequest>, CallError> {
        let is_redirect = matches!(answer.status, 301 | 302 | 303 | 307 | 308);
        let location = answer.headers.iter().find(|(name, _)| name == "location").map(|(_, to)| to.as_str());
        let (Some(location), true, false) = (location, is_redirect, self.redirect == Redirect::Manual) else {
            return Ok(None);
        };
        if self.redirect == Redirect::Error {
            return Err(error(
                ErrorKind::Transport,
                "the server redirects, and the request asks for redirect: error",
            ));
        }
        let from = Url::parse(&self.request.url);
        let to = from.as_ref().ok().and_then(|from| from.join(location).ok());
        let (Ok(from), Some(to)) = (from, to) else {
            let shown = text::quoted(location, 200);
            return Err(error(
                ErrorKind::Transport,
                format!("the server redirects to {shown}, which is no URL"),
            ));
        };
        let mut next = self.request.clone();
        let becomes_get = answer.status == 303 && next.method != Method::Head
            || matches!(answer.status, 301 | 302) && next.method == Method::Post;
        if becomes_get {
            next.method = Method::Get;
            next.body = None;
            next.headers.retain(|(name, _)| !name.to_ascii_lowercase().starts_with("content-"));
        }
        if from.origin() != to.origin() {
            next.headers.retain(|(name, value)| {
                !HEADERS_PRIVATE.iter().any(|h| name.eq_ignore_ascii_case(h))
                    && !self.secrets.mentioned(value.as_bytes())
            });
        }
        next.url = to.into();
        Ok(Some(next))
    }

    fn answer(&self, answer: EgressResponse) -> HttpAnswer {
        let seen = |name: &str| HEADERS_SEEN.contains(&name) || name.starts_with(HEADERS_SEEN_PREFIX);
        HttpAnswer {
            status: answer.status,
            headers: answer.headers.into_iter().filter(|(name, _)| seen(name)).collect(),
            body: answer.body,
            url: self.request.url.clone(),
        }
    }

    fn refused(&self, problem: EgressError) -> CallError {
        match problem {
            EgressError::Denied(_) => error(ErrorKind::Denied, problem.to_string()),
            EgressError::Timeout(_) => self.too_slow(),
            EgressError::TooLarge(_) => {
                let max = text::bytes(self.body_max);
                error(
                    ErrorKind::Limit,
                    format!("the HTTP body limit of {max} is used up: ask for a smaller answer"),
                )
            }
            EgressError::Transport(_) => error(ErrorKind::Transport, problem.to_string()),
        }
    }

    fn too_slow(&self) -> CallError {
        match self.run_bound {
            Some(max_ms) => error(ErrorKind::Limit, state::http_time_used_up(max_ms).to_string()),
            None => error(ErrorKind::Timeout, format!("no answer within {} ms", self.timeout.as_millis())),
        }
    }
}

fn error(kind: ErrorKind, message: impl Into<String>) -> CallError {
    CallError { kind, message: text::shown(&message.into(), 500), data: None }
}
