//! Creating jobs: several ids, all or none.
//!
//! A creation is a row of its own with all that it would write. It claims its ids one by one, in their order, gets its
//! serials, writes what leads to its jobs, and then one conditional write decides that they are there. Whoever meets a
//! claim carries its creation on from where it stands: to its end if it is decided, else until it is decided either way.
//! So a creator that died holds up nobody, and a reader sees all of its jobs or none.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use argus_domain::{
    fees::LedgerEntry,
    ids::{JobId, Serial},
    job::{Cursor, Job},
};
use argus_ports::{CreateOutcome, StoreError};
use argus_proto::encode;
use futures::future::BoxFuture;

use crate::{
    cell::{body, unsigned, values},
    due,
    job_rows::{Head, Place, same_content},
    jobs::crowded,
    session::{Cas, Statement, fresh},
    store::ScyllaStore,
};

/// How often a creation begins anew because others came before it.
const TRIES: u32 = 32;
/// How long one waits for the creator whose claim it meets, before it carries the creation on itself.
const PATIENCE: Duration = Duration::from_millis(40);

static BEGIN: Statement =
    Statement::write("INSERT INTO creations (id, count, jobs, cursors, booked) VALUES (?, ?, ?, ?, ?)");
static READ: Statement = Statement::decided(
    "SELECT count, jobs, cursors, booked, first_serial, state FROM creations WHERE id = ?",
);
static KEEP_SERIAL: Statement = Statement::write("UPDATE creations SET first_serial = ? WHERE id = ?");
/// Conditional, because those who carry a creation on may see different reasons to make it or to give it up.
static DECIDE: Statement =
    Statement::conditional("UPDATE creations SET state = ? WHERE id = ? IF count = ? AND state = null");
/// Conditional, because two may want the same id.
static CLAIM_FREE: Statement =
    Statement::conditional("INSERT INTO jobs (id, creation) VALUES (?, ?) IF NOT EXISTS");
/// As [`CLAIM_FREE`], where a job is deleted or a creation was given up.
static CLAIM_LEFT: Statement =
    Statement::conditional("UPDATE jobs SET creation = ? WHERE id = ? IF creation = ? AND stamp = ?");
static SERIALS: Statement =
    Statement::decided("SELECT creation, first, next FROM serials WHERE name = 'jobs'");
/// Conditional, because all creators take from the same numbers.
static FIRST_SERIALS: Statement = Statement::conditional(
    "INSERT INTO serials (name, creation, first, next) VALUES ('jobs', ?, ?, ?) IF NOT EXISTS",
);
/// As [`FIRST_SERIALS`].
static NEXT_SERIALS: Statement = Statement::conditional(
    "UPDATE serials SET creation = ?, first = ?, next = ? WHERE name = 'jobs' IF next = ?",
);

type CreationRow =
    (Option<i32>, Option<Vec<Vec<u8>>>, Option<Vec<Vec<u8>>>, Option<Vec<Vec<u8>>>, Option<i32>, Option<i32>);

const MADE: i32 = 1;
const GIVEN_UP: i32 = 2;

/// What a creation would write.
struct Creation {
    id: Vec<u8>,
    jobs: Vec<(Job, Cursor)>,
    entries: Vec<LedgerEntry>,
    first_serial: Option<u32>,
    state: Option<i32>,
}

impl Creation {
    fn count(&self) -> u32 {
        u32::try_from(self.jobs.len()).unwrap_or(u32::MAX)
    }

    /// Its jobs with the serials that they get, by id: the one order in which ids are claimed.
    fn by_id(&self, first: u32) -> BTreeMap<JobId, (Job, &Cursor)> {
        let serials = (first..).map(Serial);
        let jobs = self.jobs.iter().zip(serials);
        jobs.map(|((job, cursor), serial)| (job.id, (Job { serial, ..job.clone() }, cursor))).collect()
    }
}

/// What one finds under an id that it wants.
enum Found {
    /// The job that stays there.
    Standing(Box<Head>),
    /// Nothing that stays there.
    Free,
}

