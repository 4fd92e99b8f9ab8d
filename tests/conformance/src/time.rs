//! The contracts of [`Clock`] and [`RateLimiter`].
//!
//! Time passes in these suites by what the adapter's pairing does about it: waiting, or turning a clock by hand.

use std::time::Duration;

use argus_domain::time::Timestamp;
use argus_ports::{Clock, RateLimiter, time::Allowance};
use futures::{FutureExt, future::join_all};

/// Longest wait for something that has to happen.
const SOON: Duration = Duration::from_secs(10);
/// Steps in which the suites let time pass.
const STEP: Duration = Duration::from_millis(20);

/// A clock that nobody sets, and how time passes on it.
pub async fn clock<C: Clock>(clock: C, pass: impl AsyncFn(Duration)) {
    let clock = &clock as &dyn Clock;
    let mut last = clock.now();
    for _ in 0..1_000 {
        let now = clock.now();
        assert!(now >= last, "{now:?} after {last:?}");
        last = now;
    }
    let before = clock.now();
    pass(STEP).await;
    assert!(clock.now() > before, "time passes");

    for past in [Timestamp(0), clock.now()] {
        clock.sleep_until(past).now_or_never().expect("what is over is not waited for");
    }
    sleeps(clock, &pass).await;
    // One who gives up takes nobody along.
    let at = clock.now() + 3 * STEP;
    let (mut given_up, mut stays) = (clock.sleep_until(at), clock.sleep_until(at));
    let _ = (&mut given_up).now_or_never();
    // On a busy machine its instant may have come before it looked.
    let has_woken = (&mut stays).now_or_never().is_some();
    drop(given_up);
    pass(4 * STEP).await;
    if !has_woken {
        tokio::time::timeout(SOON, stays).await.expect("it still wakes");
    }
}

/// Sleepers with instants out of order: each wakes, none before its instant.
async fn sleeps(clock: &dyn Clock, pass: &impl AsyncFn(Duration)) {
    let began = clock.now();
    let sleeper = async |steps: u32| {
        let at = began + steps * STEP;
        clock.sleep_until(at).await;
        assert!(clock.now() >= at, "{:?} is before {at:?}", clock.now());
    };
    let all = join_all([5, 1, 3, 3].map(sleeper));
    let passes = async {
        for _ in 0..6 {
            pass(STEP).await;
            // Those whom this step wakes look at the clock before the next one.
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, futures::future::join(all, passes)).await.expect("all wake");
}

/// A clock that is set, forward and back, while somebody sleeps.
pub async fn clock_that_is_set<C: Clock>(clock: C, set: impl Fn(Timestamp)) {
    let clock = &clock as &dyn Clock;
    let began = clock.now();
    let at = began + Duration::from_secs(3_600);
    let mut sleeper = clock.sleep_until(at);
    for early in [began, Timestamp(at.0 - 1), Timestamp(0), Timestamp(at.0 - 1)] {
        set(early);
        tokio::task::yield_now().await;
        assert!((&mut sleeper).now_or_never().is_none(), "woken at {early:?}, before {at:?}");
    }
    set(Timestamp(at.0 + 60_000));
    tokio::time::timeout(SOON, sleeper).await.expect("a jump over the instant wakes");
}

/// Requests a minute in this suite: one token every ten seconds.
const RATE: u32 = 6;
/// Until one token is there again.
const TOKEN: Duration = Duration::from_secs(10);

async fn drained(limiter: &dyn RateLimiter, key: &str) -> Allowance {
    loop {
        let answer = limiter.take(key, RATE).await;
        if !answer.allowed {
            return answer;
        }
    }
}

async fn allowed(limiter: &dyn RateLimiter, key: &str) -> usize {
    let all = join_all((0..5 * RATE).map(|_| limiter.take(key, RATE))).await;
    all.iter().filter(|answer| answer.allowed).count()
}

/// A limiter, and how time passes for it.
pub async fn limiter<L: RateLimiter, T: AsyncFn(Duration)>(fresh: impl Fn() -> (L, T)) {
    let (limiter, pass) = fresh();
    let limiter = &limiter as &dyn RateLimiter;
    for n in 1..=RATE {
        let answer = limiter.take("a", RATE).await;
        assert!(answer.allowed, "an unknown bucket is full: {n}");
        assert_eq!((answer.limit, answer.remaining), (RATE, RATE - n));
        if answer.remaining > 0 {
            let (least, most) = ((n - 1) * TOKEN, n * TOKEN);
            assert!(least < answer.reset_after && answer.reset_after <= most, "until full: {answer:?}");
        }
    }
    for _ in 0..100 {
        let refused = limiter.take("a", RATE).await;
        assert!(!refused.allowed && refused.remaining == 0, "it is empty: {refused:?}");
        let wait = refused.reset_after;
        assert!(Duration::ZERO < wait && wait <= TOKEN, "until a token is there: {refused:?}");
    }
    assert_eq!(allowed(limiter, "b").await, RATE as usize, "another key is another bucket, also all at once");

    // What was refused took nothing, and the wait that is told is the wait.
    pass(limiter.take("a", RATE).await.reset_after).await;
    assert!(limiter.take("a", RATE).await.allowed, "a token after the time that was told");
    assert!(!limiter.take("a", RATE).await.allowed, "one token");
    pass(TOKEN / 2).await;
    assert!(!limiter.take("a", RATE).await.allowed, "half a token is none, and stays");
    pass(TOKEN / 2).await;
    assert!(limiter.take("a", RATE).await.allowed, "two halves are one");
    for tokens in [1, 3] {
        drained(limiter, "even").await;
        pass(tokens * TOKEN).await;
        assert_eq!(allowed(limiter, "even").await, tokens as usize, "it refills evenly");
    }
    pass(3 * RATE * TOKEN).await;
    assert_eq!(allowed(limiter, "even").await, RATE as usize, "it holds no more than its size");

    // The size is what the call says.
    assert!(limiter.take("resized", RATE).await.allowed);
    let smaller = limiter.take("resized", 2).await;
    assert_eq!((smaller.allowed, smaller.limit, smaller.remaining), (true, 2, 1));
    assert!(!limiter.take("none", 0).await.allowed, "a bucket of no size is empty");
}
