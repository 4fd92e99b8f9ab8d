//! C without a libc: clang, or zig, which brings one.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use tokio::process::Command;

use super::tool;
use crate::environment;

/// Compilers that are looked for, with the target as each names it, where CC names none.
const COMPILERS: [(&str, &[&str], &str); 4] = [
    ("clang", &[], "wasm32-unknown-unknown"),
    ("clang-20", &[], "wasm32-unknown-unknown"),
    ("clang-19", &[], "wasm32-unknown-unknown"),
    ("zig", &["cc"], "wasm32-freestanding"),
];
/// A reactor: no start, three exports (the SDK's header marks them), a stack that ends in a trap and not in data.
const FLAGS: [&str; 8] = [
    "-std=c17",
    "-O2",
    "-ffreestanding",
    "-fno-builtin",
    "-nostdlib",
    "-Wl,--no-entry",
    "-Wl,--strip-all",
    "-Wl,-z,stack-size=65536",
];
const INSTALL: &str =
    "install clang 19 or newer with lld (apt-get install clang lld), or zig, or name one in CC";

/// Builds one file and puts its module where `out` says.
pub async fn build(file: &Path, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    let folder = file.parent().context("a file stands in a folder")?;
    // A folder's one script is named after the folder.
    let is_whole_folder = file.file_name().is_some_and(|name| name == "script.c");
    let made = tool::out_of(if is_whole_folder { folder.file_name() } else { file.file_stem() }, out)?;
    let (program, before, target) = compiler()?;
    let mut command = Command::new(program);
    command.args(before).args(["-target", target]).args(FLAGS).arg("-o").arg(&made).arg(&file);
    tool::run(command, folder, INSTALL, |_| None).await?;
    Ok(made)
}

/// CC may be a program with its first arguments, as for make: `zig cc`, `python3 -m ziglang cc`.
fn compiler() -> anyhow::Result<(OsString, Vec<String>, &'static str)> {
    let words: Vec<String> = environment::variable("CC")
        .and_then(|cc| cc.into_string().ok())
        .map(|cc| cc.split_whitespace().map(str::to_owned).collect())
        .unwrap_or_default();
    if let Some((program, before)) = words.split_first() {
        let is_zig = words.iter().any(|word| word.ends_with("zig") || word == "ziglang");
        let target = if is_zig { "wasm32-freestanding" } else { "wasm32-unknown-unknown" };
        return Ok((program.into(), before.to_vec(), target));
    }
    match COMPILERS.into_iter().find(|(name, ..)| tool::is_there(name)) {
        Some((name, before, target)) => {
            Ok((name.into(), before.iter().map(|&word| word.to_owned()).collect(), target))
        }
        None => bail!("no C compiler for WebAssembly is here: {INSTALL}"),
    }
}
