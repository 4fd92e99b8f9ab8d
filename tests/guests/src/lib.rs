//! Guests: scripts and modules with the world recorded around them.
//!
//! `real/<language>/<name>/` holds a script as an author would write it, and `case.json` beside it: what it is
//! told, what the world answers, and what it must come to ([`Case`]). The examples of `guest-sdk/` are cases, too.
//! `good/` holds the smallest module of each shape. Nothing here reaches a network: the recorded world answers instead,
//! and a request that was not recorded fails the case by name.
//!
//! `hostile/` is the other side: what nobody should write, and how each of it must end ([`hostile`]).

mod case;
pub mod fuzz;
pub mod go;
pub mod hostile;
pub mod large;
pub mod mutants;
mod world;

pub use case::{Case, Expect, Found, find};
pub use world::{host, host_with};

/// A number that whoever runs the tests may set in the environment, for more than every run of them has time for.
///
/// # Panics
/// Where it is no number.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|e| panic!("{name}={text:?}: {e}")))
}
