//! The roles of another process.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use argus_domain::{
    attempt::Assignment,
    ids::{AttemptNo, JobId, TaskId},
    keeper::LiveKeeper,
};
use argus_ports::{
    Aggregate, AttemptOutcome, Dispatch, HandoffOrder, LinkError, Nudge, Outcomes, PerformEvent, TaskOf,
};
use argus_proto::{Wire, v1};
use argus_tls::Mutual;
use async_trait::async_trait;
use futures::StreamExt;
use secrecy::SecretString;
use tokio::{
    sync::{Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Channel, Endpoint},
};

use crate::{
    MESSAGE_BYTES_MAX,
    batch::batches,
    connect::over_tls,
    frames::{error_of, fault_from_wire, jobs_to_wire, tasks_to_wire},
    security::{Guard, SetupError, Show},
    wire::services_client::ServicesClient,
};

/// Requests under way on one stream: what keeps both sides busy at a round trip of a millisecond.
const WINDOW: usize = 256;
/// Pauses between attempts to connect: from, to.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// A process that was stopped takes messages for a long time, and only its silence tells. Between two questions whether
/// it is there, and how long an answer may take: both together are no more than the time after which another one may
/// have its leases, so that a keeper dials that one in time.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(2));

/// How another process is reached.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// `https://host:port` where there is TLS, else `http://host:port`. The host is a name in the server's certificate.
    pub url: String,
    /// The services' token, or for a keeper the keepers'.
    pub token: SecretString,
    /// Certificates; `None`: no TLS.
    pub tls: Option<Mutual>,
    /// How long a call waits for its answer, connecting included, and a message for a credit.
    pub deadline: Duration,
}

/// A connection to another process. Clones share it; it connects by itself, and again.
#[derive(Clone)]
pub struct Client {
    pub(crate) channel: Channel,
    pub(crate) show: Show,
    pub(crate) deadline: Duration,
    talk: Arc<Talk>,
}

struct Talk {
    queue: mpsc::Sender<Call>,
    window: Arc<Semaphore>,
    numbers: AtomicU64,
    // Ends with the last clone.
    _driver: JoinSet<()>,
}

struct Call {
    request: v1::Request,
    reply: oneshot::Sender<Result<v1::reply::What, LinkError>>,
}

impl Client {
    /// A client of the process at this URL. Needs a running tokio runtime; does not wait for the connection.
    ///
    /// # Errors
    /// [`SetupError`] where URL, token or certificates cannot be used.
    pub fn new(config: &ClientConfig) -> Result<Self, SetupError> {
        let endpoint = Endpoint::from_shared(config.url.clone())?
            .connect_timeout(config.deadline)
            .http2_keep_alive_interval(KEEP_ALIVE.0)
            .keep_alive_timeout(KEEP_ALIVE.1)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        let is_https = endpoint.uri().scheme_str() == Some("https");
        let channel = match &config.tls {
            Some(tls) if is_https => endpoint.connect_with_connector_lazy(over_tls(tls.connector())),
            None if !is_https => endpoint.connect_lazy(),
            _ => return Err(SetupError::Scheme(config.url.clone())),
        };
        let show = Show(Guard::new(&config.token, "link's")?.header()?);
        let (queue, waiting) = mpsc::channel(WINDOW);
        let mut driver = JoinSet::new();
        driver.spawn(drive(channel.clone(), show.clone(), waiting, config.deadline));
        let talk = Talk {
            queue,
            window: Arc::new(Semaphore::new(WINDOW)),
            numbers: AtomicU64::new(1),
            _driver: driver,
        };
        Ok(Self { channel, show, deadline: config.deadline, talk: Arc::new(talk) })
    }

    async fn call(&self, what: v1::request::What) -> Result<v1::reply::What, LinkError> {
        // `Busy` while the window is full of unanswered calls, `Gone` once this one was on its way.
        let by = Instant::now() + self.deadline;
        let Ok(place) = timeout_at(by, self.talk.window.acquire()).await else {
            return Err(LinkError::Busy);
        };
        let _place = place.map_err(|_| closed())?;
        let request = v1::Request {
            number: self.talk.numbers.fetch_add(1, Ordering::Relaxed),
            patience_ms: u32::try_from(self.deadline.as_millis()).unwrap_or(u32::MAX),
            what: Some(what),
        };
        let (reply, answer) = oneshot::channel();
        // Calls that nobody waits for any more may fill the queue of a peer that reads nothing.
        let Ok(sent) = timeout_at(by, self.talk.queue.send(Call { request, reply })).await else {
            return Err(LinkError::Busy);
        };
        sent.map_err(|_| closed())?;
        let within = format!("no answer within {} ms", self.deadline.as_millis());
        let answer = timeout_at(by, answer).await.map_err(|_| LinkError::Gone(within))?;
        match answer.map_err(|_| closed())?? {
            v1::reply::What::Fault(fault) => Err(fault_from_wire(fault)),
            what => Ok(what),
        }
    }
}

fn closed() -> LinkError {
    LinkError::Gone("the connection was closed".to_owned())
}

