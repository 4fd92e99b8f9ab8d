//! API keys: shown once when made, masked ever after, stored as a hash.

use argus_domain::{
    Address,
    access::{ApiKey, Role},
    time::Timestamp,
};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    auth::key_hash,
    call::Call,
    create::{Faults, Fields},
    errors::ApiError,
    json, known_keys,
    reply::{Nothing, Reply},
    shape::formats::{Account, Instant},
};

/// The most requests per minute that a key may have.
pub const RATE_MAX: u64 = 1_000_000;

/// A key just made: the only moment at which its text is known.
pub struct NewKey {
    /// What the client sends.
    pub text: String,
    /// What is stored.
    pub key: ApiKey,
}

/// Makes a key. Its text has 122 random bits from the operating system.
pub fn new_key(owner: Address, role: Role, rate_limit: u32, now: Timestamp) -> NewKey {
    let text = format!("TGRX-{}", Uuid::new_v4());
    NewKey { key: stored_key(&text, owner, role, rate_limit, now), text }
}

/// What is stored for a key whose text is given.
fn stored_key(text: &str, owner: Address, role: Role, rate_limit: u32, now: Timestamp) -> ApiKey {
    let (head, tail) = (text.get(..9).unwrap_or_default(), text.get(text.len() - 4..).unwrap_or_default());
    ApiKey {
        id: Uuid::new_v4().simple().to_string(),
        hash: key_hash(text),
        masked: format!("{head}****{tail}"),
        owner,
        role,
        rate_limit,
        created_at: now,
        revoked_at: None,
        expires_at: None,
        last_used: None,
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::User => "user",
        Role::App => "app",
        Role::Keeper => "keeper",
        Role::Admin => "admin",
    }
}

fn parse_role(text: &str) -> Option<Role> {
    match text.to_ascii_lowercase().as_str() {
        "user" => Some(Role::User),
        "app" => Some(Role::App),
        "keeper" => Some(Role::Keeper),
        "admin" => Some(Role::Admin),
        _ => None,
    }
}

/// An API key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ApiKey")]
pub struct ShownKey {
    /// In full when it was just made; masked ever after.
    key: String,
    id: String,
    owner: Account,
    #[schemars(extend("enum" = ["user", "app", "keeper", "admin"]))]
    role: &'static str,
    /// Requests per minute.
    rate_limit: u32,
    is_active: bool,
    status: KeyStatus,
    created_at: Instant,
    last_used: Option<Instant>,
    expires_at: Option<Instant>,
    revoked_at: Option<Instant>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum KeyStatus {
    Active,
    Revoked,
    Expired,
}

fn shown(key: &ApiKey, now: Timestamp) -> ShownKey {
    ShownKey {
        key: key.masked.clone(),
        id: key.id.clone(),
        owner: Account(key.owner),
        role: role_name(key.role),
        rate_limit: key.rate_limit,
        is_active: key.is_live(now),
        status: match key.revoked_at {
            Some(_) => KeyStatus::Revoked,
            None if key.is_live(now) => KeyStatus::Active,
            None => KeyStatus::Expired,
        },
        created_at: Instant(key.created_at),
        last_used: key.last_used.map(Instant),
        expires_at: key.expires_at.map(Instant),
        revoked_at: key.revoked_at.map(Instant),
    }
}

/// The one answer with the key's text in it.
pub fn shown_once(made: NewKey, now: Timestamp) -> Reply<ShownKey, 201> {
    Reply::of(ShownKey { key: made.text, ..shown(&made.key, now) })
}

/// `POST /api/admin/api-keys {"owner", "role", "rate_limit"}`
pub async fn create(call: Call) -> Result<Reply<ShownKey, 201>, ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let owner = body.get("owner").and_then(Value::as_str).and_then(json::address);
    if owner.is_none() {
        faults.add("owner", "ADDRESS", "owner is 0x and 40 hexadecimal digits");
    }
    let role = match body.get("role") {
        None | Some(Value::Null) => Some(Role::User),
        Some(value) => value.as_str().and_then(parse_role),
    };
    if role.is_none() {
        faults.add("role", "ROLE", "role is user, app, keeper or admin");
    }
    let default = match role {
        Some(Role::User) | None => call.edge.config.user_rate,
        Some(Role::App | Role::Keeper | Role::Admin) => call.edge.config.app_rate,
    };
    let rate = match body.get("rate_limit") {
        None | Some(Value::Null) => Some(default),
        Some(value) => parse_rate(value),
    };
    if rate.is_none() {
        faults.add("rate_limit", "RANGE", format!("rate_limit is a whole number from 1 to {RATE_MAX}"));
    }
    let (Some(owner), Some(role), Some(rate)) = (owner, role, rate) else {
        return Err(faults.into_error());
    };
    let made = new_key(owner, role, rate, call.now);
    call.edge.ports.keys.put(made.key.clone()).await?;
    Ok(shown_once(made, call.now))
}

