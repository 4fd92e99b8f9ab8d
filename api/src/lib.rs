//! The REST and WebSocket edge.
//!
//! It owns the JSON shapes that clients speak, `task_definition_id`, API keys, and the one validation that a job
//! passes before it is stored. It never decides when a task runs, never calls a contract that changes anything, and
//! keeps no state of its own beyond caches: everything it answers is read from the ports.
//!
//! Entry points: [`api`] gives the router and the future that follows changes for WebSockets; [`routes::all`] is
//! the table from which the router, the authorization test and openapi.json come.

mod auth;
mod bundle;
mod call;
mod chain;
pub mod config;
mod create;
mod decisions;
mod docs;
mod dry_run;
mod errors;
mod fees;
mod health;
mod jobs;
mod json;
mod keepers;
mod keys;
mod listen;
mod metrics;
mod modules;
mod once;
mod openapi;
mod pages;
pub mod ports;
mod prices;
mod registrations;
pub mod routes;
mod script;
mod secrets;
mod serve;
mod shape;
mod tasks;
mod users;
mod ws;

use std::{future::Future, sync::Arc};

use axum::Router;

pub use crate::{
    auth::key_hash,
    config::{Config, RegistryRule},
    keys::{NewKey, new_key},
    listen::listen,
    openapi::document as openapi_document,
    ports::{Chain, Ports, ReadyCheck},
};

/// What handlers share.
pub struct Edge {
    pub(crate) config: Config,
    pub(crate) ports: Ports,
    pub(crate) metrics: metrics::Metrics,
    pub(crate) dry_runs: script::DryRuns,
    pub(crate) prices: prices::Prices,
    pub(crate) hub: ws::Hub,
    pub(crate) once: once::Once,
}

/// The router, and the future that follows changes for WebSockets. Serve the router with [`listen`], so that limits
/// per address know the address; drive the future for as long as requests are served. It ends when the event bus is
/// closed.
///
/// # Errors
/// Where a metric of the same name is registered already.
pub fn api(
    config: Config,
    ports: Ports,
) -> Result<(Router, impl Future<Output = ()> + Send + 'static), prometheus::Error> {
    let metrics = metrics::Metrics::register(&ports.metrics)?;
    let dry_runs = script::DryRuns::new(config.scripts.dry_runs_kept, config.scripts.dry_run_age);
    let hub = ws::Hub::default();
    let prices = prices::Prices::default();
    let edge = Arc::new(Edge { config, ports, metrics, dry_runs, prices, hub, once: once::Once::default() });
    // Subscribed before the first request, so that nothing published from now on is missed.
    let changes = edge.ports.bus.subscribe();
    let background = ws::follow(Arc::clone(&edge), changes);
    Ok((serve::router(edge), background))
}
