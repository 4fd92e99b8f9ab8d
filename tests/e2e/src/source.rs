//! Data sources on loopback.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::header, routing::get};
use tokio::task::JoinSet;

/// An HTTP server that gives one text, which the test sets. Dropping it ends it.
#[derive(Debug)]
pub struct Source {
    /// Where it listens: what `--allow-host` has to name.
    pub address: SocketAddr,
    text: Arc<Mutex<String>>,
    _serving: JoinSet<()>,
}

impl Source {
    /// Serves a text on a free port.
    pub async fn serve(text: &str) -> Self {
        let text = Arc::new(Mutex::new(text.to_owned()));
        let router = Router::new().route("/value", get(answer)).with_state(text.clone());
        let (address, serving) = serve(router).await;
        Self { address, text, _serving: serving }
    }

    /// What it says from now on.
    pub fn set(&self, text: &str) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text.to_owned();
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/value", self.address)
    }
}

async fn answer(State(text): State<Arc<Mutex<String>>>) -> ([(header::HeaderName, &'static str); 1], String) {
    let text = text.lock().unwrap_or_else(PoisonError::into_inner).clone();
    ([(header::CONTENT_TYPE, "application/json")], text)
}

/// An HTTP server that gives another integer at every request, and remembers who asked for it. Dropping it ends it.
#[derive(Debug)]
pub struct Feed {
    /// Where it listens.
    pub address: SocketAddr,
    given: Arc<Mutex<Given>>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Given {
    requests: u64,
    straddling: bool,
    by_asker: BTreeMap<String, Vec<u64>>,
}

/// No two of so many requests in a row are given the same value.
const DISTINCT: u64 = 997;

impl Feed {
    /// Serves on a free port.
    pub async fn serve() -> Self {
        let given = Arc::new(Mutex::new(Given::default()));
        let router = Router::new().route("/feed/{*asker}", get(feed)).with_state(given.clone());
        let (address, serving) = serve(router).await;
        Self { address, given, _serving: serving }
    }

    /// From now on gives a low and a high value in turn, with room for a guess between them.
    pub fn straddling(&self) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).straddling = true;
    }

    /// Its URL; whoever asks appends a name.
    pub fn url(&self) -> String {
        format!("http://{}/feed", self.address)
    }

    /// What it gave to those of a name, in the order in which they asked.
    pub fn given(&self, asker: &str) -> Vec<u64> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.by_asker.get(asker).cloned().unwrap_or_default()
    }
}

async fn feed(
    State(given): State<Arc<Mutex<Given>>>,
    axum::extract::Path(asker): axum::extract::Path<String>,
) -> String {
    let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
    given.requests += 1;
    // Neither rising nor falling, so that the middle value is not always the second one.
    let value = match (given.straddling, given.requests % 2) {
        (false, _) => 100_000 + given.requests * 617 % DISTINCT,
        (true, 0) => 100_000 + given.requests,
        (true, _) => 100_900 + given.requests,
    };
    given.by_asker.entry(asker).or_default().push(value);
    value.to_string()
}

/// Serves on a free port; dropping the set ends it.
pub async fn serve(router: Router) -> (SocketAddr, JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let _ = axum::serve(listener, router).await;
    });
    (address, serving)
}
