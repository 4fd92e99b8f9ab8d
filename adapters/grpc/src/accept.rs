//! Connections to a server: taken at once, and let in once they have shown what they have to.
//!
//! Whoever has shown nothing yet costs little: no handshake waits for another one, each has a time, of one source only
//! some are under way, and a source whose handshakes fail again and again has none for a while. What is above that is
//! closed, and whoever is honest comes again.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use argus_tls::{Role, TlsAcceptor, server::TlsStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::transport::server::Connected;

use crate::sources::Sources;

/// Connections that are let in and not taken up yet. More are made at the pace at which they are.
pub(crate) const ACCEPTED: usize = 64;
/// How long a peer may take for its handshake: several times what a slow network needs for its two round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Between two lines of the log on handshakes that failed.
const TELL: Duration = Duration::from_secs(10);
/// After the system had no file or memory for a connection.
const BREATH: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// What its certificate says; `None` where there is no TLS.
    pub role: Option<Role>,
}

/// A connection that was let in.
pub(crate) enum Peer {
    /// In clear.
    Plain(TcpStream),
    /// In TLS, with a certificate of this role.
    Tls(Box<TlsStream<TcpStream>>, Role),
}

/// Takes connections until nobody takes them up any more.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Sender<io::Result<Peer>>,
) {
    let sources = Sources::default();
    let mut failures = Failures::default();
    let mut handshakes: JoinSet<Result<(), (SocketAddr, String)>> = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => match sources.enter(from.ip()) {
                    Ok(place) => {
                        let (tls, ready) = (tls.clone(), ready.clone());
                        handshakes.spawn(async move {
                            match shake(stream, tls).await {
                                // Where nobody takes it up, the server has ended.
                                Ok(peer) => drop(ready.send(Ok(peer)).await),
                                Err(why) => {
                                    place.blame();
                                    return Err((from, why));
                                }
                            }
                            Ok(())
                        });
                    }
                    Err(why) => failures.note(from, why),
                },
                Err(cause) => {
                    tracing::warn!(%cause, "a connection was not taken");
                    sleep(BREATH).await;
                }
            },
            Some(ended) = handshakes.join_next() => {
                if let Ok(Err((from, why))) = ended {
                    failures.note(from, &why);
                }
            }
            () = ready.closed() => return,
        }
    }
}

async fn shake(stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<Peer, String> {
    // A link without it is slow, and no worse.
    let _slow = stream.set_nodelay(true);
    let Some(tls) = tls else { return Ok(Peer::Plain(stream)) };
    let stream = match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(cause)) => return Err(cause.to_string()),
        Err(_) => return Err("it took too long".to_owned()),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let role = shown.and_then(|certificate| Role::of(certificate).ok());
    let role = role.ok_or_else(|| "its certificate has no role".to_owned())?;
    Ok(Peer::Tls(Box::new(stream), role))
}

/// Handshakes that failed since it was last told.
#[derive(Default)]
struct Failures {
    count: u64,
    told: Option<Instant>,
}

impl Failures {
    fn note(&mut self, last: SocketAddr, why: &str) {
        self.count += 1;
        if self.told.is_none_or(|told| told.elapsed() >= TELL) {
            tracing::warn!(count = self.count, %last, why, "connections to the links were not let in");
            *self = Self { count: 0, told: Some(Instant::now()) };
        }
    }
}

impl Connected for Peer {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        match self {
            Self::Plain(_) => Caller { role: None },
            Self::Tls(_, role) => Caller { role: Some(*role) },
        }
    }
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream, _) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream, _) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream, _) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream, _) => stream.is_write_vectored(),
        }
    }
}