impl ScyllaStore {
    pub(crate) async fn create_jobs(
        &self,
        jobs: &[(Job, Cursor)],
        entries: &[LedgerEntry],
    ) -> Result<CreateOutcome, StoreError> {
        for _ in 0..TRIES {
            if let Some(outcome) = self.try_create(jobs, entries).await? {
                return Ok(outcome);
            }
        }
        Err(crowded("these jobs"))
    }

    /// Once; `None` where others came before and it has to look again.
    async fn try_create(
        &self,
        jobs: &[(Job, Cursor)],
        entries: &[LedgerEntry],
    ) -> Result<Option<CreateOutcome>, StoreError> {
        let mut serials: BTreeMap<JobId, Serial> = BTreeMap::new();
        let mut fresh_jobs: BTreeMap<JobId, &Job> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (job, cursor) in jobs {
            let known = match fresh_jobs.entry(job.id) {
                Entry::Occupied(known) => same_content(job, known.get()),
                Entry::Vacant(vacant) => match self.found(job).await? {
                    Found::Standing(head) => {
                        serials.insert(job.id, head.serial);
                        let created = self.find_version(job.id, head.first_version).await?;
                        created.is_some_and(|created| same_content(job, &created))
                    }
                    Found::Free => {
                        vacant.insert(job);
                        wanted.push((job.clone(), cursor.clone()));
                        true
                    }
                },
            };
            if !known {
                return Ok(Some(CreateOutcome::Taken(job.id)));
            }
        }
        let is_new = !wanted.is_empty();
        if is_new {
            let Some(given) = self.begin(wanted, entries).await? else { return Ok(None) };
            serials.extend(given);
        }
        let serials = jobs.iter().filter_map(|(job, _)| serials.get(&job.id).copied()).collect();
        Ok(Some(if is_new { CreateOutcome::Created(serials) } else { CreateOutcome::Same(serials) }))
    }

    /// What stands under a job's id, once no creation claims it any more.
    async fn found(&self, job: &Job) -> Result<Found, StoreError> {
        let mut place = self.place(job.id).await?;
        while let Some(other) = &place.creation {
            let is_made = self.carry_on(other).await?;
            place = if is_made { self.place(job.id).await? } else { Place { creation: None, ..place } };
        }
        match place.head {
            Some(head) if !self.may_replace(&head, job).await? => Ok(Found::Standing(Box::new(head))),
            Some(_) | None => Ok(Found::Free),
        }
    }

    /// Makes a creation and carries it through. The serials, unless it had to be given up.
    async fn begin(
        &self,
        jobs: Vec<(Job, Cursor)>,
        entries: &[LedgerEntry],
    ) -> Result<Option<Vec<(JobId, Serial)>>, StoreError> {
        let id = fresh::<16>()?.to_vec();
        let creation = Creation { id, jobs, entries: entries.to_vec(), first_serial: None, state: None };
        let (jobs, cursors) = creation.jobs.iter().map(|(job, cursor)| (encode(job), encode(cursor))).unzip();
        let (jobs, cursors): (Vec<Vec<u8>>, Vec<Vec<u8>>) = (jobs, cursors);
        let entries: Vec<Vec<u8>> = creation.entries.iter().map(encode).collect();
        let cells = values![&creation.id, creation.count(), jobs, cursors, entries];
        self.db().write(&BEGIN, cells).await?;
        let Some(first) = self.carry_through(&creation).await? else { return Ok(None) };
        let given = creation.by_id(first).into_values().map(|(job, _)| (job.id, job.serial));
        Ok(Some(given.collect()))
    }

