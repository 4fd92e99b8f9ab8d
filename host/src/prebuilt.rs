//! The two modules that ship with the host: see `prebuilt/rebuild.sh` for how they are made.

use wasm_encoder::RawSection;
use wasmparser::{Data, DataKind, Operator, Parser, Payload};

use crate::error::HostError;

const WASM_PAGE_BYTES: u64 = 64 << 10;

/// A committed binary with the hash it must have.
pub(crate) struct Prebuilt {
    /// What messages call it.
    pub name: &'static str,
    /// Its bytes.
    pub wasm: &'static [u8],
    /// `sha256sum`'s line for it.
    sum: &'static str,
}

impl Prebuilt {
    /// SHA-256 in lower-case hexadecimal, as committed beside the binary (a test hashes the bytes).
    pub fn sha256(&self) -> &'static str {
        self.sum.split_ascii_whitespace().next().unwrap_or_default()
    }
}

/// QuickJS-ng with the prelude, snapshotted after start.
pub(crate) const JS_ENGINE: Prebuilt = Prebuilt {
    name: "js-engine",
    wasm: include_bytes!("../prebuilt/js-engine.wasm"),
    sum: include_str!("../prebuilt/js-engine.wasm.sha256"),
};

/// The JavaScript engine in two parts, so that a run need not write its memory anew.
pub(crate) struct Split {
    /// The module without its data.
    pub code: Vec<u8>,
    /// The memory that it starts with, whole pages.
    pub memory: Vec<u8>,
}

/// Takes the data out of [`JS_ENGINE`].
///
/// # Errors
/// Where it is not the module that `rebuild.sh` makes: one memory, and data at fixed places of it.
pub(crate) fn split_js_engine() -> Result<Split, HostError> {
    split(JS_ENGINE.wasm).map_err(|reason| HostError::Prebuilt { module: JS_ENGINE.name, reason })
}

fn split(wasm: &[u8]) -> Result<Split, String> {
    let (mut code, mut memory) = (wasm_encoder::Module::new(), Vec::new());
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|e| e.to_string())?;
        match &payload {
            Payload::MemorySection(memories) => {
                let ty =
                    memories.clone().into_iter().next().and_then(Result::ok).ok_or("it has no memory")?;
                let bytes = ty.initial.checked_mul(WASM_PAGE_BYTES).and_then(|n| usize::try_from(n).ok());
                memory.resize(bytes.ok_or("its memory is too large")?, 0);
            }
            Payload::DataSection(data) => {
                for data in data.clone() {
                    let data = data.map_err(|e| e.to_string())?;
                    let at = start_of(&data).ok_or("its data has no fixed place")?;
                    let place = memory.get_mut(at..).and_then(|rest| rest.get_mut(..data.data.len()));
                    place.ok_or("its data is outside its memory")?.copy_from_slice(data.data);
                }
                continue;
            }
            Payload::DataCountSection { .. } => continue,
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            code.section(&RawSection { id, data: &wasm[range] });
        }
    }
    Ok(Split { code: code.finish(), memory })
}

fn start_of(data: &Data<'_>) -> Option<usize> {
    let DataKind::Active { memory_index: 0, offset_expr } = &data.kind else { return None };
    match offset_expr.get_operators_reader().read().ok()? {
        Operator::I32Const { value } => usize::try_from(value).ok(),
        _ => None,
    }
}

/// oxc's TypeScript transform.
pub(crate) const TS_STRIP: Prebuilt = Prebuilt {
    name: "ts-strip",
    wasm: include_bytes!("../prebuilt/ts-strip.wasm"),
    sum: include_str!("../prebuilt/ts-strip.wasm.sha256"),
};

/// The module name under which script modules import the JavaScript engine.
pub(crate) fn js_engine_import() -> String {
    format!("{JS_ENGINE_PREFIX}{}", JS_ENGINE.sha256())
}

/// What every such name starts with, whatever the version.
pub(crate) const JS_ENGINE_PREFIX: &str = "js-engine-";

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_committed_hashes_are_those_of_the_bytes() {
        for prebuilt in [JS_ENGINE, TS_STRIP] {
            assert_eq!(hex::encode(Sha256::digest(prebuilt.wasm)), prebuilt.sha256(), "{}", prebuilt.name);
        }
    }

    #[test]
    fn the_engine_id_names_the_wasmtime_that_is_linked() {
        let lock = include_str!("../../Cargo.lock");
        let version =
            lock.split("name = \"wasmtime\"\nversion = \"").nth(1).and_then(|s| s.split('"').next());
        assert_eq!(version, Some(crate::engine::WASMTIME));
    }
}
