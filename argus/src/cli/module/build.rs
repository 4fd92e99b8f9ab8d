//! `argus module build`: a folder or a file, through its language's own tools, to a module and what admission says.

mod assemblyscript;
mod c;
mod cargo;
pub mod go;
mod tool;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;

use super::{inputs::Size, inspect, not_over};

/// Arguments of `argus module build`.
#[derive(Debug, Args)]
pub struct Build {
    /// A script's folder, or one file: a script (.ts, .js), a Go program (.go), C source (.c) or a module (.wasm, .wat)
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// The language, where a file's name does not tell
    #[arg(long, value_name = "LANG")]
    pub language: Option<String>,
    /// Where the module goes; otherwise beside the source, named after it
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// What its module may be
    #[command(flatten)]
    pub size: Size,
}

/// What a path holds.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// A crate.
    Cargo,
    /// A Go module, or one file of Go.
    Go,
    /// A project of the AssemblyScript compiler.
    AssemblyScript,
    /// One file of C.
    C(PathBuf),
    /// What is published as it is: a script or a module.
    AsIs(PathBuf),
}

/// Builds; gives the exit code.
pub async fn run(args: &Build, as_json: bool) -> anyhow::Result<u8> {
    let (source, folder) = (find(&args.path)?, folder_of(&args.path)?);
    if let Some(out) = &args.out {
        not_over(out, &args.path)?;
    }
    let out = |name: &str| args.out.clone().unwrap_or_else(|| folder.join(format!("{name}.wasm")));
    let module = match source {
        Source::AsIs(file) => {
            if args.out.is_some() {
                bail!("{} is published as it is: nothing is built, so leave --out away", file.display());
            }
            let language = args.language.as_deref();
            return inspect::run(&file, language, args.size.limits(), Some(&file), as_json).await;
        }
        Source::Cargo => cargo::build(&folder, out).await?,
        Source::AssemblyScript => assemblyscript::build(&folder, out).await?,
        Source::C(file) => c::build(&file, out).await?,
        Source::Go => go::build(&args.path, out).await?,
    };
    inspect::run(&module, None, args.size.limits(), Some(&module), as_json).await
}

/// The files that tell what a folder holds, in the order in which they are looked for.
const SIGNS: [&str; 6] = ["Cargo.toml", "go.mod", "asconfig.json", "script.ts", "script.js", "script.c"];

fn find(path: &Path) -> anyhow::Result<Source> {
    if !path.is_dir() {
        return Ok(match path.extension().and_then(|ending| ending.to_str()) {
            Some("c") => Source::C(path.to_owned()),
            Some("go") => Source::Go,
            Some("rs") => bail!("{}: give the folder of its Cargo.toml", path.display()),
            _ => Source::AsIs(path.to_owned()),
        });
    }
    let Some(sign) = SIGNS.into_iter().find(|sign| path.join(sign).is_file()) else {
        bail!("{} holds no script: none of {} is there", path.display(), SIGNS.join(", "));
    };
    Ok(match sign {
        "Cargo.toml" => Source::Cargo,
        "go.mod" => Source::Go,
        "asconfig.json" => Source::AssemblyScript,
        "script.c" => Source::C(path.join(sign)),
        _ => Source::AsIs(path.join(sign)),
    })
}

/// The folder that the module is put into, absolute, so that its name is known for `.`, too.
fn folder_of(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    Ok(if path.is_dir() { path } else { path.parent().unwrap_or(Path::new("/")).to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_folder_holds_is_told_by_its_files() {
        for (files, expect) in [
            (&["Cargo.toml", "script.ts"][..], "Cargo"),
            (&["go.mod"], "Go"),
            (&["asconfig.json", "package.json"], "AssemblyScript"),
            (&["script.ts", "package.json"], "AsIs"),
            (&["script.js"], "AsIs"),
            (&["script.c", "argus.h"], "C("),
        ] {
            let place = tempfile::tempdir().expect("a folder");
            for file in files {
                std::fs::write(place.path().join(file), "").expect("a file");
            }
            let found = format!("{:?}", find(place.path()).expect("it holds something"));
            assert!(found.starts_with(expect), "{files:?}: {found}");
        }
        let empty = tempfile::tempdir().expect("a folder");
        let error = find(empty.path()).expect_err("it holds nothing").to_string();
        assert!(SIGNS.iter().all(|sign| error.contains(sign)), "{error}");
    }
}
