//! The REST and WebSocket edge.
//!
//! It owns the JSON shapes that clients speak, `task_definition_id`, API keys, and the one validation that a job
//! passes before it is stored. It never decides when a task runs, never calls a contract (a faucet's plain transfers
//! are all that it sends to a chain), and keeps no state of its own beyond caches: everything it answers is read from the
//! ports.
//!
//! Entry points: [`api`] gives the router and the future that follows changes for WebSockets; [`routes::all`] is
//! the table from which the router, the authorization test and openapi.json come.

mod auth;
mod bundle;
mod call;
mod chain;
pub mod config;
mod contact;
mod create;
mod decisions;
mod docs;
mod dry_run;
mod errors;
mod faucet;
mod fees;
mod health;
mod jobs;
mod json;
mod keepers;
mod keys;
mod known_keys;
mod leaderboard;
mod listen;
mod mac;
mod metrics;
mod modules;
mod once;
mod openapi;
mod pages;
pub mod ports;
mod prices;
mod registrations;
mod reply;
pub mod routes;
mod script;
mod secrets;
mod serve;
mod shape;
mod sign_in;
mod tasks;
mod timeline;
mod trace;
mod users;
mod webhooks;
mod ws;

use std::{future::Future, sync::Arc};

use axum::Router;
use futures::FutureExt;

pub use crate::{
    auth::key_hash,
    config::{Config, RegistryRule},
    keys::{NewKey, new_key},
    listen::listen,
    openapi::document as openapi_document,
    ports::{Answered, Chain, Ports, ReadyCheck, Witness},
};

/// What handlers share.
pub struct Edge {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) dry_runs: script::DryRuns,
    pub(crate) prices: prices::Prices,
    pub(crate) known_keys: known_keys::KnownKeys,
    pub(crate) hub: ws::Hub,
    pub(crate) once: once::Once,
    pub(crate) nonce_key: sign_in::NonceKey,
    /// Rung when a webhook was added.
    pub(crate) webhooks_changed: tokio::sync::Notify,
}

/// The router, and the future that follows changes for WebSockets and webhooks. Serve the router with [`listen`], so that limits
/// per address know the address; drive the future for as long as requests are served. It ends when the event bus is
/// closed.
///
/// # Errors
/// Where a metric of the same name is registered already.
pub fn api(
    config: Config,
    ports: Ports,
) -> Result<(Router, impl Future<Output = ()> + Send + 'static), argus_metrics::Unregistered> {
    let metrics = metrics::Metrics::register(&ports.metrics)?;
    let dry_runs = script::DryRuns::new(config.scripts.dry_runs_kept, config.scripts.dry_run_age);
    let hub = ws::Hub::default();
    let edge = Arc::new(Edge {
        config,
        ports,
        metrics,
        dry_runs,
        prices: prices::Prices::default(),
        known_keys: known_keys::KnownKeys::default(),
        hub,
        once: once::Once::default(),
        nonce_key: sign_in::NonceKey::default(),
        webhooks_changed: tokio::sync::Notify::new(),
    });
    // Subscribed before the first request, so that nothing published from now on is missed.
    let (told, sent) = (edge.ports.bus.subscribe(), edge.ports.bus.subscribe());
    let background = futures::future::join(
        ws::follow(Arc::clone(&edge), told),
        webhooks::deliver(Arc::clone(&edge), sent),
    );
    Ok((serve::router(edge), background.map(drop)))
}
