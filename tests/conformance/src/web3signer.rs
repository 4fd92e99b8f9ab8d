//! A remote signer that speaks Web3Signer's HTTP in its eth1 mode, as its OpenAPI documents have it, and that can be told
//! to misbehave. It makes its signatures itself and not with our adapter.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use argus_domain::keccak256;
use secp256k1::{Message, SECP256K1, SecretKey, ecdsa::RecoveryId};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// How it answers a request for a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Honest,
    /// With a v of 0 or 1.
    PlainV,
    /// With the second form of the signature: n - s, and the other v.
    HighS,
    /// With another key.
    OtherKey,
    /// Over other bytes.
    OtherBytes,
    /// With this status and text.
    Says(u16, &'static str),
    /// With so many bytes, and no end in sight.
    Endless(usize),
    /// Not at all; the connection stays.
    Silent,
    /// With the first half of its answer, and then silence.
    Half,
    /// By closing the connection.
    Closes,
    /// The list of keys lacks ours.
    Keyless,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and path.
    pub what: String,
    /// The header that says who asks.
    pub authorization: Option<String>,
    /// The body.
    pub body: String,
}

/// A signer at work. Dropping it ends it.
pub struct Web3signer {
    address: SocketAddr,
    about: Arc<About>,
    serving: JoinSet<()>,
}

struct About {
    keys: Vec<SecretKey>,
    tls: Option<TlsAcceptor>,
    manner: Mutex<Manner>,
    asked: Mutex<Vec<Asked>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Web3signer {
    /// With these keys, 32 bytes in hex each, on a free port of this machine.
    ///
    /// # Panics
    /// Where they are none.
    pub async fn start(keys: &[&str], tls: Option<TlsAcceptor>) -> Self {
        let key = |text: &&str| {
            let bytes = hex::decode(text.trim().trim_start_matches("0x")).expect("hex");
            SecretKey::from_byte_array(bytes.try_into().expect("32 bytes")).expect("a key")
        };
        let about = About {
            keys: keys.iter().map(key).collect(),
            tls,
            manner: Mutex::new(Manner::Honest),
            asked: Mutex::default(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let mut this = Self { address, about: Arc::new(about), serving: JoinSet::new() };
        this.go_on().await;
        this
    }

    /// Where it is.
    pub fn url(&self) -> String {
        let scheme = if self.about.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How it answers from now on.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.about.manner) = manner;
    }

    /// What it was asked so far, oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.about.asked).clone()
    }

    /// How many signatures it was asked for.
    pub fn signatures(&self) -> usize {
        self.asked().iter().filter(|one| one.what.starts_with("POST")).count()
    }

    /// Stops, as a process that was killed: connections end, and nobody listens.
    pub async fn stop(&mut self) {
        self.serving.shutdown().await;
    }

    /// Listens, where it was before.
    ///
    /// # Panics
    /// Where another program has taken the port meanwhile.
    pub async fn go_on(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port");
        self.address = listener.local_addr().expect("an address");
        let about = self.about.clone();
        self.serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        connections.spawn(connection(about.clone(), stream));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
    }
}

/// One connection, until either side ends it.
async fn connection(about: Arc<About>, stream: TcpStream) {
    let _ended = match &about.tls {
        None => serve(&about, stream).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => serve(&about, stream).await,
            Err(_) => None,
        },
    };
}

async fn serve(about: &About, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
    let mut bytes = Vec::new();
    loop {
        let asked = request(&mut stream, &mut bytes).await?;
        lock(&about.asked).push(asked.clone());
        let manner = *lock(&about.manner);
        let (status, kind, text) = about.answer(&asked, manner);
        let is_signature = asked.what.starts_with("POST");
        let head = format!(
            "HTTP/1.1 {status} Some\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n",
            text.len()
        );
        match manner {
            Manner::Closes if is_signature => return None,
            Manner::Silent if is_signature => std::future::pending().await,
            Manner::Half if is_signature => {
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&text.as_bytes()[..text.len() / 2]).await.ok()?;
                stream.flush().await.ok()?;
                std::future::pending().await
            }
            Manner::Endless(size) if is_signature => {
                stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await.ok()?;
                for _ in 0..size / 1024 {
                    stream.write_all(format!("400\r\n{}\r\n", "0".repeat(1024)).as_bytes()).await.ok()?;
                }
                tokio::time::sleep(Duration::from_secs(60)).await;
                return None;
            }
            _ => stream.write_all(format!("{head}{text}").as_bytes()).await.ok()?,
        }
        stream.flush().await.ok()?;
    }
}

