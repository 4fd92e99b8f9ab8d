//! A connection with somebody listening.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// Every byte of a connection's one direction.
type Heard = Arc<Mutex<Vec<u8>>>;

/// A port that passes on what comes to it, and keeps what passes, each direction of each connection by itself. Dropping
/// it cuts all of them.
#[derive(Debug)]
pub struct Wire {
    /// Where it listens.
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    _passing: JoinSet<()>,
}

impl Wire {
    /// To this address, from a free port.
    pub async fn to(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let here = listener.local_addr().expect("an address");
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let mut passing = JoinSet::new();
        passing.spawn(accept(listener, address, heard.clone()));
        Self { address: here, heard, _passing: passing }
    }

    /// What was heard so far.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        let all = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|one| one.lock().unwrap_or_else(PoisonError::into_inner).clone()).collect()
    }
}

async fn accept(listener: TcpListener, to: SocketAddr, heard: Arc<Mutex<Vec<Heard>>>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let Ok(far) = TcpStream::connect(to).await else { continue };
        let (near, far) = (near.into_split(), far.into_split());
        for (from, into) in [(near.0, far.1), (far.0, near.1)] {
            let kept = Heard::default();
            heard.lock().unwrap_or_else(PoisonError::into_inner).push(kept.clone());
            connections.spawn(pass(from, into, kept));
        }
    }
}

async fn pass(mut from: impl AsyncRead + Unpin, mut into: impl AsyncWrite + Unpin, kept: Heard) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
        if into.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    let _ = into.shutdown().await;
}
