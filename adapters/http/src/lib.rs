//! The one way to other people's URLs: the egress filter, one hop of HTTP behind it, and observed values.
//!
//! Scripts, value sources, script URLs and gateways all go through here. What it never does: follow a redirect by
//! itself, use a proxy, or connect to an address that was not checked.

mod address;
mod egress;
mod filter;
mod socket;
mod value;

pub use address::is_public;
pub use egress::HttpEgress;
pub use filter::{Allowed, check};
pub use value::HttpValues;
