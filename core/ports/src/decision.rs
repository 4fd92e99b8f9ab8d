//! Why jobs did not fire, kept for those who ask. Nothing is decided by it.

use argus_domain::{
    decision::Decision,
    ids::{JobId, Serial},
    lease::Fence,
};
use async_trait::async_trait;

use crate::StoreError;

/// What is to be kept of a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The job.
    pub job: JobId,
    /// That of the job that was looked at.
    pub serial: Serial,
    /// Of the job's shard; `None` where nobody shares the work.
    pub fence: Option<Fence>,
    /// What came of it.
    pub decision: Decision,
}

/// The newest decisions of each job.
#[async_trait]
pub trait DecisionStore: Send + Sync {
    /// Adds decisions, and keeps the `keep` newest rows of each of their jobs, by (last look, task). One that
    /// [is like](Decision::is_like) a row of its job is folded into that row. One of a job whose place another has taken is
    /// let go, which the serials tell, and so is one whose fence does not stand. Not idempotent: a repeat counts again.
    async fn note(&self, looks: Vec<Look>, keep: u32) -> Result<(), StoreError>;

    /// Rows of a job, newest first by (last look, task), `limit` at most; absent: empty.
    async fn of_job(&self, job: JobId, limit: u32) -> Result<Vec<Decision>, StoreError>;
}
