//! Scenarios on the built program. Each runs in every topology of `argus_e2e::TOPOLOGIES`, on a folder of its own.

mod api_guide;
mod authors;
mod backup;
mod certificates;
mod clients;
mod cluster;
mod commands;
mod compose;
mod corpus;
mod death;
mod folder;
mod go;
mod hostile;
mod ipfs;
mod large;
mod links;
mod main_job;
mod metrics;
mod money;
mod moves;
mod operators;
mod people;
mod reconcile;
mod refusals;
mod replay;
mod replicas;
mod rooms;
mod schemathesis;
mod sdk;
mod secrets;
mod signer;
mod standby;
mod storage;
mod traces;
mod triggers;

use std::future::Future;

use argus_e2e::{TOPOLOGIES, Topology};

/// Runs a scenario without a platform.
pub fn alone(scenario: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(scenario);
}

/// Runs a scenario in every topology, one after the other.
pub fn everywhere<F: Future<Output = ()>>(scenario: impl Fn(Topology) -> F) {
    on(TOPOLOGIES, scenario);
}

/// Runs a scenario in these topologies, one after the other.
pub fn on<F: Future<Output = ()>>(topologies: &[Topology], scenario: impl Fn(Topology) -> F) {
    if !argus_e2e::has_anvil() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    for topology in topologies {
        let began = std::time::Instant::now();
        runtime.block_on(scenario(*topology));
        eprintln!("{topology:?}: {:.1} s", began.elapsed().as_secs_f64());
    }
}
