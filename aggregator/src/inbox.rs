//! How others reach the aggregator.

use std::{sync::Arc, time::Duration};

use argus_domain::{
    B256,
    attempt::Assignment,
    ids::{AttemptNo, KeeperId, TaskId},
    keeper::{KeeperHello, KeeperRecord, LiveKeeper},
    state::State,
};
use argus_ports::{
    Aggregate, ContentError, FromKeeper, HandoffOrder, KeeperGate, KeeperSession, LinkError, SignedHello,
    ToKeeper, count::Queue,
};
use async_trait::async_trait;
use tokio::{
    sync::{
        mpsc::{self, error::SendTimeoutError},
        watch,
    },
    time::timeout,
};

use crate::{
    gate::{self, Nonces},
    metrics::Metrics,
    ports::Ports,
    service::ERRANDS,
    session::{Said, Stream},
    term::SHARD,
};

/// One message, as it came.
pub(crate) enum Message {
    Begin {
        assignment: Arc<Assignment>,
        state: Option<Arc<State>>,
    },
    /// An attempt that nobody can run, and why.
    Hopeless {
        task: TaskId,
        attempt: AttemptNo,
        why: String,
    },
    HandOff(Box<HandoffOrder>),
    Admit {
        hello: KeeperHello,
        row: Box<KeeperRecord>,
        stream: Stream,
    },
    Said {
        keeper: KeeperId,
        said: Said,
    },
}

/// How long a caller waits for room in the inbox before it is told to come again.
const ROOM_WITHIN: Duration = Duration::from_secs(1);

/// How long a caller waits at most until an aggregator that begins knows whether it leads: twice what it takes.
const BEGUN_WITHIN: Duration = Duration::from_secs(1);

/// The local link to the aggregator: for the dispatcher and the keepers of the same process, and for the server that
/// takes in the others'.
#[derive(Clone)]
pub struct Handle {
    pub(crate) inbox: mpsc::Sender<Message>,
    pub(crate) ports: Ports,
    pub(crate) nonces: Arc<Nonces>,
    pub(crate) nonce_good_for: Duration,
    pub(crate) live: watch::Receiver<Vec<LiveKeeper>>,
    pub(crate) begun: watch::Receiver<bool>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Handle {
    /// What it has done so far.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Messages that wait for it.
    pub fn inbox(&self) -> Queue {
        let bound = self.inbox.max_capacity();
        Queue { length: bound - self.inbox.capacity(), bound }
    }

    /// Messages that wait for the dispatcher.
    pub fn errands(&self) -> Queue {
        Queue { length: usize::try_from(self.metrics.errands.get()).unwrap_or(usize::MAX), bound: ERRANDS }
    }

    /// Who is connected, with what each of them has in hand.
    pub fn keepers(&self) -> Vec<LiveKeeper> {
        self.live.borrow().clone()
    }

    /// Whether it is this one that is to be asked.
    async fn leads(&self) -> Result<(), LinkError> {
        let mut begun = self.begun.clone();
        // Where it does not begin in time, or has ended, it holds nothing.
        let _ = timeout(BEGUN_WITHIN, begun.wait_for(|begun| *begun)).await;
        match self.ports.lease.fence(SHARD) {
            Some(_) => Ok(()),
            None => Err(LinkError::Gone("this aggregator stands by: another one leads".to_owned())),
        }
    }

    async fn put(&self, message: Message) -> Result<(), LinkError> {
        self.inbox.send_timeout(message, ROOM_WITHIN).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => LinkError::Busy,
            SendTimeoutError::Closed(_) => LinkError::Gone("the aggregator has stopped".to_owned()),
        })
    }
}

#[async_trait]
impl Aggregate for Handle {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.leads().await?;
        let state = match assignment.attempt.state {
            None => None,
            Some(named) => {
                match self.ports.archive.state(named.root).await {
                    Ok(state) => Some(Arc::new(state)),
                    Err(lost @ ContentError::Lost(_)) => {
                        let (task, attempt) = (assignment.task.id, assignment.attempt.no);
                        let why = format!("nobody can run it: {lost}");
                        return self.put(Message::Hopeless { task, attempt, why }).await;
                    }
                    // The dispatcher begins it again.
                    Err(error) => return Err(LinkError::Gone(error.to_string())),
                }
            }
        };
        self.put(Message::Begin { assignment, state }).await
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.leads().await?;
        self.put(Message::HandOff(Box::new(order))).await
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        if self.inbox.is_closed() {
            return Err(LinkError::Gone("the aggregator has stopped".to_owned()));
        }
        self.leads().await?;
        Ok(self.live.borrow().clone())
    }
}

#[async_trait]
impl KeeperGate for Handle {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.leads().await?;
        self.nonces.give(self.ports.signer.as_ref(), self.ports.clock.now()).await
    }

    async fn admit(
        &self,
        hello: SignedHello,
        session: Box<dyn KeeperSession<ToKeeper, FromKeeper>>,
    ) -> Result<(), LinkError> {
        self.leads().await?;
        let row = gate::check(&self.ports, &self.nonces, self.nonce_good_for, &hello).await?;
        self.put(Message::Admit { hello: hello.hello, row: Box::new(row), stream: session }).await
    }
}
