//! A receiver of webhooks on loopback.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::source::serve;

/// One delivery as it came.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// Header argus-event.
    pub event: String,
    /// Header argus-signature.
    pub signature: String,
    /// The body, as it came.
    pub text: String,
    /// The same, read.
    pub body: Value,
    /// What was answered.
    pub status: u16,
}

/// An HTTP server that keeps what it is sent, and answers as the test says. Dropping it ends it.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Mutex<Kept>>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Kept {
    by_path: BTreeMap<String, Vec<Delivered>>,
    statuses: BTreeMap<String, u16>,
}

fn lock(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Receiver {
    /// Serves on a free port; every path is a receiver of its own.
    pub async fn serve() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new().route("/{path}", post(take)).with_state(kept.clone());
        let (address, serving) = serve(router).await;
        Self { address, kept, _serving: serving }
    }

    /// The URL of a receiver.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// What it answers from now on instead of 200; 0: nothing.
    pub fn answer(&self, path: &str, status: u16) {
        lock(&self.kept).statuses.insert(path.to_owned(), status);
    }

    /// What it was sent, oldest first.
    pub fn delivered(&self, path: &str) -> Vec<Delivered> {
        lock(&self.kept).by_path.get(path).cloned().unwrap_or_default()
    }
}

async fn take(
    State(kept): State<Arc<Mutex<Kept>>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: String,
) -> StatusCode {
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let status = {
        let mut kept = lock(&kept);
        let status = kept.statuses.get(&path).copied().unwrap_or(200);
        let delivered = Delivered {
            event: header("argus-event"),
            signature: header("argus-signature"),
            body: serde_json::from_str(&body).unwrap_or_default(),
            text: body,
            status,
        };
        kept.by_path.entry(path).or_default().push(delivered);
        status
    };
    if status == 0 {
        std::future::pending::<()>().await;
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT)
}
