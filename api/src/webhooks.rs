//! Webhooks: changes of an owner's tasks, sent to a URL of theirs and signed.
//!
//! What has to be sent follows from the event bus, and how far each receiver has come is kept with it: nothing else is
//! queued. A change is sent until the receiver answers with 2xx, or until it is given up as a dead letter; the event's id
//! is the same each time.

mod deliver;

use argus_domain::{
    Address, U256,
    ids::JobId,
    keccak256,
    secret::{BadSecretName, SecretName, SecretValue},
    webhook::{Progress, Webhook},
};
use argus_ports::{ChangeKind, Reach, Room, Secrets};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub use deliver::deliver;

use crate::{
    Edge,
    call::Call,
    create::Faults,
    errors::ApiError,
    json,
    reply::{Nothing, Reply},
    secrets::NO_KEY,
    shape::formats::{Account, Hash, Instant},
};

/// Longest URL.
const URL_MAX: usize = 2_000;

/// How a kind of change is called here.
const fn kind_name(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Created => "task.created",
        ChangeKind::Settled => "task.settled",
        ChangeKind::Broadcast => "task.broadcast",
        ChangeKind::Received => "task.received",
        ChangeKind::Revoked => "task.revoked",
        ChangeKind::Confirmed => "task.confirmed",
        ChangeKind::Lapsed => "task.lapsed",
    }
}

/// The names of all kinds.
pub const EVENTS: [&str; 7] = [
    kind_name(ChangeKind::Created),
    kind_name(ChangeKind::Settled),
    kind_name(ChangeKind::Broadcast),
    kind_name(ChangeKind::Received),
    kind_name(ChangeKind::Revoked),
    kind_name(ChangeKind::Confirmed),
    kind_name(ChangeKind::Lapsed),
];

/// Where the signing secret of a webhook is kept: among the secrets of jobs, under an id that no job can be found by.
fn secret_place(id: &str) -> Result<(JobId, SecretName), BadSecretName> {
    Ok((JobId(U256::from_be_bytes(keccak256(format!("argus/webhook/1/{id}")).0)), "WEBHOOK".parse()?))
}

fn secrets(edge: &Edge) -> Result<&Secrets, ApiError> {
    let missing = || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NO_SECRETS_KEY", NO_KEY);
    edge.ports.secrets.as_ref().ok_or_else(missing)
}

/// Whether changes may be sent there: to any public host over https, and over http to those that the operator lists.
fn check_url(edge: &Edge, url: &str) -> Result<(), String> {
    if url.len() > URL_MAX {
        return Err(format!("the URL has {} characters; at most {URL_MAX}", url.len()));
    }
    let operator = &edge.config.operator_reach;
    let is_listed = || {
        let listed = Reach { allow: operator.clone(), operator: Vec::new() };
        !operator.is_empty() && edge.ports.egress.check(url, &listed).is_ok()
    };
    let is_https = url::Url::parse(url).is_ok_and(|url| url.scheme() == "https");
    if !is_https && !is_listed() {
        return Err("the URL is not https".to_owned());
    }
    edge.ports.egress.check(url, &reach(edge)).map_err(|e| format!("the URL is {e}"))
}

fn reach(edge: &Edge) -> Reach {
    Reach { allow: Vec::new(), operator: edge.config.operator_reach.clone() }
}

/// A webhook, and how far it has come.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Webhook")]
pub struct ShownWebhook {
    id: String,
    user_address: Account,
    url: String,
    /// Kinds of change that it is told.
    #[schemars(extend("items" = {"enum": EVENTS}))]
    events: Vec<String>,
    created_at: Instant,
    failures_in_a_row: u16,
    /// Null: nothing waits for another try.
    next_try_at: Option<Instant>,
    /// The newest try that failed, also where a later one did not; null: none did.
    last_failure: Option<LastFailure>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "WebhookFailure")]
struct LastFailure {
    at: Instant,
    reason: String,
}

fn shown(webhook: &Webhook) -> ShownWebhook {
    let Progress { failures, next_at, .. } = webhook.progress;
    ShownWebhook {
        id: webhook.id.clone(),
        user_address: Account(webhook.owner),
        url: webhook.url.clone(),
        events: webhook.kinds.clone(),
        created_at: Instant(webhook.created_at),
        failures_in_a_row: failures,
        next_try_at: (failures > 0).then_some(Instant(next_at)),
        last_failure: webhook
            .failure
            .as_ref()
            .map(|failure| LastFailure { at: Instant(failure.at), reason: failure.reason.clone() }),
    }
}

/// A webhook with the secret under which what it is sent is signed; it is shown once.
#[derive(Serialize, JsonSchema)]
pub struct CreatedWebhook {
    #[serde(flatten)]
    webhook: ShownWebhook,
    #[schemars(regex(pattern = "^whsec_[0-9a-f]{64}$"))]
    secret: String,
}

