//! All that a platform's store holds, as records: for moving it from one store to another while the platform is stopped.
//!
//! Tables differ between stores, and much of what lies in them follows from the rest (lists, sums, what is due). A record
//! is what does not follow: one thing that the platform would have written, whole, under one key. A store that is given a
//! record writes all that follows from it, too.
//!
//! Left out is what belongs to running processes: their sessions, who holds which lease, writes that were begun and not
//! decided. The tokens of leases are records: they never go down, in the next store neither.

use argus_domain::{
    Address, B256,
    access::ApiKey,
    decision::Decision,
    fees::LedgerEntry,
    ids::{ChainId, JobId, KeeperId, TaskId},
    job::{Job, JobRecord},
    keeper::KeeperRecord,
    lease::{Shard, Token},
    module::ModuleRecord,
    profile::Profile,
    registration::Registration,
    task::{Task, TaskRecord},
    time::Timestamp,
    webhook::{DeadLetter, Webhook},
};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    StoreError,
    answers::{KeptAnswer, RequestName},
    secret::StoredSecret,
    store::Change,
};

/// Bytes of bodies after which a page ends, however few records it has.
pub const PAGE_BYTES: usize = 4 << 20;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What a record is of, in the order in which records are written: those that others refer to come first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum RecordKind {
            $($(#[$doc])* $kind,)*
        }

        impl RecordKind {
            /// All of them, in their order.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// Its name for people, in the plural.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// [`Record::Job`]
    Job = "jobs",
    /// [`Record::Task`]
    Task = "tasks",
    /// [`Record::Decision`]
    Decision = "decisions",
    /// [`Record::Secret`]
    Secret = "secrets",
    /// [`Record::Registry`]
    Registry = "registries",
    /// [`Record::Registration`]
    Registration = "registrations",
    /// [`Record::Change`]
    Change = "changes",
    /// [`Record::Keeper`]
    Keeper = "keepers",
    /// [`Record::Fault`]
    Fault = "faults",
    /// [`Record::Entry`]
    Entry = "ledger entries",
    /// [`Record::Module`]
    Module = "modules",
    /// [`Record::ApiKey`]
    ApiKey = "API keys",
    /// [`Record::Profile`]
    Profile = "profiles",
    /// [`Record::Webhook`]
    Webhook = "webhooks",
    /// [`Record::Claim`]
    Claim = "claims",
    /// [`Record::NonceKey`]
    NonceKey = "nonce keys",
    /// [`Record::Answer`]
    Answer = "kept answers",
    /// [`Record::Blob`]
    Blob = "blobs",
    /// [`Record::Lease`]
    Lease = "lease tokens",
    /// [`Record::Numbers`]
    Numbers = "numbers",
}

/// A job with all of its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredJob {
    /// Its newest version, and how it stands. What it was charged follows from its tasks' facts, and is there to be
    /// compared.
    pub record: JobRecord,
    /// The versions under its id before that by number, also those of jobs whose place it has taken, which have other
    /// serials.
    pub older: Vec<Job>,
    /// Its newest task, which comes by itself, too.
    pub newest: Option<Task>,
    /// `seq` of its newest change, also where that one is not kept any more.
    pub seq: u64,
}

/// A request by name, with its answer if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAnswer {
    /// Under which name.
    pub name: RequestName,
    /// Hash of all that it asks for.
    pub hash: B256,
    /// Who carries it out, or did.
    pub holder: [u8; 16],
    /// From then on it counts for nothing.
    pub until: Timestamp,
    /// `None`: it is being carried out.
    pub answer: Option<KeptAnswer>,
}

