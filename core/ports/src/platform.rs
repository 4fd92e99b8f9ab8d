//! All that one database holds of the platform.

use crate::{
    AnswerStore, Archive, ClaimStore, DecisionStore, EventBus, JobStore, KeeperStore, KeyStore, Ledger,
    ModuleStore, ProfileStore, RegistrationStore, SecretStore, TaskStore, WebhookStore,
};

/// Everything durable of the platform at once. What has all of its ports is one; a keeper's journal is not among them,
/// because it lies with the keeper.
pub trait PlatformStore:
    JobStore
    + TaskStore
    + EventBus
    + DecisionStore
    + RegistrationStore
    + KeeperStore
    + Ledger
    + ModuleStore
    + KeyStore
    + ProfileStore
    + WebhookStore
    + ClaimStore
    + AnswerStore
    + SecretStore
    + Archive
{
}

impl<T> PlatformStore for T where
    T: JobStore
        + TaskStore
        + EventBus
        + DecisionStore
        + RegistrationStore
        + KeeperStore
        + Ledger
        + ModuleStore
        + KeyStore
        + ProfileStore
        + WebhookStore
        + ClaimStore
        + AnswerStore
        + SecretStore
        + Archive
{
}
