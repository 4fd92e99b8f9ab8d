//! The roles of this process, offered to others.

use std::{pin::Pin, sync::Arc, time::Duration};

use argus_ports::{Aggregate, Dispatch, FromKeeper, KeeperGate, Nudge, Outcomes, ToKeeper};
use argus_proto::v1;
use argus_tls::{Mutual, Role};
use futures::{Stream, StreamExt};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, service::interceptor::InterceptedService};

use crate::{
    MESSAGE_BYTES_MAX,
    accept::{ACCEPTED, accept},
    batch::batches,
    frames::{hello_from_wire, status_of},
    security::{Guard, SetupError, Tokens},
    session::{Session, queue},
    talk::Talk,
    wire::{
        keepers_server::{Keepers, KeepersServer},
        services_server::ServicesServer,
    },
};

/// A keeper that has connected says its hello within this time.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
/// A peer that does not answer is gone after both together: half-open connections do not pile up.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEP_ALIVE_WITHIN: Duration = Duration::from_secs(10);
/// How long peers may take to notice that their streams have ended.
const GRACE: Duration = Duration::from_secs(2);

/// Which roles there are. What is absent is refused by name.
#[derive(Clone, Default)]
pub struct Served {
    /// The scheduler.
    pub nudge: Option<Arc<dyn Nudge>>,
    /// The dispatcher, for scheduler and monitor.
    pub dispatch: Option<Arc<dyn Dispatch>>,
    /// The aggregator, for the dispatcher.
    pub aggregate: Option<Arc<dyn Aggregate>>,
    /// The dispatcher, for the aggregator.
    pub outcomes: Option<Arc<dyn Outcomes>>,
    /// The aggregator, for keepers.
    pub gate: Option<Arc<dyn KeeperGate>>,
}

/// A server that has not begun yet.
pub struct Server {
    served: Served,
    services: Guard,
    keepers: Guard,
    tls: Option<Mutual>,
    deadline: Duration,
}

impl Server {
    /// Roles behind tokens; where there is TLS, behind certificates besides, whose role has to be that of the caller.
    /// `deadline` is how long a message to a keeper waits for a credit.
    ///
    /// # Errors
    /// [`SetupError::WeakToken`] where a token protects nothing.
    pub fn new(
        served: Served,
        tokens: &Tokens,
        tls: Option<Mutual>,
        deadline: Duration,
    ) -> Result<Self, SetupError> {
        let (services, keepers) =
            (Guard::new(&tokens.services, "services"), Guard::new(&tokens.keepers, "keepers"));
        let role = |role| tls.is_some().then_some(role);
        let (services, keepers) =
            (services?.with_role(role(Role::Service)), keepers?.with_role(role(Role::Keeper)));
        Ok(Self { served, services, keepers, tls, deadline })
    }

    /// Serves until `shutdown` is ready; streams that are open then are ended.
    ///
    /// # Errors
    /// [`SetupError::Transport`] where the listener fails.
    pub async fn run(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), SetupError> {
        let mut server = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(KEEP_ALIVE_EVERY))
            .http2_keepalive_timeout(Some(KEEP_ALIVE_WITHIN));
        let served = Arc::new(self.served);
        let (cut, cutting) = watch::channel(false);
        let services = ServicesServer::new(Talk { served: served.clone(), cutting: cutting.clone() })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let keepers = KeepersServer::new(Gate { served, deadline: self.deadline, cutting: cutting.clone() })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let (ready, accepted) = mpsc::channel(ACCEPTED);
        let tls = self.tls.map(|tls| tls.acceptor());
        // Ends once nobody is let in any more, while streams that are open end in good order.
        let accepting = async {
            accept(listener, tls, ready).await;
            std::future::pending::<()>().await;
        };
        let serving = server
            .add_service(InterceptedService::new(services, self.services))
            .add_service(InterceptedService::new(keepers, self.keepers))
            .serve_with_incoming_shutdown(ReceiverStream::new(accepted), async {
                shutdown.await;
                cut.send_replace(true);
            });
        tokio::select! {
            ended = serving => Ok(ended?),
            () = accepting => Ok(()),
            () = async { was_cut(cutting).await; tokio::time::sleep(GRACE).await } => Ok(()),
        }
    }
}

/// Ends when the server does.
pub(crate) async fn was_cut(mut cutting: watch::Receiver<bool>) {
    // A server that is gone has been cut too.
    let _ = cutting.wait_for(|cut| *cut).await;
}

/// The keepers' service.
struct Gate {
    served: Arc<Served>,
    deadline: Duration,
    cutting: watch::Receiver<bool>,
}

impl Gate {
    fn gate(&self) -> Result<&Arc<dyn KeeperGate>, Status> {
        self.served.gate.as_ref().ok_or_else(|| Status::permission_denied("this process is no aggregator"))
    }
}

#[tonic::async_trait]
impl Keepers for Gate {
    type SessionStream = Pin<Box<dyn Stream<Item = Result<v1::PlatformFrames, Status>> + Send>>;

    async fn nonce(&self, _: Request<v1::NonceRequest>) -> Result<Response<v1::NonceReply>, Status> {
        let nonce = self.gate()?.nonce().await.map_err(status_of)?;
        Ok(Response::new(v1::NonceReply { nonce: nonce.to_vec() }))
    }

    async fn session(
        &self,
        request: Request<Streaming<v1::KeeperFrames>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let gate = self.gate()?;
        let mut frames = request.into_inner();
        let first = tokio::time::timeout(HELLO_WITHIN, frames.message()).await;
        let first = first.map_err(|_| Status::invalid_argument("no hello came in time"))??;
        let what = first.and_then(|batch| batch.items.into_iter().next()).and_then(|frame| frame.what);
        let Some(v1::keeper_frame::What::Hello(hello)) = what else {
            return Err(Status::invalid_argument("the first frame must be a hello"));
        };
        let hello = hello_from_wire(hello).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let (out, waiting) = queue::<ToKeeper>();
        let unpack = |batch: v1::KeeperFrames| batch.items;
        let session: Session<ToKeeper, FromKeeper> = Session::start(out, frames, unpack, self.deadline);
        gate.admit(hello, Box::new(session)).await.map_err(status_of)?;
        let frames = batches(waiting, |items| v1::PlatformFrames { items });
        Ok(Response::new(Box::pin(frames.map(Ok).take_until(Box::pin(was_cut(self.cutting.clone()))))))
    }
}
