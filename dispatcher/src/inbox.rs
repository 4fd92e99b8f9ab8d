//! How others reach the dispatcher.

use argus_domain::ids::{AttemptNo, TaskId};
use argus_ports::{AttemptOutcome, Dispatch, LinkError, Outcomes, PerformEvent};
use async_trait::async_trait;
use tokio::sync::mpsc::{self, error::TrySendError};

/// One message, as it came.
#[derive(Debug)]
pub(crate) enum Message {
    Submit(Vec<TaskId>),
    Touched(Vec<TaskId>),
    Ended { task: TaskId, attempt: AttemptNo, outcome: AttemptOutcome },
    Performed(PerformEvent),
    KeepersChanged,
}

/// The local link to the dispatcher: for the scheduler, the monitor and the aggregator of the same process, and for
/// the server that takes in the others'.
#[derive(Debug, Clone)]
pub struct Handle(pub(crate) mpsc::Sender<Message>);

impl Handle {
    /// Never waits: a full inbox is said at once, and whoever sends decides whether to come again.
    fn put(&self, message: Message) -> Result<(), LinkError> {
        self.0.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => LinkError::Busy,
            TrySendError::Closed(_) => LinkError::Gone("the dispatcher has stopped".to_owned()),
        })
    }
}

#[async_trait]
impl Dispatch for Handle {
    async fn submit(&self, tasks: &[TaskId]) -> Result<(), LinkError> {
        self.put(Message::Submit(tasks.to_vec()))
    }

    async fn touched(&self, tasks: &[TaskId]) -> Result<(), LinkError> {
        self.put(Message::Touched(tasks.to_vec()))
    }
}

#[async_trait]
impl Outcomes for Handle {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        self.put(Message::Ended { task, attempt, outcome })
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.put(Message::Performed(event))
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.put(Message::KeepersChanged)
    }
}
