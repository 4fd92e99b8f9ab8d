//! The one form of a record by which it is compared, whichever store it comes from. Every field of every record is named
//! here: one that is added does not compile before it is compared, too.

use argus_domain::{
    Address, B256, U256,
    decision::Outcome,
    ids::ChainId,
    job::JobRecord,
    keccak256,
    profile::Profile,
    registration::{Discrepancy, Registration},
    secret::SealedSecret,
    task::TaskRecord,
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{
    Change, ChangeKind, KeptAnswer, RequestName,
    records::{NamedAnswer, Record, StoredJob},
};
use argus_proto::{Wire, encode};

/// A record as it is compared.
pub(crate) struct Canonical {
    /// What it is told apart by within its kind, for people.
    pub key: String,
    body: Vec<u8>,
}

impl Canonical {
    pub(crate) fn of(record: &Record) -> Self {
        let mut body = Body(Vec::new());
        let key = write(record, &mut body);
        Self { key, body: body.0 }
    }

    /// Of key and body.
    pub(crate) fn hash(&self) -> B256 {
        let mut all = Body(Vec::with_capacity(self.body.len() + self.key.len() + 16));
        all.text(&self.key);
        all.bytes(&self.body);
        keccak256(&all.0)
    }
}

/// Fields one after the other, each of which says where it ends.
struct Body(Vec<u8>);

impl Body {
    fn number(&mut self, n: impl Into<u64>) {
        self.0.extend(n.into().to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        self.0.extend(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn wire<T: Wire>(&mut self, value: &T) {
        self.bytes(&encode(value));
    }

    fn maybe<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn all<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.number(u64::try_from(values.len()).unwrap_or(u64::MAX));
        values.iter().for_each(|value| write(self, value));
    }

    fn instant(&mut self, at: Timestamp) {
        self.number(at.0);
    }
}

/// Writes all fields; the key.
fn write(record: &Record, body: &mut Body) -> String {
    match record {
        Record::Job(job) => stored_job(job, body),
        Record::Task(TaskRecord { task, facts }) => {
            body.wire(task);
            body.all(facts, Body::wire);
            format!("task {}", task.id)
        }
        Record::Decision(job, decision) => {
            body.wire(decision);
            format!(
                "the decision about task {} of job {job}: {}",
                decision.task.0,
                outcome(&decision.outcome)
            )
        }
        Record::Secret((job, name, SealedSecret { key, bytes, set_at })) => {
            body.bytes(key);
            body.bytes(bytes);
            body.instant(*set_at);
            format!("secret {name} of job {job}")
        }
        Record::Registry(ChainId(chain), registry, block) => {
            body.number(*block);
            format!("registry {registry} of chain {chain}")
        }
        Record::Registration(found) => registration(found, body),
        Record::Change(position, change) => changed(*position, change, body),
        Record::Keeper(keeper) => {
            body.wire(keeper);
            format!("keeper {}", keeper.keeper)
        }
        Record::Fault(keeper, task) => format!("the fault of keeper {keeper} in task {task}"),
        Record::Entry(place, entry) => {
            body.wire(entry);
            format!("entry {place} of account {}", entry.account)
        }
        Record::Module(record, publisher) => {
            body.wire(record);
            format!("module {} ({}) of {publisher}", record.module.source.0, record.module.language)
        }
        Record::ApiKey(key) => {
            body.wire(key);
            format!("API key {} ({})", key.id, key.hash)
        }
        Record::Profile(said) => profile(said, body),
        Record::Webhook(receiver, letters) => webhook(receiver, letters, body),
        Record::Claim(who, until) => {
            body.instant(*until);
            format!("claim {who}")
        }
        Record::NonceKey(key) => {
            body.bytes(key);
            "the nonce key".to_owned()
        }
        Record::Answer(named) => answer(named, body),
        Record::Blob(name, bytes) => {
            body.bytes(bytes);
            format!("blob {name}")
        }
        Record::Lease(shard, token, mark) => {
            body.number(token.0);
            body.number(*mark);
            format!("the lease of shard {} of the {}", shard.no, shard.kind.name())
        }
        Record::Numbers { serial, position } => {
            body.number(*serial);
            body.number(*position);
            "what is given out next".to_owned()
        }
    }
}

fn stored_job(stored: &StoredJob, body: &mut Body) -> String {
    let StoredJob { record, older, newest, seq } = stored;
    let JobRecord { job, cursor, paused_at, deleted_at, updated_at, last_opened_at, charged } = record;
    body.all(older, Body::wire);
    body.wire(job);
    body.wire(cursor);
    body.maybe(*paused_at, Body::instant);
    body.maybe(*deleted_at, Body::instant);
    body.instant(*updated_at);
    body.maybe(*last_opened_at, Body::instant);
    amount(*charged, body);
    body.maybe(newest.as_ref(), Body::wire);
    body.number(*seq);
    format!("job {}", cursor.job)
}

/// By which decisions about one task are told apart.
fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::PassedOver { .. } => "passed over",
        Outcome::Held { .. } => "held",
        Outcome::Paused { .. } => "paused",
        Outcome::Expired => "expired",
        Outcome::Unfulfilled(_) => "not fulfilled",
        Outcome::StillFulfilled(_) => "still fulfilled",
        Outcome::Cooling { .. } => "cooling",
        Outcome::Unread { .. } => "not read",
        Outcome::Unmatched(_) => "not matched",
    }
}

fn amount(n: U256, body: &mut Body) {
    body.bytes(&n.to_be_bytes::<32>());
}

fn account(of: Address, body: &mut Body) {
    body.bytes(of.as_slice());
}

fn registration(found: &Registration, body: &mut Body) -> String {
    let Registration { chain, job, owner, block, transaction, at, discrepancy } = found;
    account(*owner, body);
    body.number(*block);
    body.bytes(transaction.as_slice());
    body.instant(*at);
    let (kind, stored) = match discrepancy {
        Discrepancy::Orphan => (1u8, None),
        Discrepancy::Gone => (2, None),
        Discrepancy::DeletedOnChain => (3, None),
        Discrepancy::OwnerDiffers(stored) => (4, Some(*stored)),
    };
    body.number(kind);
    body.maybe(stored, |body, stored| account(stored, body));
    format!("the registration of job {job} on chain {chain}")
}

fn changed(position: u64, change: &Change, body: &mut Body) -> String {
    let Change { job, owner, task, public_id, kind, seq, at } = change;
    amount(job.0, body);
    account(*owner, body);
    body.bytes(task.0.as_slice());
    body.number(*public_id);
    body.number(match kind {
        ChangeKind::Created => 1u8,
        ChangeKind::Settled => 2,
        ChangeKind::Broadcast => 3,
        ChangeKind::Received => 4,
        ChangeKind::Revoked => 5,
        ChangeKind::Confirmed => 6,
        ChangeKind::Lapsed => 7,
    });
    body.number(*seq);
    body.instant(*at);
    format!("change {position}")
}

fn profile(said: &Profile, body: &mut Body) -> String {
    let Profile { account: of, email, chat, name, rewards, on_imua, applied_at } = said;
    body.maybe(email.as_deref(), Body::text);
    body.maybe(*chat, |body, chat| body.number(u64::from_ne_bytes(chat.to_ne_bytes())));
    body.maybe(name.as_deref(), Body::text);
    body.maybe(*rewards, |body, rewards| account(rewards, body));
    body.number(u8::from(*on_imua));
    body.maybe(*applied_at, Body::instant);
    format!("the profile of {of}")
}

fn webhook(receiver: &Webhook, letters: &[DeadLetter], body: &mut Body) -> String {
    let Webhook { id, owner, url, kinds, created_at, progress, failure } = receiver;
    let Progress { position, failures, next_at } = progress;
    account(*owner, body);
    body.text(url);
    body.all(kinds, |body, kind| body.text(kind));
    body.instant(*created_at);
    body.number(*position);
    body.number(*failures);
    body.instant(*next_at);
    body.maybe(failure.as_ref(), |body, Failure { at, reason }| {
        body.instant(*at);
        body.text(reason);
    });
    body.all(letters, |body, DeadLetter { event, kind, task, at, reason }| {
        body.text(event);
        body.text(kind);
        body.bytes(task.0.as_slice());
        body.instant(*at);
        body.text(reason);
    });
    format!("webhook {id}")
}

fn answer(named: &NamedAnswer, body: &mut Body) -> String {
    let NamedAnswer { name: RequestName { owner, name }, hash, holder, until, answer } = named;
    body.bytes(hash.as_slice());
    body.bytes(holder);
    body.instant(*until);
    body.maybe(answer.as_ref(), |body, KeptAnswer { status, body: bytes }| {
        body.number(*status);
        body.bytes(bytes);
    });
    format!("the request {name} of {owner}")
}
