//! Tasks: one for each time that a job's trigger fires.

use bytes::Bytes;
use futures::Stream;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Client, Result, Wei, pages::List};

/// A task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Task {
    /// Its number on this platform.
    pub task_id: u64,
    /// Which one of its job it is.
    pub task_number: u64,
    /// Its id on chain, as 0x and 64 digits.
    pub task_hash: String,
    /// Its job.
    pub job_id: String,
    /// `processing`, `completed` or `failed`.
    pub task_status: String,
    /// When it was due (RFC 3339).
    pub scheduled_at: String,
    /// The transaction; empty while there is none.
    pub execution_tx_hash: String,
    /// The arguments that were sent, integers as decimal text.
    pub converted_arguments: Vec<Value>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it cost.
    #[serde(rename = "task_opx_cost_wei")]
    pub cost: Wei,
    /// Whether the transaction is as deep in the chain as the operator asks for.
    pub confirmed: bool,
    /// Everything else that the platform says of it.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What a task cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TaskFee {
    /// The task.
    pub task_id: u64,
    /// Its cost.
    #[serde(rename = "task_opx_cost_wei")]
    pub cost: Wei,
}

impl Client {
    /// One task.
    ///
    /// # Errors
    /// As every call's; 404 where it is absent or another's.
    pub async fn task(&self, id: u64) -> Result<Task> {
        self.json(self.get(&["tasks", &id.to_string()])?).await
    }

    /// Tasks of a job, newest first, in pages of as many.
    pub fn tasks_of_job(&self, job: &str, page: Option<u32>) -> impl Stream<Item = Result<Task>> + use<> {
        self.listed(List::of(&["tasks", "job", job], None, page))
    }

    /// Newest tasks of all jobs that the key may see.
    pub fn recent_tasks(&self, page: Option<u32>) -> impl Stream<Item = Result<Task>> + use<> {
        self.listed(List::of(&["tasks", "recent"], Some("tasks"), page))
    }

    /// What each task of a job cost, newest first.
    pub fn task_fees(&self, job: &str, page: Option<u32>) -> impl Stream<Item = Result<TaskFee>> + use<> {
        self.listed(List::of(&["jobs", job, "task-fees"], Some("task_fees"), page))
    }

    /// All that was signed about a task, in one file that `argus replay` checks without a network; `max` bytes at most.
    ///
    /// # Errors
    /// As every call's; [`Error::Answer`](crate::Error::Answer) where it is longer.
    pub async fn bundle(&self, task: u64, max: usize) -> Result<Bytes> {
        self.download(&format!("tasks/{task}/bundle"), max).await
    }
}
