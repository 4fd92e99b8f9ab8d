//! Who calls, and whether they may.
//!
//! A key is looked up by its SHA-256 and compared in constant time; the key itself is neither stored nor logged.
//! No key: 401 `API_KEY_MISSING`. A key that is unknown, revoked or expired: 401 `API_KEY_INVALID`. A role that the route
//! does not list: 403 `ROLE_FORBIDDEN`.

use std::net::{IpAddr, SocketAddr};

use argus_domain::{
    Address, B256,
    access::{ApiKey, Role},
    contracts::{decode_bool, encode_is_owner},
    job::JobRecord,
    task::TaskRecord,
};
use argus_ports::{JobQuery, chain::At, time::Allowance};
use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    Edge,
    call::Found,
    errors::ApiError,
    json, keepers, known_keys,
    routes::{Route, Subject},
};

/// Longest text that is looked at as a key.
const KEY_LENGTH_MAX: usize = 200;

/// What a key is stored and found under.
pub fn key_hash(key: &str) -> B256 {
    B256::from_slice(&Sha256::digest(key.as_bytes()))
}

/// The key that a request shows: X-Api-Key, a bearer token, or for WebSockets `?api_key=` (browsers cannot set
/// headers there).
fn shown_key(parts: &Parts) -> Option<String> {
    let header = |name: &str| {
        parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim).filter(|v| !v.is_empty())
    };
    if let Some(key) = header("x-api-key") {
        return Some(key.to_owned());
    }
    let bearer = header(header::AUTHORIZATION.as_str()).and_then(|v| {
        let (scheme, token) = v.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    if bearer.is_some() {
        return bearer.filter(|token| !token.is_empty());
    }
    let asks_upgrade = parts.headers.contains_key(header::UPGRADE);
    let query = parts.uri.query().filter(|_| asks_upgrade)?;
    json::query(query).remove("api_key").filter(|key| !key.is_empty())
}

/// The address that a request comes from, for limits.
pub fn client_address(edge: &Edge, parts: &Parts) -> String {
    let forwarded = |headers: &HeaderMap| -> Option<IpAddr> {
        headers.get("x-forwarded-for")?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
    };
    let told = edge.config.behind_proxy.then(|| forwarded(&parts.headers)).flatten();
    let seen = || parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(a)| a.ip());
    told.or_else(seen).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
}

/// The key of a request, or the answer for those who have none.
pub async fn authenticate(edge: &Edge, parts: &Parts) -> Result<ApiKey, ApiError> {
    let Some(shown) = shown_key(parts) else {
        return Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "API_KEY_MISSING",
            "send an API key in the header X-Api-Key, or as a bearer token",
        ));
    };
    let found = if shown.len() <= KEY_LENGTH_MAX { lookup(edge, &shown).await? } else { None };
    match found {
        Some(key) => {
            note_use(edge, &key).await;
            Ok(key)
        }
        None => {
            let bucket = format!("bad-key:{}", client_address(edge, parts));
            let allowance = edge.ports.limiter.take(&bucket, edge.config.bad_keys_per_minute).await;
            if !allowance.allowed {
                return Err(too_many(&allowance));
            }
            Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "API_KEY_INVALID",
                "this API key is unknown, was revoked or has expired",
            ))
        }
    }
}

/// The live key behind a text; absent, revoked or expired: `None`.
pub async fn lookup(edge: &Edge, shown: &str) -> Result<Option<ApiKey>, ApiError> {
    let hash = key_hash(shown);
    let found = known_keys::by_hash(edge, hash).await?;
    let now = edge.ports.clock.now();
    Ok(found.filter(|key| bool::from(key.hash.as_slice().ct_eq(hash.as_slice())) && key.is_live(now)))
}

/// Notes that a key is used, at most once a minute. A store that cannot write keeps nobody from reading.
async fn note_use(edge: &Edge, key: &ApiKey) {
    if !edge.ports.limiter.take(&format!("used:{}", key.id), 1).await.allowed {
        return;
    }
    if let Err(cause) = edge.ports.keys.used(&key.id, edge.ports.clock.now()).await {
        tracing::debug!(%cause, "the use of a key was not noted");
    }
}

/// The answer for those whose bucket is empty.
pub fn too_many(allowance: &Allowance) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "RATE_LIMIT_EXCEEDED",
        format!("more than {} requests in a minute", allowance.limit),
    )
    .retry_after(allowance.reset_after.as_millis().div_ceil(1000).try_into().unwrap_or(60))
}

/// Whether the role is among those that the route lists.
pub fn check_role(key: &ApiKey, roles: &[Role]) -> Result<(), ApiError> {
    if roles.contains(&key.role) {
        return Ok(());
    }
    Err(ApiError::new(StatusCode::FORBIDDEN, "ROLE_FORBIDDEN", "this API key's role may not call this route"))
}

