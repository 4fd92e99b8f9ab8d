//! The builder of Go programs, as tests use it.

use std::path::{Path, PathBuf};

pub use argus_builder::GO_VERSION as VERSION;
use argus_builder::{Confinement, Go, Program, Settings, Toolchain};
use argus_domain::module::Language;

use crate::case::Found;

/// The toolchain; `None` where there is none and this is not CI.
///
/// # Panics
/// In CI, where a test that cannot run is a failure.
pub async fn toolchain() -> Option<Toolchain> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    folders.extend(cache.map(|cache| cache.join("argus/tools/go/bin")));
    match Toolchain::find(None, &folders).await {
        Ok(toolchain) => Some(toolchain),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{error}"),
        Err(error) => {
            eprintln!("SKIPPED, NOTHING OF GO WAS TESTED: {error}");
            None
        }
    }
}

/// Settings of a builder that keeps compiled packages here, and shares fetched modules with every other one.
pub fn settings(toolchain: Toolchain, launcher: &str, cache: &Path) -> Settings {
    // Empty: what Go itself uses.
    let proxy = std::env::var("GOPROXY").unwrap_or_default();
    Settings {
        toolchain,
        cache: cache.to_path_buf(),
        modules: Some(shared_cache().join("modules")),
        module_proxy: Some(proxy),
        confinement: Confinement { launcher: vec![launcher.into()], user: None },
    }
}

/// Where tests keep what is the same in every run.
pub fn shared_cache() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/guests-go")
}

/// Builds a case's program in place of its source.
///
/// # Panics
/// Where it does not build.
pub async fn build(go: &Go, found: &mut Found) {
    let wasm = go.build(&Program::File(found.source.clone())).await;
    found.source = wasm.unwrap_or_else(|error| panic!("{}: {error}", found.name));
    found.language = Language::Wasm;
}
