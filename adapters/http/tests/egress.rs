//! The egress against a real server on loopback.

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use argus_domain::rule::ValueSource;
use argus_http::{HttpEgress, HttpValues};
use argus_ports::{Egress, EgressError, EgressRequest, Method, Reach, ValueError, ValueReader};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// Serves the answers in turn, one connection each.
async fn serve(answers: Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    #[allow(clippy::disallowed_methods, reason = "a test's own server, joined by the test")]
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        for answer in answers {
            let (mut socket, _) = listener.accept().await.expect("accept");
            let mut head = vec![0; 4096];
            let n = socket.read(&mut head).await.expect("read");
            seen.push(String::from_utf8_lossy(&head[..n]).into_owned());
            if answer.is_empty() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            let _ = socket.write_all(&answer).await;
            let _ = socket.shutdown().await;
        }
        seen
    });
    (address, task)
}

fn json(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn request(url: String, allow: &[String]) -> EgressRequest {
    EgressRequest {
        method: Method::Get,
        url,
        headers: vec![("x-mine".into(), "1".into()), ("Host".into(), "evil".into())],
        body: None,
        timeout: Duration::from_millis(800),
        max_body: 10_000,
        reach: Reach { allow: allow.to_vec(), operator: Vec::new() },
    }
}

#[tokio::test]
async fn loopback_is_reached_only_where_it_is_named() {
    let (address, seen) = serve(vec![json("{}")]).await;
    let egress = HttpEgress::new().expect("client");
    let url = format!("http://{address}/a");
    for list in [vec![], vec!["127.0.0.1:1".to_owned()], vec!["localhost".to_owned()]] {
        let outcome = egress.fetch(request(url.clone(), &list)).await;
        assert!(matches!(outcome, Err(EgressError::Denied(_))), "{list:?}: {outcome:?}");
    }
    // A name grants public addresses alone, even where it is on the list.
    let by_name = format!("http://localhost:{}/a", address.port());
    let outcome = egress.fetch(request(by_name, &["localhost".to_owned()])).await;
    assert!(matches!(outcome, Err(EgressError::Denied(_))), "{outcome:?}");
    let answer = egress.fetch(request(url, &[address.to_string()])).await.expect("answer");
    assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
    let head = &seen.await.expect("server")[0];
    assert!(head.contains("x-mine: 1") && !head.contains("evil"), "{head}");
}

/// 5 MB, packed.
fn bomb(coding: &str) -> Vec<u8> {
    let content = vec![b'x'; 5_000_000];
    let best = flate2::Compression::best();
    let packed = match coding {
        "gzip" => {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), best);
            packer.write_all(&content).expect("pack");
            packer.finish().expect("pack")
        }
        "deflate" => {
            let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), best);
            packer.write_all(&content).expect("pack");
            packer.finish().expect("pack")
        }
        _ => {
            let mut packer = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
            packer.write_all(&content).expect("pack");
            packer.into_inner()
        }
    };
    assert!(packed.len() < 10_000, "the bomb is small: {}", packed.len());
    let length = packed.len();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ncontent-length: {length}\r\n\r\n")
            .into_bytes();
    answer.extend(packed);
    answer
}

#[tokio::test]
async fn what_is_too_large_once_decoded_ends() {
    let codings = ["gzip", "deflate", "br"];
    let (address, server) = serve(codings.iter().map(|coding| bomb(coding)).collect()).await;
    let egress = HttpEgress::new().expect("client");
    for coding in codings {
        let patient = EgressRequest {
            timeout: Duration::from_secs(30),
            ..request(format!("http://{address}/"), &[address.to_string()])
        };
        assert_eq!(egress.fetch(patient).await, Err(EgressError::TooLarge(10_000)), "{coding}");
    }
    server.await.expect("server");
}

