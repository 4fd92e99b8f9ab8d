//! AssemblyScript: the compiler of the project's own node_modules.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;
use tokio::process::Command;

use super::tool;

/// What the project's release build is set to write; `asconfig.json` of the template says the same.
const BUILT: &str = "build/script.wasm";

/// Builds the project's release target and puts its module where `out` says.
pub async fn build(folder: &Path, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let local = folder.join("node_modules/.bin/asc");
    let mut command = if local.is_file() {
        Command::new(local)
    } else {
        let mut npx = Command::new(tool::named("NPX", "npx"));
        npx.args(["--no-install", "asc"]);
        npx
    };
    command.args(["assembly/index.ts", "--target", "release", "--outFile", BUILT]);
    let explain = |said: &str| {
        let absent = said.contains("could not determine executable") || said.contains("npx canceled");
        absent
            .then(|| format!("the AssemblyScript compiler is not here: npm install in {}", folder.display()))
    };
    tool::run(command, folder, "install Node.js with npm, then npm install here", explain).await?;
    let file = tool::out_of(folder.file_name(), out)?;
    fs::rename(folder.join(BUILT), &file).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
