//! EVM chains: JSON-RPC behind the chain ports, keys behind the signer port, our contracts as Rust sees them, and the
//! development chain.
//!
//! Owns: which node is asked, how long, and what its answer means. Never does: keep a nonce, decide on a fee, send
//! again; that is the transaction machine's. It is the only crate that knows alloy's client.

pub mod anvil;
pub mod artefacts;
mod chain;
pub mod contracts;
pub mod deploy;
mod fault;
mod inclusion;
pub mod keystore;
mod nodes;
mod signer;
mod wire;

pub use chain::EvmChain;
pub use inclusion::{NotIncluded, included};
pub use nodes::{ChainConfig, ConnectError, Endpoint};
pub use signer::{
    BadKey, BadSigner, Credentials, LocalSigner, RemoteSigner, Web3Signer, Web3SignerConfig, recover,
};
