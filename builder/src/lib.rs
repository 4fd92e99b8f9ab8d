//! Go programs to WASI commands, by one exact toolchain, in a process of its own that can do little else.
//!
//! Owns: which toolchain is the right one, what is laid beside a program before it is built (the part of `net/http`
//! that a script cannot have, the pinned modules), how the toolchain is confined, and the signed record of what a
//! source was built to. Never: runs what it built, trusts what it builds, or reads the environment.
//!
//! A build depends on the source and on what the builder's id stands for, and on nothing else: two builders make the
//! same bytes wherever their folders lie.

mod builder;
mod confine;
mod folder;
mod go;
mod kept;
mod lay;
mod process;
mod toolchain;

pub use builder::{Builder, new};
pub use confine::{Confinement, enter};
pub use go::{Go, Settings};
pub use kept::Ports;
pub use lay::Program;
pub use toolchain::{GO_VERSION, Toolchain, ToolchainError};
