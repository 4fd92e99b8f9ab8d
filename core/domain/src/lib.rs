//! Values and rules of Argus: what is true without any IO.
//!
//! This crate owns the words of the platform (job, task, attempt, observation, claim, verdict, handoff, receipt),
//! the rules that need nothing but their arguments (schedules, filters, conditions, ABI encoding, quorums, fees,
//! limits) and the folding of status from facts. It knows no clock, no randomness, no floating point number, no
//! async runtime and no JSON field name of the REST API.
//!
//! Records are immutable and have one writer each; status is folded from them and never stored beside them.

pub mod abi;
pub mod access;
pub mod act;
pub mod answer;
pub mod attempt;
pub mod build;
pub mod bundle;
pub mod call;
pub mod chain;
pub mod contracts;
pub mod decimal;
pub mod decision;
pub mod difference;
pub mod digest;
pub mod event;
pub mod fees;
pub mod ids;
pub mod job;
pub mod keeper;
pub mod lease;
pub mod limits;
pub mod migration;
pub mod module;
pub mod profile;
pub mod quorum;
pub mod registration;
pub mod rule;
pub mod run;
pub mod schedule;
pub mod seal;
pub mod secret;
pub mod sign_in;
pub mod state;
pub mod status;
pub mod tariff;
pub mod task;
pub mod time;
pub mod webhook;

pub use alloy_primitives::{Address, B256, Bytes, I256, U256, address, keccak256};
pub use serde_json::Value;
