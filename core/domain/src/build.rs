//! What a source was built to, and whose word that is.

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

use crate::{call::Signature, digest::digest_of, module::WasmHash};

/// What a build depends on besides its source: toolchain, flags, what replaces a part of its library, pinned modules.
/// Builders with equal ids make equal bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BuilderId(pub B256);

/// A source and the module that it was built to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// SHA-256 of the source's bytes: what its CID carries.
    pub source_hash: B256,
    /// Under which rules.
    pub builder: BuilderId,
    /// What it came to.
    pub wasm_hash: WasmHash,
}

impl Build {
    /// What a builder signs.
    pub fn digest(&self) -> B256 {
        digest_of("argus/build/1", self)
    }
}

/// A build with its builder's signature. Anybody with the toolchain can repeat it; without, this is whose word it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedBuild {
    /// The build.
    pub build: Build,
    /// Who built.
    pub signer: Address,
    /// Over [`Build::digest`].
    pub signature: Signature,
}
