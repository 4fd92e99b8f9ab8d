//! Changes that processes tell each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use argus_conformance::{bus::change, redis::RedisServer};
use argus_domain::ids::JobId;
use argus_memory::MemoryBus;
use argus_ports::{
    Change, ChangeKind, EventBus, Room, StoreError,
    store::watch::{Received, Receiver},
};
use argus_redis::{BusOptions, Redis, RedisBus};
use async_trait::async_trait;

use crate::{DEADLINE, SOON, does, open, until};

/// A subscriber who reads the store when told that something may be missing.
struct Follower {
    /// Positions that it knows of, by job.
    known: BTreeMap<JobId, BTreeSet<u64>>,
    /// The last one that it heard without asking.
    heard: BTreeMap<JobId, u64>,
    lags: u64,
}

impl Follower {
    fn new(jobs: &[u64]) -> Self {
        let known =
            jobs.iter().map(|n| (change(*n, 1, ChangeKind::Created, 1).job, BTreeSet::new())).collect();
        Self { known, heard: BTreeMap::new(), lags: 0 }
    }

    fn hear(&mut self, change: &Change) {
        let last = self.heard.insert(change.job, change.seq).unwrap_or_default();
        assert!(change.seq > last, "in order and once: {} after {last}", change.seq);
        self.known.entry(change.job).or_default().insert(change.seq);
    }

    async fn read(&mut self, bus: &dyn EventBus) {
        self.lags += 1;
        for (job, known) in &mut self.known {
            loop {
                let after = known.iter().zip(1..).take_while(|(seq, n)| *seq == n).count() as u64;
                let page = bus.since(Room::Job(*job), after, 500).await.expect("since");
                let is_last = page.len() < 500;
                known.extend(page.into_iter().map(|(seq, _)| seq));
                if is_last {
                    break;
                }
            }
        }
    }

    fn has(&self, each: u64) -> bool {
        self.known.values().all(|known| known.len() as u64 == each)
    }
}

