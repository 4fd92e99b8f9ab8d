//! Reading records: from the rows that decide.

use argus_domain::{
    B256,
    ids::{ChainId, JobId},
    job::Job,
    keeper::KeeperRecord,
    lease::ServiceKind,
    task::Task,
    time::Timestamp,
};
use argus_ports::{
    KeyStore, LeaseStore, RequestName, Room, SecretStore, StoreError, WebhookStore,
    records::{NamedAnswer, PAGE_BYTES, Page, Record, RecordKind, StoredJob},
};
use futures::{FutureExt as _, future::BoxFuture};

use super::{
    scan::{Key, Place, partitions},
    within::Inner,
};
use crate::{
    answers,
    cell::{
        address, array, body, corrupt, hash, inexact, instant, job_id, ordered, task_id, unsigned, values,
    },
    session::{Statement, each},
    store::ScyllaStore,
};

/// Partitions read at the same time.
const AT_ONCE: usize = 32;

static JOBS: Statement = partitions!("jobs", "id");
static TASKS: Statement = partitions!("tasks", "id");
static DECISIONS: Statement = partitions!("decisions", "job");
static SECRETS: Statement = partitions!("secrets", "job");
static ACCOUNTS: Statement = partitions!("accounts", "account");
static MODULES: Statement = partitions!("modules", "source");
static API_KEYS: Statement = partitions!("api_keys", "hash");
static PROFILES: Statement = partitions!("profiles", "account");
static CLAIMS: Statement = partitions!("claims", "who");
static ANSWERS: Statement = partitions!("answers", "owner");
static ARCHIVE: Statement = partitions!("archive", "name");
static FAULTY: Statement = partitions!("faults", "keeper");

static VERSIONS: Statement =
    Statement::read("SELECT body FROM job_versions WHERE id = ? AND version < ? ORDER BY version");
static KEEPERS: Statement =
    Statement::read("SELECT keeper, body FROM keepers WHERE part = 0 AND keeper > ? LIMIT ?");
static REGISTRIES: Statement = Statement::read("SELECT chain, registry, read_to FROM registries");
static NONCE_KEY: Statement = Statement::decided("SELECT value FROM settings WHERE name = 'nonce key'");
static SERIALS: Statement = Statement::decided("SELECT next FROM serials WHERE name = 'jobs'");

/// What a partition comes to: its records, and about how many bytes they have.
type Read = (Vec<Record>, usize);

impl ScyllaStore {
    pub(super) async fn export_page(
        &self,
        kind: RecordKind,
        after: Option<&str>,
        at: Timestamp,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let some = (after, limit);
        match kind {
            RecordKind::Job => {
                if after.is_none() {
                    self.0.log.finish().await?;
                }
                self.of_partitions(&JOBS, some, |id: Vec<u8>| self.job_records(id).boxed()).await
            }
            RecordKind::Task => self.of_partitions(&TASKS, some, |id| self.task_records(id).boxed()).await,
            RecordKind::Decision => {
                self.of_partitions(&DECISIONS, some, |job| self.decision_records(job).boxed()).await
            }
            RecordKind::Secret => {
                self.of_partitions(&SECRETS, some, |job| self.secret_records(job).boxed()).await
            }
            RecordKind::Registry => self.registry_records().await,
            RecordKind::Registration => self.registration_page(after, limit).await,
            RecordKind::Change => self.change_page(after, limit).await,
            RecordKind::Keeper => self.keeper_page(after, limit).await,
            RecordKind::Fault => self.within_partitions(&FAULTY, some, Inner::Faults).await,
            RecordKind::Entry => self.within_partitions(&ACCOUNTS, some, Inner::Entries).await,
            RecordKind::Module => {
                self.of_partitions(&MODULES, some, |source: String| self.module_records(source).boxed()).await
            }
            RecordKind::ApiKey => {
                self.of_partitions(&API_KEYS, some, |hash| self.key_records(hash).boxed()).await
            }
            RecordKind::Profile => {
                self.of_partitions(&PROFILES, some, |account| self.profile_records(account).boxed()).await
            }
            RecordKind::Webhook => self.webhook_page(after, limit).await,
            RecordKind::Claim => {
                self.of_partitions(&CLAIMS, some, |who: String| self.claim_records(who, at).boxed()).await
            }
            RecordKind::NonceKey => {
                let row: Option<(Vec<u8>,)> = self.db().one(&NONCE_KEY, vec![]).await?;
                let key = row.map(|(key,)| array("value", &key).map(Record::NonceKey)).transpose()?;
                Ok(Page { records: key.into_iter().collect(), next: None })
            }
            RecordKind::Answer => {
                self.of_partitions(&ANSWERS, some, |owner| self.answer_records(owner, at).boxed()).await
            }
            RecordKind::Blob => {
                self.of_partitions(&ARCHIVE, some, |name| self.blob_records(name).boxed()).await
            }
            RecordKind::Lease => self.lease_records().await,
            RecordKind::Numbers => {
                let row: Option<(i32,)> = self.db().one(&SERIALS, vec![]).await?;
                let serial = row.map_or(Ok(1), |(next,)| unsigned("next", next))?;
                let position = self.0.log.read_newest().await?;
                Ok(Page { records: vec![Record::Numbers { serial, position }], next: None })
            }
        }
    }

