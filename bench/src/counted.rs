//! The task store, with a count of what goes through: where a task's life is read off without asking for it.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use argus_domain::{
    ids::TaskId,
    task::{Fact, TaskRecord},
    time::Timestamp,
};
use argus_memory::SystemClock;
use argus_ports::{Clock, OpenOutcome, Opening, Recorded, Recording, StoreError, TaskQuery, TaskStore};
use argus_sqlite::SqliteStore;
use async_trait::async_trait;
use tokio::sync::Notify;

/// The store and the counts.
pub struct Counted {
    store: Arc<SqliteStore>,
    facts: AtomicU64,
    commits: AtomicU64,
    attempts: AtomicU64,
    broadcasts: Mutex<Vec<(TaskId, Timestamp)>>,
    more: Notify,
}

/// Counts at an instant.
#[derive(Debug, Clone, Copy)]
pub struct Counts {
    /// Facts that were new.
    pub facts: u64,
    /// Calls of `record`: each returned after a commit, which several may share.
    pub commits: u64,
    /// Attempts begun.
    pub attempts: u64,
    /// Tasks whose transaction left, durably noted.
    pub broadcasts: usize,
}

impl Counted {
    /// Around a store.
    pub fn new(store: Arc<SqliteStore>) -> Arc<Self> {
        Arc::new(Self {
            store,
            facts: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            broadcasts: Mutex::default(),
            more: Notify::new(),
        })
    }

    /// Now.
    pub fn counts(&self) -> Counts {
        Counts {
            facts: self.facts.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            attempts: self.attempts.load(Ordering::Relaxed),
            broadcasts: self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).len(),
        }
    }

    /// Every task whose first broadcast was recorded, and when that returned.
    pub fn broadcasts(&self) -> Vec<(TaskId, Timestamp)> {
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns when more were broadcast, at the latest after a moment.
    pub async fn more(&self) {
        let _ = tokio::time::timeout(std::time::Duration::from_millis(50), self.more.notified()).await;
    }
}

#[async_trait]
impl TaskStore for Counted {
    async fn open(&self, tasks: Vec<Opening>) -> Result<Vec<OpenOutcome>, StoreError> {
        self.store.open(tasks).await
    }

    async fn append(&self, facts: Vec<Recording>) -> Result<Vec<Recorded>, StoreError> {
        let broadcasts: Vec<Option<TaskId>> = facts
            .iter()
            .map(|Recording { fact, .. }| if let Fact::Broadcast(b) = fact { Some(b.task) } else { None })
            .collect();
        let attempts = facts.iter().filter(|recording| matches!(recording.fact, Fact::Attempted(_))).count();
        let recorded = self.store.append(facts).await?;
        let fresh = |outcome: &Recorded| matches!(outcome, Recorded::New);
        self.facts.fetch_add(recorded.iter().filter(|r| fresh(r)).count() as u64, Ordering::Relaxed);
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.attempts.fetch_add(attempts as u64, Ordering::Relaxed);
        let now = SystemClock.now();
        let new =
            broadcasts.into_iter().zip(&recorded).filter(|(_, r)| fresh(r)).filter_map(|(task, _)| task);
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).extend(new.map(|task| (task, now)));
        self.more.notify_one();
        Ok(recorded)
    }

    async fn tasks(&self, ids: &[TaskId]) -> Result<Vec<TaskRecord>, StoreError> {
        self.store.tasks(ids).await
    }

    async fn unfinished(&self, after: Option<TaskId>, limit: u32) -> Result<Vec<TaskRecord>, StoreError> {
        self.store.unfinished(after, limit).await
    }

    async fn list(
        &self,
        query: TaskQuery,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<TaskRecord>, StoreError> {
        TaskStore::list(&*self.store, query, before, limit).await
    }

    async fn by_public_id(&self, id: u64) -> Result<Option<TaskRecord>, StoreError> {
        self.store.by_public_id(id).await
    }
}
