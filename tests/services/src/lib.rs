//! A platform in one process for tests: real dispatcher, aggregator and keepers; stores, links and chain in memory.

pub mod chain;
pub mod checks;
pub mod jobs;
pub mod links;
pub mod runner;
pub mod signer;
pub mod store;
mod wiring;
pub mod witness;
pub mod world;
