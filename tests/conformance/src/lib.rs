//! Contract suites: one per port, run on every adapter of it.
//!
//! A suite takes a factory that gives a fresh, empty adapter, and panics with the sentence that does not hold. Each
//! check is one sentence of the port's documentation. The suites know no adapter; `tests/` pairs them.

#![allow(clippy::unwrap_used, reason = "a suite that cannot go on says where")]

pub mod answers;
pub mod blobs;
pub mod bus;
pub mod cassandra;
pub mod decisions;
pub mod fenced;
pub mod jobs;
pub mod journal;
pub mod kubo;
pub mod leases;
pub mod links;
pub mod lossy;
pub mod people;
pub mod records;
pub mod redis;
pub mod registrations;
pub mod replaced;
pub mod samples;
pub mod secrets;
pub mod signers;
pub mod tasks;
pub mod time;
pub mod web3signer;
