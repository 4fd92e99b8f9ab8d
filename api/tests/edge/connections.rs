//! How long a WebSocket lasts, and with what code it ends.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{
    MaybeTlsStream, connect_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::{
    rooms::{Client, Served, kind, serve},
    world::open_task,
};

#[tokio::test]
async fn a_reader_that_is_too_slow_is_dropped_with_a_code() {
    let mut config = argus_api::Config::default();
    config.rooms.queue = 4;
    let served = serve(config).await;
    let mut client = Client::connect(&served, "user").await;
    client.join("job:1001", Value::Null).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    assert_eq!(kind(&client.hear().await), "JOB_TASKS_SNAPSHOT");
    // In one step of this single-threaded runtime: the connection has no turn in between.
    for _ in 0..3_000 {
        open_task(&served.world, "1001").await;
    }
    let mut last = client.hear().await;
    while kind(&last) != "CLOSE" {
        last = client.hear().await;
    }
    assert_eq!(last["code"], json!(4008));
}

#[tokio::test]
async fn bad_keys_do_not_get_in() {
    let served = serve(argus_api::Config::default()).await;
    let url = format!("ws://{}/api/ws/tasks?api_key=nonsense", served.address);
    let refused = connect_async(url).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused}");
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection_with_a_code() {
    let served = serve(argus_api::Config::default()).await;
    for size in [9_000, 200_000] {
        let mut client = Client::connect(&served, "user").await;
        client.say(json!({"type": "PING", "data": "a".repeat(size)})).await;
        let last = client.hear().await;
        assert_eq!((kind(&last), &last["code"]), ("CLOSE", &json!(1009)), "{size}");
    }
}

#[tokio::test]
async fn a_reader_that_stalls_is_dropped_with_a_code_and_keeps_nobody_waiting() {
    let mut config = argus_api::Config::default();
    config.rooms.queue = 64;
    let served = serve(config).await;
    // As little of ours as may be waits in the system's buffers.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = MaybeTlsStream::Plain(socket.connect(served.address).await.unwrap());
    let url = format!("ws://{}/api/ws/tasks?api_key={}", served.address, served.world.keys["user"]);
    let mut stalled = Client(tokio_tungstenite::client_async(url, stream).await.unwrap().0);
    let mut prompt = Client::connect(&served, "user").await;
    for client in [&mut stalled, &mut prompt] {
        client.join("job:1001", Value::Null).await;
        assert_eq!(kind(&client.hear().await), "SUCCESS");
        assert_eq!(kind(&client.hear().await), "JOB_TASKS_SNAPSHOT");
    }
    let mut seq = 0;
    while !served.world.get("", "/metrics").await.text.contains("argus_api_slow_readers_total 1") {
        assert!(seq < 10_000, "it is never dropped");
        for _ in 0..10 {
            open_task(&served.world, "1001").await;
        }
        for _ in 0..10 {
            seq += 1;
            assert_eq!(prompt.hear().await["data"]["seq"], json!(seq), "the other has every change");
        }
    }
    let mut last = stalled.hear().await;
    while kind(&last) != "CLOSE" {
        last = stalled.hear().await;
    }
    assert_eq!(last["code"], json!(4008));
    client_count_becomes(&served, 1).await;
    open_task(&served.world, "1001").await;
    assert_eq!(prompt.hear().await["data"]["seq"], json!(seq + 1));
}

/// Waits until so many clients are connected.
async fn client_count_becomes(served: &Served, expect: u64) {
    let look = async {
        while served.world.get("admin", "/api/ws/stats").await.json()["data"]["total_clients"]
            != json!(expect)
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), look).await.expect("they are counted");
}

#[tokio::test]
async fn who_answers_pings_stays_and_who_does_not_is_closed_with_a_code() {
    let mut config = argus_api::Config::default();
    config.rooms.ping_every = Duration::from_millis(100);
    config.rooms.idle_max = Duration::from_millis(1_000);
    let served = serve(config).await;
    let (mut silent, mut listening) =
        (Client::connect(&served, "user").await, Client::connect(&served, "user").await);
    // Reading answers pings; one that does not read answers none.
    let mut pings = 0;
    while pings < 20 {
        match listening.0.next().await {
            Some(Ok(Message::Ping(_))) => pings += 1,
            other => panic!("{other:?} after {pings} pings"),
        }
    }
    listening.say(json!({"type": "PING"})).await;
    assert_eq!(kind(&listening.hear().await), "PONG");
    let last = silent.hear().await;
    assert_eq!((kind(&last), &last["code"]), ("CLOSE", &json!(4000)));
    client_count_becomes(&served, 1).await;
}

#[tokio::test]
async fn a_revoked_key_loses_its_connections() {
    let mut config = argus_api::Config::default();
    config.rooms.ping_every = Duration::from_millis(100);
    for (config, asks_again) in [(config, false), (argus_api::Config::default(), true)] {
        let served = serve(config).await;
        let (mut revoked, mut other) =
            (Client::connect(&served, "user").await, Client::connect(&served, "other").await);
        let keys =
            served.world.get("admin", "/api/admin/api-keys/0x1111111111111111111111111111111111111111").await;
        let path = format!("/api/admin/api-keys/{}", keys.json()[0]["id"].as_str().unwrap());
        assert_eq!(served.world.call("admin", "DELETE", &path, "").await.status, 204);
        if asks_again {
            // Long before the next ping.
            revoked.join("job:1001", Value::Null).await;
        }
        let last = revoked.hear().await;
        assert_eq!((kind(&last), &last["code"]), ("CLOSE", &json!(4401)), "asks again: {asks_again}");
        client_count_becomes(&served, 1).await;
        other.join("job:2002", Value::Null).await;
        assert_eq!(kind(&other.hear().await), "SUCCESS");
    }
}

#[tokio::test]
async fn a_client_that_closes_or_breaks_the_protocol_is_answered_with_a_code() {
    let served = serve(argus_api::Config::default()).await;
    let mut client = Client::connect(&served, "user").await;
    let farewell = CloseFrame { code: 3001.into(), reason: "enough".into() };
    client.0.send(Message::Close(Some(farewell))).await.unwrap();
    let last = client.hear().await;
    assert_eq!((kind(&last), &last["code"]), ("CLOSE", &json!(3001)));
    // A reserved operation, a frame that is not masked, and a text that is not UTF-8.
    for (raw, code) in [
        (&[0x83, 0x80, 0, 0, 0, 0][..], 1002),
        (&[0x81, 0x02, b'{', b'}'][..], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff][..], 1007),
    ] {
        let mut client = Client::connect(&served, "user").await;
        client.0.get_mut().write_all(raw).await.unwrap();
        let last = client.hear().await;
        assert_eq!((kind(&last), &last["code"]), ("CLOSE", &json!(code)), "{raw:?}");
    }
    client_count_becomes(&served, 0).await;
}

#[tokio::test]
async fn a_key_has_as_many_connections_as_it_may_have() {
    let mut config = argus_api::Config::default();
    config.rooms.connections_per_key = 2;
    let served = serve(config).await;
    let first = Client::connect(&served, "user").await;
    let _second = Client::connect(&served, "user").await;
    let url = format!("ws://{}/api/ws/tasks?api_key={}", served.address, served.world.keys["user"]);
    let refused = connect_async(&url).await.unwrap_err();
    assert!(refused.to_string().contains("429"), "{refused}");
    let _of_another_key = Client::connect(&served, "other").await;
    drop(first);
    client_count_becomes(&served, 2).await;
    connect_async(&url).await.unwrap();
}