/// One thing that a store holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A job that stands, deleted or not.
    Job(Box<StoredJob>),
    /// A task with its facts in the order of their recording. It is listed under owner and Safe of its job's version.
    Task(TaskRecord),
    /// Why a job did not fire.
    Decision(JobId, Decision),
    /// A secret as it is sealed.
    Secret(StoredSecret),
    /// How far a registry has been read.
    Registry(ChainId, Address, u64),
    /// A registration that is not as what is stored.
    Registration(Registration),
    /// A change, at its position among all.
    Change(u64, Change),
    /// A keeper, without its faults.
    Keeper(KeeperRecord),
    /// A keeper's fault.
    Fault(KeeperId, TaskId),
    /// A row of the ledger with its place among those of its account, from 1.
    Entry(u64, LedgerEntry),
    /// A published script and who published it.
    Module(ModuleRecord, Address),
    /// An API key, by its hash.
    ApiKey(ApiKey),
    /// What somebody says of themselves.
    Profile(Profile),
    /// A receiver of changes with what it did not take, oldest first.
    Webhook(Webhook, Vec<DeadLetter>),
    /// Who has it until when, of what only one may have.
    Claim(String, Timestamp),
    /// The key under which nonces are made.
    NonceKey([u8; 32]),
    /// A request by name.
    Answer(NamedAnswer),
    /// A private blob.
    Blob(B256, Bytes),
    /// The newest token of a lease, with its mark.
    Lease(Shard, Token, u64),
    /// What is given out next.
    Numbers {
        /// The serial of the next job.
        serial: u32,
        /// The highest position that a change has had.
        position: u64,
    },
}

impl Record {
    /// What it is of.
    pub fn kind(&self) -> RecordKind {
        match self {
            Self::Job(_) => RecordKind::Job,
            Self::Task(_) => RecordKind::Task,
            Self::Decision(..) => RecordKind::Decision,
            Self::Secret(_) => RecordKind::Secret,
            Self::Registry(..) => RecordKind::Registry,
            Self::Registration(_) => RecordKind::Registration,
            Self::Change(..) => RecordKind::Change,
            Self::Keeper(_) => RecordKind::Keeper,
            Self::Fault(..) => RecordKind::Fault,
            Self::Entry(..) => RecordKind::Entry,
            Self::Module(..) => RecordKind::Module,
            Self::ApiKey(_) => RecordKind::ApiKey,
            Self::Profile(_) => RecordKind::Profile,
            Self::Webhook(..) => RecordKind::Webhook,
            Self::Claim(..) => RecordKind::Claim,
            Self::NonceKey(_) => RecordKind::NonceKey,
            Self::Answer(_) => RecordKind::Answer,
            Self::Blob(..) => RecordKind::Blob,
            Self::Lease(..) => RecordKind::Lease,
            Self::Numbers { .. } => RecordKind::Numbers,
        }
    }
}

/// Some records of a kind.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// In the store's order. There may be none although others follow.
    pub records: Vec<Record>,
    /// Where the next page begins; `None`: there are no more.
    pub next: Option<String>,
}

/// What a store knows of a copy that was made into it, or is being made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyMark {
    /// [`RecordStore::identity`] of the store that it is a copy of.
    pub source: String,
    /// How far it is.
    pub stage: CopyStage,
    /// Records that were written.
    pub records: u64,
}

/// How far a copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopyStage {
    /// All kinds before this one were written, and of this one all up to here.
    Writing(RecordKind, Option<String>),
    /// All were written; whether both stores hold the same is not known yet.
    Comparing,
    /// Both held the same.
    Done,
}

/// A store as records. For one caller, while nobody else uses the store.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Who this store is, the same for ever and for nobody else: the first name that it was given.
    async fn identity(&self, fresh: String) -> Result<String, StoreError>;

    /// Records of a kind after a place ([`Page::next`]), in an order of the store's own in which each keeps its place,
    /// about `limit` of them and no more than some over [`PAGE_BYTES`]. Claims and requests that are over at `at` are left
    /// out. What a process that died left half done is brought to its end in passing, as by anybody who reads.
    async fn export(
        &self,
        kind: RecordKind,
        after: Option<String>,
        at: Timestamp,
        limit: u32,
    ) -> Result<Page, StoreError>;

    /// Writes records of one kind, with all that follows from them, into a store that holds nothing else than records of
    /// the same source, and all of the kinds before. Idempotent. In order where records of a kind have one.
    async fn import(&self, records: Vec<Record>, at: Timestamp) -> Result<(), StoreError>;

    /// What is known of a copy into this store; `None`: there was none.
    async fn copy_mark(&self) -> Result<Option<CopyMark>, StoreError>;

    /// Notes how far a copy is. Idempotent.
    async fn set_copy_mark(&self, mark: CopyMark) -> Result<(), StoreError>;
}
