//! What the store holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use argus_domain::{
    Address, B256,
    access::ApiKey,
    decision::Decision,
    fees::{Board, LedgerEntry, Standing},
    ids::{ChainId, JobId, KeeperId, Serial, TaskId},
    job::{Job, JobRecord},
    keeper::KeeperRecord,
    lease::{Lease, Live, MemberId, ServiceKind, Shard},
    module::ModuleRecord,
    profile::Profile,
    registration::Registration,
    secret::{SealedSecret, SecretName},
    task::{FactKey, TaskRecord},
    time::Timestamp,
    webhook::{DeadLetter, Webhook},
};
use argus_ports::{RequestName, StoreError};

use crate::{answers, lock};

/// Jobs, tasks, decisions, registrations, keepers, ledger, modules, API keys, encrypted secrets, kept answers, profiles,
/// webhooks and leases. Clones share one state.
#[derive(Clone, Default)]
pub struct MemoryStore(Arc<Mutex<State>>);

#[derive(Default)]
pub(crate) struct State {
    pub jobs: BTreeMap<JobId, JobEntry>,
    pub by_serial: BTreeMap<Serial, JobId>,
    pub tasks: BTreeMap<TaskId, TaskEntry>,
    pub by_number: BTreeMap<u64, TaskId>,
    pub unfinished: BTreeSet<TaskId>,
    pub keepers: BTreeMap<KeeperId, KeeperRecord>,
    pub faults: BTreeSet<(KeeperId, TaskId)>,
    pub ledger: Vec<LedgerEntry>,
    pub modules: Vec<(ModuleRecord, Address)>,
    pub keys: Vec<ApiKey>,
    pub decisions: BTreeMap<JobId, Vec<Decision>>,
    pub registries: BTreeMap<(ChainId, Address), u64>,
    pub registrations: BTreeMap<(ChainId, JobId), Registration>,
    pub secrets: BTreeMap<(JobId, SecretName), SealedSecret>,
    pub answers: BTreeMap<RequestName, answers::Entry>,
    pub profiles: BTreeMap<Address, Profile>,
    pub claims: BTreeMap<String, Timestamp>,
    pub nonce_key: Option<[u8; 32]>,
    pub webhooks: BTreeMap<String, (Webhook, Vec<DeadLetter>)>,
    pub sessions: BTreeMap<(ServiceKind, MemberId), Live>,
    pub leases: BTreeMap<Shard, Lease>,
    refusal: Option<StoreError>,
}

pub(crate) struct JobEntry {
    /// The scheduler's.
    pub shard: u16,
    pub record: JobRecord,
    pub versions: BTreeMap<u32, Arc<Job>>,
}

pub(crate) struct TaskEntry {
    pub record: TaskRecord,
    pub keys: BTreeMap<FactKey, usize>,
    // As they were when the task was opened.
    pub owner: Address,
    pub safe: Option<Address>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every write is answered with this error and changes nothing, as by a full disk; reads go on.
    /// `None` heals it.
    pub fn refuse_writes(&self, with: Option<StoreError>) {
        self.read().refusal = with;
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    pub(crate) fn write(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.read();
        match &state.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(state),
        }
    }
}

impl State {
    /// Books those that are not there yet.
    pub(crate) fn book(&mut self, entries: Vec<LedgerEntry>) {
        for entry in entries {
            let same = |old: &LedgerEntry| {
                old.key == entry.key && old.reason == entry.reason && old.account == entry.account
            };
            if !self.ledger.iter().any(same) {
                self.ledger.push(entry);
            }
        }
    }

    pub(crate) fn standings(&self, board: Board) -> BTreeMap<Address, Standing> {
        let mut standings = BTreeMap::new();
        for entry in self.ledger.iter().filter(|entry| entry.reason.board() == board) {
            let standing = standings.entry(entry.account).or_insert_with(|| Standing::none(entry.account));
            standing.count(entry.reason, entry.amount);
        }
        standings
    }

    pub(crate) fn key_by_hash(&self, hash: B256) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.hash == hash)
    }
}
