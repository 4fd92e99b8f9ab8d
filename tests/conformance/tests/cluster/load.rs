//! Writers, and what they were told.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_conformance::samples::{
    at, attempt, job, new_job, next_cursor, next_task, owner, settled, settled_agreed,
};
use argus_domain::{
    ids::{Serial, TaskId},
    job::JobRecord,
    lease::Fence,
    task::{Fact, Task, Verdict},
};
use argus_ports::{
    Change, ChangeKind, CreateOutcome, CursorOutcome, EventBus, JobStore, OpenOutcome, Opening, Recorded,
    StoreError, TaskStore,
};
use argus_scylla::ScyllaStore;
use tokio::time::sleep;

/// The first job that is created under load.
const FIRST: u64 = 100;
/// Of so many creations that were not acknowledged at once one is given up.
const GIVES_UP: u64 = 2;
/// The pause before a call is repeated.
const PAUSE: Duration = Duration::from_millis(200);

/// What writers were told, and so has to be there.
#[derive(Default)]
pub struct Told {
    all: Mutex<All>,
    stop: AtomicBool,
    unavailable: AtomicU64,
}

/// See [`Told`].
#[derive(Default, Clone)]
pub struct All {
    /// Jobs that were created.
    pub jobs: BTreeMap<u64, Serial>,
    /// Jobs whose creation was given up without an answer.
    pub given_up: BTreeSet<u64>,
    /// Open tasks, with their jobs, and how far their cursors were moved.
    pub tasks: BTreeMap<TaskId, u64>,
    /// Revisions that cursors have at least.
    pub cursors: BTreeMap<u64, u64>,
    /// Attempts that were recorded.
    pub attempts: BTreeSet<TaskId>,
    /// The verdict of each task.
    pub verdicts: BTreeMap<TaskId, Fact>,
    /// Tasks whose opening was announced.
    pub announced: BTreeSet<TaskId>,
    by_writer: BTreeMap<(usize, Option<u64>), u64>,
}

impl Told {
    pub fn all(&self) -> All {
        self.lock().clone()
    }

    /// Calls that were answered, by writer.
    pub fn by_writer(&self) -> BTreeMap<(usize, Option<u64>), u64> {
        self.lock().by_writer.clone()
    }

    pub fn acknowledged(&self) -> u64 {
        self.lock().by_writer.values().sum()
    }

    pub fn unavailable(&self) -> u64 {
        self.unavailable.load(Ordering::Relaxed)
    }

    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was asked for and never acknowledged is asked for again.
    pub async fn repeat_what_was_given_up(&self, store: &ScyllaStore) {
        for n in self.all().given_up {
            let outcome = store.create(vec![new_job(n)]).await.expect("the same request again");
            self.created(n, &outcome);
        }
    }

    /// Whether a call met a store that is away, which is all that it may meet.
    fn is_unavailable<T>(&self, outcome: &Result<T, StoreError>) -> bool {
        match outcome {
            Ok(_) => false,
            Err(StoreError::Unavailable(_)) => {
                self.unavailable.fetch_add(1, Ordering::Relaxed);
                true
            }
            Err(other) => panic!("a store that is away for a while says so: {other}"),
        }
    }

    /// Nobody knows whether this job is there.
    pub fn gives_up(&self, n: u64) {
        self.lock().given_up.insert(n);
    }

    fn created(&self, n: u64, outcome: &CreateOutcome) {
        let (CreateOutcome::Created(serials) | CreateOutcome::Same(serials)) = outcome else {
            panic!("nobody else creates job {n}: {outcome:?}");
        };
        let mut all = self.lock();
        all.given_up.remove(&n);
        let known = all.jobs.insert(n, serials[0]);
        drop(all);
        assert!(
            known.is_none_or(|known| known == serials[0]),
            "job {n} is there once: {known:?} {serials:?}"
        );
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let All { jobs, given_up, tasks, verdicts, announced, .. } = self.all();
        write!(
            f,
            "{} answers, {} times unavailable: {} jobs, {} given up, {} tasks, {} verdicts, {} announced",
            self.acknowledged(),
            self.unavailable(),
            jobs.len(),
            given_up.len(),
            tasks.len(),
            verdicts.len(),
            announced.len(),
        )
    }
}

/// One of those that write at the same time.
pub struct Writer {
    /// Of which process it is.
    pub process: usize,
    pub store: ScyllaStore,
    pub told: Arc<Told>,
    /// The job that it works on; `None`: it creates jobs.
    pub worked: Option<u64>,
}

