//! Receivers of changes. All of an owner's lie in one partition with what they did not take, and each step is one
//! conditional write to it.

use argus_domain::{
    Address,
    time::Timestamp,
    webhook::{DeadLetter, Failure, Progress, Webhook},
};
use argus_ports::{StoreError, WebhookStore};
use async_trait::async_trait;
use scylla::DeserializeRow;

use crate::{
    cell::{address, corrupt, instant, ordered, task_id, there, values},
    jobs::crowded,
    session::{Bound, Cas, Statement, token},
    store::ScyllaStore,
};

/// How often a step is tried that others come before.
const TRIES: u32 = 64;

macro_rules! partition {
    () => {
        "SELECT id, letter, stamp, url, kinds, created_at, position, failures, next_at, failed_at, failed_because, place,
                kind, task, at, reason FROM webhooks WHERE owner = ?"
    };
}

static READ: Statement = Statement::read(partition!());
static DECIDED: Statement = Statement::decided("SELECT writer FROM webhooks WHERE owner = ? LIMIT 1");
/// Conditional, because an owner has so many at most, and because deliveries and changes of a receiver meet.
static FIRST: Statement =
    Statement::conditional("UPDATE webhooks SET stamp = ?, writer = ? WHERE owner = ? IF stamp = null");
/// As [`FIRST`].
static NEXT: Statement =
    Statement::conditional("UPDATE webhooks SET stamp = ?, writer = ? WHERE owner = ? IF stamp = ?");
static PUT: Statement = Statement::write(
    "INSERT INTO webhooks (owner, id, letter, url, kinds, created_at, position, failures, next_at, failed_at,
                           failed_because) VALUES (?, ?, '', ?, ?, ?, ?, ?, ?, ?, ?)",
);
static PUT_LETTER: Statement = Statement::write(
    "INSERT INTO webhooks (owner, id, letter, place, kind, task, at, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
);
static REMOVE: Statement = Statement::write("DELETE FROM webhooks WHERE owner = ? AND id = ?");
static REMOVE_LETTER: Statement =
    Statement::write("DELETE FROM webhooks WHERE owner = ? AND id = ? AND letter = ?");
static PUT_ID: Statement = Statement::write("INSERT INTO webhook_ids (part, id, owner) VALUES (0, ?, ?)");
static REMOVE_ID: Statement = Statement::write("DELETE FROM webhook_ids WHERE part = 0 AND id = ?");
static OWNER: Statement = Statement::read("SELECT owner FROM webhook_ids WHERE part = 0 AND id = ?");
static IDS: Statement =
    Statement::read("SELECT id, owner FROM webhook_ids WHERE part = 0 AND id > ? LIMIT ?");

#[derive(DeserializeRow)]
struct Cells {
    id: Option<String>,
    letter: Option<String>,
    stamp: Option<i64>,
    url: Option<String>,
    kinds: Option<String>,
    created_at: Option<i64>,
    position: Option<i64>,
    failures: Option<i32>,
    next_at: Option<i64>,
    failed_at: Option<i64>,
    failed_because: Option<String>,
    place: Option<i64>,
    kind: Option<String>,
    task: Option<Vec<u8>>,
    at: Option<i64>,
    reason: Option<String>,
}

/// A letter of a receiver, in its place among those that were given up.
struct Letter {
    of: String,
    place: i64,
    letter: DeadLetter,
}

/// An owner's partition.
struct Partition {
    owner: Address,
    stamp: Option<i64>,
    webhooks: Vec<Webhook>,
    letters: Vec<Letter>,
}

impl Partition {
    fn read(owner: Address, rows: Vec<Cells>) -> Result<Self, StoreError> {
        let mut partition = Self { owner, stamp: None, webhooks: Vec::new(), letters: Vec::new() };
        for cells in rows {
            partition.stamp = partition.stamp.or(cells.stamp);
            match (cells.id.clone(), cells.letter.clone()) {
                (Some(id), Some(event)) if event.is_empty() => {
                    partition.webhooks.push(webhook(owner, id, cells)?);
                }
                (Some(of), Some(event)) => {
                    let place = there("place", cells.place)?;
                    partition.letters.push(Letter { of, place, letter: letter(event, cells)? });
                }
                _ => {}
            }
        }
        Ok(partition)
    }

    fn find(&self, id: &str) -> Option<&Webhook> {
        self.webhooks.iter().find(|webhook| webhook.id == id)
    }

    fn put(&self, webhook: &Webhook) -> Bound {
        let failure = webhook.failure.as_ref();
        let cells = values![
            self.owner,
            &webhook.id,
            &webhook.url,
            webhook.kinds.join(" "),
            webhook.created_at,
            ordered(webhook.progress.position),
            webhook.progress.failures,
            webhook.progress.next_at,
            failure.map(|failure| failure.at),
            failure.map(|failure| failure.reason.as_str()),
        ];
        (&PUT, cells)
    }
}

