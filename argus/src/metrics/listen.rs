//! `/metrics` of a process, also where it has no API.

use std::{future::Future, net::SocketAddr};

use anyhow::{Context, anyhow};
use argus_metrics::{Figures, TEXT};
use axum::{
    Router,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

/// Binds, so that a port that is taken is said at once; the future serves.
pub async fn listen(
    figures: Figures,
    address: SocketAddr,
) -> anyhow::Result<impl Future<Output = anyhow::Result<()>> + Send + 'static> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("metrics cannot listen on {address}: choose another [metrics] listen"))?;
    tracing::info!(address = %listener.local_addr()?, "metrics are shown");
    let router = Router::new().route("/metrics", get(move || std::future::ready(show(&figures))));
    Ok(async move {
        axum::serve(listener, router).await?;
        Err(anyhow!("it stopped listening"))
    })
}

fn show(figures: &Figures) -> Response {
    match figures.text() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be shown");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
