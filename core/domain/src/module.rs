//! Scripts as users hand them in, and the modules that run.

use std::{fmt, str::FromStr};

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::{digest::digest_of, limits::Limits, time::Timestamp};

/// The language of a script's source, as its author names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Language {
    /// TypeScript: types are stripped, then as JavaScript.
    TypeScript,
    /// JavaScript.
    JavaScript,
    /// Go; what an empty language means, because existing clients mean it.
    Go,
    /// Python.
    Python,
    /// WebAssembly, binary or text; its shape is recognised from the bytes.
    Wasm,
}

/// Why a text names no language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown language {0:?}: use ts, js, go, py, wasm or wat")]
pub struct UnknownLanguage(pub String);

impl FromStr for Language {
    type Err = UnknownLanguage;

    fn from_str(text: &str) -> Result<Self, UnknownLanguage> {
        match text.to_ascii_lowercase().as_str() {
            "ts" | "typescript" => Ok(Self::TypeScript),
            "js" | "javascript" => Ok(Self::JavaScript),
            "go" | "golang" | "" => Ok(Self::Go),
            "py" | "python" => Ok(Self::Python),
            "wasm" | "wat" | "rust" | "assemblyscript" | "c" | "zig" | "tinygo" => Ok(Self::Wasm),
            _ => Err(UnknownLanguage(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TypeScript => "ts",
            Self::JavaScript => "js",
            Self::Go => "go",
            Self::Python => "py",
            Self::Wasm => "wasm",
        })
    }
}

/// The name of published content: a CID in its canonical text (CIDv1, base32 lower case).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Cid(pub String);

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// SHA-256 of the bytes that really run; derived from the source deterministically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WasmHash(pub B256);

/// What a result depends on besides module and input: wasmtime version, semantic flags, cost table, JS engine.
/// It is equal on every CPU; target and CPU features are no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EngineId(pub B256);

/// A published script: how it is named, and what it says it is written in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRef {
    /// Name of the source (or module) bytes.
    pub source: Cid,
    /// Its language.
    pub language: Language,
}

impl ModuleRef {
    /// What an observation commits to as "the module".
    pub fn digest(&self) -> B256 {
        digest_of("argus/module/1", self)
    }
}

/// What is recorded of a published script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleRecord {
    /// The script.
    pub module: ModuleRef,
    /// What runs for it.
    pub wasm_hash: WasmHash,
    /// Length of the source bytes.
    pub source_bytes: u64,
    /// Length of the module bytes.
    pub module_bytes: u64,
    /// Which shape the bytes showed.
    pub shape: Shape,
    /// First published at.
    pub published_at: Timestamp,
}

/// The shapes of modules, recognised from the bytes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// Bytecode for the shared JavaScript engine; made by our own compiler only.
    Script,
    /// A core module that exports `memory`, `abi_alloc` and `run`.
    Reactor,
    /// A WASI preview 1 command.
    Command,
    /// A component of the `argus:script` world.
    Component,
}

/// What admission found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// What runs.
    pub wasm_hash: WasmHash,
    /// Length of the module bytes.
    pub module_bytes: u64,
    /// Its shape.
    pub shape: Shape,
    /// What it asks of a run from the start.
    pub needs: Needs,
}

/// What a module says that it needs, for people to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needs {
    /// What it imports, each once: `module.name` or an interface.
    pub imports: Vec<String>,
    /// Least bytes of its memories together.
    pub memory_bytes: u64,
    /// Least elements of its tables together.
    pub table_elements: u64,
}

/// Why bytes are not admitted: every reason at once, each a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", reasons.join("; "))]
pub struct Refusal {
    /// The reasons, at least one.
    pub reasons: Vec<String>,
}

/// A script together with the limits under which it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The script.
    pub module: ModuleRef,
    /// Its budgets, already effective.
    pub limits: Limits,
}