impl Writer {
    /// Makes a call until it is answered; `None`: it was told to stop.
    async fn insist<T>(&self, mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> Option<T> {
        loop {
            let outcome = call().await;
            if !self.told.is_unavailable(&outcome) {
                *self.told.lock().by_writer.entry((self.process, self.worked)).or_default() += 1;
                return outcome.ok();
            }
            if self.told.is_stopped() {
                return None;
            }
            sleep(PAUSE).await;
        }
    }

    /// Creates one job after the other; of those that are not acknowledged at once some are given up.
    pub async fn creates(self) {
        let mut failed = 0;
        for n in (FIRST + self.process as u64..).step_by(2) {
            if self.told.is_stopped() {
                break;
            }
            let create = async || self.store.create(vec![new_job(n)]).await;
            if self.told.is_unavailable(&create().await) {
                failed += 1;
                self.told.gives_up(n);
                if failed % GIVES_UP == 0 {
                    continue;
                }
            }
            let Some(outcome) = self.insist(create).await else { break };
            self.told.created(n, &outcome);
        }
    }

    /// Opens, tries, decides and announces one task after the other of its job, in a race with the other process.
    pub async fn works(self, fence: Fence) {
        while !self.told.is_stopped() {
            if self.works_once(fence).await.is_none() {
                break;
            }
        }
    }

    async fn works_once(&self, fence: Fence) -> Option<()> {
        let n = self.worked.expect("a job to work on");
        let record = self.insist(async || self.store.job(job(n).id).await).await?.expect("it is there");
        let Some(task) = self.opens(n, &record, fence).await? else { return Some(()) };
        let tried = Fact::Attempted(attempt(task.id, 1));
        let tried = self.insist(async || self.store.record(vec![tried.clone()]).await).await?;
        assert!(!tried.contains(&Recorded::Refused), "the task is open");
        self.told.lock().attempts.insert(task.id);
        self.decides(task.id).await?;
        let announced = vec![announcement(&task)];
        self.insist(async || self.store.publish(announced.clone()).await).await?;
        self.told.lock().announced.insert(task.id);
        Some(())
    }

    async fn opens(&self, n: u64, record: &JobRecord, fence: Fence) -> Option<Option<Task>> {
        let (task, cursor) = next_task(record);
        let opening = Opening { task: task.clone(), cursor: cursor.clone(), fence: Some(fence) };
        let opened = self.insist(async || self.store.open(vec![opening.clone()]).await).await?;
        match opened[..] {
            [OpenOutcome::Opened | OpenOutcome::Already] => {}
            // The other one has moved the cursor since it was read.
            [OpenOutcome::Stale] => return Some(None),
            _ => panic!("the job is there, and the lease is ours: {opened:?}"),
        }
        let next = next_cursor(&cursor);
        let moved = self.insist(async || self.store.move_cursor(next.clone(), Some(fence)).await).await?;
        let revision = match moved {
            CursorOutcome::Moved => next.revision,
            CursorOutcome::Stale => cursor.revision,
            CursorOutcome::Fenced => panic!("nobody else has the lease"),
        };
        let mut all = self.told.lock();
        all.tasks.insert(task.id, n);
        let known = all.cursors.entry(n).or_default();
        *known = revision.max(*known);
        Some(Some(task))
    }

    /// Each process has a verdict of its own; the first one counts, for both.
    async fn decides(&self, task: TaskId) -> Option<()> {
        let ours = match self.process {
            0 => settled_agreed(task),
            _ => settled(task, Verdict::Failed("the other process says so".to_owned())),
        };
        let said = self.insist(async || self.store.record(vec![ours.clone()]).await).await?;
        let counts = match said.into_iter().next() {
            Some(Recorded::New) => ours,
            Some(Recorded::Already(known)) => *known,
            other => panic!("the task is open: {other:?}"),
        };
        let known = self.told.lock().verdicts.insert(task, counts.clone());
        assert!(known.as_ref().is_none_or(|known| *known == counts), "two verdicts: {known:?} {counts:?}");
        Some(())
    }
}

/// That a task was opened.
pub fn announcement(task: &Task) -> Change {
    Change {
        job: task.job,
        owner: owner(1),
        task: task.id,
        public_id: task.public_id(),
        kind: ChangeKind::Created,
        seq: 0,
        at: at(0),
    }
}
