//! All that one database holds of the platform.

use crate::{
    AnswerStore, Archive, ClaimStore, DecisionStore, EventBus, JobStore, KeeperStore, KeyStore, LeaseStore,
    Ledger, ModuleStore, ProfileStore, RegistrationStore, SecretStore, TaskStore, WebhookStore,
};

macro_rules! platform {
    ($first:ident $(, $port:ident)*) => {
        /// Everything durable of the platform at once. What has all of its ports is one; a keeper's journal is not
        /// among them, because it lies with the keeper.
        pub trait PlatformStore: $first $(+ $port)* {}

        impl<T: $first $(+ $port)*> PlatformStore for T {}
    };
}

platform! {
    JobStore, TaskStore, EventBus, DecisionStore, RegistrationStore, KeeperStore, Ledger, ModuleStore, KeyStore,
    ProfileStore, WebhookStore, ClaimStore, AnswerStore, SecretStore, Archive, LeaseStore
}
