//! The data source of the demo: a small HTTP server on loopback whose prices the demo sets.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use serde_json::{Value, json};

/// The prices, as decimal text.
#[derive(Debug, Clone, Default)]
pub struct Prices(Arc<Mutex<String>>);

impl Prices {
    /// Sets the watched price.
    pub fn set(&self, price: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = price.to_owned();
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Quotes of three sources, each a decimal text; the one in the middle is `1834.271`.
pub const QUOTES: [(&str, &str); 3] = [("a", "1834.271"), ("b", "1833.9"), ("c", "1835.04")];

/// Binds to a free port of loopback; the future serves until it is dropped.
pub async fn serve(
    prices: Prices,
) -> std::io::Result<(SocketAddr, impl Future<Output = std::io::Result<()>>)> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router =
        Router::new().route("/price", get(price)).route("/quote/{name}", get(quote)).with_state(prices);
    Ok((address, async move { axum::serve(listener, router).await }))
}

async fn price(State(prices): State<Prices>) -> Json<Value> {
    Json(json!({ "market": { "price": prices.get() } }))
}

async fn quote(Path(name): Path<String>) -> Json<Value> {
    let price = QUOTES.iter().find(|(source, _)| *source == name).map(|(_, price)| *price);
    Json(json!({ "source": name, "price": price }))
}
