//! Writing records. Nobody else writes, but processes will: rows that decide and are written by lightweight transactions
//! come by such ones here, too, so that what comes later is newer, whatever the nodes' clocks say.

use std::collections::BTreeMap;

use argus_domain::{
    Address,
    fees::LedgerEntry,
    ids::{JobId, Serial},
    job::JobRecord,
    lease::{Shard, Token},
    profile::Profile,
    task::TaskRecord,
    time::Timestamp,
};
use argus_ports::{
    Change, ClaimStore, KeeperStore, KeyStore, Ledger, ModuleStore, RegistrationStore, SecretStore,
    StoreError,
    records::{Record, StoredJob},
};
use futures::{FutureExt as _, future::BoxFuture};

use crate::{
    cell::{corrupt, exact, ordered, values},
    due,
    job_rows::{Head, Newest},
    leases,
    session::{Cas, Statement, each, fresh},
    store::ScyllaStore,
};

/// Records written at the same time.
const AT_ONCE: usize = 32;

/// Conditional, as whoever takes the next serials compares with it.
static GIVEN_SERIALS: Statement = Statement::conditional(
    "INSERT INTO serials (name, creation, first, next) VALUES ('jobs', ?, ?, ?) IF NOT EXISTS",
);
/// Conditional, as all writes of leases.
static TOKEN: Statement =
    Statement::conditional("INSERT INTO leases (kind, shard, taken, mark) VALUES (?, ?, ?, ?) IF NOT EXISTS");

impl ScyllaStore {
    pub(super) async fn import_all(&self, records: Vec<Record>, at: Timestamp) -> Result<(), StoreError> {
        let mut parted = Parted::default();
        let mut alone: Vec<BoxFuture<'_, Result<(), StoreError>>> = Vec::new();
        for record in records {
            match record {
                // What goes together in one step, or has an order.
                Record::Change(position, change) => parted.changes.push((position, change)),
                Record::Entry(_, entry) => parted.entries.push(entry),
                Record::Decision(job, decision) => parted.decisions.entry(job).or_default().push(decision),
                Record::Keeper(keeper) => parted.keepers.push(keeper),
                Record::Answer(named) => parted.answers.entry(named.name.owner).or_default().push(named),
                Record::Webhook(webhook, letters) => {
                    parted.webhooks.entry(webhook.owner).or_default().push((webhook, letters));
                }
                // Each by itself.
                Record::Job(job) => alone.push(self.import_job(*job).boxed()),
                Record::Task(record) => alone.push(self.import_task(record).boxed()),
                Record::Secret((job, name, sealed)) => alone.push(SecretStore::put(self, job, name, sealed)),
                Record::Registry(chain, registry, block) => {
                    alone.push(self.set_read_to(chain, registry, block))
                }
                Record::Registration(found) => alone.push(self.keep(found)),
                Record::Fault(keeper, task) => alone.push(self.fault(keeper, task)),
                Record::Module(record, publisher) => alone.push(ModuleStore::put(self, record, publisher)),
                Record::ApiKey(key) => alone.push(KeyStore::put(self, key)),
                Record::Profile(said) => alone.push(self.import_profile(said).boxed()),
                Record::Claim(who, until) => alone.push(self.import_claim(who, until, at).boxed()),
                Record::NonceKey(key) => {
                    alone.push(async move { self.nonce_key(key).await.map(drop) }.boxed())
                }
                Record::Blob(name, bytes) => {
                    alone.push(async move { self.put_blob(name, &bytes).await }.boxed());
                }
                Record::Lease(shard, token, mark) => {
                    alone.push(self.import_lease(shard, token, mark).boxed())
                }
                Record::Numbers { serial, position } => {
                    alone.push(self.import_numbers(serial, position).boxed());
                }
            }
        }
        each(AT_ONCE, alone).await?;
        self.import_parted(parted).await
    }

