//! Rust: the author's cargo, for the target that the crate names.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::process::Command;
use wit_component::ComponentEncoder;

use super::tool;
use crate::files;

/// Targets that make what can run here, the one first that a crate gets that names none.
const TARGETS: [&str; 3] = ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2"];
/// Start of the custom sections in which wit-bindgen leaves the world of a component's core module.
const WORLD_SECTION: &str = "component-type";

/// Builds the crate in release mode and puts its module where `out` says.
pub async fn build(folder: &Path, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let target = target(folder)?;
    let mut command = Command::new(tool::named("CARGO", "cargo"));
    command.args(["build", "--release", "--message-format=json-render-diagnostics", "--target", &target]);
    let explain = |said: &str| {
        let absent = said.contains("can't find crate for `core`")
            || said.contains("can't find crate for `std`")
            || said.contains("target may not be installed");
        absent.then(|| {
            format!(
                "this Rust has no {target}: rustup target add {target} (where that cannot be had, RUSTC names \
                 another compiler that has it)"
            )
        })
    };
    let messages = tool::run(command, folder, "install Rust as https://rustup.rs says", explain).await?;
    let built = artifact(&messages).with_context(|| {
        format!(
            "{} made no .wasm file: give it [lib] crate-type = [\"cdylib\"] or a main.rs",
            folder.display()
        )
    })?;
    let bytes = fs::read(&built).with_context(|| format!("cannot read {}", built.display()))?;
    let module = wrapped(bytes).context("the crate's world could not be made a component")?;
    let file = tool::out_of(built.file_stem(), out)?;
    files::write(&file, &module)?;
    Ok(file)
}

/// The target of `[package.metadata.argus] target`, else the first of ours.
fn target(folder: &Path) -> anyhow::Result<String> {
    let file = folder.join("Cargo.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{} is no TOML", file.display()))?;
    let named = ["package", "metadata", "argus", "target"]
        .iter()
        .try_fold(&toml::Value::Table(manifest), |value, key| value.get(key))
        .map(|value| value.as_str().unwrap_or_default().to_owned());
    match named {
        None => Ok(TARGETS[0].to_owned()),
        Some(name) if TARGETS.contains(&name.as_str()) => Ok(name),
        Some(name) => bail!("package.metadata.argus.target is one of {}, not {name:?}", TARGETS.join(", ")),
    }
}

/// The last .wasm file that cargo says it made: the package itself comes after what it depends on.
fn artifact(messages: &str) -> Option<PathBuf> {
    let made = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut files = made.filter(|message| message["reason"] == "compiler-artifact").flat_map(|message| {
        message["filenames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(PathBuf::from)
            .collect::<Vec<_>>()
    });
    files.rfind(|file| file.extension().is_some_and(|ending| ending == "wasm"))
}

/// A core module that carries a component's world becomes that component; anything else stays as it is.
fn wrapped(module: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let carries_world = wasmparser::Parser::new(0).parse_all(&module).any(|payload| {
        matches!(payload, Ok(wasmparser::Payload::CustomSection(section)) if section.name().starts_with(WORLD_SECTION))
    });
    let is_core = wasmparser::Parser::is_core_wasm(&module);
    if !(carries_world && is_core) {
        return Ok(module);
    }
    ComponentEncoder::default().validate(true).module(&module)?.encode()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target_of(manifest: &str) -> anyhow::Result<String> {
        let place = tempfile::tempdir()?;
        fs::write(place.path().join("Cargo.toml"), manifest)?;
        target(place.path())
    }

    #[test]
    fn the_target_is_the_one_that_the_crate_names() {
        let given =
            |target: &str| format!("[package]\nname = \"a\"\n[package.metadata.argus]\ntarget = {target}");
        assert_eq!(target_of("[package]\nname = \"a\"").expect("none"), "wasm32-unknown-unknown");
        assert_eq!(target_of(&given("\"wasm32-wasip1\"")).expect("named"), "wasm32-wasip1");
        for wrong in ["\"x86_64-unknown-linux-gnu\"", "1"] {
            let error = target_of(&given(wrong)).expect_err(wrong).to_string();
            assert!(TARGETS.iter().all(|t| error.contains(t)), "{error}");
        }
    }

    #[test]
    fn the_module_is_what_cargo_made_last() {
        let messages = r#"{"reason":"compiler-artifact","filenames":["/t/dep.wasm"]}
not json
{"reason":"compiler-artifact","filenames":["/t/a.d","/t/a.wasm"]}
{"reason":"build-finished","success":true}"#;
        assert_eq!(artifact(messages), Some(PathBuf::from("/t/a.wasm")));
        assert_eq!(artifact(r#"{"reason":"compiler-artifact","filenames":["/t/liba.rlib"]}"#), None);
    }

    #[test]
    fn a_module_without_a_world_stays_as_it_is() {
        let core = b"\0asm\x01\0\0\0".to_vec();
        assert_eq!(wrapped(core.clone()).expect("core"), core);
    }
}
