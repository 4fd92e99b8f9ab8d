//! Connections to a server: taken at once, and let in once they have shown what they have to.
//!
//! Whoever has shown nothing yet costs little: no handshake waits for another one, each has a time, of one source only
//! some are under way, and a source whose handshakes fail again and again has none for a while. What is above that is
//! closed, and whoever is honest comes again. What is let in has a bound, too, of each source and in all.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use argus_tls::{Role, TlsAcceptor, server::TlsStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
    time::{Sleep, sleep, timeout},
};
use tonic::transport::server::Connected;

use crate::sources::{Place, Sources};

/// Connections that are let in and not taken up yet. More are made at the pace at which they are.
pub(crate) const ACCEPTED: usize = 64;
/// How long a peer may take for its handshake: several times what a slow network needs for its two round trips.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long a peer that was let in may take for its first call: whoever connects has one to make.
const CALL_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at a beginning that has not come as a whole.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);
/// Between two lines of the log on handshakes that failed.
const TELL: Duration = Duration::from_secs(10);
/// After the system had no file or memory for a connection.
const BREATH: Duration = Duration::from_millis(100);

/// Who is at the other end of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// What its certificate says; `None` where there is no TLS.
    pub role: Option<Role>,
    place: Arc<Place>,
}

impl Caller {
    /// What it showed is not right.
    pub fn blame(&self) {
        self.place.blame();
    }

    /// What it showed is right.
    pub fn know(&self) {
        self.place.know();
    }
}

/// A connection that was let in.
pub(crate) struct Peer {
    stream: Link,
    caller: Caller,
    /// Until when it has to have made a call that was let through; `None`: it has.
    until: Option<Pin<Box<Sleep>>>,
}

enum Link {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
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
                                Ok((stream, role)) => {
                                    let caller = Caller { role, place: Arc::new(place.opened()) };
                                    // Where nobody takes it up, the server has ended.
                                    let until = Some(Box::pin(sleep(CALL_WITHIN)));
                                    drop(ready.send(Ok(Peer { stream, caller, until })).await);
                                }
                                Err(Refused::Gone) => {}
                                Err(Refused::Wrong(why)) => {
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

/// The stream of a peer that has shown what it has to, and its role where there is TLS.
async fn shake(stream: TcpStream, tls: Option<TlsAcceptor>) -> Result<(Link, Option<Role>), Refused> {
    // A link without it is slow, and no worse.
    let _slow = stream.set_nodelay(true);
    let wrong = |why: &str| Refused::Wrong(why.to_owned());
    let Some(tls) = tls else {
        return match timeout(HANDSHAKE, speaks_http2(&stream)).await {
            Ok(Ok(true)) => Ok((Link::Plain(stream), None)),
            Ok(Ok(false)) => {
                // With bytes unread the end would be a reset, of which nobody can tell why.
                let _read = stream.try_read(&mut [0; 16_384]);
                Err(wrong("it does not speak HTTP/2 in clear"))
            }
            Ok(Err(_)) => Err(Refused::Gone),
            Err(_) => Err(wrong("it said nothing")),
        };
    };
    // Who goes away before a first byte has perhaps only looked whether anybody is here.
    match timeout(HANDSHAKE, stream.peek(&mut [0; 1])).await {
        Ok(Ok(0) | Err(_)) => return Err(Refused::Gone),
        Ok(Ok(_)) => {}
        Err(_) => return Err(wrong("it said nothing")),
    }
    let stream = match timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(cause)) => return Err(Refused::Wrong(cause.to_string())),
        Err(_) => return Err(wrong("it took too long")),
    };
    let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let role = shown.and_then(|certificate| Role::of(certificate).ok());
    let role = role.ok_or_else(|| wrong("its certificate has no role"))?;
    Ok((Link::Tls(Box::new(stream)), Some(role)))
}

/// Why a connection was not let in.
enum Refused {
    /// It went away before it said anything.
    Gone,
    /// It said something else than it should, or nothing.
    Wrong(String),
}

/// What a client of HTTP/2 begins with (RFC 9113, section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a peer begins as a client of HTTP/2 does. Nothing is taken from the stream.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut begun = [0; PREFACE.len()];
    loop {
        match stream.peek(&mut begun).await? {
            // Perhaps it only looked whether anybody is here.
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            some if begun[..some] != PREFACE[..some] => return Ok(false),
            some if some == PREFACE.len() => return Ok(true),
            // The stream counts as readable: there is nothing to wait for but time.
            _ => sleep(BETWEEN_LOOKS).await,
        }
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
        self.caller.clone()
    }
}

impl AsyncRead for Peer {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(until) = &mut this.until {
            if this.caller.place.is_known() {
                this.until = None;
            } else if until.as_mut().poll(cx).is_ready() {
                this.caller.blame();
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        match &mut this.stream {
            Link::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Link::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Link::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Link::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Link::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Link::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Link::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Link::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().stream {
            Link::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Link::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Link::Plain(stream) => stream.is_write_vectored(),
            Link::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
