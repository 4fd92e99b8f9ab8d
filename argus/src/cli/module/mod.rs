//! `argus module`: scripts on this machine and on a platform, a file per command.

mod bench;
mod build;
mod calls;
mod inputs;
mod inspect;
mod new;
mod publish;
mod run;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use argus_domain::{limits::WASI_COMMAND_BYTES_MAX, module::Language};
use bytes::Bytes;
use clap::Subcommand;

use crate::client::Server;

/// The module commands.
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Make a folder with a script that builds, runs and is tested
    #[command(
        after_help = "Example:\n  argus module new --lang ts price-feed && cd price-feed && cat README.md"
    )]
    New(new::New),
    /// Build a script with its language's own tools, and say what a keeper would run
    #[command(
        after_help = "A folder is built as what it holds: Cargo.toml (Rust), go.mod (Go), asconfig.json \
        (AssemblyScript), else script.ts, script.js or script.c. TypeScript and JavaScript need nothing else; Rust \
        is built by cargo, AssemblyScript by npx asc, C by clang or zig. CARGO, NPX and CC name others."
    )]
    Build(build::Build),
    /// Say what a file is: shape, sizes, hash, or every reason why it is refused
    Inspect {
        /// Script or module
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language, where the file's name does not tell
        #[arg(long, value_name = "LANG")]
        language: Option<String>,
        /// What its module may be
        #[command(flatten)]
        size: inputs::Size,
    },
    /// Run a script once, sandboxed, as a keeper would
    #[command(
        after_help = "Example:\n  argus module run price.ts --input ctx.json --allow-host 127.0.0.1:8080\n\n\
        Exit code: 0 the script gave arguments, 3 it skipped, 1 it failed, was refused or met a limit."
    )]
    Run(run::RunArgs),
    /// Run a script many times and say what a run costs
    Bench(bench::Bench),
    /// Give a script a CID on a platform
    Publish {
        /// Script or module
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language, where the file's name does not tell
        #[arg(long, value_name = "LANG")]
        language: Option<String>,
        /// What its module may be
        #[command(flatten)]
        size: inputs::Size,
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Carries out a module command; gives the exit code.
pub async fn run(command: ModuleCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        ModuleCommand::New(args) => new::run(&args, as_json),
        ModuleCommand::Build(args) => build::run(&args, as_json).await,
        ModuleCommand::Inspect { file, language, size } => {
            inspect::run(&file, language.as_deref(), size.limits(), None, as_json).await
        }
        ModuleCommand::Run(args) => run::run(args, as_json).await,
        ModuleCommand::Bench(args) => bench::run(&args, as_json).await,
        ModuleCommand::Publish { file, language, size, server } => {
            publish::run(&file, language.as_deref(), size, &server, as_json).await
        }
    }
}

/// Refuses to write what comes out of a file over that file.
pub fn not_over(out: &Path, source: &Path) -> anyhow::Result<()> {
    let is_it = matches!((out.canonicalize(), source.canonicalize()), (Ok(out), Ok(source)) if out == source);
    if is_it {
        bail!("{} is the source itself, which would be lost: name another file", out.display());
    }
    Ok(())
}

/// Reads a file and finds its language by its name, or by what was given.
pub fn read(file: &Path, language: Option<&str>) -> anyhow::Result<(Bytes, Language)> {
    let cannot = || format!("cannot read {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).with_context(cannot)?;
    opened.take(WASI_COMMAND_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > WASI_COMMAND_BYTES_MAX {
        bail!(
            "{} has more than {} MB, and nothing that runs is so large",
            file.display(),
            WASI_COMMAND_BYTES_MAX >> 20
        );
    }
    let named = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let language = match language.unwrap_or(named) {
        "" => bail!("{} has no ending that tells its language: give --language", file.display()),
        "mts" | "cts" => Language::TypeScript,
        "mjs" | "cjs" => Language::JavaScript,
        text => text.parse()?,
    };
    Ok((bytes.into(), language))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_as_far_as_anything_may_be_large() {
        let endless = read(Path::new("/dev/zero"), Some("wasm")).expect_err("it has no end");
        assert!(endless.to_string().contains("more than 64 MB"), "{endless}");
    }

    #[test]
    fn nothing_is_written_over_its_source() {
        let place = tempfile::tempdir().expect("a folder");
        let (source, other) = (place.path().join("a.ts"), place.path().join("./a.ts"));
        std::fs::write(&source, "[]").expect("a file");
        assert!(not_over(&other, &source).is_err());
        assert!(not_over(&place.path().join("b.json"), &source).is_ok());
    }
}
