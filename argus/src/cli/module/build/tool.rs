//! Running the author's own tools. What they say on stderr is shown as they say it.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, bail};

use crate::{cli::show, environment};

/// The program that a variable names, else the one of that name.
pub fn named(variable: &str, program: &str) -> OsString {
    environment::variable(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| program.into())
}

/// Whether a program of that name is in one of the folders that are searched.
pub fn is_there(program: &str) -> bool {
    environment::program_folders().iter().any(|folder| folder.join(program).is_file())
}

/// Runs a command in a folder; its stdout, its stderr shown and kept. `missing` says what to do where there is no
/// such program, `explain` what a failure means, where it means something that can be said.
pub fn run(
    command: &mut Command,
    folder: &Path,
    missing: &str,
    explain: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<String> {
    let program = command.get_program().to_owned();
    let out = command.current_dir(folder).stdin(Stdio::null()).output();
    let out = match out {
        Ok(out) => out,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{} is not installed: {missing}", program.display());
        }
        Err(error) => return Err(error).with_context(|| format!("cannot start {}", program.display())),
    };
    let said = String::from_utf8_lossy(&out.stderr);
    if !said.trim().is_empty() {
        show::progress(said.trim_end());
    }
    let printed = String::from_utf8_lossy(&out.stdout).into_owned();
    if out.status.success() {
        return Ok(printed);
    }
    match explain(&said) {
        Some(sentence) => bail!(sentence),
        None => bail!("{} failed ({}): what it says stands above", program.display(), out.status),
    }
}

/// Where a module goes whose source has this name; an error where the name is no text.
pub fn out_of(name: Option<&OsStr>, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let name = name.and_then(OsStr::to_str).context("the source's name is no text: give --out")?;
    Ok(out(name))
}
