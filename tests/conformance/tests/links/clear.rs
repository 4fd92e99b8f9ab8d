//! Links in clear: who says nothing, something else, or the wrong token.

use std::{sync::Arc, time::Duration};

use argus_conformance::links::Recorder;
use argus_ports::{Dispatch, LinkError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{PATIENCE, Running, SERVICES, all_roles, mutual::connect_from};

async fn platform() -> Running {
    Running::start(all_roles(&Arc::new(Recorder::default())), "127.0.0.1:0").await
}

/// Whether a connection was ended by the other side, without a byte.
async fn is_hung_up_on(mut stream: TcpStream) -> bool {
    let ended = timeout(PATIENCE, stream.read(&mut [0; 16])).await;
    matches!(ended, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn who_does_not_begin_as_http2_does_gets_no_byte() {
    let server = platform().await;
    for words in ["", "P", "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n"] {
        let mut stream = connect_from("127.0.0.2", &server).await;
        stream.write_all(words.as_bytes()).await.expect("said");
        let answer = server.client(SERVICES, PATIENCE).submit(&[]).await;
        assert_eq!(answer, Ok(()), "nobody waits for it: {words:?}");
        assert!(is_hung_up_on(stream).await, "{words:?}");
    }
    // Who is slow to say it is let in.
    let mut slow = connect_from("127.0.0.2", &server).await;
    for part in ["PRI * HTTP", "/2.0\r\n\r\nSM\r\n\r\n"] {
        slow.write_all(part.as_bytes()).await.expect("said");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut settings = [0; 9];
    timeout(PATIENCE, slow.read_exact(&mut settings)).await.expect("in time").expect("an answer");
    assert_eq!(settings[3], 4, "the server's SETTINGS frame");
    // And then makes no call: it is hung up on after a while, whatever else it says.
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, slow.read_to_end(&mut rest)).await.expect("hung up on");
    assert!(ended.is_ok() || ended.is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionReset));
    // One that has made a call may be silent.
    let client = server.client(SERVICES, PATIENCE);
    assert_eq!(client.submit(&[]).await, Ok(()));
}

#[tokio::test]
async fn who_comes_again_and_again_with_a_wrong_token_is_turned_away() {
    let server = platform().await;
    let mut refused = 0;
    let turned_away = loop {
        let stranger = server.client("another-token-0123456789", PATIENCE);
        match stranger.submit(&[]).await {
            Err(LinkError::Refused(_)) => refused += 1,
            Err(LinkError::Gone(_)) => break true,
            other => panic!("{other:?}"),
        }
        if refused > 200 {
            break false;
        }
    };
    assert!(turned_away && refused >= 30, "{refused} were answered");
}
