//! What clients see of a connection, over a real socket.

use std::{net::SocketAddr, time::Duration};

use argus_api::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::world::World;

struct Served {
    world: World,
    address: SocketAddr,
    _server: tokio::task::JoinSet<()>,
}

async fn serve(config: Config) -> Served {
    let world = World::with(config).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = world.router.clone().into_make_service_with_connect_info::<SocketAddr>();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, service).await.unwrap() });
    Served { world, address, _server: server }
}

impl Served {
    /// The head of a creation with the key of this name.
    fn head(&self, key: &str, length: &str) -> String {
        let key = self.world.keys.get(key).map_or("TGRX-nobody", String::as_str);
        format!("POST /api/jobs HTTP/1.1\r\nHost: here\r\nX-Api-Key: {key}\r\n{length}\r\n\r\n")
    }

    /// Sends all of it, and only then listens: the first line of what is heard.
    async fn told(&self, head: &str, body: &[u8]) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await?;
        let text = String::from_utf8_lossy(&answer[..length]).into_owned();
        Ok(text.lines().next().unwrap_or_default().to_owned())
    }
}

/// A body as clients send it that do not know its length: one chunk.
fn one_chunk(body: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", body.len()).as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_much_is_told_so() {
    let served = serve(Config::default()).await;
    let body = vec![b'['; 4_300_000];
    let length = format!("Content-Length: {}", body.len());
    let chunked = one_chunk(&body);
    for n in 0..50 {
        for (key, length, body, expect) in [
            ("user", length.as_str(), &body, "HTTP/1.1 413 Payload Too Large"),
            ("user", "Transfer-Encoding: chunked", &chunked, "HTTP/1.1 413 Payload Too Large"),
            ("nobody", length.as_str(), &body, "HTTP/1.1 401 Unauthorized"),
        ] {
            let told = timeout(Duration::from_secs(20), served.told(&served.head(key, length), body)).await;
            let told = told.expect("an answer comes").unwrap_or_else(|error| error.to_string());
            assert_eq!(told, expect, "the {n}th time, {key} {length}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_is_not_taken_for_ever() {
    let config = Config { drain_max: 1_000_000, body_timeout: Duration::from_secs(2), ..Config::default() };
    let served = serve(config).await;
    // Far more than is drained: the connection ends, whatever is still sent.
    let head = served.head("user", "Content-Length: 400000000");
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = vec![b'['; 100_000];
    let mut sent = 0;
    while stream.write_all(&part).await.is_ok() {
        sent += part.len();
        assert!(sent < 100_000_000, "it takes everything");
    }
    // Nothing further is sent: answered when the time of the body is over.
    let began = std::time::Instant::now();
    let told = timeout(Duration::from_secs(10), served.told(&head, b"[[[")).await;
    let told = told.expect("an answer comes").expect("to one who waits");
    assert_eq!(told, "HTTP/1.1 413 Payload Too Large");
    assert!((2..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    // One who asks for leave to send it is told at once.
    let began = std::time::Instant::now();
    let asks = served.head("user", "Expect: 100-continue\r\nContent-Length: 400000000");
    let told = served.told(&asks, b"").await.unwrap();
    assert_eq!(told, "HTTP/1.1 413 Payload Too Large");
    assert!(began.elapsed().as_secs() < 2, "{:?}", began.elapsed());
}