fn parse_rate(value: &Value) -> Option<u32> {
    json::whole(value).filter(|n| (1..=RATE_MAX).contains(n)).and_then(|n| n.try_into().ok())
}

/// `GET /api/admin/api-keys/{owner}`: a bare array, newest first.
pub async fn list(call: Call) -> Result<Reply<Vec<ShownKey>>, ApiError> {
    let owner = json::address(call.param("id")).ok_or_else(|| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "INVALID_ADDRESS",
            "an address is 0x and 40 hexadecimal digits",
        )
    })?;
    let keys = call.edge.ports.keys.list(Some(owner)).await?;
    Ok(Reply::of(keys.iter().map(|key| shown(key, call.now)).collect()))
}

/// The public name behind what a path gives: the name itself, or a masked key that is unique (with `?owner=`,
/// among that owner's).
async fn named(call: &Call) -> Result<String, ApiError> {
    let text = call.param("id");
    let owner = match call.query().get("owner") {
        None => None,
        Some(text) => Some(json::address(text).ok_or_else(ApiError::absent)?),
    };
    let keys = call.edge.ports.keys.list(owner).await?;
    if keys.iter().any(|key| key.id == text) {
        return Ok(text.to_owned());
    }
    let live: Vec<_> = keys.iter().filter(|key| key.masked == text && key.revoked_at.is_none()).collect();
    match live.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(ApiError::absent()),
        _ => Err(ApiError::conflict(
            "KEY_AMBIGUOUS",
            "several keys look like this one masked; name it by its id",
        )),
    }
}

/// `PUT /api/admin/api-keys/{id} {"rate_limit"?, "is_active"?}`; a revoked key stays revoked.
pub async fn change(call: Call) -> Result<Reply<ShownKey>, ApiError> {
    let Value::Object(body) = call.json()? else {
        return Err(ApiError::bad_request("send a JSON object"));
    };
    let (mut faults, fields) = (Faults::default(), Fields::new(&body, ""));
    let [rate, other] =
        ["rate_limit", "rateLimit"].map(|name| fields.whole(name, (1, RATE_MAX), &mut faults));
    let rate = rate.or(other).and_then(|n| n.try_into().ok());
    let [active, other] =
        ["is_active", "isActive"].map(|name| fields.get(name).map(|_| fields.flag(name, false, &mut faults)));
    let active = active.or(other);
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let id = named(&call).await?;
    let revoked_at = (active == Some(false)).then_some(call.now);
    let key = known_keys::change(&call.edge, &id, rate, revoked_at).await?;
    let key = key.ok_or_else(ApiError::absent)?;
    if active == Some(true) && key.revoked_at.is_some() {
        return Err(ApiError::conflict("KEY_REVOKED", "a revoked key stays revoked; make a new one"));
    }
    Ok(Reply::of(shown(&key, call.now)))
}

/// `DELETE /api/admin/api-keys/{id}`
pub async fn revoke(call: Call) -> Result<Nothing, ApiError> {
    let id = named(&call).await?;
    let key = known_keys::change(&call.edge, &id, None, Some(call.now)).await?;
    key.ok_or_else(ApiError::absent)?;
    Ok(Nothing)
}