/// Nothing, a piece of a head, a head alone, a body byte by byte: the time-out counts from the first look-up to the
/// last byte.
#[tokio::test]
async fn what_is_too_slow_ends_wherever_it_is() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n";
    let starts = ["", "HTTP/1.1 200 OK\r\nx-sl", head];
    #[allow(clippy::disallowed_methods, reason = "a test's own server, ended by the test")]
    let server = tokio::spawn(async move {
        for start in starts {
            let (mut socket, _) = listener.accept().await.expect("accept");
            let mut sent = socket.write_all(start.as_bytes()).await;
            while sent.is_ok() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                let piece: &[u8] = if start.is_empty() { b"" } else { b"x" };
                let mut byte = [0];
                let gone = matches!(socket.try_read(&mut byte), Ok(0));
                sent = if gone { break } else { socket.write_all(piece).await };
            }
        }
    });
    let egress = HttpEgress::new().expect("client");
    for start in starts {
        let outcome = egress.fetch(request(format!("http://{address}/"), &[address.to_string()])).await;
        assert_eq!(outcome, Err(EgressError::Timeout(Duration::from_millis(800))), "after {start:?}");
    }
    server.abort();
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_only_an_answer() {
    let target = "http://127.0.0.1:1/secret";
    let away =
        format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let (address, server) = serve(vec![away.into_bytes()]).await;
    let egress = HttpEgress::new().expect("client");
    let allow = [address.to_string()];
    let answer = egress.fetch(request(format!("http://{address}/"), &allow)).await.expect("answer");
    assert_eq!(answer.status, 302, "it was not followed");
    let followed = egress.fetch(request(target.to_owned(), &allow)).await;
    assert!(matches!(followed, Err(EgressError::Denied(_))), "{followed:?}");
    server.await.expect("server");
}

#[tokio::test]
async fn redirects_are_answers_and_values_follow_them_through_the_filter() {
    let (address, server) = serve(vec![
        b"HTTP/1.1 302 Found\r\nlocation: /next\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
        json(r#"{"market":[{"price":"12.50"}]}"#),
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
        b"HTTP/1.1 500 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec(),
        json("<html>"),
    ])
    .await;
    let egress = Arc::new(HttpEgress::new().expect("client"));
    let values = HttpValues::new(egress, vec![address.to_string()]);
    let source = ValueSource::parse("api", &format!("http://{address}/"), "market.0.price").expect("source");
    assert_eq!(values.read(&source).await.expect("value").to_string(), "12.5");
    assert!(matches!(values.read(&source).await, Err(ValueError::Fetch(EgressError::Denied(_)))));
    assert_eq!(values.read(&source).await, Err(ValueError::Status(500)));
    assert!(matches!(values.read(&source).await, Err(ValueError::Shape(_))));
    let fixed = ValueSource::parse("static", "3.25", "").expect("source");
    assert_eq!(values.read(&fixed).await.expect("value").to_string(), "3.25");
    server.await.expect("server");
}

#[tokio::test]
async fn a_websocket_gives_its_first_message_with_a_number() {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message;

    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("bind");
    let address = listener.local_addr().expect("address");
    #[allow(clippy::disallowed_methods, reason = "a test's own server, joined by the test")]
    let server = tokio::spawn(async move {
        for last in [r#"{"price":"12.5"}"#, "{}"] {
            let (stream, _) = listener.accept().await.expect("accept");
            let mut socket = tokio_tungstenite::accept_async(stream).await.expect("handshake");
            for text in [r#"{"hello":true}"#, "no json", last] {
                let _ = socket.send(Message::text(text)).await;
            }
            let _ = socket.close(None).await;
            while socket.next().await.is_some_and(|m| m.is_ok()) {}
        }
        let (mut stream, _) = listener.accept().await.expect("accept");
        let _ = stream.write_all(&json("{}")).await;
        let _ = stream.shutdown().await;
    });
    let egress = Arc::new(HttpEgress::new().expect("client"));
    let source = ValueSource::parse("websocket", &format!("ws://{address}/feed"), "price").expect("source");
    let unlisted = HttpValues::new(egress.clone(), Vec::new());
    assert!(matches!(unlisted.read(&source).await, Err(ValueError::Fetch(EgressError::Denied(_)))));
    let values = HttpValues::new(egress, vec![address.to_string()]);
    assert_eq!(values.read(&source).await.expect("value").to_string(), "12.5");
    assert!(matches!(values.read(&source).await, Err(ValueError::Shape(_))), "it closed without a number");
    assert!(matches!(values.read(&source).await, Err(ValueError::Fetch(EgressError::Transport(_)))));
    server.await.expect("server");
}