/// Loads what the path names, and answers for those who may not see it.
pub async fn find_subject(
    edge: &Edge,
    route: &Route,
    key: Option<&ApiKey>,
    param: impl Fn(&str) -> String,
) -> Result<Found, ApiError> {
    let key = match (key, route.subject) {
        (_, Subject::Nobody(_)) => return Ok(Found::Nothing),
        (Some(key), _) => key,
        (None, _) => return Err(ApiError::internal("an owned route without a key")),
    };
    match route.subject {
        Subject::Nobody(_) => Ok(Found::Nothing),
        Subject::Job(name) => Ok(Found::Job(Box::new(own_job(edge, key, &param(name)).await?))),
        Subject::Task(name) => Ok(Found::Task(Box::new(own_task(edge, key, &param(name)).await?))),
        Subject::Address(name) => Ok(Found::Address(own_address(key, &param(name))?)),
        Subject::AddressAndJob(address, job) => {
            let address = own_address(key, &param(address))?;
            let record = own_job(edge, key, &param(job)).await?;
            if record.job.owner != address {
                return Err(ApiError::absent());
            }
            Ok(Found::Job(Box::new(record)))
        }
        Subject::Safe(name) => {
            let safe = parse_address(&param(name))?;
            if owns_safe(edge, key, safe).await? {
                Ok(Found::Address(safe))
            } else {
                Err(ApiError::not_yours())
            }
        }
        Subject::Keeper(name) => {
            let account = keepers::account(edge, &param(name)).await?;
            let is_theirs = key.owner == account || key.role == Role::Admin;
            if is_theirs { Ok(Found::Address(account)) } else { Err(ApiError::absent()) }
        }
        Subject::Webhook(name) => {
            let webhook = edge.ports.webhooks.webhook(&param(name)).await?;
            let own = webhook.filter(|webhook| key.may_act_for(webhook.owner));
            Ok(Found::Webhook(Box::new(own.ok_or_else(ApiError::absent)?)))
        }
    }
}

/// A job that the key may act for; absent and another's are the same.
pub async fn own_job(edge: &Edge, key: &ApiKey, text: &str) -> Result<JobRecord, ApiError> {
    let id = text.parse().map_err(|_| ApiError::absent())?;
    let record = edge.ports.jobs.job(id).await?;
    record.filter(|r| key.may_act_for(r.job.owner)).ok_or_else(ApiError::absent)
}

/// A task that the key may act for, by its number in the API or its hash; absent and another's are the same.
pub async fn own_task(edge: &Edge, key: &ApiKey, text: &str) -> Result<(TaskRecord, JobRecord), ApiError> {
    let task = match text.strip_prefix("0x") {
        Some(_) => {
            let id = text.parse().map_err(|_| ApiError::absent())?;
            edge.ports.tasks.tasks(&[id]).await?.into_iter().next()
        }
        None => {
            let id = text.parse().map_err(|_| ApiError::absent())?;
            edge.ports.tasks.by_public_id(id).await?
        }
    };
    let task = task.ok_or_else(ApiError::absent)?;
    let job = edge.ports.jobs.job(task.task.job).await?;
    let own = |r: &JobRecord| r.opened(&task.task) && key.may_act_for(r.job.owner);
    let job = job.filter(own).ok_or_else(ApiError::absent)?;
    Ok((task, job))
}

fn own_address(key: &ApiKey, text: &str) -> Result<Address, ApiError> {
    let address = parse_address(text)?;
    if key.may_act_for(address) { Ok(address) } else { Err(ApiError::not_yours()) }
}

fn parse_address(text: &str) -> Result<Address, ApiError> {
    json::address(text).ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_ADDRESS",
            "an address is 0x and 40 hexadecimal digits",
        )
    })
}

/// Whether the key may act for a Safe: as a trusted front end, through a job of its owner that acts through it, or
/// because the Safe itself names the owner on any chain that we read.
async fn owns_safe(edge: &Edge, key: &ApiKey, safe: Address) -> Result<bool, ApiError> {
    if key.may_act_for(safe) {
        return Ok(true);
    }
    let jobs = edge.ports.jobs.list(JobQuery::Safe(safe), None, 1_000).await?;
    if jobs.iter().any(|r| key.may_act_for(r.job.owner)) {
        return Ok(true);
    }
    let question = encode_is_owner(key.owner);
    for chain in edge.ports.chains.values() {
        let answer = chain.reader.call(None, safe, question.clone(), At::Head).await;
        if answer.is_ok_and(|answer| decode_bool(&answer) == Some(true)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn check(headers: &[(&str, &str)], uri: &str, expect: Option<&str>) {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        assert_eq!(shown_key(&parts).as_deref(), expect, "{headers:?} {uri}");
    }

    #[test]
    fn keys_are_found_where_clients_put_them() {
        check(&[("X-API-KEY", "a")], "/", Some("a"));
        check(&[("x-api-key", " a ")], "/", Some("a"));
        check(&[("Authorization", "Bearer b")], "/", Some("b"));
        check(&[("Authorization", "bearer b")], "/", Some("b"));
        check(&[("X-Api-Key", "a"), ("Authorization", "Bearer b")], "/", Some("a"));
        check(&[("Authorization", "Basic b")], "/", None);
        check(&[("Authorization", "Bearer ")], "/", None);
        check(&[], "/api/jobs?api_key=c", None);
        check(&[("Upgrade", "websocket")], "/api/ws/tasks?api_key=c", Some("c"));
        check(&[], "/", None);
    }
}
