//! A real Redis that is killed, emptied, stopped, full or not there, under load: what is asked of it goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use argus_conformance::{bus::change, redis::RedisServer, samples::owner};
use argus_domain::{
    B256,
    access::{ApiKey, Role},
    ids::JobId,
    time::Timestamp,
};
use argus_memory::{MemoryBus, MemoryLimiter, MemoryStore, SystemClock};
use argus_ports::{
    Change, ChangeKind, EventBus, KeyStore, RateLimiter, Room, StoreError, store::watch::Received,
};
use argus_redis::{BusOptions, CachedKeys, Redis, RedisBus, RedisLimiter, Settings, Use};
use async_trait::async_trait;
use secrecy::SecretString;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Longest that a call waits for Redis.
const DEADLINE: Duration = Duration::from_millis(100);
/// Longest that a test waits for something that has to happen.
const SOON: Duration = Duration::from_secs(20);

async fn open(url: &str) -> Redis {
    let settings =
        Settings { url: SecretString::from(url.to_owned()), prefix: "faults".to_owned(), timeout: DEADLINE };
    Redis::open(&settings).await.expect("a URL")
}

fn limiter(redis: &Redis) -> RedisLimiter {
    RedisLimiter::new(redis.clone(), Arc::new(MemoryLimiter::new(Arc::new(SystemClock))))
}

