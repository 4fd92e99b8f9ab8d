//! Connections to a server: taken at once, and let in once they have shown what they have to.
//!
//! Whoever has shown nothing yet costs little: no handshake waits for another one, each has a time, and of one source
//! only some are under way. What is above that is closed, and whoever is honest comes again.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
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

/// Connections that are let in and not taken up yet. More are made at the pace at which they are.
pub(crate) const ACCEPTED: usize = 64;
/// How long a peer may take for its handshake: several times what a slow network needs for its two round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes under way at once, of one source and in all. What waits in them holds a socket and some kilobytes.
const HANDSHAKES: (usize, usize) = (64, 1024);
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
                    Some(place) => {
                        let (tls, ready) = (tls.clone(), ready.clone());
                        handshakes.spawn(async move {
                            let _place = place;
                            let peer = shake(stream, tls).await.map_err(|why| (from, why))?;
                            // Who is gone has ended the server.
                            let _gone = ready.send(Ok(peer)).await;
                            Ok(())
                        });
                    }
                    None => failures.note(from, "too many handshakes of its source are under way"),
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

/// Handshakes under way, by where they come from.
#[derive(Clone, Default)]
struct Sources(Arc<Mutex<UnderWay>>);

#[derive(Default)]
struct UnderWay {
    of: HashMap<IpAddr, usize>,
    in_all: usize,
}

/// One of them.
struct Place {
    sources: Sources,
    source: IpAddr,
}

impl Sources {
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let source = source(address);
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = under_way.of.get(&source).copied().unwrap_or_default();
        if count >= HANDSHAKES.0 || under_way.in_all >= HANDSHAKES.1 {
            return None;
        }
        under_way.of.insert(source, count + 1);
        under_way.in_all += 1;
        Some(Place { sources: self.clone(), source })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut under_way = self.sources.0.lock().unwrap_or_else(PoisonError::into_inner);
        under_way.in_all = under_way.in_all.saturating_sub(1);
        match under_way.of.get_mut(&self.source) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(under_way.of.remove(&self.source)),
        }
    }
}

/// What a peer cannot choose of its address: all of IPv4's, the network's part of IPv6's (RFC 4291, section 2.5.4).
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address => address,
    }
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
