//! Who is told of changes over HTTP, how far they have been told, and what could not be told.

use alloy_primitives::Address;

use crate::{ids::TaskId, time::Timestamp};

/// One receiver of one owner's changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its name, random.
    pub id: String,
    /// Whose changes.
    pub owner: Address,
    /// Where they are sent.
    pub url: String,
    /// Kinds of changes that are sent, as the API calls them.
    pub kinds: Vec<String>,
    /// Made at.
    pub created_at: Timestamp,
    /// How far it has come.
    pub progress: Progress,
    /// The last try that failed, also where a later one did not.
    pub failure: Option<Failure>,
}

/// A try that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What it met.
    pub reason: String,
}

/// How far a receiver has been told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Place of the last change that it is through with, among those of its owner.
    pub position: u64,
    /// Failures in a row of the change after it.
    pub failures: u16,
    /// That change is not tried before.
    pub next_at: Timestamp,
}

/// A change that was given up: the receiver took it at no try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The same at every delivery of the change.
    pub event: String,
    /// What kind of change, as the API calls it.
    pub kind: String,
    /// The task.
    pub task: TaskId,
    /// Given up at.
    pub at: Timestamp,
    /// What the last try met.
    pub reason: String,
}
