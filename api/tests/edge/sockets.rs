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
    let head_timeout = config.head_timeout;
    let world = World::with(config).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(argus_api::listen(listener, world.router.clone(), head_timeout, None));
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

#[tokio::test]
async fn who_sends_no_request_is_hung_up_on() {
    let config = Config { head_timeout: Duration::from_millis(300), ..Config::default() };
    let served = serve(config).await;
    let get = "GET /ready HTTP/1.1\r\nHost: here\r\n\r\n";
    // How long until the connection ends, while a byte of this is sent every 50 ms, and what was heard.
    let held = async |first: &str, slowly: &str| {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(first.as_bytes()).await.unwrap();
        let began = std::time::Instant::now();
        let (mut heard, mut rest) = (Vec::new(), slowly.bytes());
        let mut buffer = [0; 1024];
        while began.elapsed() < Duration::from_secs(10) {
            match timeout(Duration::from_millis(50), stream.read(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) => break,
                Ok(Ok(length)) => heard.extend_from_slice(&buffer[..length]),
                Err(_) => {
                    if let Some(byte) = rest.next() {
                        let _ = stream.write_all(&[byte]).await;
                    }
                }
            }
        }
        (began.elapsed(), String::from_utf8(heard).unwrap())
    };
    let endless = format!("X-A: {}", "a".repeat(1_000));
    for (what, first, slowly, answers) in [
        ("nothing at all", "", "", 0),
        ("a head byte by byte", "", get, 0),
        ("a head without an end", "GET /ready HTTP/1.1\r\n", endless.as_str(), 0),
        ("the beginning of another protocol", "PRI * ", "", 0),
        ("nothing after a request", get, "", 1),
        ("half a request after one", &format!("{get}GET /rea"), "dy", 1),
    ] {
        let (held, heard) = held(first, slowly).await;
        assert_eq!(heard.matches("HTTP/1.1 200 OK").count(), answers, "{what}: {heard}");
        assert!((200..5_000).contains(&held.as_millis()), "{what}: {held:?}");
    }
    // A head in time, however it is cut, is answered.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    for part in [&get[..9], &get[9..]] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_too_many_headers_is_told_so() {
    let served = serve(Config::default()).await;
    let told = async |headers: String| {
        let head = format!("GET /ready HTTP/1.1\r\nHost: here\r\n{headers}\r\n");
        timeout(Duration::from_secs(20), served.told(&head, b""))
            .await
            .expect("an answer")
            .expect("an answer")
    };
    let many = |n: usize| (0..n).map(|n| format!("X-{n}: a\r\n")).collect::<String>();
    assert_eq!(told(many(99)).await, "HTTP/1.1 200 OK");
    assert_eq!(told(many(120)).await, "HTTP/1.1 431 Request Header Fields Too Large");
    assert_eq!(told(format!("X-A: {}\r\n", "a".repeat(60_000))).await, "HTTP/1.1 200 OK");
    assert_eq!(
        told(format!("X-A: {}\r\n", "a".repeat(70_000))).await,
        "HTTP/1.1 431 Request Header Fields Too Large"
    );
}
