//! The links between processes over gRPC.
//!
//! [`Server`] offers the roles of this process to others; [`Client`] is the same roles as seen from another process:
//! it implements `Nudge`, `Dispatch`, `Aggregate`, `Outcomes` and `KeeperLink`, so that a caller cannot tell it from a
//! local handle. All conversations of two services share one long-lived stream in each direction, on which requests
//! travel in batches and are answered by number; a keeper has a stream of its own with credits.
//!
//! Nothing is open: services show one token, keepers another (and prove their key besides). Where there are certificates,
//! both sides show one: the caller's has the role of its token, the server's that of a service. A link may lose what it carried when it breaks: it says so
//! (`LinkError::Gone`), connects again with growing pauses, and leaves repeating to those who know what is still
//! needed.

mod accept;
mod batch;
mod client;
mod connect;
mod frames;
mod keeper_client;
mod protocol;
mod security;
mod server;
mod session;
mod sources;
mod talk;

pub use client::{Client, ClientConfig};
pub use security::{SetupError, TOKEN_BYTES_MIN, Tokens};
pub use server::{Served, Server};

/// The generated services.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::disallowed_methods,
    reason = "generated: its style is tonic's"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/argus.v1.rs"));
}

/// Largest gRPC message that is read, bytes. An answer with its transcript may hold five HTTP bodies of 1 MB each as
/// JSON text, and a batch ends before it grows past [`batch::BYTES_MAX`] by more than one of these.
const MESSAGE_BYTES_MAX: usize = 32 * 1024 * 1024;
