//! Requests by name, and their answers: an owner's lie in one partition, and each step is one conditional write to it.

use argus_domain::{Address, time::Timestamp};
use argus_ports::{
    AnswerStore, KeptAnswer, Leave, NamedRequest, RequestName, StoreError, records::NamedAnswer,
};
use async_trait::async_trait;

use crate::{
    cell::{ordered, values},
    jobs::crowded,
    session::{Bound, Cas, Statement, token},
    store::ScyllaStore,
};

/// How often a step is tried that others come before.
const TRIES: u32 = 64;
/// Rows past their instant that one request takes away: more than it adds.
const SWEPT: usize = 64;

static READ: Statement =
    Statement::read("SELECT name, stamp, request, holder, until, status, body FROM answers WHERE owner = ?");
static DECIDED: Statement = Statement::decided("SELECT stamp, writer FROM answers WHERE owner = ? LIMIT 1");
/// Conditional, because of those who want to carry a request out one may, and an owner has so many names at most.
static FIRST: Statement =
    Statement::conditional("UPDATE answers SET stamp = ?, writer = ? WHERE owner = ? IF stamp = null");
/// As [`FIRST`].
static NEXT: Statement =
    Statement::conditional("UPDATE answers SET stamp = ?, writer = ? WHERE owner = ? IF stamp = ?");
static PUT: Statement = Statement::write(
    "INSERT INTO answers (owner, name, request, holder, until, status, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
);
static REMOVE: Statement = Statement::write("DELETE FROM answers WHERE owner = ? AND name = ?");

type Row = (
    Option<String>,
    Option<i64>,
    Option<Vec<u8>>,
    Option<Vec<u8>>,
    Option<i64>,
    Option<i32>,
    Option<Vec<u8>>,
);

/// A name that an owner has.
pub(crate) struct Named {
    pub name: String,
    pub request: Vec<u8>,
    pub holder: Vec<u8>,
    pub until: i64,
    pub answer: Option<KeptAnswer>,
}

/// An owner's partition.
struct Partition {
    stamp: Option<i64>,
    names: Vec<Named>,
}

impl Partition {
    fn read(rows: Vec<Row>) -> Self {
        let mut partition = Self { stamp: None, names: Vec::new() };
        for (name, stamp, request, holder, until, status, body) in rows {
            partition.stamp = partition.stamp.or(stamp);
            let (Some(name), Some(until)) = (name, until) else { continue };
            let (request, holder) = (request.unwrap_or_default(), holder.unwrap_or_default());
            let status = status.and_then(|status| u16::try_from(status).ok());
            let answer = status.map(|status| KeptAnswer { status, body: body.unwrap_or_default().into() });
            partition.names.push(Named { name, request, holder, until, answer });
        }
        partition
    }

    /// What a holder has not carried out yet.
    fn held(&self, name: &str, holder: [u8; 16]) -> Option<&Named> {
        let mut names = self.names.iter();
        names.find(|named| named.name == name && named.holder == holder && named.answer.is_none())
    }
}

type Step<T> = (Vec<Bound>, T);

#[async_trait]
impl AnswerStore for ScyllaStore {
    async fn begin(&self, request: NamedRequest) -> Result<Leave, StoreError> {
        self.answer_step(request.name.owner, |partition| begin(partition, &request)).await
    }

    async fn finish(
        &self,
        RequestName { owner, name }: RequestName,
        holder: [u8; 16],
        answer: KeptAnswer,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.answer_step(owner, |partition| match partition.held(&name, holder) {
            Some(named) => {
                let (status, body) = (answer.status, &answer.body);
                let cells = values![owner, &name, &named.request, holder, until, status, body];
                (vec![(&PUT, cells)], true)
            }
            None => (Vec::new(), false),
        })
        .await
    }

    async fn give_up(
        &self,
        RequestName { owner, name }: RequestName,
        holder: [u8; 16],
    ) -> Result<(), StoreError> {
        self.answer_step(owner, |partition| match partition.held(&name, holder) {
            Some(_) => (vec![(&REMOVE, values![owner, &name])], ()),
            None => (Vec::new(), ()),
        })
        .await
    }
}

fn begin(partition: &Partition, request: &NamedRequest) -> Step<Leave> {
    let NamedRequest { name: RequestName { owner, name }, hash, holder, at, until, names_max } = request;
    let (past, standing): (Vec<&Named>, Vec<&Named>) =
        partition.names.iter().partition(|named| named.until <= ordered(at.0));
    match standing.iter().find(|named| named.name == *name) {
        Some(known) if known.holder == holder && known.answer.is_none() => {}
        Some(known) if known.request != hash.as_slice() => return (Vec::new(), Leave::Other),
        Some(known) => {
            return (Vec::new(), known.answer.clone().map_or(Leave::Underway, Leave::Answered));
        }
        None if standing.len() >= *names_max as usize => return (Vec::new(), Leave::Full),
        None => {}
    }
    let cells = values![*owner, name, *hash, *holder, *until, None::<i32>, None::<&[u8]>];
    let swept = past.into_iter().filter(|named| named.name != *name).take(SWEPT);
    let mut rows: Vec<Bound> = swept.map(|named| (&REMOVE, values![*owner, &named.name])).collect();
    rows.push((&PUT, cells));
    (rows, Leave::Granted)
}

impl ScyllaStore {
    /// All of an owner's requests by name.
    pub(crate) async fn named_requests(&self, owner: Address) -> Result<Vec<Named>, StoreError> {
        Ok(Partition::read(self.db().rows(&READ, values![owner]).await?).names)
    }

    /// Keeps requests that were named elsewhere.
    pub(crate) async fn put_named(&self, owner: Address, all: Vec<NamedAnswer>) -> Result<(), StoreError> {
        // Each in a step of its own: an answer has up to some hundred KB.
        for named in all {
            self.answer_step(owner, |_| {
                let NamedAnswer { name, hash, holder, until, answer } = &named;
                let (status, body) = answer.as_ref().map(|answer| (answer.status, &answer.body)).unzip();
                let cells = values![owner, &name.name, *hash, *holder, *until, status, body];
                (vec![(&PUT, cells)], ())
            })
            .await?;
        }
        Ok(())
    }

    /// Writes what follows from an owner's partition, provided that nobody else has written to it since. Without rows
    /// nothing is written.
    async fn answer_step<T>(
        &self,
        owner: Address,
        decide: impl Fn(&Partition) -> Step<T> + Send + Sync,
    ) -> Result<T, StoreError> {
        for _ in 0..TRIES {
            let partition = Partition::read(self.db().rows(&READ, values![owner]).await?);
            let (rows, told) = decide(&partition);
            if rows.is_empty() {
                return Ok(told);
            }
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
                    let row: Option<(Option<i64>, Option<i64>)> =
                        self.db().one(&DECIDED, values![owner]).await?;
                    match row {
                        Some((_, Some(by))) if by == token => true,
                        // Later steps hide whether this one was made.
                        Some((stamp, _)) if stamp > Some(next) => return Err(why),
                        Some(_) | None => false,
                    }
                }
            };
            if is_written {
                return Ok(told);
            }
        }
        Err(crowded("this owner's requests"))
    }
}
