//! How others reach the dispatcher.

use std::sync::Arc;

use argus_domain::ids::{AttemptNo, TaskId};
use argus_ports::{AttemptOutcome, Dispatch, LinkError, Outcomes, PerformEvent, TaskOf, count::Queue};
use async_trait::async_trait;
use tokio::sync::mpsc::{self, error::TrySendError};

use crate::Metrics;

/// One message, as it came.
#[derive(Debug)]
pub(crate) enum Message {
    Submit(Vec<TaskOf>),
    Touched(Vec<TaskOf>),
    Ended { task: TaskId, attempt: AttemptNo, outcome: AttemptOutcome },
    Performed(PerformEvent),
    KeepersChanged,
}

/// The local link to the dispatcher: for the scheduler, the monitor and the aggregator of the same process, and for
/// the server that takes in the others'.
#[derive(Debug, Clone)]
pub struct Handle {
    pub(crate) inbox: mpsc::Sender<Message>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) effects_max: usize,
}

impl Handle {
    /// What it has in hand.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Messages that wait for it.
    pub fn inbox(&self) -> Queue {
        let bound = self.inbox.max_capacity();
        Queue { length: bound - self.inbox.capacity(), bound }
    }

    /// What waits to be carried out.
    pub fn effects(&self) -> Queue {
        Queue {
            length: usize::try_from(self.metrics.effects.get()).unwrap_or(usize::MAX),
            bound: self.effects_max,
        }
    }

    /// Never waits: a full inbox is said at once, and whoever sends decides whether to come again.
    fn put(&self, message: Message) -> Result<(), LinkError> {
        self.inbox.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => LinkError::Busy,
            TrySendError::Closed(_) => LinkError::Gone("the dispatcher has stopped".to_owned()),
        })
    }
}

#[async_trait]
impl Dispatch for Handle {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.put(Message::Submit(tasks.to_vec()))
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
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
