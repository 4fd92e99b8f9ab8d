//! The rules of this repository, as functions that can be tested themselves.
//!
//! Each rule takes plain data and returns the list of what breaks it: empty means the rule holds.
//! The unit tests beside each rule show that it can fail; `tests/house.rs` holds the repository to all of them.

pub mod compose;
pub mod edges;
pub mod map;
pub mod metrics;
pub mod operations;
pub mod repo;
pub mod runtime;
pub mod text;

/// What breaks a rule, one line each, with the place and what to do about it.
pub type Faults = Vec<String>;
