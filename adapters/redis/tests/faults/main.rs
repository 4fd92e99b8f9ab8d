//! A real Redis that is killed, emptied, stopped, full or not there, under load: what is asked of it goes on.

mod changes;
mod requests;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use argus_conformance::redis::RedisServer;
use argus_redis::{Redis, Settings};
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
