//! Facts: rows of their task's partition.

use std::collections::{BTreeMap, HashMap};

use argus_domain::{
    ids::{JobId, Serial, TaskId},
    task::{Fact, Task, Verdict},
    time::Timestamp,
};
use argus_ports::{Recorded, Recording, StoreError};
use argus_proto::encode;
use futures::FutureExt as _;

use crate::{
    cell::{body, instant, job_id, there, unsigned, values},
    session::{Bound, Cas, Statement, each, token},
    store::ScyllaStore,
};

/// Tasks whose facts are recorded at the same time.
const AT_ONCE: usize = 32;

static KNOWN: Statement =
    Statement::read("SELECT key, place, mark, job, serial, number, opened_at FROM tasks WHERE id = ?");
static ONE: Statement = Statement::read("SELECT body FROM tasks WHERE id = ? AND key = ?");
static DECIDED: Statement = Statement::decided("SELECT body, writer FROM tasks WHERE id = ? AND key = ?");
pub(crate) static PUT: Statement =
    Statement::write("INSERT INTO tasks (id, key, place, mark, body) VALUES (?, ?, ?, ?, ?)");
/// Conditional, because several dispatchers may settle a task; one verdict stands for ever.
static SETTLE: Statement = Statement::conditional(
    "INSERT INTO tasks (id, key, place, mark, body, writer) VALUES (?, ?, ?, ?, ?, ?) IF NOT EXISTS",
);

/// A verdict that was recorded elsewhere.
pub(crate) static SETTLED: Statement =
    Statement::write("INSERT INTO tasks (id, key, place, mark, body, writer) VALUES (?, ?, ?, ?, ?, ?)");

/// What a fact means for its task and job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    Agreed,
    SettledOtherwise,
    Ended,
    Announced,
    OfReceipt,
}

impl Mark {
    pub(crate) fn of(fact: &Fact) -> Option<Self> {
        match fact {
            Fact::Settled(settlement) => Some(match settlement.verdict {
                Verdict::Agreed(_) => Self::Agreed,
                Verdict::Skipped(_) | Verdict::Failed(_) | Verdict::Withdrawn(_) | Verdict::Exhausted(_) => {
                    Self::SettledOtherwise
                }
            }),
            Fact::Confirmed { .. } | Fact::Lapsed { .. } => Some(Self::Ended),
            Fact::Announced { .. } => Some(Self::Announced),
            Fact::Received(_) | Fact::Revoked { .. } => Some(Self::OfReceipt),
            Fact::Attempted(_)
            | Fact::Observed(_)
            | Fact::Claimed(_)
            | Fact::HandedOff(_)
            | Fact::Broadcast(_)
            | Fact::TriggerLost { .. }
            | Fact::Challenged(_)
            | Fact::Disagreed(_) => None,
        }
    }

    fn number(self) -> i32 {
        match self {
            Self::Agreed => 1,
            Self::SettledOtherwise => 2,
            Self::Ended => 3,
            Self::Announced => 4,
            Self::OfReceipt => 5,
        }
    }
}

type KnownRow = (String, Option<i32>, Option<i32>, Option<Vec<u8>>, Option<i32>, Option<i32>, Option<i64>);

/// What is known of a task while facts are added to it.
pub(crate) struct Known {
    id: TaskId,
    job: JobId,
    serial: Serial,
    number: u32,
    opened_at: Timestamp,
    /// By key, with their marks.
    facts: HashMap<String, Option<i32>>,
    next_place: i32,
}

impl Known {
    /// Of a task without any facts.
    pub(crate) fn none(task: &Task) -> Self {
        let Task { id, job, serial, opened_at, .. } = *task;
        Self { id, job, serial, number: task.number.0, opened_at, facts: HashMap::new(), next_place: 0 }
    }

    fn read(id: TaskId, rows: Vec<KnownRow>) -> Result<Option<Self>, StoreError> {
        let mut known = None;
        let (mut facts, mut next_place) = (HashMap::new(), 0);
        for (key, place, mark, job, serial, number, opened_at) in rows {
            if let Some(place) = place {
                next_place = next_place.max(place.saturating_add(1));
                facts.insert(key, mark);
                continue;
            }
            let job = job_id("job", &there("job", job)?)?;
            let serial = Serial(unsigned("serial", there("serial", serial)?)?);
            let number = unsigned("number", there("number", number)?)?;
            let opened_at = instant(there("opened_at", opened_at)?);
            known = Some((job, serial, number, opened_at));
        }
        Ok(known.map(|(job, serial, number, opened_at)| Self {
            id,
            job,
            serial,
            number,
            opened_at,
            facts,
            next_place,
        }))
    }

    fn has(&self, mark: Mark) -> bool {
        self.facts.values().any(|known| *known == Some(mark.number()))
    }

    pub(crate) fn is_finished(&self) -> bool {
        let is_over = self.has(Mark::SettledOtherwise) || (self.has(Mark::Agreed) && self.has(Mark::Ended));
        is_over && self.has(Mark::Announced)
    }

