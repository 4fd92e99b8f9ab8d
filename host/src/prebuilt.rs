//! The two modules that ship with the host: see `prebuilt/rebuild.sh` for how they are made.

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
