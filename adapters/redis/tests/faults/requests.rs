//! Requests: limits, keys that are looked up, publications.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use argus_conformance::{bus::change, redis::RedisServer, samples::owner};
use argus_domain::{
    B256,
    access::{ApiKey, Role},
    time::Timestamp,
};
use argus_memory::{MemoryBus, MemoryLimiter, MemoryStore, SystemClock};
use argus_ports::{ChangeKind, EventBus, KeyStore, RateLimiter};
use argus_redis::{BusOptions, CachedKeys, Redis, RedisBus, RedisLimiter, Settings, Use};
use secrecy::SecretString;

use crate::{DEADLINE, Lines, does, open, until};

fn limiter(redis: &Redis) -> RedisLimiter {
    RedisLimiter::new(redis.clone(), Arc::new(MemoryLimiter::new(Arc::new(SystemClock))))
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
