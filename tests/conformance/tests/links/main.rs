//! The link suites over local handles, over gRPC and over gRPC in TLS, and what only a network can show.

mod clear;
mod flood;
mod mutual;
mod silence;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use argus_conformance::links::{self, Gate, Recorder};
use argus_domain::{B256, ids::TaskId};
use argus_grpc::{Client, ClientConfig, Served, Server, SetupError, Tokens};
use argus_memory::session;
use argus_ports::{
    Dispatch, FromKeeper, KeeperGate, KeeperLink, KeeperSession, LinkError, Nudge, SignedHello, TaskOf,
    ToKeeper,
};
use argus_tls::Mutual;
use async_trait::async_trait;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};

const CREDIT_DEADLINE: Duration = Duration::from_millis(300);
const SERVICES: &str = "services-0123456789";
const KEEPERS: &str = "keepers-0123456789";

/// The platform's gate in the same process.
struct Local(Arc<Gate>);

#[async_trait]
impl KeeperLink for Local {
    async fn nonce(&self) -> Result<B256, LinkError> {
        self.0.nonce().await
    }

    async fn connect(
        &self,
        hello: SignedHello,
    ) -> Result<Box<dyn KeeperSession<FromKeeper, ToKeeper>>, LinkError> {
        let (here, there) = session(16, CREDIT_DEADLINE);
        self.0.admit(hello, Box::new(there)).await?;
        Ok(Box::new(here))
    }
}

/// A server in a task of its own; stops when it is dropped.
struct Running {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
}

impl Running {
    async fn start(served: Served, address: &str) -> Self {
        Self::with(served, address, None).await
    }

    async fn with(served: Served, address: &str, tls: Option<Mutual>) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let tokens = Tokens { services: SERVICES.into(), keepers: KEEPERS.into() };
        let server = Server::new(served, &tokens, tls, CREDIT_DEADLINE).expect("a server");
        let (stop, stopped) = oneshot::channel::<()>();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let shutdown = async { stopped.await.unwrap_or_default() };
            server.run(listener, shutdown).await.expect("it serves");
        });
        Self { address, stop: Some(stop), tasks }
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        while self.tasks.join_next().await.is_some() {}
    }

    fn client(&self, token: &str, deadline: Duration) -> Client {
        let url = format!("http://{}", self.address);
        Client::new(&ClientConfig { url, token: token.into(), tls: None, deadline }).expect("a client")
    }
}

fn all_roles(other: &Arc<Recorder>) -> Served {
    Served {
        nudge: Some(other.clone()),
        dispatch: Some(other.clone()),
        aggregate: Some(other.clone()),
        outcomes: Some(other.clone()),
        gate: None,
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn services_in_one_process() {
    let other = Recorder::default();
    links::services(&other, &other).await;
}

#[tokio::test]
async fn services_over_grpc() {
    let other = Arc::new(Recorder::default());
    let server = Running::start(all_roles(&other), "127.0.0.1:0").await;
    links::services(&server.client(SERVICES, PATIENCE), &other).await;
}

#[tokio::test]
async fn keepers_in_one_process() {
    let (gate, mut admitted) = Gate::new();
    links::keepers(&Local(gate), &mut admitted).await;
}

#[tokio::test]
async fn keepers_over_grpc() {
    let (gate, mut admitted) = Gate::new();
    let server = Running::start(Served { gate: Some(gate), ..Served::default() }, "127.0.0.1:0").await;
    links::keepers(&server.client(KEEPERS, Duration::from_secs(2)), &mut admitted).await;
}

#[tokio::test]
async fn nothing_is_open() {
    let other = Arc::new(Recorder::default());
    let (gate, _admitted) = Gate::new();
    let server = Running::start(Served { gate: Some(gate), ..all_roles(&other) }, "127.0.0.1:0").await;
    for token in [KEEPERS, "another-token-0123456789"] {
        let refused = server.client(token, PATIENCE).submit(&[]).await;
        assert!(matches!(refused, Err(LinkError::Refused(_))), "{token}: {refused:?}");
    }
    for token in [SERVICES, "another-token-0123456789"] {
        let refused = server.client(token, PATIENCE).nonce().await;
        assert!(matches!(refused, Err(LinkError::Refused(_))), "{token}: {refused:?}");
    }
    let weak = Tokens { services: "".into(), keepers: KEEPERS.into() };
    let server = Server::new(Served::default(), &weak, None, PATIENCE);
    assert!(matches!(server, Err(SetupError::WeakToken(_))));
}

#[tokio::test]
async fn an_absent_role_is_refused_by_name() {
    let server = Running::start(Served::default(), "127.0.0.1:0").await;
    let refused = server.client(SERVICES, PATIENCE).jobs_changed(&[]).await;
    assert_eq!(refused, Err(LinkError::Refused("this process is no scheduler".to_owned())));
    let refused = server.client(KEEPERS, PATIENCE).nonce().await;
    assert_eq!(refused, Err(LinkError::Refused("this process is no aggregator".to_owned())));
}

#[tokio::test]
async fn a_client_outlives_its_server() {
    let other = Arc::new(Recorder::default());
    let first = Running::start(all_roles(&other), "127.0.0.1:0").await;
    let client = first.client(SERVICES, Duration::from_secs(2));
    let task = [TaskOf::from(TaskId(B256::ZERO))];
    client.submit(&task).await.expect("submit");
    let address = first.address.to_string();
    first.stop().await;
    let gone = client.submit(&task).await;
    assert!(matches!(gone, Err(LinkError::Gone(_))), "{gone:?}");
    let _second = Running::start(all_roles(&other), &address).await;
    let again = async {
        while client.submit(&task).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("it connects again by itself");
}

/// A dispatcher that never answers.
struct Stuck;

#[async_trait]
impl Dispatch for Stuck {
    async fn submit(&self, _: &[TaskOf]) -> Result<(), LinkError> {
        std::future::pending().await
    }

    async fn touched(&self, _: &[TaskOf]) -> Result<(), LinkError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_call_that_hangs_ends_and_holds_up_no_other() {
    let served = Served { dispatch: Some(Arc::new(Stuck)), ..Served::default() };
    let server = Running::start(served, "127.0.0.1:0").await;
    let client = server.client(SERVICES, Duration::from_secs(1));
    let (hung, other) = tokio::join!(client.submit(&[]), client.touched(&[]));
    assert!(matches!(hung, Err(LinkError::Busy | LinkError::Gone(_))), "{hung:?}");
    assert_eq!(other, Ok(()));
}