/// Lines that an operator would see.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicU64>);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() <= tracing::Level::INFO && metadata.target().starts_with("argus_redis") {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Lines {
    /// Counts those of this thread, which is that of every task of the test.
    fn count(&self) -> tracing::subscriber::DefaultGuard {
        tracing::subscriber::set_default(tracing_subscriber::registry().with(self.clone()))
    }

    fn seen(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What is done to the server, beside the thread of the test.
async fn does(server: RedisServer, fault: impl FnOnce(&mut RedisServer) + Send + 'static) -> RedisServer {
    let done = tokio::task::spawn_blocking(move || {
        let mut server = server;
        fault(&mut server);
        server
    });
    done.await.expect("done")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < SOON, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// How long calls took.
#[derive(Default)]
struct Times {
    calls: u64,
    /// About as long as the deadline, or longer.
    late: u64,
    longest: Duration,
}

impl Times {
    async fn of<T>(&mut self, call: impl Future<Output = T>) -> T {
        let began = Instant::now();
        let answer = call.await;
        let took = began.elapsed();
        self.calls += 1;
        self.late += u64::from(took >= DEADLINE * 9 / 10);
        self.longest = self.longest.max(took);
        answer
    }
}

fn key() -> ApiKey {
    ApiKey {
        id: "name".to_owned(),
        hash: B256::repeat_byte(7),
        masked: "TGRX…".to_owned(),
        owner: owner(1),
        role: Role::User,
        rate_limit: 60,
        created_at: Timestamp(1),
        revoked_at: None,
        expires_at: None,
        last_used: None,
    }
}

/// Requests as fast as they go, until told otherwise: each asks for a token, looks a key up and publishes.
async fn requests(redis: &Redis, stop: &AtomicBool, per_minute: u32) -> (Times, u64) {
    let store = Arc::new(MemoryStore::new());
    store.put(key()).await.expect("put");
    let keys = CachedKeys::new(redis.clone(), store, Duration::from_secs(5));
    let bus = RedisBus::open(redis.clone(), Arc::new(MemoryBus::new()), BusOptions::default()).await;
    let limiter = limiter(redis);
    let (mut times, mut allowed) = (Times::default(), 0);
    for n in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        allowed += u64::from(times.of(limiter.take("one", per_minute)).await.allowed);
        assert_eq!(
            times.of(keys.by_hash(key().hash)).await,
            Ok(Some(key())),
            "the key is found all the time"
        );
        let published = times.of(bus.publish(vec![change(1, n, ChangeKind::Created, 1)])).await;
        assert_eq!(published.expect("published").len(), 1);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (times, allowed)
}

#[tokio::test]
async fn requests_go_on_and_limits_hold_whatever_becomes_of_redis() {
    const PER_MINUTE: u32 = 60;
    let Some(server) = RedisServer::start() else { return };
    let lines = Lines::default();
    let _counting = lines.count();
    let redis = open(&server.url).await;
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    let faults = async {
        let pause = || tokio::time::sleep(Duration::from_millis(700));
        pause().await;
        let server = does(server, RedisServer::kill).await;
        until("it is noticed", || !redis.is_up()).await;
        pause().await;
        let server = does(server, RedisServer::restart).await;
        until("it is back", || redis.is_up()).await;
        pause().await;
        let server = does(server, |server| assert_eq!(server.says("FLUSHALL"), "+OK\r\n")).await;
        pause().await;
        let server = does(server, |server| server.pause()).await;
        until("it is noticed", || !redis.is_up()).await;
        pause().await;
        let server = does(server, |server| server.go_on()).await;
        until("it is back", || redis.is_up()).await;
        pause().await;
        stop.store(true, Ordering::Relaxed);
        server
    };
    let ((times, allowed), _server) = tokio::join!(requests(&redis, &stop, PER_MINUTE), faults);
    let most = u64::from(PER_MINUTE) + began.elapsed().as_secs() + 1;
    assert!((u64::from(PER_MINUTE)..=most).contains(&allowed), "{allowed} of {PER_MINUTE}, {most} at most");
    assert!(times.calls > 1_000, "{} calls", times.calls);
    // One of each use may have been under way when it stopped.
    assert!(times.late <= 12, "{} of {} calls were late", times.late, times.calls);
    assert!(times.longest < 5 * DEADLINE, "{:?}", times.longest);
    assert!(redis.fallbacks(Use::Limits) > 10 && redis.fallbacks(Use::Cache) > 10);
    let losses = redis.losses();
    assert!((2..6).contains(&losses), "it went away {losses} times");
    assert_eq!(lines.seen(), 2 * losses, "one line when it goes away, one when it is back");
}

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

    fn subscribe(&self) -> argus_ports::store::watch::Receiver {
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

#[tokio::test]
async fn one_that_answers_now_and_then_is_spoken_of_ever_less() {
    let Some(mut server) = RedisServer::start() else { return };
    let lines = Lines::default();
    let _counting = lines.count();
    let redis = open(&server.url).await;
    let limiter = limiter(&redis);
    for _ in 0..8 {
        server = does(server, |server| server.pause()).await;
        for _ in 0..40 {
            limiter.take("a", 5).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server = does(server, |server| server.go_on()).await;
        for _ in 0..30 {
            limiter.take("a", 5).await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!((2..10).contains(&lines.seen()), "{} lines about 8 faults", lines.seen());
}

#[tokio::test]
async fn one_that_takes_no_writes_is_away_and_comes_back_by_itself() {
    let Some(server) = RedisServer::start() else { return };
    let lines = Lines::default();
    let _counting = lines.count();
    let redis = open(&server.url).await;
    let limiter = limiter(&redis);
    assert!(limiter.take("a", 5).await.allowed);
    assert_eq!(server.says("CONFIG SET maxmemory 1"), "+OK\r\n");
    for n in 0..100 {
        assert_eq!(limiter.take("a", 5).await.allowed, n < 4, "the bucket of this process goes on: {n}");
    }
    assert!(!redis.is_up());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(lines.seen(), 1, "it is away all the time");
    assert_eq!(server.says("CONFIG SET maxmemory 0"), "+OK\r\n");
    until("it is back", || redis.is_up()).await;
    assert_eq!(lines.seen(), 2);
    assert!(limiter.take("b", 5).await.allowed);
}

#[tokio::test]
async fn a_value_of_somebody_else_is_no_reason_to_leave_the_others() {
    let Some(server) = RedisServer::start() else { return };
    let redis = open(&server.url).await;
    let limiter = limiter(&redis);
    assert_eq!(server.says("SET faults:limit:taken x"), "+OK\r\n");
    for n in 0..10 {
        assert_eq!(limiter.take("taken", 5).await.allowed, n < 5, "{n}");
        assert!(limiter.take("free", 50).await.allowed);
    }
    assert!(redis.is_up());
    assert_eq!((redis.fallbacks(Use::Limits), redis.losses()), (10, 0));
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() {
    let Some(server) = RedisServer::start() else { return };
    let redis = open(&server.url).await;
    let limiter = limiter(&redis);
    assert_eq!(limiter.take("a", 5).await.remaining, 4);
    assert_eq!(server.says("SCRIPT FLUSH"), "+OK\r\n");
    assert_eq!(limiter.take("a", 5).await.remaining, 3);
    assert_eq!(redis.fallbacks(Use::Limits), 0);
}

#[tokio::test]
async fn a_url_that_cannot_work_is_refused_without_being_repeated() {
    for url in ["", "http://:secret@host", "rediss://:secret@host", "redis://:secret@host:port"] {
        let settings =
            Settings { url: SecretString::from(url.to_owned()), prefix: String::new(), timeout: DEADLINE };
        let Err(error) = Redis::open(&settings).await else { panic!("{url:?} is taken") };
        assert!(
            !error.to_string().contains("secret") && error.to_string().contains("redis://host"),
            "{error}"
        );
    }
}