async fn follow(bus: &RedisBus, jobs: &[u64], each: u64) -> Follower {
    let mut receiver = bus.subscribe();
    let mut follower = Follower::new(jobs);
    let followed = async {
        while !follower.has(each) {
            match receiver.next().await {
                Received::Change(change) => follower.hear(&change),
                Received::Lagged => follower.read(bus).await,
                Received::Closed => panic!("closed"),
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(60), followed).await.is_err() {
        let known: Vec<_> = follower.known.values().map(BTreeSet::len).collect();
        panic!("{known:?} of {each} each");
    }
    follower
}

/// A process over a store that it shares: its own connection, its own opinion of Redis.
async fn process(url: &str, store: &MemoryBus, kept: u32) -> (Redis, RedisBus) {
    let redis = open(url).await;
    let options = BusOptions { kept, ..BusOptions::default() };
    let bus = RedisBus::open(redis.clone(), Arc::new(store.clone()), options).await;
    (redis, bus)
}

#[tokio::test]
async fn no_change_is_lost_to_who_reads_when_told_to() {
    const EACH: u64 = 4_000;
    let Some(server) = RedisServer::start() else { return };
    let store = MemoryBus::new();
    let (here, one) = process(&server.url, &store, 1_000).await;
    let (there, other) = process(&server.url, &store, 1_000).await;
    let jobs = [1, 2, 3];
    let publish = async |bus: &RedisBus, own: u64, half: u64| {
        for n in 0..EACH {
            let mut changes = vec![change(own, n, ChangeKind::Created, 1)];
            if n % 2 == half {
                changes.push(change(3, n, ChangeKind::Created, 1));
            }
            bus.publish(changes).await.expect("published");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let faults = async {
        let pause = || tokio::time::sleep(Duration::from_millis(600));
        pause().await;
        let server = does(server, |server| assert_eq!(server.says("FLUSHALL"), "+OK\r\n")).await;
        pause().await;
        let server = does(server, RedisServer::kill).await;
        until("both notice", || !here.is_up() && !there.is_up()).await;
        pause().await;
        let server = does(server, RedisServer::restart).await;
        until("both are back", || here.is_up() && there.is_up()).await;
        pause().await;
        let server = does(server, |server| server.pause()).await;
        until("both notice", || !here.is_up() && !there.is_up()).await;
        pause().await;
        let server = does(server, |server| server.go_on()).await;
        until("both are back", || here.is_up() && there.is_up()).await;
        server
    };
    let (a, b, (), (), _server) = tokio::join!(
        follow(&one, &jobs, EACH),
        follow(&other, &jobs, EACH),
        publish(&one, 1, 0),
        publish(&other, 2, 1),
        faults
    );
    assert!(a.lags > 0 && b.lags > 0, "they were told");
}

#[tokio::test]
async fn who_falls_behind_what_the_stream_keeps_is_told() {
    let Some(server) = RedisServer::start() else { return };
    let store = MemoryBus::new();
    let (_here, one) = process(&server.url, &store, 100).await;
    let (_there, other) = process(&server.url, &store, 100).await;
    let many = (0..10_000).map(|n| change(1, n, ChangeKind::Created, 1)).collect();
    let (follower, published) = tokio::join!(follow(&other, &[1], 10_000), one.publish(many));
    assert_eq!(published.expect("published").len(), 10_000);
    assert!(follower.lags > 0);
    let length = server.says("XLEN faults:bus:changes");
    let length: u64 = length.trim().trim_start_matches(':').parse().expect("a length");
    assert!(length < 1_000, "the stream is bounded: {length}");
}

async fn next(receiver: &mut Receiver) -> Received {
    tokio::time::timeout(Duration::from_secs(3), receiver.next()).await.expect("something is told")
}

#[tokio::test]
async fn what_the_stream_has_lost_is_told_also_when_nothing_follows() {
    let Some(server) = RedisServer::start() else { return };
    let store = MemoryBus::new();
    let (_here, one) = process(&server.url, &store, 100).await;
    let (_there, other) = process(&server.url, &store, 100).await;
    // Both have said that they are there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut receiver = other.subscribe();
    let publish = async |n| one.publish(vec![change(1, n, ChangeKind::Created, 1)]).await.expect("published");
    let new = publish(1).await.remove(0);
    assert_eq!(next(&mut receiver).await, Received::Change(new));

    // An entry is missing before one that says nothing new.
    let newest = server.says("XREVRANGE faults:bus:changes + - COUNT 1");
    let words: Vec<&str> = newest.split("\r\n").collect();
    let id = words.iter().find_map(|word| word.split_once('-')).expect("an id");
    let json = words.iter().find(|word| word.starts_with('{')).expect("a change");
    let number: u64 = id.1.parse().expect("a number");
    let add = format!("XADD faults:bus:changes {}-{} from x change '{json}'", id.0, number + 2);
    assert!(server.says(&add).starts_with('$'), "it is taken");
    assert_eq!(next(&mut receiver).await, Received::Lagged, "a gap");

    assert_eq!(server.says("FLUSHALL"), "+OK\r\n");
    assert_eq!(next(&mut receiver).await, Received::Lagged, "it is empty");
    let new = publish(2).await.remove(0);
    assert_eq!(next(&mut receiver).await, Received::Change(new), "it begins anew, and nothing is missing");
}

#[tokio::test]
async fn while_redis_is_away_the_own_process_hears_at_once_and_others_within_seconds() {
    let Some(mut server) = RedisServer::start() else { return };
    server.kill();
    let store = MemoryBus::new();
    let (here, one) = process(&server.url, &store, 100).await;
    let (_there, other) = process(&server.url, &store, 100).await;
    assert!(!here.is_up());
    let (mut own, mut far) = (one.subscribe(), other.subscribe());
    let new = one.publish(vec![change(1, 1, ChangeKind::Created, 1)]).await.expect("published");
    let heard = loop {
        match tokio::time::timeout(DEADLINE, own.next()).await.expect("at once") {
            Received::Lagged => {}
            heard => break heard,
        }
    };
    assert_eq!(heard, Received::Change(new[0].clone()));
    let told = tokio::time::timeout(Duration::from_secs(3), far.next()).await.expect("within seconds");
    assert_eq!(told, Received::Lagged);
    assert_eq!(other.since(Room::Job(new[0].job), 0, 9).await.expect("since").len(), 1);
    // It comes up for the first time, and what follows is carried.
    let _server = does(server, RedisServer::restart).await;
    until("it is found", || here.is_up()).await;
    let carried = async {
        for n in 2.. {
            one.publish(vec![change(1, n, ChangeKind::Created, 1)]).await.expect("published");
            if let Ok(Received::Change(_)) = tokio::time::timeout(DEADLINE, far.next()).await {
                break;
            }
        }
    };
    tokio::time::timeout(SOON, carried).await.expect("changes are carried again");
}

/// A store that keeps what is published and then does not answer.
struct Silent(MemoryBus);

#[async_trait]
impl EventBus for Silent {
    async fn publish(&self, changes: Vec<Change>) -> Result<Vec<Change>, StoreError> {
        self.0.publish(changes).await?;
        std::future::pending().await
    }

    async fn since(&self, room: Room, after: u64, limit: u32) -> Result<Vec<(u64, Change)>, StoreError> {
        self.0.since(room, after, limit).await
    }

    async fn newest(&self, room: Room) -> Result<u64, StoreError> {
        self.0.newest(room).await
    }

    fn subscribe(&self) -> Receiver {
        self.0.subscribe()
    }
}

#[tokio::test]
async fn what_was_perhaps_published_is_told_to_all_as_perhaps_missed() {
    let Some(server) = RedisServer::start() else { return };
    let store = MemoryBus::new();
    let silent: Arc<dyn EventBus> = Arc::new(Silent(store.clone()));
    let one = RedisBus::open(open(&server.url).await, silent, BusOptions::default()).await;
    let (_there, other) = process(&server.url, &store, 100).await;
    // Both have said that they are there.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut own, mut far) = (one.subscribe(), other.subscribe());
    let published = one.publish(vec![change(1, 1, ChangeKind::Created, 1)]);
    assert!(
        tokio::time::timeout(Duration::from_millis(50), published).await.is_err(),
        "nobody waits for ever"
    );
    for receiver in [&mut own, &mut far] {
        let told =
            tokio::time::timeout(Duration::from_secs(3), receiver.next()).await.expect("they are told");
        assert_eq!(told, Received::Lagged);
    }
    assert_eq!(other.newest(Room::Job(change(1, 1, ChangeKind::Created, 1).job)).await, Ok(1));
}