    pub(crate) fn cells(&mut self, key: &str, mark: Option<Mark>, bytes: &[u8]) -> Vec<crate::cell::Cell> {
        let cells = values![self.id, key, self.next_place, mark.map(Mark::number), bytes];
        self.next_place = self.next_place.saturating_add(1);
        self.facts.insert(key.to_owned(), mark.map(Mark::number));
        cells
    }
}

impl ScyllaStore {
    pub(crate) async fn append_all(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let standing = self.those_that_stand(facts.iter().filter_map(|recording| recording.fence)).await?;
        let mut outcomes = Vec::with_capacity(facts.len());
        let mut tasks: BTreeMap<TaskId, Vec<(usize, Fact)>> = BTreeMap::new();
        for (n, Recording { fact, fence }) in facts.into_iter().enumerate() {
            if fence.is_none_or(|fence| standing.contains(&fence)) {
                tasks.entry(fact.task()).or_default().push((n, fact));
            } else {
                outcomes.push((n, Recorded::Fenced));
            }
        }
        let recorded = tasks.into_iter().map(|(task, facts)| self.record_of_task(task, facts).boxed());
        outcomes.extend(each(AT_ONCE, recorded.collect()).await?.concat());
        outcomes.sort_by_key(|(n, _)| *n);
        Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
    }

    async fn record_of_task(
        &self,
        task: TaskId,
        facts: Vec<(usize, Fact)>,
    ) -> Result<Vec<(usize, Recorded)>, StoreError> {
        let rows = self.db().rows(&KNOWN, values![task]).await?;
        let Some(mut known) = Known::read(task, rows)? else {
            return Ok(facts.into_iter().map(|(n, _)| (n, Recorded::Refused)).collect());
        };
        let mut waiting: Vec<Bound> = Vec::new();
        let mut outcomes = Vec::with_capacity(facts.len());
        let is_of_receipt = facts.iter().any(|(_, fact)| Mark::of(fact) == Some(Mark::OfReceipt));
        for (n, fact) in facts {
            let (key, mark, bytes) = (fact.key().0, Mark::of(&fact), encode(&fact));
            let outcome = if known.facts.contains_key(&key) {
                self.db().write_all(std::mem::take(&mut waiting)).await?;
                self.known_fact(task, &key).await?
            } else if let Fact::Settled(_) = fact {
                // What comes before a verdict is durable before it.
                self.db().write_all(std::mem::take(&mut waiting)).await?;
                self.settle(&mut known, mark, &bytes).await?
            } else {
                waiting.push((&PUT, known.cells(&key, mark, &bytes)));
                Recorded::New
            };
            outcomes.push((n, outcome));
        }
        self.db().write_all(waiting).await?;
        if is_of_receipt {
            // Also where they were known: whoever recorded them may have died before.
            self.count_charges(task, known.serial, known.number).await?;
        }
        if known.is_finished() {
            self.no_longer_unfinished(task, known.opened_at).await?;
        }
        Ok(outcomes)
    }

    async fn known_fact(&self, task: TaskId, key: &str) -> Result<Recorded, StoreError> {
        let known: Option<(Vec<u8>,)> = self.db().one(&ONE, values![task, key]).await?;
        match known {
            Some((bytes,)) => Ok(Recorded::Already(Box::new(body("body", &bytes)?))),
            None => Ok(Recorded::Refused),
        }
    }

    /// Records a verdict, if it is the first. One of agreement counts as recorded when its job was read: of a job that
    /// is deleted after that it was agreed before.
    async fn settle(
        &self,
        known: &mut Known,
        mark: Option<Mark>,
        bytes: &[u8],
    ) -> Result<Recorded, StoreError> {
        if mark == Some(Mark::Agreed) {
            let head = self.head(known.job).await?;
            let stands = |serial| head.is_some_and(|head| head.serial == serial && head.deleted_at.is_none());
            if !stands(known.serial) {
                return self.known_fact(known.id, "settled").await;
            }
        }
        let (task, token) = (known.id, token()?);
        let mut cells = known.cells("settled", mark, bytes);
        cells.extend(values![token]);
        let other = match self.db().cas(&SETTLE, cells).await? {
            Cas::Applied => None,
            outcome => {
                let row: Option<(Vec<u8>, i64)> = self.db().one(&DECIDED, values![task, "settled"]).await?;
                match (row, outcome) {
                    (Some((bytes, by)), _) => Some(bytes).filter(|_| by != token),
                    (None, Cas::Unknown(why)) => return Err(why),
                    (None, Cas::Applied | Cas::Refused) => {
                        return Err(StoreError::Unavailable("a verdict was there and is not".to_owned()));
                    }
                }
            }
        };
        let Some(other) = other else { return Ok(Recorded::New) };
        let fact = body("body", &other)?;
        known.facts.insert("settled".to_owned(), Mark::of(&fact).map(Mark::number));
        Ok(Recorded::Already(Box::new(fact)))
    }
}
