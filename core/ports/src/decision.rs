//! Why jobs did not fire, kept for those who ask. Nothing is decided by it.

use argus_domain::{
    decision::Decision,
    ids::{JobId, Serial},
};
use async_trait::async_trait;

use crate::StoreError;

/// The newest decisions of each job.
#[async_trait]
pub trait DecisionStore: Send + Sync {
    /// Adds decisions, and keeps the `keep` newest rows of each of their jobs, by (last look, task). One that
    /// [is like](Decision::is_like) a row of its job is folded into that row. One of a job whose place another has taken is
    /// let go, which the serials tell. Not idempotent: a repeat counts again.
    async fn note(&self, decisions: Vec<((JobId, Serial), Decision)>, keep: u32) -> Result<(), StoreError>;

    /// Rows of a job, newest first by (last look, task), `limit` at most; absent: empty.
    async fn of_job(&self, job: JobId, limit: u32) -> Result<Vec<Decision>, StoreError>;
}
