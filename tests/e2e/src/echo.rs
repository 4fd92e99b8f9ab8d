//! A server on loopback that gives back whatever it is sent, in every form and in small pieces.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::header,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::stream;
use tokio::task::JoinSet;

/// The server. Dropping it ends it.
#[derive(Debug)]
pub struct Echo {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Echo {
    /// Serves on a free port.
    pub async fn serve() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(echo).with_state(seen.clone());
        let (address, serving) = crate::source::serve(router).await;
        Self { address, seen, _serving: serving }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was sent: URL, headers and body, percent-decoded, a request each.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn echo(State(seen): State<Arc<Mutex<Vec<String>>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap_or_default();
    let headers: Vec<_> = parts
        .headers
        .iter()
        .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v.as_bytes())))
        .collect();
    let all = format!("{}\n{}\n{}", parts.uri, headers.join("\n"), String::from_utf8_lossy(&body));
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(all.clone());
    let hex: String = all.bytes().map(|b| format!("{b:02x}")).collect();
    let percent: String = all.bytes().map(|b| format!("%{b:02X}")).collect();
    let forms = [
        all.clone(),
        hex,
        percent,
        STANDARD.encode(&all),
        STANDARD.encode(format!("x{all}")),
        STANDARD.encode(format!("xx{all}")),
        serde_json::Value::from(all.clone()).to_string(),
        all.to_uppercase(),
    ];
    // So small that whatever is looked for lies across a boundary.
    let pieces: Vec<Result<Bytes, std::convert::Infallible>> =
        forms.join("\n").as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    Response::builder()
        .header(header::ETAG, one_line(&all))
        .header("x-ratelimit-echo", one_line(&forms[3]))
        .body(Body::from_stream(stream::iter(pieces)))
        .unwrap_or_default()
}
