//! Go: by the one toolchain whose builds can be repeated, which `argus-builder` confines.

use std::path::{Path, PathBuf};

use anyhow::Context;
use argus_builder::{Go, Program, Settings};
use bytes::Bytes;

use crate::{backends, cli::show, environment, files};

/// Builds a file, or the module in whose folder it lies; gives where the module went.
pub async fn build(path: &Path, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let whole = std::path::absolute(path)?;
    let name = whole.file_stem().and_then(|name| name.to_str()).unwrap_or("script");
    let (wasm, place) = (module(path).await?, out(name));
    files::write(&place, &wasm)?;
    Ok(place)
}

/// The module of a file, or of the folder in which it lies beside a go.mod.
pub async fn module(path: &Path) -> anyhow::Result<Bytes> {
    program(&Program::at(path).with_context(|| format!("cannot read {}", path.display()))?).await
}

/// The module of a program.
pub async fn program(program: &Program) -> anyhow::Result<Bytes> {
    let proxy = environment::variable("GOPROXY").map(|proxy| proxy.to_string_lossy().into_owned());
    show::progress(
        "building with Go; the first build on a machine compiles its standard library, which takes a minute or two",
    );
    let cache = environment::cache_folder().context("this user has no folder for caches: set HOME")?;
    let go = Go::new(Settings {
        toolchain: backends::toolchain(None).await?,
        cache: cache.join("argus/go"),
        modules: environment::variable("GOMODCACHE").map(PathBuf::from),
        // The author's own machine and program: what they fetch is theirs to say. Empty: what Go itself uses.
        module_proxy: Some(proxy.unwrap_or_default()),
        confinement: backends::confinement(None)?,
    })?;
    Ok(go.build(program).await?)
}