    /// Whole partitions behind a place, some at a time, until there are enough.
    async fn of_partitions<'a, K: Key>(
        &'a self,
        statement: &Statement,
        (after, limit): (Option<&str>, u32),
        read: impl Fn(K) -> BoxFuture<'a, Result<Read, StoreError>>,
    ) -> Result<Page, StoreError> {
        let after = after.map(Place::read).transpose()?;
        let (keys, is_more) = self.partitions::<K>(statement, after.as_ref(), limit).await?;
        let (mut page, mut bytes) = (Page::default(), 0);
        let mut keys = keys.into_iter().peekable();
        while keys.peek().is_some() {
            let (some, places): (Vec<K>, Vec<Place>) = keys.by_ref().take(AT_ONCE).unzip();
            for (records, length) in each(AT_ONCE, some.into_iter().map(&read).collect()).await? {
                page.records.extend(records);
                bytes += length;
            }
            page.next = places.last().map(Place::text);
            if bytes >= PAGE_BYTES || page.records.len() >= limit as usize {
                break;
            }
        }
        if keys.peek().is_none() && !is_more {
            page.next = None;
        }
        Ok(page)
    }

    async fn job_records(&self, id: Vec<u8>) -> Result<Read, StoreError> {
        let id = job_id("id", &id)?;
        // A row may be no more than the claim of a creation that never came to be.
        let Some(head) = self.full(id).await? else { return Ok((Vec::new(), 0)) };
        // Of a process that died.
        self.keep_newest_task(&head).await?;
        let older: Vec<(Vec<u8>,)> = self.db().rows(&VERSIONS, values![id, head.version]).await?;
        let older: Vec<Job> = older.iter().map(|(bytes,)| body("body", bytes)).collect::<Result<_, _>>()?;
        let newest =
            head.newest.as_ref().map(|newest| body::<Task>("last_body", &newest.body)).transpose()?;
        let seq = self.0.log.newest_of(Room::Job(id)).await?;
        // A few KB each.
        let bytes = (older.len() + 1) << 12;
        let job = StoredJob { record: self.job_record(head).await?, older, newest, seq };
        Ok((vec![Record::Job(Box::new(job))], bytes))
    }

    async fn task_records(&self, id: Vec<u8>) -> Result<Read, StoreError> {
        let found = self.read_tasks(&[task_id("id", &id)?]).await?.into_iter().flatten();
        let records: Vec<Record> = found.map(Record::Task).collect();
        let facts = |record: &Record| if let Record::Task(record) = record { record.facts.len() } else { 0 };
        // About a KB each.
        let bytes = records.iter().map(|record| (facts(record) + 1) << 10).sum();
        Ok((records, bytes))
    }

    async fn decision_records(&self, job: Vec<u8>) -> Result<Read, StoreError> {
        let job = job_id("job", &job)?;
        let standing = self.head(job).await?.map(|head| head.serial);
        let rows = self.decisions(job, standing).await?;
        Ok((rows.into_iter().map(|row| Record::Decision(job, row)).collect(), 0))
    }

    async fn secret_records(&self, job: Vec<u8>) -> Result<Read, StoreError> {
        let job: JobId = job_id("job", &job)?;
        let rows = SecretStore::of_job(self, job).await?;
        Ok((rows.into_iter().map(|(name, sealed)| Record::Secret((job, name, sealed))).collect(), 0))
    }

    /// As many as registries: a few.
    async fn registry_records(&self) -> Result<Page, StoreError> {
        let rows: Vec<(i64, Vec<u8>, i64)> = self.db().rows(&REGISTRIES, vec![]).await?;
        let read = |(chain, registry, block): (i64, Vec<u8>, i64)| {
            let registry = address("registry", &registry)?;
            Ok(Record::Registry(ChainId(inexact(chain)), registry, block.unsigned_abs()))
        };
        let records = rows.into_iter().map(read).collect::<Result<_, StoreError>>()?;
        Ok(Page { records, next: None })
    }

    async fn registration_page(&self, after: Option<&str>, limit: u32) -> Result<Page, StoreError> {
        let after = after.map(Place::read).transpose()?;
        let after = match &after {
            Some(place) => Some((ChainId(inexact(place.token)), job_id("job", &place.key)?)),
            None => None,
        };
        let found = self.registrations_after(after, limit as usize).await?;
        let last = found.last().filter(|_| found.len() >= limit as usize);
        let next = last.map(|last| {
            let (token, key) = (crate::cell::exact(last.chain.0), crate::cell::of_job(last.job).to_vec());
            Place { token, key, within: String::new() }.text()
        });
        Ok(Page { records: found.into_iter().map(Record::Registration).collect(), next })
    }

    async fn change_page(&self, after: Option<&str>, limit: u32) -> Result<Page, StoreError> {
        let position = match after {
            Some(text) => text.parse().map_err(|_| corrupt("place", &format!("{text:?} is none")))?,
            None => 0,
        };
        let found = self.0.log.all_after(position, limit).await?;
        let next = found.last().filter(|_| found.len() >= limit as usize).map(|(last, _)| last.to_string());
        let records = found.into_iter().map(|(position, change)| Record::Change(position, change)).collect();
        Ok(Page { records, next })
    }

    async fn keeper_page(&self, after: Option<&str>, limit: u32) -> Result<Page, StoreError> {
        let after = after.map(Place::read).transpose()?.map_or_else(Vec::new, |place| place.key);
        let rows: Vec<(Vec<u8>, Vec<u8>)> = self.db().rows(&KEEPERS, values![after, limit]).await?;
        let last = rows.last().filter(|_| rows.len() >= limit as usize);
        let next =
            last.map(|(keeper, _)| Place { token: 0, key: keeper.clone(), within: String::new() }.text());
        let read = |(_, bytes): &(Vec<u8>, Vec<u8>)| {
            Ok(Record::Keeper(KeeperRecord { faults: 0, ..body("body", bytes)? }))
        };
        Ok(Page { records: rows.iter().map(read).collect::<Result<_, StoreError>>()?, next })
    }

    async fn module_records(&self, source: String) -> Result<Read, StoreError> {
        let found = argus_ports::ModuleStore::by_cid(self, &argus_domain::module::Cid(source)).await?;
        Ok((found.into_iter().map(|(record, publisher)| Record::Module(record, publisher)).collect(), 0))
    }

    async fn key_records(&self, name: Vec<u8>) -> Result<Read, StoreError> {
        let name: B256 = hash("hash", &name)?;
        Ok((self.by_hash(name).await?.map(Record::ApiKey).into_iter().collect(), 0))
    }

    async fn profile_records(&self, account: Vec<u8>) -> Result<Read, StoreError> {
        let account = address("account", &account)?;
        let found = argus_ports::ProfileStore::profile(self, account).await?;
        Ok((found.map(Record::Profile).into_iter().collect(), 0))
    }

    async fn webhook_page(&self, after: Option<&str>, limit: u32) -> Result<Page, StoreError> {
        let webhooks = self.webhooks(after, limit).await?;
        let next = webhooks.last().filter(|_| webhooks.len() >= limit as usize).map(|last| last.id.clone());
        let mut records = Vec::with_capacity(webhooks.len());
        for webhook in webhooks {
            let mut letters = self.dead_letters(&webhook.id).await?;
            letters.reverse();
            records.push(Record::Webhook(webhook, letters));
        }
        Ok(Page { records, next })
    }

    async fn claim_records(&self, who: String, at: Timestamp) -> Result<Read, StoreError> {
        let until = self.claimed_until(&who).await?.filter(|until| *until > at);
        Ok((until.map(|until| Record::Claim(who, until)).into_iter().collect(), 0))
    }

    async fn answer_records(&self, owner: Vec<u8>, at: Timestamp) -> Result<Read, StoreError> {
        let owner = address("owner", &owner)?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        for named in self.named_requests(owner).await? {
            let answers::Named { name, request, holder, until, answer } = named;
            if until <= ordered(at.0) {
                continue;
            }
            bytes += answer.as_ref().map_or(0, |answer| answer.body.len());
            records.push(Record::Answer(NamedAnswer {
                name: RequestName { owner, name },
                hash: hash("request", &request)?,
                holder: array("holder", &holder)?,
                until: instant(until),
                answer,
            }));
        }
        Ok((records, bytes))
    }

    async fn blob_records(&self, name: Vec<u8>) -> Result<Read, StoreError> {
        let name = hash("name", &name)?;
        let found = self.get_blob(name).await?;
        let length = found.as_ref().map_or(0, bytes::Bytes::len);
        Ok((found.map(|bytes| Record::Blob(name, bytes)).into_iter().collect(), length))
    }

    async fn lease_records(&self) -> Result<Page, StoreError> {
        let mut records = Vec::new();
        for kind in ServiceKind::ALL {
            let view = self.look(kind).await?;
            records
                .extend(view.leases.iter().map(|lease| Record::Lease(lease.shard, lease.token, lease.mark)));
        }
        Ok(Page { records, next: None })
    }
}