fn webhook(owner: Address, id: String, cells: Cells) -> Result<Webhook, StoreError> {
    let failures = there("failures", cells.failures)?;
    let failure = match (cells.failed_at, cells.failed_because) {
        (Some(at), Some(reason)) => Some(Failure { at: instant(at), reason }),
        _ => None,
    };
    Ok(Webhook {
        id,
        owner,
        url: there("url", cells.url)?,
        kinds: cells.kinds.unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        created_at: instant(there("created_at", cells.created_at)?),
        progress: Progress {
            position: there("position", cells.position)?.unsigned_abs(),
            failures: u16::try_from(failures).map_err(|e| corrupt("failures", &e.to_string()))?,
            next_at: instant(there("next_at", cells.next_at)?),
        },
        failure,
    })
}

fn letter(event: String, cells: Cells) -> Result<DeadLetter, StoreError> {
    Ok(DeadLetter {
        event,
        kind: there("kind", cells.kind)?,
        task: task_id("task", &there("task", cells.task)?)?,
        at: instant(there("at", cells.at)?),
        reason: there("reason", cells.reason)?,
    })
}

/// What a step comes to.
enum Step<T> {
    /// These rows are written, and that is told.
    Write(Vec<Bound>, T),
    /// Nothing is written.
    Leave(T),
}

impl ScyllaStore {
    async fn partition(&self, owner: Address) -> Result<Partition, StoreError> {
        let rows = self.db().rows(&READ, values![owner]).await?;
        Partition::read(owner, rows)
    }

    /// Writes what follows from an owner's partition, provided that nobody else has written to it since.
    async fn step<T>(
        &self,
        owner: Address,
        decide: impl Fn(&Partition) -> Step<T> + Send + Sync,
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES {
            let partition = self.partition(owner).await?;
            let (rows, told) = match decide(&partition) {
                Step::Write(rows, told) => (rows, told),
                Step::Leave(told) => return Ok(told),
            };
            let token = token()?;
            let next = partition.stamp.unwrap_or_default().saturating_add(1);
            let first = match partition.stamp {
                Some(stamp) => (&NEXT, values![next, token, owner, stamp]),
                None => (&FIRST, values![next, token, owner]),
            };
            let step = [first].into_iter().chain(rows).collect();
            let is_written = match self.db().cas_all(step).await? {
                Cas::Applied => true,
                Cas::Refused => false,
                Cas::Unknown(why) => {
                    let row: Option<(Option<i64>,)> = self.db().one(&DECIDED, values![owner]).await?;
                    match row {
                        Some((Some(by),)) if by == token => true,
                        // Later steps hide whether this one was made.
                        _ if self.partition(owner).await?.stamp > Some(next) => return Err(why),
                        _ => false,
                    }
                }
            };
            if is_written {
                return Ok(told);
            }
        }
        Err(crowded("this owner's webhooks"))
    }

    /// Keeps receivers that were made elsewhere, with what they did not take, oldest first.
    pub(crate) async fn put_webhooks(
        &self,
        owner: Address,
        all: Vec<(Webhook, Vec<DeadLetter>)>,
    ) -> Result<(), StoreError> {
        for (webhook, letters) in all {
            self.db().write(&PUT_ID, values![&webhook.id, owner]).await?;
            self.step(owner, |partition| {
                let put = |(letter, place): (&DeadLetter, i64)| put_letter(owner, &webhook.id, letter, place);
                let letters = letters.iter().zip(1..).map(put);
                Step::Write([partition.put(&webhook)].into_iter().chain(letters).collect(), ())
            })
            .await?;
        }
        Ok(())
    }

    async fn owner_of(&self, id: &str) -> Result<Option<Address>, StoreError> {
        let row: Option<(Vec<u8>,)> = self.db().one(&OWNER, values![id]).await?;
        row.map(|(owner,)| address("owner", &owner)).transpose()
    }
}

#[async_trait]
impl WebhookStore for ScyllaStore {
    async fn add_webhook(&self, webhook: Webhook, most: u32) -> Result<bool, StoreError> {
        if let Some(owner) = self.owner_of(&webhook.id).await?
            && self.partition(owner).await?.find(&webhook.id).is_some()
        {
            return Ok(true);
        }
        // Before the receiver itself: whoever reads this looks at that.
        self.db().write(&PUT_ID, values![&webhook.id, webhook.owner]).await?;
        self.step(webhook.owner, |partition| {
            if partition.find(&webhook.id).is_some() {
                return Step::Leave(true);
            }
            if partition.webhooks.len() >= most as usize {
                return Step::Leave(false);
            }
            Step::Write(vec![partition.put(&webhook)], true)
        })
        .await
    }

