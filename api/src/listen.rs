//! Connections: HTTP/1.1, in TLS where there is a certificate, WebSockets by its upgrade, and an end for those who send
//! no request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_tls::TlsAcceptor;
use axum::{Router, extract::ConnectInfo, serve::Listener};
use futures::future::BoxFuture;
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
    time::timeout,
};
use tower::Service;

/// Headers past which a request is not looked at. The router refuses fewer, with a sentence.
const HEADERS_MAX: usize = 256;

/// What is to become of a connection once it no longer speaks HTTP, which each of its requests may say.
#[derive(Clone, Default)]
pub struct Afterwards(Arc<Mutex<Option<BoxFuture<'static, ()>>>>);

impl Afterwards {
    /// Has this driven by the connection's own task.
    pub fn put(&self, work: impl Future<Output = ()> + Send + 'static) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::pin(work));
    }

    fn take(&self) -> Option<BoxFuture<'static, ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Serves a router on a listener for ever, and tells it each client's address. A connection is closed on which no
/// whole head of a request arrives within `head_timeout`, be it the first one or a further one, or whose handshake takes
/// as long: each holds a socket and a buffer of ours, and costs whoever opens it nothing. Dropping the future closes
/// them all.
pub async fn listen(
    mut listener: TcpListener,
    router: Router,
    head_timeout: Duration,
    tls: Option<TlsAcceptor>,
) {
    let mut server = http1::Builder::new();
    server.max_headers(HEADERS_MAX);
    server.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let (server, router, tls) = (server.clone(), router.clone(), tls.clone());
        connections.spawn(async move {
            let Some(tls) = tls else { return serve(server, stream, peer, router).await };
            match timeout(head_timeout, tls.accept(stream)).await {
                Ok(Ok(stream)) => serve(server, stream, peer, router).await,
                Ok(Err(cause)) => tracing::debug!(%peer, %cause, "a handshake failed"),
                Err(_) => tracing::debug!(%peer, "a handshake took too long"),
            }
        });
    }
}

async fn serve(
    server: http1::Builder,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
) {
    let afterwards = Afterwards::default();
    let told = afterwards.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        request.extensions_mut().insert(told.clone());
        router.clone().call(request)
    });
    let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
    if let Err(cause) = connection.await {
        tracing::debug!(%peer, %cause, "a connection ended");
    }
    if let Some(work) = afterwards.take() {
        work.await;
    }
}
