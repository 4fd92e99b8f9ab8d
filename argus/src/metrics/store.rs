//! The store's verbs, counted and timed.

use std::sync::Arc;

use argus_domain::{
    Address, B256,
    access::ApiKey,
    decision::Decision,
    fees::{Board, LedgerEntry, Standing},
    ids::{ChainId, JobId, KeeperId, Serial, TaskId},
    job::{Cursor, Job, JobChange, JobRecord, TriggerKind},
    keeper::KeeperRecord,
    lease::{Fence, Live, ServiceKind, Session, ShardSet, View},
    module::{Cid, ModuleRecord},
    profile::{Profile, ProfileChange},
    registration::Registration,
    secret::{Grants, SealedSecret, SecretName},
    state::{JobState, State},
    task::TaskRecord,
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{
    AnswerStore, Archive, Change, ClaimStore, ContentError, CreateOutcome, CursorOutcome, DecisionStore,
    EventBus, JobQuery, JobStore, KeeperStore, KeptAnswer, KeyStore, LeaseStore, Leave, Ledger, Look,
    ModuleStore, NamedRequest, OpenOutcome, Opening, ProfileStore, Recorded, Recording, RegistrationCounts,
    RegistrationStore, RequestName, Room, SecretStore, StoreError, TaskQuery, TaskStore, WebhookStore,
    secret::StoredSecret, store::watch,
};
use async_trait::async_trait;
use bytes::Bytes;

use super::Calls;

/// A store whose calls are counted, by port and verb.
pub struct CountedStore<S> {
    inner: S,
    calls: Calls,
}

impl<S> CountedStore<S> {
    /// Around a store.
    pub fn new(inner: S, calls: Calls) -> Self {
        Self { inner, calls }
    }
}

/// Implements ports by the store within: each verb is counted under the port's and its own name. What is in `also` is
/// taken as it stands.
macro_rules! counted {
    ($(
        $port:ident as $name:literal {
            $(async fn $verb:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*
            $(also { $($rest:tt)* })?
        }
    )*) => {$(
        #[async_trait]
        impl<S: $port> $port for CountedStore<S> {
            $(
                async fn $verb(&self, $($argument: $type),*) -> $answer {
                    self.calls.call(&[$name, stringify!($verb)], $port::$verb(&self.inner, $($argument),*)).await
                }
            )*
            $($($rest)*)?
        }
    )*};
}

type Stored<T> = Result<T, StoreError>;
type After = Option<(ChainId, JobId)>;
type AfterSecret = Option<(JobId, SecretName)>;
type Missed = (Option<Failure>, Option<DeadLetter>);

counted! {
    JobStore as "jobs" {
        async fn create(jobs: Vec<(Job, Cursor)>) -> Stored<CreateOutcome>;
        async fn create_and_book(jobs: Vec<(Job, Cursor)>, entries: Vec<LedgerEntry>) -> Stored<CreateOutcome>;
        async fn job(id: JobId) -> Stored<Option<JobRecord>>;
        async fn created(id: JobId) -> Stored<Option<Arc<Job>>>;
        async fn version(id: JobId, version: u32) -> Stored<Option<Arc<Job>>>;
        async fn list(query: JobQuery, before: Option<Serial>, limit: u32) -> Stored<Vec<JobRecord>>;
        async fn change(id: JobId, serial: Serial, change: JobChange) -> Stored<Option<JobRecord>>;
        async fn due(kind: TriggerKind, shards: ShardSet, now: Timestamp, limit: u32) -> Stored<Vec<JobRecord>>;
        async fn move_cursor(cursor: Cursor, fence: Option<Fence>) -> Stored<CursorOutcome>;
    }
    TaskStore as "tasks" {
        async fn open(tasks: Vec<Opening>) -> Stored<Vec<OpenOutcome>>;
        async fn append(facts: Vec<Recording>) -> Stored<Vec<Recorded>>;
        async fn tasks(ids: &[TaskId]) -> Stored<Vec<TaskRecord>>;
        async fn unfinished(after: Option<TaskId>, limit: u32) -> Stored<Vec<TaskRecord>>;
        async fn list(query: TaskQuery, before: Option<u64>, limit: u32) -> Stored<Vec<TaskRecord>>;
        async fn by_public_id(id: u64) -> Stored<Option<TaskRecord>>;
        async fn state(job: JobId, before: Option<u64>) -> Stored<JobState>;
    }
    EventBus as "bus" {
        async fn publish(changes: Vec<Change>) -> Stored<Vec<Change>>;
        async fn since(room: Room, after: u64, limit: u32) -> Stored<Vec<(u64, Change)>>;
        async fn newest(room: Room) -> Stored<u64>;
        also {
            fn subscribe(&self) -> watch::Receiver {
                self.inner.subscribe()
            }
        }
    }
    LeaseStore as "leases" {
        async fn join(kind: ServiceKind, live: Live) -> Stored<bool>;
        async fn beat(kind: ServiceKind, session: Session, beats: u64) -> Stored<bool>;
        async fn end(kind: ServiceKind, session: Session, beats: Option<u64>) -> Stored<()>;
        async fn look(kind: ServiceKind) -> Stored<View>;
        async fn claim(session: Session, leases: Vec<Fence>) -> Stored<Vec<bool>>;
        async fn release(session: Session, leases: Vec<Fence>) -> Stored<()>;
        async fn stands(fence: Fence) -> Stored<bool>;
        async fn mark(fence: Fence, mark: u64) -> Stored<bool>;
    }
    KeeperStore as "keepers" {
        async fn put(keepers: Vec<KeeperRecord>) -> Stored<()>;
        async fn remove(keeper: KeeperId) -> Stored<()>;
        async fn all() -> Stored<Vec<KeeperRecord>>;
        async fn fault(keeper: KeeperId, task: TaskId) -> Stored<()>;
    }
    Ledger as "ledger" {
        async fn book(entries: Vec<LedgerEntry>) -> Stored<()>;
        async fn of_key(key: B256) -> Stored<Vec<LedgerEntry>>;
        async fn of_account(account: Address, limit: u32) -> Stored<Vec<LedgerEntry>>;
        async fn standings(board: Board, limit: u32) -> Stored<Vec<Standing>>;
        async fn standing(board: Board, account: Address) -> Stored<Standing>;
    }
    ModuleStore as "modules" {
        async fn put(record: ModuleRecord, publisher: Address) -> Stored<()>;
        async fn by_cid(cid: &Cid) -> Stored<Vec<(ModuleRecord, Address)>>;
    }
    KeyStore as "keys" {
        async fn put(key: ApiKey) -> Stored<()>;
        async fn by_hash(hash: B256) -> Stored<Option<ApiKey>>;
        async fn list(owner: Option<Address>) -> Stored<Vec<ApiKey>>;
        async fn update(id: &str, rate_limit: Option<u32>, revoked_at: Option<Timestamp>) -> Stored<Option<ApiKey>>;
        async fn remove_expired(now: Timestamp) -> Stored<()>;
        async fn used(id: &str, at: Timestamp) -> Stored<()>;
    }
    AnswerStore as "answers" {
        async fn begin(request: NamedRequest) -> Stored<Leave>;
        async fn finish(name: RequestName, holder: [u8; 16], answer: KeptAnswer, until: Timestamp) -> Stored<bool>;
        async fn give_up(name: RequestName, holder: [u8; 16]) -> Stored<()>;
    }
    Archive as "archive" {
        async fn put(name: B256, bytes: Bytes) -> Result<(), ContentError>;
        async fn get(name: B256) -> Result<Option<Bytes>, ContentError>;
        async fn put_state(state: &State) -> Result<(), ContentError>;
        async fn state(root: B256) -> Result<State, ContentError>;
    }
    DecisionStore as "decisions" {
        async fn note(looks: Vec<Look>, keep: u32) -> Stored<()>;
        async fn of_job(job: JobId, limit: u32) -> Stored<Vec<Decision>>;
    }
    ProfileStore as "profiles" {
        async fn profile(account: Address) -> Stored<Option<Profile>>;
        async fn change_profile(account: Address, change: ProfileChange) -> Stored<Profile>;
        async fn applicants(limit: u32) -> Stored<Vec<Profile>>;
    }
    WebhookStore as "webhooks" {
        async fn add_webhook(webhook: Webhook, most: u32) -> Stored<bool>;
        async fn webhook(id: &str) -> Stored<Option<Webhook>>;
        async fn webhooks_of(owner: Address) -> Stored<Vec<Webhook>>;
        async fn webhooks(after: Option<&str>, limit: u32) -> Stored<Vec<Webhook>>;
        async fn change_webhook(id: &str, url: Option<String>, kinds: Option<Vec<String>>, now: Timestamp) -> Stored<Option<Webhook>>;
        async fn remove_webhook(id: &str) -> Stored<()>;
        async fn take_webhook(id: &str, seen: Progress, until: Timestamp) -> Stored<bool>;
        async fn move_webhook(id: &str, progress: Progress, missed: Missed, kept: u32) -> Stored<()>;
        async fn dead_letters(id: &str) -> Stored<Vec<DeadLetter>>;
    }
    ClaimStore as "claims" {
        async fn claim(who: Vec<String>, now: Timestamp, until: Timestamp) -> Stored<Result<(), Timestamp>>;
        async fn unclaim(who: Vec<String>, until: Timestamp) -> Stored<()>;
        async fn nonce_key(fresh: [u8; 32]) -> Stored<[u8; 32]>;
    }
    RegistrationStore as "registrations" {
        async fn read_to(chain: ChainId, registry: Address) -> Stored<Option<u64>>;
        async fn set_read_to(chain: ChainId, registry: Address, block: u64) -> Stored<()>;
        async fn keep(found: Registration) -> Stored<()>;
        async fn forget(chain: ChainId, job: JobId) -> Stored<()>;
        async fn arrived(limit: u32) -> Stored<Vec<Registration>>;
        async fn list(job: Option<JobId>, orphans_until: Timestamp, after: After, limit: u32) -> Stored<Vec<Registration>>;
        async fn counts(orphans_until: Timestamp) -> Stored<RegistrationCounts>;
    }
    SecretStore as "secrets" {
        async fn put(job: JobId, name: SecretName, sealed: SealedSecret) -> Stored<()>;
        async fn of_job(job: JobId) -> Stored<Vec<(SecretName, SealedSecret)>>;
        async fn sealed_otherwise(key: [u8; 8], after: AfterSecret, limit: u32) -> Stored<Vec<StoredSecret>>;
        async fn replace(old: StoredSecret, new: SealedSecret) -> Stored<bool>;
        async fn remove(job: JobId, names: Grants) -> Stored<u32>;
    }
}
