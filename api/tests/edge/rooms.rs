//! Rooms over a real WebSocket.

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use crate::world::{World, fail_task, job, job_with, one, open_task};

const OWN: &str = "0x1111111111111111111111111111111111111111";

pub struct Served {
    pub world: World,
    pub address: SocketAddr,
    _server: tokio::task::JoinSet<()>,
}

pub async fn serve(config: argus_api::Config) -> Served {
    let world = World::with(config).await;
    world.create("user", &one(job("1001"))).await;
    let others = job_with("2002", json!({"user_address": "0x2222222222222222222222222222222222222222"}));
    world.create("other", &one(others)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(argus_api::listen(listener, world.router.clone(), Duration::from_secs(30), None));
    Served { world, address, _server: server }
}

pub struct Client(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    pub async fn connect(served: &Served, key: &str) -> Self {
        let url = format!("ws://{}/api/ws/tasks?api_key={}", served.address, served.world.keys[key]);
        Self(connect_async(url).await.unwrap().0)
    }

    pub async fn say(&mut self, message: Value) {
        self.0.send(Message::Text(message.to_string().into())).await.unwrap();
    }

    pub async fn join(&mut self, room: &str, since: Value) {
        self.say(json!({"type": "SUBSCRIBE", "data": {"room": room, "since": since}, "request_id": "r1"}))
            .await;
    }

    pub async fn hear(&mut self) -> Value {
        let hearing = async {
            loop {
                match self.0.next().await.expect("the stream goes on").unwrap() {
                    Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                    Message::Close(frame) => {
                        return json!({"type": "CLOSE", "code": frame.map(|f| u16::from(f.code))});
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(5), hearing).await.expect("a frame comes")
    }

    pub async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(200), self.0.next()).await.is_err()
    }
}

pub fn kind(frame: &Value) -> &str {
    frame["type"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn a_snapshot_comes_first_and_then_every_change() {
    let served = serve(argus_api::Config::default()).await;
    let mut client = Client::connect(&served, "user").await;
    client.join("job:1001", Value::Null).await;
    let joined = client.hear().await;
    assert_eq!((kind(&joined), &joined["request_id"]), ("SUCCESS", &json!("r1")));
    assert_eq!(joined["data"]["data"]["room"], json!("job:1001"));
    let snapshot = client.hear().await;
    assert_eq!(kind(&snapshot), "JOB_TASKS_SNAPSHOT");
    assert_eq!((&snapshot["data"]["job_id"], &snapshot["data"]["tasks"]), (&json!("1001"), &json!([])));
    let task = open_task(&served.world, "1001").await;
    let created = client.hear().await;
    assert_eq!((kind(&created), &created["data"]["seq"]), ("TASK_CREATED", &json!(1)));
    assert_eq!(created["data"]["task_id"], json!(task.public_id()));
    assert_eq!(created["data"]["changes"]["task_status"], json!("processing"));
    fail_task(&served.world, &task).await;
    let failed = client.hear().await;
    assert_eq!((kind(&failed), &failed["data"]["seq"]), ("TASK_STATUS_CHANGED", &json!(2)));
    assert_eq!(failed["data"]["changes"]["task_status"], json!("failed"));
    client.say(json!({"type": "PING"})).await;
    assert_eq!(kind(&client.hear().await), "PONG");
    client.say(json!({"type": "UNSUBSCRIBE", "data": {"room": "job:1001"}})).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    open_task(&served.world, "1001").await;
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn a_client_resumes_without_a_gap() {
    let served = serve(argus_api::Config::default()).await;
    let first = open_task(&served.world, "1001").await;
    for _ in 0..9 {
        open_task(&served.world, "1001").await;
    }
    fail_task(&served.world, &first).await;
    let mut client = Client::connect(&served, "user").await;
    client.join("job:1001", json!(4)).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    let snapshot = client.hear().await;
    assert_eq!(snapshot["data"]["tasks"].as_array().unwrap().len(), 10);
    assert_eq!(snapshot["data"]["seq"], json!(11));
    for seq in 5..=11 {
        assert_eq!(client.hear().await["data"]["seq"], json!(seq));
    }
    open_task(&served.world, "1001").await;
    assert_eq!(client.hear().await["data"]["seq"], json!(12));

    for room in [
        format!("user:{OWN}"),
        OWN.to_uppercase().replace("0X", "user:0x"),
        format!("user:{}", 0x1111_1111_1111u64),
    ] {
        let mut watcher = Client::connect(&served, "user").await;
        watcher.join(&room, json!("10")).await;
        assert_eq!(kind(&watcher.hear().await), "SUCCESS", "{room}");
        assert_eq!(watcher.hear().await["data"]["since"], json!("11"), "{room}");
        assert_eq!(watcher.hear().await["data"]["since"], json!("12"), "{room}");
    }
}

#[tokio::test]
async fn changes_while_a_client_joins_are_not_lost() {
    let served = serve(argus_api::Config::default()).await;
    let mut client = Client::connect(&served, "user").await;
    let publish = async {
        for _ in 0..50 {
            open_task(&served.world, "1001").await;
            tokio::task::yield_now().await;
        }
    };
    let join = async {
        client.join("job:1001", Value::Null).await;
        assert_eq!(kind(&client.hear().await), "SUCCESS");
        let snapshot = client.hear().await;
        let mut seen: std::collections::BTreeSet<u64> = snapshot["data"]["tasks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|task| task["task_number"].as_u64().unwrap())
            .collect();
        let mut last = snapshot["data"]["seq"].as_u64().unwrap();
        while seen.len() < 50 || last < 50 {
            let frame = client.hear().await;
            let seq = frame["data"]["seq"].as_u64().unwrap();
            assert_eq!(seq, last + 1, "{frame}");
            last = seq;
            seen.insert(frame["data"]["changes"]["task_number"].as_u64().unwrap());
        }
        assert_eq!(seen.len(), 50);
    };
    tokio::join!(publish, join);
}

#[tokio::test]
async fn rooms_of_others_and_rooms_that_are_not_there_look_alike() {
    let served = serve(argus_api::Config::default()).await;
    let (own, others) = (open_task(&served.world, "1001").await, open_task(&served.world, "2002").await);
    let mut client = Client::connect(&served, "user").await;
    let mut answers = std::collections::BTreeMap::new();
    for room in [
        "job:2002".to_owned(),
        "job:3003".to_owned(),
        "job:".to_owned(),
        format!("task:{}", others.public_id()),
        "task:5".to_owned(),
    ] {
        client.join(&room, Value::Null).await;
        let frame = client.hear().await;
        assert_eq!(kind(&frame), "ERROR", "{room}");
        answers.insert(frame["data"].to_string(), room);
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    for (room, code) in [
        ("user:0x2222222222222222222222222222222222222222", "FORBIDDEN_ADDRESS"),
        ("user:0x4444444444444444444444444444444444444444", "FORBIDDEN_ADDRESS"),
        ("x", "INVALID_ROOM"),
        ("", "INVALID_SUBSCRIPTION_DATA"),
    ] {
        client.join(room, Value::Null).await;
        assert_eq!(client.hear().await["data"]["code"], json!(code), "{room}");
    }
    client.say(json!({"type": "SHOUT"})).await;
    assert_eq!(client.hear().await["data"]["code"], json!("INVALID_MESSAGE_TYPE"));
    client.0.send(Message::Text("no json".into())).await.unwrap();
    assert_eq!(client.hear().await["data"]["code"], json!("INVALID_MESSAGE"));
    client.join(&format!("task:{}", own.public_id()), Value::Null).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    open_task(&served.world, "1001").await;
    fail_task(&served.world, &own).await;
    assert_eq!(client.hear().await["data"]["task_id"], json!(own.public_id()), "only its own");
}

#[tokio::test]
async fn a_burst_is_told_whole_and_in_order() {
    let served = serve(argus_api::Config::default()).await;
    let mut client = Client::connect(&served, "user").await;
    for room in ["job:1001", "task:1", &format!("user:{OWN}")] {
        client.join(room, Value::Null).await;
    }
    let joined = [client.hear().await, client.hear().await, client.hear().await, client.hear().await];
    assert_eq!(joined.each_ref().map(kind), ["SUCCESS", "JOB_TASKS_SNAPSHOT", "ERROR", "SUCCESS"]);
    // More than goes in one delivery, in one step of this single-threaded runtime.
    for _ in 0..300 {
        open_task(&served.world, "1001").await;
    }
    let (mut of_job, mut of_owner) = (Vec::new(), Vec::new());
    while of_job.len() < 300 || of_owner.len() < 300 {
        let frame = client.hear().await;
        match frame["data"]["since"].as_str() {
            Some(since) => of_owner.push(since.parse::<u64>().unwrap()),
            None => of_job.push(frame["data"]["seq"].as_u64().unwrap()),
        }
    }
    assert_eq!((of_job, of_owner), (Vec::from_iter(1..=300), Vec::from_iter(1..=300)));
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn a_change_of_two_rooms_of_one_job_is_told_once() {
    let served = serve(argus_api::Config::default()).await;
    let task = open_task(&served.world, "1001").await;
    let mut client = Client::connect(&served, "user").await;
    client.join(&format!("task:{}", task.public_id()), Value::Null).await;
    client.join("job:1001", Value::Null).await;
    let joined = [client.hear().await, client.hear().await, client.hear().await];
    assert_eq!(joined.each_ref().map(kind), ["SUCCESS", "SUCCESS", "JOB_TASKS_SNAPSHOT"]);
    fail_task(&served.world, &task).await;
    assert_eq!(client.hear().await["data"]["seq"], json!(2));
    assert!(client.is_quiet().await);
    // One of them is left, and the other goes on.
    client.say(json!({"type": "UNSUBSCRIBE", "data": {"room": "job:1001"}})).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    open_task(&served.world, "1001").await;
    assert!(client.is_quiet().await);
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_so_and_starts_anew() {
    let mut config = argus_api::Config::default();
    config.rooms.resume_max = 5;
    let served = serve(config).await;
    for _ in 0..8 {
        open_task(&served.world, "1001").await;
    }
    let mut client = Client::connect(&served, "user").await;
    client.join("job:1001", json!(1)).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    assert_eq!(kind(&client.hear().await), "JOB_TASKS_SNAPSHOT");
    for seq in 2..=6 {
        assert_eq!(client.hear().await["data"]["seq"], json!(seq));
    }
    let told = client.hear().await;
    assert_eq!((kind(&told), &told["data"]["code"]), ("ERROR", &json!("RESUME_TOO_LONG")));
    client.join("job:1001", Value::Null).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    let snapshot = client.hear().await;
    assert_eq!((kind(&snapshot), &snapshot["data"]["seq"]), ("JOB_TASKS_SNAPSHOT", &json!(8)));
    open_task(&served.world, "1001").await;
    assert_eq!(client.hear().await["data"]["seq"], json!(9));
    // A position that no frame has had yet keeps nothing from the client.
    client.join("job:1001", json!(1_000)).await;
    assert_eq!(kind(&client.hear().await), "SUCCESS");
    assert_eq!(kind(&client.hear().await), "JOB_TASKS_SNAPSHOT");
    open_task(&served.world, "1001").await;
    assert_eq!(client.hear().await["data"]["seq"], json!(10));
}