/// The next request; `None`: the connection has ended.
async fn request(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<Asked> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let header = |name: &str| {
                let lines = head.lines().skip(1).filter_map(|line| line.split_once(": "));
                lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v.to_owned()).next()
            };
            let length = header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                let first = head.lines().next().unwrap_or_default();
                let what = first.trim_end_matches(" HTTP/1.1").to_owned();
                let authorization = header("authorization");
                bytes.drain(..end + 4 + length);
                return Some(Asked { what, authorization, body });
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

type Answer = (u16, &'static str, String);

impl About {
    fn answer(&self, asked: &Asked, manner: Manner) -> Answer {
        const TEXT: &str = "text/plain; charset=utf-8";
        match asked.what.split_once(' ') {
            Some(("GET", "/upcheck")) => (200, TEXT, "OK".to_owned()),
            Some(("GET", "/api/v1/eth1/publicKeys")) => {
                let keys = self.keys.iter().filter(|_| manner != Manner::Keyless).map(identifier);
                (200, "application/json", json!(keys.collect::<Vec<_>>()).to_string())
            }
            Some(("POST", path)) => match path.strip_prefix("/api/v1/eth1/sign/") {
                Some(named) => self.sign(named, &asked.body, manner, TEXT),
                None => (404, TEXT, "Resource not found".to_owned()),
            },
            _ => (404, TEXT, "Resource not found".to_owned()),
        }
    }

    fn sign(&self, named: &str, body: &str, manner: Manner, kind: &'static str) -> Answer {
        if let Manner::Says(status, text) = manner {
            return (status, kind, text.to_owned());
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let data = body["data"].as_str().and_then(|data| hex::decode(data.strip_prefix("0x")?).ok());
        let Some(mut data) = data else { return (400, kind, "Bad Request".to_owned()) };
        let named = format!("0x{}", named.to_lowercase().trim_start_matches("0x"));
        let Some(key) = self.keys.iter().find(|key| identifier(key) == named && manner != Manner::Keyless)
        else {
            return (404, kind, "Resource not found".to_owned());
        };
        let other = SecretKey::from_byte_array([7; 32]).expect("a key");
        if manner == Manner::OtherBytes {
            data.push(0);
        }
        let key = if manner == Manner::OtherKey { &other } else { key };
        (200, kind, format!("0x{}", hex::encode(signature(key, &data, manner))))
    }
}

/// A key's name: its public key, uncompressed, without the byte that says so.
fn identifier(key: &SecretKey) -> String {
    format!("0x{}", hex::encode(&key.public_key(SECP256K1).serialize_uncompressed()[1..]))
}

/// `r || s || v` over the Keccak-256 hash.
fn signature(key: &SecretKey, data: &[u8], manner: Manner) -> [u8; 65] {
    let made = SECP256K1.sign_ecdsa_recoverable(Message::from_digest(keccak256(data).0), key);
    let (recovery, rs) = made.serialize_compact();
    let mut odd = u8::from(recovery == RecoveryId::One);
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&rs);
    if manner == Manner::HighS {
        let s: [u8; 32] = rs[32..].try_into().expect("32 bytes");
        let high = SecretKey::from_byte_array(s).expect("below the order").negate();
        bytes[32..64].copy_from_slice(&high.secret_bytes());
        odd = 1 - odd;
    }
    bytes[64] = odd + if manner == Manner::PlainV { 0 } else { 27 };
    bytes
}