/// Keeps a stream open, and calls on it. While there is none, calls wait in the queue as long as they have patience.
async fn drive(channel: Channel, show: Show, mut queue: mpsc::Receiver<Call>, deadline: Duration) {
    let mut client = ServicesClient::new(InterceptedService::new(channel, show))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let mut pause = PAUSES.0;
    // Whoever only serves or only connects as a keeper never opens this stream.
    while let Some(first) = queue.recv().await {
        if first.reply.is_closed() {
            continue;
        }
        let (out, waiting) = mpsc::channel(WINDOW);
        let requests = batches(waiting, |items| v1::Requests { items });
        match timeout(deadline, client.talk(requests)).await {
            Ok(Ok(replies)) => {
                pause = PAUSES.0;
                carry(first, &mut queue, &out, replies.into_inner()).await;
            }
            Ok(Err(status)) => {
                let _ = first.reply.send(Err(error_of(&status)));
                sleep(pause).await;
                pause = (pause * 2).min(PAUSES.1);
            }
            Err(_) => {
                let _ = first.reply.send(Err(LinkError::Gone("no connection in time".to_owned())));
            }
        }
    }
}

/// Carries calls until the stream breaks; those without an answer are told.
async fn carry(
    first: Call,
    queue: &mut mpsc::Receiver<Call>,
    out: &mpsc::Sender<v1::Request>,
    mut replies: tonic::Streaming<v1::Replies>,
) {
    let mut waiting = HashMap::new();
    let mut next = Some(first);
    loop {
        tokio::select! {
            call = queue.recv(), if next.is_none() => match call {
                Some(call) => next = Some(call),
                None => return,
            },
            // Answers are read even while there is no room for the next request.
            place = out.reserve(), if next.is_some() => {
                let (Ok(place), Some(call)) = (place, next.take()) else { break };
                waiting.insert(call.request.number, call.reply);
                place.send(call.request);
            }
            batch = replies.next() => {
                let Some(Ok(batch)) = batch else { break };
                for reply in batch.items {
                    // Whoever lost patience is not there any more.
                    if let (Some(caller), Some(what)) = (waiting.remove(&reply.number), reply.what) {
                        let _ = caller.send(Ok(what));
                    }
                }
                waiting.retain(|_, caller: &mut oneshot::Sender<_>| !caller.is_closed());
            }
        }
    }
    for (_, caller) in waiting {
        let _ = caller.send(Err(LinkError::Gone("the connection broke before the answer".to_owned())));
    }
}

#[async_trait]
impl Nudge for Client {
    async fn jobs_changed(&self, jobs: &[JobId]) -> Result<(), LinkError> {
        self.call(v1::request::What::JobsChanged(jobs_to_wire(jobs))).await.map(|_| ())
    }
}

#[async_trait]
impl Dispatch for Client {
    async fn submit(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.call(v1::request::What::Submit(tasks_to_wire(tasks))).await.map(|_| ())
    }

    async fn touched(&self, tasks: &[TaskOf]) -> Result<(), LinkError> {
        self.call(v1::request::What::Touched(tasks_to_wire(tasks))).await.map(|_| ())
    }
}

#[async_trait]
impl Aggregate for Client {
    async fn begin(&self, assignment: Arc<Assignment>) -> Result<(), LinkError> {
        self.call(v1::request::What::Begin(assignment.to_wire())).await.map(|_| ())
    }

    async fn hand_off(&self, order: HandoffOrder) -> Result<(), LinkError> {
        self.call(v1::request::What::HandOff(order.to_wire())).await.map(|_| ())
    }

    async fn live(&self) -> Result<Vec<LiveKeeper>, LinkError> {
        match self.call(v1::request::What::Live(v1::Nothing {})).await? {
            v1::reply::What::Live(live) => {
                let keepers = live.keepers.into_iter().map(LiveKeeper::from_wire).collect::<Result<_, _>>();
                keepers.map_err(|e| LinkError::Gone(format!("the answer cannot be read: {e}")))
            }
            v1::reply::What::Done(_) | v1::reply::What::Fault(_) => {
                Err(LinkError::Gone("the answer is to another question".to_owned()))
            }
        }
    }
}

#[async_trait]
impl Outcomes for Client {
    async fn attempt_ended(
        &self,
        task: TaskId,
        attempt: AttemptNo,
        outcome: AttemptOutcome,
    ) -> Result<(), LinkError> {
        let ended = v1::AttemptEnded {
            task: task.0.to_vec(),
            attempt: u32::from(attempt.0),
            outcome: Some(outcome.to_wire()),
        };
        self.call(v1::request::What::AttemptEnded(ended)).await.map(|_| ())
    }

    async fn performed(&self, event: PerformEvent) -> Result<(), LinkError> {
        self.call(v1::request::What::Performed(event.to_wire())).await.map(|_| ())
    }

    async fn keepers_changed(&self) -> Result<(), LinkError> {
        self.call(v1::request::What::KeepersChanged(v1::Nothing {})).await.map(|_| ())
    }
}
