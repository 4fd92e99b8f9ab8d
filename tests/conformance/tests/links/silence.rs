//! A peer that takes messages and says nothing, as a process that was stopped: its connections stay open.

use std::{net::SocketAddr, time::Duration};

use argus_conformance::links::{Gate, signed_hello};
use argus_grpc::{Client, ClientConfig, Served};
use argus_ports::KeeperLink;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout},
};

use crate::{KEEPERS, PATIENCE, Running};

/// Passes on what comes, until it is told to stop and holds on to both ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut into: impl AsyncWrite + Unpin,
    mut stopped: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let told = async { stopped.wait_for(|stopped| *stopped).await.is_ok() };
        let length = tokio::select! {
            _ = told => None,
            length = from.read(&mut buffer) => length.ok(),
        };
        let Some(length) = length else { return std::future::pending().await };
        if length == 0 {
            return;
        }
        if into.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn pass_all(listener: TcpListener, to: SocketAddr, stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(to).await.expect("the server takes connections");
        let (near, far) = (near.into_split(), far.into_split());
        connections.spawn(pass(near.0, far.1, stopped.clone()));
        connections.spawn(pass(far.0, near.1, stopped.clone()));
    }
}

#[tokio::test]
async fn a_keeper_learns_within_seconds_that_its_platform_says_nothing() {
    let (gate, mut admitted) = Gate::new();
    let server = Running::start(Served { gate: Some(gate), ..Served::default() }, "127.0.0.1:0").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    tasks.spawn(pass_all(listener, server.address, stopped));
    let config = ClientConfig { url, token: KEEPERS.into(), tls: None, deadline: PATIENCE };
    let client = Client::new(&config).expect("a client");
    let session = client.connect(signed_hello()).await.expect("let in");
    let _theirs = admitted.recv().await.expect("admitted");
    let quiet = timeout(Duration::from_secs(5), session.receive()).await;
    assert!(quiet.is_err(), "a platform that has nothing to say is there all the same");
    stop.send_replace(true);
    let began = Instant::now();
    assert!(matches!(timeout(PATIENCE, session.receive()).await, Ok(None)), "the stream ends");
    let took = began.elapsed();
    assert!(took < Duration::from_millis(4_500), "in time for whoever leads next: {took:?}");
}
