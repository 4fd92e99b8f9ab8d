//! A data source on loopback whose answer the test sets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::header, routing::get};
use tokio::task::JoinSet;

/// An HTTP server that gives one text. Dropping it ends it.
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
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = Router::new().route("/value", get(answer)).with_state(text.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
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
