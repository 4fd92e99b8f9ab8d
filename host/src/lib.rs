//! Where users' scripts run: wasmtime, set up once, and everything a script may reach.
//!
//! The crate owns the engine's settings, admission, the compilation of TypeScript and JavaScript (inside the
//! sandbox), the capabilities (http, evm, log, clock, randomness), the limits, and the transcript that makes a run
//! repeatable. It opens no socket: HTTP goes through the `Egress` port and chains through `ChainReader`. It knows
//! no job, no quorum and no store. A run never shares an instance with another, and native code is only ever
//! loaded from a directory of its own, authenticated.
//!
//! Start with [`Host`], which is the `ModuleRunner` port; [`replay`] and [`compare`] are for runs
//! that were kept in a bundle.

mod admit;
mod bundle;
mod cache;
mod calls;
mod command;
mod compile;
pub mod compiler;
mod component;
mod component_wasi;
mod config;
mod context;
pub mod cpu;
mod engine;
mod error;
mod evm;
mod exports;
mod host;
mod http;
mod js;
mod memory;
mod meter;
mod native;
mod outcome;
pub mod overhead;
mod prebuilt;
mod reactor;
mod reply;
mod run;
mod script;
mod scrub;
mod secrets;
mod slots;
mod state;
mod storage;
mod tape;
mod text;
mod waiting;

pub use bundle::{Compared, Difference, Replayed, compare, replay};
pub use config::HostConfig;
pub use context::{ContextError, default_input, parse_context};
pub use error::HostError;
pub use host::Host;
pub use http::{HEADERS_OURS, HEADERS_SEEN, HEADERS_SEEN_PREFIX};
pub use native::CompilerProcess;
pub use reactor::host_calls;
pub use text::shown;
