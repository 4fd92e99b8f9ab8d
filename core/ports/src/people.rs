//! What people say of themselves, and where they are told of changes.

use argus_domain::{
    Address,
    profile::{Profile, ProfileChange},
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use async_trait::async_trait;

use crate::store::StoreError;

/// Profiles, by account.
#[async_trait]
pub trait ProfileStore: Send + Sync {
    /// What an account said; nothing: `None`.
    async fn profile(&self, account: Address) -> Result<Option<Profile>, StoreError>;
    /// Takes over a change ([`Profile::take`]) in one step, and gives the profile after it. Idempotent.
    async fn change_profile(&self, account: Address, change: ProfileChange) -> Result<Profile, StoreError>;
    /// Those who asked to become keepers, by address, `limit` at most.
    async fn applicants(&self, limit: u32) -> Result<Vec<Profile>, StoreError>;
}

/// Receivers of changes, and what they did not take.
#[async_trait]
pub trait WebhookStore: Send + Sync {
    /// Adds a receiver unless its owner has `most` already: false then. Idempotent by id.
    async fn add_webhook(&self, webhook: Webhook, most: u32) -> Result<bool, StoreError>;
    /// One receiver; absent: `None`.
    async fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError>;
    /// All of an owner, oldest first.
    async fn webhooks_of(&self, owner: Address) -> Result<Vec<Webhook>, StoreError>;
    /// All of everyone by id, those after `after`, `limit` at most.
    async fn webhooks(&self, after: Option<&str>, limit: u32) -> Result<Vec<Webhook>, StoreError>;
    /// Changes where a receiver is and what it is told, and gives it after that; what waits for another try is tried
    /// from `now` on as if for the first time. Absent: `None`.
    async fn change_webhook(
        &self,
        id: &str,
        url: Option<String>,
        kinds: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError>;
    /// Removes a receiver with its dead letters; absent: nothing to do.
    async fn remove_webhook(&self, id: &str) -> Result<(), StoreError>;
    /// Puts a receiver's next try off to `until`, provided that it still stands as it was `seen`: of several who see it
    /// due one makes the try, and it is due again if nothing comes of that. Whether it was put off; absent: false.
    async fn take_webhook(&self, id: &str, seen: Progress, until: Timestamp) -> Result<bool, StoreError>;
    /// Notes how far a receiver has come, in one step with why a try failed and with a letter that was given up on the
    /// way; without a failure the last one stays. Of its letters the newest `kept` stay. A position never goes back: then
    /// nothing is written. Idempotent by the letter's event; of a receiver that is absent nothing is kept.
    async fn move_webhook(
        &self,
        id: &str,
        progress: Progress,
        missed: (Option<Failure>, Option<DeadLetter>),
        kept: u32,
    ) -> Result<(), StoreError>;
    /// What a receiver did not take, newest first.
    async fn dead_letters(&self, id: &str) -> Result<Vec<DeadLetter>, StoreError>;
}

/// What only one may have at a time, whichever process asks: coins once a day, a nonce once, a turn.
#[async_trait]
pub trait ClaimStore: Send + Sync {
    /// Notes that all of these have it from `now` until an instant, and says whether they may: where one of them has it
    /// already, nothing is noted, and the instant is given from which all of them may. What is over is forgotten.
    async fn claim(
        &self,
        who: Vec<String>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Result<(), Timestamp>, StoreError>;
    /// Takes back what was noted until just this instant. Idempotent.
    async fn unclaim(&self, who: Vec<String>, until: Timestamp) -> Result<(), StoreError>;
    /// The key under which nonces are made, the same for every process for ever: that of the first one who asked.
    async fn nonce_key(&self, fresh: [u8; 32]) -> Result<[u8; 32], StoreError>;
}
