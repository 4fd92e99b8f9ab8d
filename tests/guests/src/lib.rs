//! Guests: scripts and modules with the world recorded around them.
//!
//! `real/<language>/<name>/` holds a script as an author would write it, and `case.json` beside it: what it is
//! told, what the world answers, and what it must come to ([`Case`]). `good/` holds the smallest module of each
//! shape. Nothing here reaches a network: the recorded world answers instead, and a request that was not recorded fails
//! the case by name.

mod case;
mod world;

pub use case::{Case, Expect, Found, find};
pub use world::host;
