//! The suites on a real Redis, and what only it can show: budgets and changes that processes share.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use argus_conformance::{bus, bus::change, people, redis::RedisServer, samples::at, time};
use argus_domain::time::Timestamp;
use argus_memory::{ManualClock, MemoryBus, MemoryLimiter, MemoryStore, SystemClock};
use argus_ports::{ChangeKind, Clock, EventBus, KeyStore, RateLimiter, store::watch::Received};
use argus_redis::{BusOptions, Cache, CachedKeys, Redis, RedisBus, RedisLimiter, Settings, Use};
use futures::{FutureExt, future::join_all};
use secrecy::SecretString;

static OPENED: AtomicU32 = AtomicU32::new(0);

/// Nobody else's keys, unless the same prefix is given again.
fn prefix() -> String {
    format!("test-{}", OPENED.fetch_add(1, Ordering::Relaxed))
}

async fn open(server: &RedisServer, prefix: &str) -> Redis {
    let settings = Settings {
        url: SecretString::from(server.url.clone()),
        prefix: prefix.to_owned(),
        // Other tests share the processor.
        timeout: Duration::from_secs(5),
    };
    let redis = Redis::open(&settings).await.expect("a URL");
    assert!(redis.is_up());
    redis
}

/// Turns the clock of every bucket: each was last seen so much earlier, and ends so much sooner.
const AGE: &str = "
for _, key in ipairs(redis.call('KEYS', ARGV[1] .. ':limit:*')) do
  redis.call('HINCRBY', key, 'seen', -tonumber(ARGV[2]))
  redis.call('PEXPIRE', key, redis.call('PTTL', key) - tonumber(ARGV[2]))
end";

#[tokio::test]
async fn limiter() {
    let Some(server) = RedisServer::start() else { return };
    let prefix = prefix();
    let redis = open(&server, &prefix).await;
    let client = redis::Client::open(server.url.as_str()).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await.expect("a connection");
    time::limiter(|| {
        let clock = ManualClock::new(Timestamp(1_000_000));
        let local = Arc::new(MemoryLimiter::new(Arc::new(clock.clone())));
        let (connection, prefix) = (connection.clone(), prefix.clone());
        let pass = async move |time: Duration| {
            clock.advance(time);
            let age = redis::Script::new(AGE);
            let mut call = age.prepare_invoke();
            call.arg(&prefix).arg(time.as_millis().to_string());
            call.invoke_async::<()>(&mut connection.clone()).await.expect("aged");
        };
        (RedisLimiter::new(redis.clone(), local), pass)
    })
    .await;
    assert_eq!(redis.fallbacks(Use::Limits), 0, "Redis itself was tested");
}

#[tokio::test]
async fn event_bus() {
    let Some(server) = RedisServer::start() else { return };
    let mut fresh = Vec::new();
    for _ in 0..8 {
        let redis = open(&server, &prefix()).await;
        fresh.push(RedisBus::open(redis, Arc::new(MemoryBus::new()), BusOptions::default()).await);
    }
    let fresh = RefCell::new(fresh);
    bus::suite(|| fresh.borrow_mut().pop().expect("as many as the suite takes")).await;
}

#[tokio::test]
async fn keys() {
    let Some(server) = RedisServer::start() else { return };
    let redis = open(&server, &prefix()).await;
    let ttl = Duration::from_secs(60);
    people::keys(|| CachedKeys::new(redis.clone(), Arc::new(MemoryStore::new()), ttl)).await;
    assert_eq!(redis.fallbacks(Use::Cache), 0, "Redis itself was tested");
}

#[tokio::test]
async fn limiters_share_one_budget_whatever_their_clocks_say() {
    const RATE: u32 = 60;
    let Some(server) = RedisServer::start() else { return };
    let prefix = prefix();
    let mut limiters = Vec::new();
    for skew in [0, 3_600_000, 7_200_000] {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(Timestamp(1_700_000_000_000 - skew)));
        let local = Arc::new(MemoryLimiter::new(clock));
        limiters.push(RedisLimiter::new(open(&server, &prefix).await, local));
    }
    let began = Instant::now();
    let all = (0..40 * RATE).map(|n| limiters[n as usize % limiters.len()].take("one", RATE));
    let allowed = join_all(all).await.iter().filter(|answer| answer.allowed).count() as u64;
    // One token a second comes back meanwhile.
    let most = u64::from(RATE) + began.elapsed().as_millis().div_ceil(1000) as u64;
    assert!((u64::from(RATE)..=most).contains(&allowed), "{allowed} of {RATE}");
    let [first, ..] = &limiters[..] else { panic!("limiters") };
    assert!(first.take("another", RATE).await.allowed);
    let ttl = server.says(&format!("PTTL {prefix}:limit:one"));
    let ttl: u64 = ttl.trim().trim_start_matches(':').parse().expect("it ends");
    assert!(ttl <= 121_000, "a bucket ends two minutes after its last question: {ttl} ms");
}