    async fn webhook(&self, id: &str) -> Result<Option<Webhook>, StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(None) };
        Ok(self.partition(owner).await?.find(id).cloned())
    }

    async fn webhooks_of(&self, owner: Address) -> Result<Vec<Webhook>, StoreError> {
        let mut webhooks = self.partition(owner).await?.webhooks;
        webhooks.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(webhooks)
    }

    async fn webhooks(&self, after: Option<&str>, limit: u32) -> Result<Vec<Webhook>, StoreError> {
        let mut after = after.unwrap_or_default().to_owned();
        let mut found = Vec::new();
        loop {
            let rows: Vec<(String, Vec<u8>)> = self.db().rows(&IDS, values![&after, limit]).await?;
            let Some((last, _)) = rows.last() else { return Ok(found) };
            after.clone_from(last);
            for (id, owner) in rows {
                let partition = self.partition(address("owner", &owner)?).await?;
                found.extend(partition.find(&id).cloned());
                if found.len() >= limit as usize {
                    return Ok(found);
                }
            }
        }
    }

    async fn change_webhook(
        &self,
        id: &str,
        url: Option<String>,
        kinds: Option<Vec<String>>,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(None) };
        self.step(owner, |partition| {
            let Some(known) = partition.find(id) else { return Step::Leave(None) };
            let mut webhook = known.clone();
            webhook.url = url.clone().unwrap_or(webhook.url);
            webhook.kinds = kinds.clone().unwrap_or(webhook.kinds);
            (webhook.progress.failures, webhook.progress.next_at) = (0, now);
            Step::Write(vec![partition.put(&webhook)], Some(webhook))
        })
        .await
    }

    async fn remove_webhook(&self, id: &str) -> Result<(), StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(()) };
        self.step(owner, |partition| match partition.find(id) {
            Some(_) => Step::Write(vec![(&REMOVE, values![owner, id])], ()),
            None => Step::Leave(()),
        })
        .await?;
        self.db().write(&REMOVE_ID, values![id]).await
    }

    async fn take_webhook(&self, id: &str, seen: Progress, until: Timestamp) -> Result<bool, StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(false) };
        self.step(owner, |partition| match partition.find(id) {
            Some(known) if known.progress == seen => {
                let progress = Progress { next_at: until, ..seen };
                Step::Write(vec![partition.put(&Webhook { progress, ..known.clone() })], true)
            }
            Some(_) | None => Step::Leave(false),
        })
        .await
    }

    async fn move_webhook(
        &self,
        id: &str,
        progress: Progress,
        (failure, dead): (Option<Failure>, Option<DeadLetter>),
        kept: u32,
    ) -> Result<(), StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(()) };
        self.step(owner, |partition| {
            let known = partition.find(id).filter(|known| known.progress.position <= progress.position);
            let Some(known) = known else { return Step::Leave(()) };
            let failure = failure.clone().or(known.failure.clone());
            let mut rows = vec![partition.put(&Webhook { progress, failure, ..known.clone() })];
            rows.extend(letters(partition, id, dead.as_ref(), kept as usize));
            Step::Write(rows, ())
        })
        .await
    }

    async fn dead_letters(&self, id: &str) -> Result<Vec<DeadLetter>, StoreError> {
        let Some(owner) = self.owner_of(id).await? else { return Ok(Vec::new()) };
        let partition = self.partition(owner).await?;
        let mut letters: Vec<Letter> = partition.letters.into_iter().filter(|one| one.of == id).collect();
        letters.sort_by_key(|letter| std::cmp::Reverse(letter.place));
        Ok(letters.into_iter().map(|letter| letter.letter).collect())
    }
}

fn put_letter(owner: Address, id: &str, letter: &DeadLetter, place: i64) -> Bound {
    let cells =
        values![owner, id, &letter.event, place, &letter.kind, letter.task, letter.at, &letter.reason];
    (&PUT_LETTER, cells)
}

/// The rows of one more letter, and of the old ones that go for it.
fn letters(partition: &Partition, id: &str, dead: Option<&DeadLetter>, kept: usize) -> Vec<Bound> {
    let mut known: Vec<&Letter> = partition.letters.iter().filter(|letter| letter.of == id).collect();
    let Some(dead) = dead.filter(|dead| known.iter().all(|known| known.letter.event != dead.event)) else {
        return Vec::new();
    };
    known.sort_by_key(|letter| std::cmp::Reverse(letter.place));
    let place = known.first().map_or(1, |newest| newest.place.saturating_add(1));
    let put = put_letter(partition.owner, id, dead, place);
    let old = known.into_iter().skip(kept.saturating_sub(1));
    let remove = old.map(|letter| (&REMOVE_LETTER, values![partition.owner, id, &letter.letter.event]));
    [put].into_iter().chain(remove).collect()
}