    async fn creation(&self, id: &[u8]) -> Result<Option<Creation>, StoreError> {
        let row: Option<CreationRow> = self.db().one(&READ, values![id]).await?;
        let Some((Some(_), jobs, cursors, entries, first_serial, state)) = row else { return Ok(None) };
        let mut pairs = Vec::new();
        for (job, cursor) in jobs.unwrap_or_default().iter().zip(cursors.unwrap_or_default()) {
            pairs.push((body("jobs", job)?, body("cursors", &cursor)?));
        }
        let entries = entries.unwrap_or_default();
        let entries = entries.iter().map(|entry| body("entries", entry)).collect::<Result<_, _>>()?;
        let first_serial = first_serial.map(|first| unsigned("first_serial", first)).transpose()?;
        Ok(Some(Creation { id: id.to_vec(), jobs: pairs, entries, first_serial, state }))
    }

    /// Carries on the creation of somebody else, after a while in which that one may do so. Whether it was made; one
    /// that is not there any more was given up.
    fn carry_on<'a>(&'a self, id: &'a [u8]) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            for wait in [PATIENCE, Duration::ZERO] {
                match self.creation(id).await? {
                    None => return Ok(false),
                    Some(creation) if creation.state.is_none() && !wait.is_zero() => {
                        tokio::time::sleep(wait).await;
                    }
                    Some(creation) => return Ok(self.carry_through(&creation).await?.is_some()),
                }
            }
            Ok(false)
        })
    }

    /// Carries out what was decided of a creation. Whether it was decided that its jobs are there.
    pub(crate) fn finish_decided<'a>(&'a self, id: &'a [u8]) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async move {
            let Some(creation) = self.creation(id).await? else { return Ok(false) };
            match (creation.state, creation.first_serial) {
                (Some(MADE), Some(first)) => self.finish(&creation, first).await.map(|()| true),
                _ => Ok(false),
            }
        })
    }

    /// From wherever it stands to its end: its first serial, or `None` where it was given up.
    async fn carry_through(&self, creation: &Creation) -> Result<Option<u32>, StoreError> {
        if creation.state == Some(GIVEN_UP) {
            return Ok(None);
        }
        if creation.state.is_none() {
            let wanted = creation.by_id(0);
            for (job, _) in wanted.values() {
                if !self.claim_id(job, &creation.id).await? {
                    return self.decide(creation, GIVEN_UP, None).await;
                }
            }
        }
        let Some(first) = self.serials(creation).await? else {
            self.decide(creation, GIVEN_UP, None).await?;
            return Err(StoreError::ReadOnly("all serials of jobs are given out".to_owned()));
        };
        if creation.state.is_none() {
            for (head, job) in self.heads(creation, first).await? {
                self.keep_version(head.id, head.version, &encode(&job)).await?;
                self.put_in_lists(&head).await?;
                due::put(self, &head).await?;
            }
            if self.decide(creation, MADE, Some(first)).await?.is_none() {
                return Ok(None);
            }
        }
        self.finish(creation, first).await?;
        Ok(Some(first))
    }

    /// Whether an id is the creation's, or was when it was made.
    async fn claim_id(&self, job: &Job, creation: &[u8]) -> Result<bool, StoreError> {
        for attempt in 0..TRIES {
            pause(attempt).await;
            let place = self.place(job.id).await?;
            if let Some(other) = &place.creation {
                if other == creation {
                    return Ok(true);
                }
                if self.carry_on(other).await? {
                    continue;
                }
            }
            if let Some(head) = &place.head
                && !self.may_replace(head, job).await?
            {
                // It may be the one that this creation made, with another's help.
                let state = self.creation(creation).await?.and_then(|creation| creation.state);
                return Ok(state == Some(MADE));
            }
            let stamp = place.head.map(|head| head.stamp);
            let (statement, cells) = if place.is_row {
                (&CLAIM_LEFT, values![creation, job.id, place.creation, stamp])
            } else {
                (&CLAIM_FREE, values![job.id, creation])
            };
            // Whatever became of it, the row tells.
            match self.db().cas(statement, cells).await? {
                Cas::Applied => return Ok(true),
                Cas::Refused | Cas::Unknown(_) => {}
            }
        }
        Err(crowded("this id"))
    }

    /// The serials of a creation, the same ones whoever asks: the row that gives them out names the last creation that
    /// got some, and is overwritten only once that one has them. `None`: there are no more.
    async fn serials(&self, creation: &Creation) -> Result<Option<u32>, StoreError> {
        for attempt in 0..TRIES {
            pause(attempt).await;
            let last: Option<(Vec<u8>, i32, i32)> = self.db().one(&SERIALS, vec![]).await?;
            let next = match &last {
                Some((of, first, next)) => {
                    // Of the last creation, which may be this one.
                    self.db().write(&KEEP_SERIAL, values![*first, of]).await?;
                    if *of == creation.id {
                        return Ok(Some(unsigned("first", *first)?));
                    }
                    unsigned("next", *next)?
                }
                None => 1,
            };
            let known = self.creation(&creation.id).await?;
            if let Some(first) = known.and_then(|known| known.first_serial) {
                return Ok(Some(first));
            }
            let after = next.saturating_add(creation.count());
            if after.saturating_sub(1) > Serial::MAX {
                return Ok(None);
            }
            let given = match last {
                Some(_) => self.db().cas(&NEXT_SERIALS, values![&creation.id, next, after, next]).await?,
                None => self.db().cas(&FIRST_SERIALS, values![&creation.id, next, after]).await?,
            };
            // Whatever became of it, the row tells: applied, this creation is the last one.
            if let Cas::Applied = given {
                self.db().write(&KEEP_SERIAL, values![next, &creation.id]).await?;
                return Ok(Some(next));
            }
        }
        Err(crowded("the next serial"))
    }

    /// The rows that a creation's ids get, each after what stands there and is frozen by the claim. Of one that has
    /// its row already, nothing.
    async fn heads(&self, creation: &Creation, first: u32) -> Result<Vec<(Head, Job)>, StoreError> {
        let mut heads = Vec::new();
        for (job, cursor) in creation.by_id(first).into_values() {
            let place = self.place(job.id).await?;
            if place.creation.as_ref() != Some(&creation.id) {
                continue;
            }
            heads.push(match place.head {
                Some(before) => {
                    self.keep_newest_version(&before).await?;
                    let job = Job { version: before.version.saturating_add(1), ..job };
                    let cursor = cursor.clone().in_place_of(&before.cursor);
                    (Head::of(&job, cursor, before.stamp.saturating_add(1)), job)
                }
                None => (Head::of(&job, cursor.clone(), 1), job),
            });
        }
        Ok(heads)
    }

    /// Decides about a creation, or learns how it was decided: its first serial where it is made.
    async fn decide(
        &self,
        creation: &Creation,
        state: i32,
        first: Option<u32>,
    ) -> Result<Option<u32>, StoreError> {
        let cells = values![state, &creation.id, creation.count()];
        if let Cas::Applied = self.db().cas(&DECIDE, cells).await? {
            return Ok(first);
        }
        let decided = self.creation(&creation.id).await?;
        match decided.map(|decided| (decided.state, decided.first_serial)) {
            Some((Some(MADE), known)) => {
                let first = known.or(first);
                if let Some(first) = first {
                    self.finish(creation, first).await?;
                }
                Ok(first)
            }
            Some((None, _)) => {
                Err(StoreError::Unavailable("nobody says what became of a creation".to_owned()))
            }
            Some((Some(_), _)) | None => Ok(None),
        }
    }

    /// Carries out a creation that is decided. What is booked is there before the jobs are seen.
    async fn finish(&self, creation: &Creation, first: u32) -> Result<(), StoreError> {
        self.book_entries(&creation.entries).await?;
        for (head, job) in self.heads(creation, first).await? {
            // Before, for a process that dies in between; after, for a registration that comes in between.
            self.note_arrival(head.id).await?;
            self.make(&head, &job, &creation.id).await?;
            self.note_arrival(head.id).await?;
        }
        Ok(())
    }
}

/// Before another try, so that those who meet part.
async fn pause(attempt: u32) {
    if attempt > 0 {
        tokio::time::sleep(Duration::from_millis(u64::from(attempt.min(20)))).await;
    }
}
