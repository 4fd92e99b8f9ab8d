//! Connections: HTTP/1.1, WebSockets by its upgrade, and an end for those who send no request.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo, serve::Listener};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, task::JoinSet};
use tower::Service;

/// Headers past which a request is not looked at. The router refuses fewer, with a sentence.
const HEADERS_MAX: usize = 256;

/// Serves a router on a listener for ever, and tells it each client's address. A connection is closed on which no
/// whole head of a request arrives within `head_timeout`, be it the first one or a further one: each holds a socket
/// and a buffer of ours, and costs whoever opens it nothing. Dropping the future closes them all.
pub async fn listen(mut listener: TcpListener, router: Router, head_timeout: Duration) {
    let mut server = http1::Builder::new();
    server.max_headers(HEADERS_MAX);
    server.timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer): (_, SocketAddr) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().call(request)
        });
        let connection = server.serve_connection(TokioIo::new(stream), service).with_upgrades();
        connections.spawn(async move {
            if let Err(cause) = connection.await {
                tracing::debug!(%peer, %cause, "a connection ended");
            }
        });
    }
}