/// `POST /api/webhooks {"url", "events"?, "user_address"?}`
pub async fn create(call: Call) -> Result<Reply<CreatedWebhook, 201>, ApiError> {
    let edge = &call.edge;
    let secrets = secrets(edge)?;
    let (owner, url, kinds) = wanted(&call)?;
    let id = Uuid::new_v4().simple().to_string();
    let text = format!("whsec_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let value = SecretValue::new(text.clone()).map_err(ApiError::internal)?;
    let (place, name) = secret_place(&id).map_err(ApiError::internal)?;
    let sealed = secrets.vault.seal(place, &name, &value, call.now).map_err(ApiError::internal)?;
    // What happened before is not told.
    let position = edge.ports.bus.newest(Room::Owner(owner)).await?;
    let progress = Progress { position, failures: 0, next_at: call.now };
    let webhook = Webhook { id, owner, url, kinds, created_at: call.now, progress, failure: None };
    secrets.store.put(place, name.clone(), sealed).await?;
    if !edge.ports.webhooks.add_webhook(webhook.clone(), edge.config.webhooks.per_owner).await? {
        secrets.store.remove(place, [name].into()).await?;
        let message =
            format!("an owner has {} webhooks at most; remove one first", edge.config.webhooks.per_owner);
        return Err(ApiError::conflict("TOO_MANY_WEBHOOKS", message));
    }
    edge.webhooks_changed.notify_one();
    Ok(Reply::of(CreatedWebhook { webhook: shown(&webhook), secret: text }))
}

/// `PUT /api/webhooks/{id} {"url"?, "events"?}`: what waits for another try is tried at once.
pub async fn change(call: Call) -> Result<Reply<ShownWebhook>, ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let url =
        body.get("url").filter(|url| !url.is_null()).map(|_| wanted_url(&call.edge, &body, &mut faults));
    let kinds = wanted_kinds(&body, &mut faults);
    if !faults.is_empty() {
        return Err(faults.into_error());
    }
    let id = &call.webhook()?.id;
    let changed = call.edge.ports.webhooks.change_webhook(id, url, kinds, call.now).await?;
    call.edge.webhooks_changed.notify_one();
    Ok(Reply::of(shown(&changed.ok_or_else(ApiError::absent)?)))
}

fn wanted_url(edge: &Edge, body: &Value, faults: &mut Faults) -> String {
    let url = body.get("url").and_then(Value::as_str).unwrap_or_default();
    if let Err(why) = check_url(edge, url) {
        faults.add("url", "URL", why);
    }
    url.to_owned()
}

/// The kinds under `events`, each once, in our order; `None` where it says nothing.
fn wanted_kinds(body: &Value, faults: &mut Faults) -> Option<Vec<String>> {
    let names = match body.get("events") {
        None | Some(Value::Null) => return None,
        Some(names) => names.as_array().map(Vec::as_slice).unwrap_or_default(),
    };
    if names.is_empty() || !names.iter().all(|name| EVENTS.iter().any(|known| name == known)) {
        faults.add("events", "EVENTS", format!("events is a list of some of {}", EVENTS.join(", ")));
    }
    Some(
        EVENTS
            .iter()
            .filter(|known| names.iter().any(|name| name == *known))
            .map(ToString::to_string)
            .collect(),
    )
}

/// Whose webhook is wanted, where it leads, and what it is told: without a list, how tasks end.
fn wanted(call: &Call) -> Result<(Address, String, Vec<String>), ApiError> {
    let body = call.json()?;
    let mut faults = Faults::default();
    let owner = match body.get("user_address") {
        None | Some(Value::Null) => Some(call.key()?.owner),
        Some(value) => value.as_str().and_then(json::address),
    };
    if owner.is_none() {
        faults.add("user_address", "ADDRESS", "user_address is 0x and 40 hexadecimal digits");
    }
    let url = wanted_url(&call.edge, &body, &mut faults);
    let kinds = wanted_kinds(&body, &mut faults);
    let Some(owner) = owner.filter(|_| faults.is_empty()) else { return Err(faults.into_error()) };
    if !call.key()?.may_act_for(owner) {
        return Err(ApiError::not_yours());
    }
    let ends = [ChangeKind::Settled, ChangeKind::Confirmed, ChangeKind::Lapsed];
    Ok((owner, url, kinds.unwrap_or_else(|| ends.map(kind_name).map(str::to_owned).to_vec())))
}

/// Webhooks of a user, oldest first.
#[derive(Serialize, JsonSchema)]
pub struct WebhookList {
    webhooks: Vec<ShownWebhook>,
}

/// `GET /api/webhooks/user/{address}`: oldest first.
pub async fn list(call: Call) -> Result<Reply<WebhookList>, ApiError> {
    let webhooks = call.edge.ports.webhooks.webhooks_of(call.address()?).await?;
    Ok(Reply::of(WebhookList { webhooks: webhooks.iter().map(shown).collect() }))
}

/// `GET /api/webhooks/{id}`
pub async fn show(call: Call) -> Result<Reply<ShownWebhook>, ApiError> {
    Ok(Reply::of(shown(call.webhook()?)))
}

/// `DELETE /api/webhooks/{id}`
pub async fn remove(call: Call) -> Result<Nothing, ApiError> {
    let id = &call.webhook()?.id;
    call.edge.ports.webhooks.remove_webhook(id).await?;
    let (place, name) = secret_place(id).map_err(ApiError::internal)?;
    secrets(&call.edge)?.store.remove(place, [name].into()).await?;
    Ok(Nothing)
}

/// Changes that a webhook did not take, newest first.
#[derive(Serialize, JsonSchema)]
pub struct DeadLetters {
    dead_letters: Vec<ShownLetter>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "DeadLetter")]
struct ShownLetter {
    /// The id under which it was sent each time.
    event: String,
    #[serde(rename = "type")]
    kind: String,
    task_hash: Hash,
    given_up_at: Instant,
    reason: String,
}

/// `GET /api/webhooks/{id}/dead-letters`: newest first.
pub async fn dead_letters(call: Call) -> Result<Reply<DeadLetters>, ApiError> {
    let letters = call.edge.ports.webhooks.dead_letters(&call.webhook()?.id).await?;
    let shown = letters.into_iter().map(|letter| ShownLetter {
        event: letter.event,
        kind: letter.kind,
        task_hash: Hash(letter.task.0),
        given_up_at: Instant(letter.at),
        reason: letter.reason,
    });
    Ok(Reply::of(DeadLetters { dead_letters: shown.collect() }))
}
