//! What Argus needs from the world, as traits over domain types.
//!
//! A port exists where at least two implementations do; the simulation counts as one. Ports are `Arc<dyn Trait>`
//! chosen at start. Each verb says whether it is idempotent and what "absent" and "already there" mean; a contract
//! suite in tests/conformance runs on every adapter. This crate decides nothing.

pub mod answers;
pub mod builder;
pub mod chain;
pub mod content;
pub mod count;
pub mod decision;
pub mod egress;
pub mod failpoint;
pub mod lease;
pub mod links;
pub mod people;
pub mod platform;
pub mod records;
pub mod registration;
pub mod runner;
pub mod secret;
pub mod store;
pub mod time;

pub use answers::{AnswerStore, KeptAnswer, Leave, NamedRequest, RequestName};
pub use builder::{BuildError, Built, ModuleBuilder};
pub use chain::{ChainError, ChainReader, ChainWriter, Signer, SignerError};
pub use content::{Archive, ContentError, ContentStore};
pub use decision::{DecisionStore, Look};
pub use egress::{
    Egress, EgressError, EgressRequest, EgressResponse, Method, Reach, ValueError, ValueReader,
};
pub use failpoint::{Failpoint, Step};
pub use lease::LeaseStore;
pub use links::{
    Aggregate, AttemptOutcome, Dispatch, FromKeeper, HandoffOrder, KeeperGate, KeeperLink, KeeperSession,
    LinkError, Nudge, Outcomes, PerformEvent, SignedHello, TaskOf, ToKeeper,
};
pub use people::{ClaimStore, ProfileStore, WebhookStore};
pub use platform::PlatformStore;
pub use records::{CopyMark, CopyStage, Page, Record, RecordKind, RecordStore};
pub use registration::{RegistrationCounts, RegistrationStore};
pub use runner::{ModuleRunner, RunnerError};
pub use secret::{Letterbox, SecretStore, Secrets, StoredSecret, Vault, VaultError};
pub use store::{
    Change, ChangeKind, CreateOutcome, CursorOutcome, EventBus, Intent, JobQuery, JobStore, Journal,
    KeeperStore, Kept, KeptClaim, KeyStore, Ledger, ModuleStore, OpenOutcome, Opening, Recorded, Recording,
    Room, StoreError, TaskQuery, TaskStore,
};
pub use time::{Clock, RateLimiter};
