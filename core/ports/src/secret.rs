//! Secrets of jobs: kept encrypted, opened where they are handed out, and sealed to the keeper that runs.

use std::{fmt, sync::Arc};

use argus_domain::{
    B256,
    ids::JobId,
    secret::{Grants, RunSecrets, SealedSecret, SecretName, SecretValue},
    time::Timestamp,
};
use async_trait::async_trait;
use bytes::Bytes;

use crate::store::StoreError;

/// A value with the job and the name that it is kept under.
pub type StoredSecret = (JobId, SecretName, SealedSecret);

/// Encrypted values, by job and name.
#[async_trait]
pub trait SecretStore: Send + Sync {
    /// Keeps a value, in the place of a former one.
    async fn put(&self, job: JobId, name: SecretName, sealed: SealedSecret) -> Result<(), StoreError>;
    /// All of a job, by name; none: empty.
    async fn of_job(&self, job: JobId) -> Result<Vec<(SecretName, SealedSecret)>, StoreError>;
    /// What is sealed with another key than this one, of all jobs, by (job, name); those after `after`, `limit` at most.
    async fn sealed_otherwise(
        &self,
        key: [u8; 8],
        after: Option<(JobId, SecretName)>,
        limit: u32,
    ) -> Result<Vec<StoredSecret>, StoreError>;
    /// Puts `new` in the place of just `old`; false where that is not there any more.
    async fn replace(&self, old: StoredSecret, new: SealedSecret) -> Result<bool, StoreError>;
    /// Removes those named. Idempotent; says how many there were.
    async fn remove(&self, job: JobId, names: Grants) -> Result<u32, StoreError>;
}

/// Why a secret cannot be sealed or opened. Never says anything of the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It was sealed with a key that is not here.
    #[error("it was sealed with the key {}, which is not here: put that key back, or set the secret anew", hex(.0))]
    OtherKey([u8; 8]),
    /// It is not what was sealed, or not for this job, name, keeper or attempt.
    #[error("it does not open: it was altered, or is not meant for this")]
    Altered,
    /// The other side's key is none.
    #[error("the key to seal to is no X25519 key")]
    BadKey,
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(String),
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The platform's side: has the key under which secrets are stored.
pub trait Vault: Send + Sync {
    /// By which name the key is known that seals: [`SealedSecret::key`].
    fn key(&self) -> [u8; 8];
    /// Encrypts a value for the store. It opens for this job and name alone.
    fn seal(
        &self,
        job: JobId,
        name: &SecretName,
        value: &SecretValue,
        now: Timestamp,
    ) -> Result<SealedSecret, VaultError>;
    /// Opens what [`Vault::seal`] made.
    fn open(&self, job: JobId, name: &SecretName, sealed: &SealedSecret) -> Result<SecretValue, VaultError>;
    /// Encrypts a run's secrets so that only the holder of `to` ([`Letterbox::key`]) can open them, and only for
    /// this purpose ([`argus_domain::secret::purpose`]).
    fn post(&self, secrets: &RunSecrets, to: B256, purpose: B256) -> Result<Bytes, VaultError>;
}

/// A keeper's side: has the key to which secrets are sealed.
pub trait Letterbox: Send + Sync {
    /// Its public key.
    fn key(&self) -> B256;
    /// Opens what [`Vault::post`] made for this key and purpose.
    fn open(&self, posted: &[u8], purpose: B256) -> Result<RunSecrets, VaultError>;
}

/// Store and vault, which are of use together alone. A platform without a key has neither.
#[derive(Clone)]
pub struct Secrets {
    /// Where they are kept.
    pub store: Arc<dyn SecretStore>,
    /// What opens them.
    pub vault: Arc<dyn Vault>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}