    async fn import_parted(&self, parted: Parted) -> Result<(), StoreError> {
        let Parted { changes, entries, decisions, keepers, answers, webhooks } = parted;
        self.0.log.put_as_they_are(&changes).await?;
        Ledger::book(self, entries).await?;
        KeeperStore::put(self, keepers).await?;
        let decided = decisions.into_iter().map(|(job, rows)| self.put_decisions(job, rows).boxed());
        each(AT_ONCE, decided.collect()).await?;
        let named = answers.into_iter().map(|(owner, named)| self.put_named(owner, named).boxed());
        each(AT_ONCE, named.collect()).await?;
        let received = webhooks.into_iter().map(|(owner, all)| self.put_webhooks(owner, all).boxed());
        each(AT_ONCE, received.collect()).await.map(drop)
    }

    /// What leads to a job first, then its row.
    async fn import_job(&self, stored: StoredJob) -> Result<(), StoreError> {
        let StoredJob { record, older, newest, seq } = stored;
        let JobRecord { job, cursor, paused_at, deleted_at, updated_at, last_opened_at, .. } = record;
        let first = older.iter().find(|version| version.serial == job.serial);
        let newest = newest.map(|task| Newest {
            number: task.number.0,
            id: task.id,
            body: argus_proto::encode(&task),
        });
        let head = Head {
            first_version: first.map_or(job.version, |first| first.version),
            paused_at,
            deleted_at,
            updated_at,
            last_opened_at,
            newest,
            ..Head::of(&job, cursor, 1)
        };
        for version in older.iter().chain([&job]) {
            self.keep_version(version.id, version.version, &argus_proto::encode(version)).await?;
        }
        self.put_in_lists(&head).await?;
        due::put(self, &head).await?;
        self.0.log.put_end(job.id, seq).await?;
        self.insert(&head, &job).await
    }

    /// The task itself and what leads to it, then its facts.
    async fn import_task(&self, TaskRecord { task, facts }: TaskRecord) -> Result<(), StoreError> {
        let version = self.find_version(task.job, task.job_version).await?.ok_or_else(|| {
            let missing = format!("version {} of the job of task {} is not there", task.job_version, task.id);
            corrupt("job_version", &missing)
        })?;
        let safe = version.safe.as_ref().map(|safe| safe.address);
        self.put_task_in_lists(&task, version.owner, safe).await?;
        self.keep_task(&task).await?;
        self.put_facts(&task, facts).await
    }

    async fn import_profile(&self, said: Profile) -> Result<(), StoreError> {
        self.first_profile(&said).await
    }

    async fn import_lease(&self, shard: Shard, token: Token, mark: u64) -> Result<(), StoreError> {
        let cells = values![leases::number(shard.kind), shard.no, ordered(token.0), exact(mark)];
        match self.db().cas(&TOKEN, cells).await? {
            Cas::Applied | Cas::Refused => Ok(()),
            Cas::Unknown(why) => Err(why),
        }
    }

    async fn import_numbers(&self, serial: u32, position: u64) -> Result<(), StoreError> {
        if Serial(serial) > Serial(1) {
            // A creation that nobody began: those whose serials came before have them.
            let cells = values![fresh::<16>()?, serial, serial];
            if let Cas::Unknown(why) = self.db().cas(&GIVEN_SERIALS, cells).await? {
                return Err(why);
            }
        }
        self.0.log.end_at(position).await
    }
}

/// Records that are written together.
#[derive(Default)]
struct Parted {
    changes: Vec<(u64, Change)>,
    entries: Vec<LedgerEntry>,
    decisions: BTreeMap<JobId, Vec<argus_domain::decision::Decision>>,
    keepers: Vec<argus_domain::keeper::KeeperRecord>,
    answers: BTreeMap<Address, Vec<argus_ports::records::NamedAnswer>>,
    webhooks:
        BTreeMap<Address, Vec<(argus_domain::webhook::Webhook, Vec<argus_domain::webhook::DeadLetter>)>>,
}
