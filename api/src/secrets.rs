//! Values of the secrets that a job is granted: set, listed by name, and removed. No answer ever holds one.

use argus_domain::{
    ids::JobId,
    job::Job,
    secret::{Grants, RunSecrets, SecretName, SecretValue},
};
use argus_ports::{Secrets, VaultError};
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Edge,
    call::Call,
    errors::ApiError,
    jobs::refuse_ended,
    reply::Reply,
    shape::formats::{Instant, JobNumber},
};

/// What is missing where a platform keeps no secrets, and what to do.
pub const NO_KEY: &str = "this platform keeps no secrets: its operator has to give it a key in [secrets] key_file or \
    ARGUS_SECRETS_KEY";

fn secrets(edge: &Edge) -> Result<&Secrets, ApiError> {
    edge.ports
        .secrets
        .as_ref()
        .ok_or_else(|| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "NO_SECRETS_KEY", NO_KEY))
}

fn name(call: &Call) -> Result<SecretName, ApiError> {
    call.param("name").parse().map_err(|e: argus_domain::secret::BadSecretName| {
        ApiError::unprocessable("SECRET_NAME", e.to_string())
    })
}

/// A secret that has a value now.
#[derive(Serialize, JsonSchema)]
pub struct SecretSet {
    job_id: JobNumber,
    name: String,
    set_at: Instant,
}

/// `PUT /api/jobs/{id}/secrets/{name} {"value"}`
pub async fn set(call: Call) -> Result<Reply<SecretSet>, ApiError> {
    let secrets = secrets(&call.edge)?;
    let record = call.job()?;
    refuse_ended(record, call.now)?;
    let name = name(&call)?;
    if !record.job.args.secrets().is_some_and(|granted| granted.contains(&name)) {
        let message =
            format!("the job is not granted {name}: name it in its secrets (PUT /api/jobs/update/ID)");
        return Err(ApiError::unprocessable("SECRET_NOT_GRANTED", message));
    }
    let Some(Value::String(text)) = call.json()?.get_mut("value").map(Value::take) else {
        return Err(ApiError::unprocessable("SECRET_VALUE", "send {\"value\": \"...\"}, a text"));
    };
    let value = SecretValue::new(text).map_err(|e| ApiError::unprocessable("SECRET_VALUE", e.to_string()))?;
    let sealed = secrets
        .vault
        .seal(record.job.id, &name, &value, call.now)
        .map_err(|e: VaultError| ApiError::internal(e))?;
    secrets.store.put(record.job.id, name.clone(), sealed).await?;
    Ok(Reply::of(SecretSet {
        job_id: JobNumber(record.job.id),
        name: name.to_string(),
        set_at: Instant(call.now),
    }))
}

/// The secrets that a job is granted.
#[derive(Serialize, JsonSchema)]
pub struct SecretList {
    job_id: JobNumber,
    secrets: Vec<ShownSecret>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Secret")]
struct ShownSecret {
    name: String,
    /// Since when it has a value.
    set_at: Option<Instant>,
}

/// `GET /api/jobs/{id}/secrets`: the names that the job is granted, and since when each has a value.
pub async fn list(call: Call) -> Result<Reply<SecretList>, ApiError> {
    let job = &call.job()?.job;
    let kept = secrets(&call.edge)?.store.of_job(job.id).await?;
    let set_at = |name: &SecretName| kept.iter().find(|(of, _)| of == name).map(|(_, sealed)| sealed.set_at);
    let granted = job.args.secrets().into_iter().flatten();
    let shown = granted.map(|name| ShownSecret { name: name.to_string(), set_at: set_at(name).map(Instant) });
    Ok(Reply::of(SecretList { job_id: JobNumber(job.id), secrets: shown.collect() }))
}

/// A secret that has no value now.
#[derive(Serialize, JsonSchema)]
pub struct SecretUnset {
    job_id: JobNumber,
    name: String,
    /// Whether it had one.
    removed: bool,
}

/// `DELETE /api/jobs/{id}/secrets/{name}`: again without effect.
pub async fn unset(call: Call) -> Result<Reply<SecretUnset>, ApiError> {
    let name = name(&call)?;
    let job = call.job()?.job.id;
    let removed = secrets(&call.edge)?.store.remove(job, [name.clone()].into()).await?;
    Ok(Reply::of(SecretUnset { job_id: JobNumber(job), name: name.to_string(), removed: removed > 0 }))
}

/// The values of those granted that have one, to try the job's own script with; `None`: the job is not there yet.
pub async fn of_job(edge: &Edge, job: Option<JobId>, granted: &Grants) -> Result<RunSecrets, ApiError> {
    let (Some(secrets), Some(job), false) = (&edge.ports.secrets, job, granted.is_empty()) else {
        return Ok(RunSecrets::new());
    };
    let kept = secrets.store.of_job(job).await?.into_iter().filter(|(name, _)| granted.contains(name));
    let opened = kept.map(|(name, sealed)| Ok((name.clone(), secrets.vault.open(job, &name, &sealed)?)));
    opened.collect::<Result<_, VaultError>>().map_err(ApiError::internal)
}

/// Removes the values of a job's secrets that `now` does not grant any more; `None`: the job is deleted.
pub async fn drop_ungranted(edge: &Edge, old: &Job, now: Option<&Job>) -> Result<(), ApiError> {
    let (Some(secrets), Some(before)) = (&edge.ports.secrets, old.args.secrets()) else { return Ok(()) };
    let granted = now.and_then(|job| job.args.secrets()).cloned().unwrap_or_default();
    let gone: Grants = before.difference(&granted).cloned().collect();
    if !gone.is_empty() {
        secrets.store.remove(old.id, gone).await?;
    }
    Ok(())
}
