//! Conversations between services. A local handle, a gRPC client and a lossy simulation are the same type to the
//! caller. Links may lose, repeat and reorder; facts and deadlines repair that.

use std::sync::Arc;

use argus_domain::{
    B256,
    attempt::{Answer, Assignment, SecondRound, SignedAssignment},
    call::Signature,
    difference::Refutation,
    ids::{AttemptNo, JobId, KeeperId, TaskId},
    keeper::{KeeperHello, LiveKeeper},
};
use async_trait::async_trait;
use bytes::Bytes;

pub use argus_domain::act::{AttemptOutcome, HandoffOrder, PerformEvent};

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The other side's queue is full: later.
    #[error("the other side is busy")]
    Busy,
    /// The other side cannot be reached.
    #[error("the other side is gone: {0}")]
    Gone(String),
    /// The other side does not accept us.
    #[error("refused: {0}")]
    Refused(String),
}

/// api -> scheduler: an empty nudge. A lost one costs latency, never a run.
#[async_trait]
pub trait Nudge: Send + Sync {
    /// These jobs are new or changed.
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError>;
}

/// A task that a dispatcher is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskOf {
    /// Which.
    pub task: TaskId,
    /// Its job, by whose shard the dispatcher is found that leads it; `None`: whoever tells it does not know.
    pub job: Option<JobId>,
}

impl From<TaskId> for TaskOf {
    fn from(task: TaskId) -> Self {
        Self { task, job: None }
    }
}

impl TaskOf {
    /// A task of this job.
    pub fn job(job: JobId, task: TaskId) -> Self {
        Self { task, job: Some(job) }
    }
}

/// scheduler, monitor -> dispatcher. Where several share the work each is told, and acts on what is in its shards.
#[async_trait]
pub trait Dispatch: Send + Sync {
    /// These tasks are open. Idempotent: the dispatcher reads their facts.
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError>;
    /// These tasks got a receipt, lost one, lapsed, or lost their job or their trigger's log. Idempotent.
    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError>;
}

/// dispatcher -> aggregator.
#[async_trait]
pub trait Aggregate: Send + Sync {
    /// Begin this attempt. Idempotent by (task, number).
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError>;
    /// Tell the performer that it may act. Idempotent by (task, handoff number).
    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError>;
    /// The keepers that are connected and were heard lately.
    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError>;
}

/// aggregator -> dispatcher.
#[async_trait]
pub trait Outcomes: Send + Sync {
    /// An attempt ended. Idempotent by (task, attempt).
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError>;
    /// A performer said something. Idempotent.
    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError>;
    /// The set of live keepers changed.
    async fn keepers_changed(&self) -> Result<(), LinkError>;
}

/// Platform -> keeper, on the keeper's own stream.
#[derive(Debug, Clone, PartialEq)]
pub enum ToKeeper {
    /// Run this.
    Assign {
        /// What.
        assignment: SignedAssignment,
        /// The secrets of the job, sealed to this keeper for this attempt ([`crate::Vault::post`]); `None` where it is
        /// granted none.
        secrets: Option<Bytes>,
    },
    /// Replay this run and sign its call.
    Second {
        /// What the run was of: this keeper may not have been asked in the first round, or restarted since.
        assignment: SignedAssignment,
        /// The run.
        round: Box<SecondRound>,
    },
    /// You may act.
    Perform(Box<HandoffOrder>),
}

/// Keeper -> platform, on the same stream.
#[derive(Debug, Clone, PartialEq)]
pub enum FromKeeper {
    /// What an assignment came to.
    Answer(Box<Answer>),
    /// What a second round came to: a claim for round 2.
    Signed(Box<argus_domain::attempt::SignedClaim>),
    /// It takes no part in this attempt.
    Declined {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// Why.
        reason: String,
        /// It is for nothing in the job: what the keeper lacks may be there later.
        transient: bool,
    },
    /// It replayed the run of a second round, and that does not come to what its keeper signed.
    Refuted {
        /// The task.
        task: TaskId,
        /// Which attempt.
        attempt: AttemptNo,
        /// Whose run.
        keeper: KeeperId,
        /// What differs.
        found: Box<Refutation>,
    },
    /// About a handed-off task.
    Performed(PerformEvent),
    /// It is alive, with so many runs in hand.
    Heartbeat {
        /// Runs in hand.
        load: u32,
    },
}

/// A hello with the proof that the keeper holds its key: a signature over
/// [`SignedHello::digest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHello {
    /// What it says of itself.
    pub hello: KeeperHello,
    /// The platform's nonce, fresh per session.
    pub nonce: B256,
    /// The signature.
    pub signature: Signature,
}

impl SignedHello {
    /// What is signed.
    pub fn digest(hello: &KeeperHello, nonce: B256) -> B256 {
        argus_domain::digest::digest_of("argus/session/1", &(nonce, hello))
    }
}

/// One end of a keeper's stream, at the keeper or at the platform; ends when either side drops it.
#[async_trait]
pub trait KeeperSession<Out, In>: Send + Sync {
    /// Sends; waits for a credit at most until the link's deadline.
    async fn send(&self, message: Out) -> Result<(), LinkError>;
    /// The next message; `None` once the stream has ended. Cancel safe. One caller at a time.
    async fn receive(&self) -> Option<In>;
}

/// The platform's side: takes keepers in. Served by the aggregator.
#[async_trait]
pub trait KeeperGate: Send + Sync {
    /// A fresh nonce, good for one session within a minute.
    async fn nonce(&self) -> Result<B256, LinkError>;
    /// Takes a session in after checking its signature and that the keeper is registered. A second session of a
    /// keeper replaces its first.
    async fn admit(
        &self,
        hello: SignedHello,
        session: Box<dyn KeeperSession<ToKeeper, FromKeeper>>,
    ) -> Result<(), LinkError>;
}

/// The keeper's side: dials out.
#[async_trait]
pub trait KeeperLink: Send + Sync {
    /// A fresh nonce from the platform.
    async fn nonce(&self) -> Result<B256, LinkError>;
    /// Opens the stream.
    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError>;
}
