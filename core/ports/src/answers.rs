//! Answers that are kept, so that a request that is sent again is carried out once.

use argus_domain::{Address, B256, time::Timestamp};
use async_trait::async_trait;
use bytes::Bytes;

use crate::StoreError;

/// Under which name a request is sent: names of different owners have nothing to do with each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestName {
    /// Whose API key it is sent with.
    pub owner: Address,
    /// Its `Idempotency-Key`.
    pub name: String,
}

/// A request that somebody wants to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRequest {
    /// Its name.
    pub name: RequestName,
    /// Hash of all that it asks for.
    pub hash: B256,
    /// The process that wants to carry it out: one at a time within it.
    pub holder: [u8; 16],
    /// Now.
    pub at: Timestamp,
    /// Until when the leave holds, unless it is asked for again.
    pub until: Timestamp,
    /// Most names that one owner may have at a time.
    pub names_max: u32,
}

/// What was answered to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

/// What becomes of a request that somebody wants to carry out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leave {
    /// It is the holder's to carry out, until the instant that was asked for.
    Granted,
    /// Another holder carries it out.
    Underway,
    /// It was carried out, and this was the answer.
    Answered(KeptAnswer),
    /// Another request has this name.
    Other,
    /// The owner has too many names.
    Full,
}

/// Requests by name, each with its answer once there is one. What is past its instant counts for nothing.
#[async_trait]
pub trait AnswerStore: Send + Sync {
    /// Asks for leave to carry a request out. A holder that has it and asks again gets it again, also for another
    /// request: what it began it has left.
    async fn begin(&self, request: NamedRequest) -> Result<Leave, StoreError>;

    /// Keeps the answer until an instant, in place of the holder's leave. `false`: the leave is not its own any more,
    /// and nothing was written.
    async fn finish(
        &self,
        name: RequestName,
        holder: [u8; 16],
        answer: KeptAnswer,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Gives the holder's leave back, because nothing was done; another's, or an answer, stays. Idempotent.
    async fn give_up(&self, name: RequestName, holder: [u8; 16]) -> Result<(), StoreError>;
}