#[tokio::test]
async fn a_token_comes_back_by_the_clock_of_redis() {
    let Some(server) = RedisServer::start() else { return };
    let stopped: Arc<dyn Clock> = Arc::new(ManualClock::new(at(5)));
    let local = Arc::new(MemoryLimiter::new(stopped));
    let limiter = RedisLimiter::new(open(&server, &prefix()).await, local);
    let rate = 120;
    let refused = loop {
        let answer = limiter.take("a", rate).await;
        if !answer.allowed {
            break answer;
        }
    };
    assert!(refused.reset_after <= Duration::from_millis(500), "{refused:?}");
    tokio::time::sleep(refused.reset_after).await;
    assert!(limiter.take("a", rate).await.allowed, "after the time that was told");
}

/// Two processes over one store.
async fn two(server: &RedisServer, options: BusOptions) -> (RedisBus, RedisBus) {
    let (prefix, store) = (prefix(), MemoryBus::new());
    let one = RedisBus::open(open(server, &prefix).await, Arc::new(store.clone()), options).await;
    // What the first one has to say at its start comes before the second one listens.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let other = RedisBus::open(open(server, &prefix).await, Arc::new(store), options).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    (one, other)
}

#[tokio::test]
async fn subscribers_hear_of_all_processes_each_change_once_in_order() {
    let Some(server) = RedisServer::start() else { return };
    let (here, there) = two(&server, BusOptions::default()).await;
    let mut receivers = [here.subscribe(), there.subscribe()];
    // Of a job that both begin to publish at once nobody can tell what came first: that is said, and not meant here.
    for job in [1, 2, 3, 9] {
        here.publish(vec![change(job, 5_000, ChangeKind::Created, 1)]).await.expect("published");
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let publish = async |bus: &RedisBus, job: u64, from: u64| {
        for task in 0..200 {
            bus.publish(vec![change(job, from + task, ChangeKind::Created, 1)]).await.expect("published");
            bus.publish(vec![change(9, 10_000 * job + from + task, ChangeKind::Created, 1)])
                .await
                .expect("published");
        }
    };
    tokio::join!(
        publish(&here, 1, 0),
        publish(&there, 2, 0),
        publish(&here, 3, 1000),
        publish(&there, 3, 2000)
    );
    for receiver in &mut receivers {
        let mut last = std::collections::BTreeMap::new();
        for n in 0.. {
            match tokio::time::timeout(Duration::from_secs(20), receiver.next()).await.expect("in time") {
                Received::Change(change) => {
                    let next = last.entry(change.job).or_insert(0);
                    assert_eq!(change.seq, *next + 1, "{n}: each once, in order");
                    *next = change.seq;
                }
                Received::Lagged => panic!("{n}: nothing is missed"),
                Received::Closed => panic!("closed"),
            }
            if last.values().sum::<u64>() == 1604 {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(receiver.next().now_or_never(), None, "nothing comes twice");
    }
}

#[tokio::test]
async fn what_was_read_before_a_change_is_not_kept_after_it() {
    let Some(server) = RedisServer::start() else { return };
    let cache = Cache::new(open(&server, &prefix()).await, "kind", Duration::from_secs(60));
    cache.keep("row", b"old").await;
    assert_eq!(cache.get("row").await.as_deref(), Some(&b"old"[..]));
    cache.release("row").await;
    cache.keep("row", b"used").await;
    assert_eq!(cache.get("row").await.as_deref(), Some(&b"used"[..]), "it may be put back");
    cache.forget("row").await;
    cache.keep("row", b"old").await;
    cache.release("row").await;
    cache.keep("row", b"old").await;
    assert_eq!(cache.get("row").await, None, "it was changed");
    let brief = Cache::new(open(&server, &prefix()).await, "kind", Duration::from_millis(50));
    brief.keep("row", b"old").await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(brief.get("row").await, None, "it is believed for a time");
}

#[tokio::test]
async fn a_key_that_was_revoked_elsewhere_opens_nothing() {
    let Some(server) = RedisServer::start() else { return };
    let (prefix, store) = (prefix(), Arc::new(MemoryStore::new()));
    let keys = async || CachedKeys::new(open(&server, &prefix).await, store.clone(), Duration::from_secs(60));
    let (here, there) = (keys().await, keys().await);
    let key = argus_domain::access::ApiKey {
        id: "name".to_owned(),
        hash: argus_domain::B256::repeat_byte(7),
        masked: "TGRX…".to_owned(),
        owner: argus_conformance::samples::owner(1),
        role: argus_domain::access::Role::User,
        rate_limit: 60,
        created_at: SystemClock.now(),
        revoked_at: None,
        expires_at: None,
        last_used: None,
    };
    here.put(key.clone()).await.expect("put");
    // It is not kept so soon after a change; once that is over, it is.
    assert_eq!(server.says(&format!("DEL {prefix}:key:{}", key.hash)), ":1\r\n");
    for keys in [&here, &there] {
        assert_eq!(keys.by_hash(key.hash).await, Ok(Some(key.clone())));
    }
    store.used("name", at(70)).await.expect("past the cache");
    assert_eq!(there.by_hash(key.hash).await, Ok(Some(key.clone())), "it is read from Redis");
    // Which record has this name is forgotten first: it is found by what the store says.
    assert_eq!(server.says(&format!("DEL {prefix}:key-hash:name")), ":1\r\n");
    let revoked = here.update("name", None, Some(at(80))).await.expect("update").expect("the key");
    assert_eq!(there.by_hash(key.hash).await, Ok(Some(revoked.clone())), "at once");
    assert_eq!(there.by_hash(key.hash).await, Ok(Some(revoked)));
}
