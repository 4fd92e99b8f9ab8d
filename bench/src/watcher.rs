//! A WebSocket client that does as little as can be, so that the server is what is measured: it counts text frames.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Room for what has arrived, bytes: a few dozen frames.
const BUFFER: usize = 64 * 1024;
/// Of those that stall: as little as the system gives.
const SMALL: u32 = 4 * 1024;
/// First bytes of frames.
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
/// An empty answer to a ping, masked by four zeros as all that clients say.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

/// One connection.
pub struct Watcher {
    stream: TcpStream,
    buffer: Vec<u8>,
    last: Vec<u8>,
}

impl Watcher {
    /// So many connections; those that will stall have a small buffer of the system's.
    pub async fn open(
        address: SocketAddr,
        path: &str,
        count: usize,
        is_small: bool,
    ) -> anyhow::Result<Vec<Self>> {
        let mut watchers = Vec::with_capacity(count);
        for _ in 0..count {
            watchers.push(Self::connect(address, path, is_small).await?);
        }
        Ok(watchers)
    }

    async fn connect(address: SocketAddr, path: &str, is_small: bool) -> anyhow::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if is_small {
            socket.set_recv_buffer_size(SMALL)?;
        }
        let mut stream = socket.connect(address).await?;
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await?;
        let mut buffer = Vec::with_capacity(BUFFER);
        let end = loop {
            ensure!(stream.read_buf(&mut buffer).await? > 0, "the connection ended before its upgrade");
            if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let answer = String::from_utf8_lossy(&buffer[..end]);
        ensure!(answer.starts_with("HTTP/1.1 101 "), "no WebSocket: {answer}");
        buffer.drain(..end);
        Ok(Self { stream, buffer, last: Vec::new() })
    }

    /// Sends a short text.
    pub async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).context("a short text")?;
        let mut frame = vec![TEXT, 0x80 | length, 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        Ok(self.stream.write_all(&frame).await?)
    }

    /// Reads until so many further texts were there.
    pub async fn hear(&mut self, texts: usize) -> anyhow::Result<()> {
        let (mut heard, mut at, mut newest) = (0, 0, 0..0);
        while heard < texts {
            match frame(&self.buffer[at..]) {
                Some((kind, payload, length)) => {
                    ensure!(
                        kind == TEXT || kind == PING,
                        "a frame of kind {kind:#x} after {heard} of {texts} texts"
                    );
                    if kind == PING {
                        self.stream.write_all(&PONG).await?;
                    } else {
                        heard += 1;
                        newest = at + payload..at + length;
                    }
                    at += length;
                }
                None => {
                    self.buffer.drain(..at);
                    at = 0;
                    ensure!(
                        self.stream.read_buf(&mut self.buffer).await? > 0,
                        "it ended after {heard} of {texts}"
                    );
                }
            }
        }
        self.last.clear();
        self.last.extend_from_slice(&self.buffer[newest]);
        self.buffer.drain(..at);
        Ok(())
    }

    /// The newest text.
    pub fn last(&self) -> &str {
        std::str::from_utf8(&self.last).unwrap_or_default()
    }
}

/// The first frame of what has arrived, if it is there as a whole: its first byte, where its payload begins, and its
/// length in all.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let (kind, length) = (*bytes.first()?, *bytes.get(1)?);
    let (payload, length) = match length {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    (bytes.len() >= payload + length).then_some((kind, payload, payload + length))
}
