//! `argus module`: scripts on this machine and on a platform.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use argus_domain::{
    limits::Limits,
    module::{Admitted, Language},
    run::{RunEnd, RunReport},
};
use argus_host::parse_context;
use argus_ports::RunnerError;
use base64::Engine as _;
use bytes::Bytes;
use clap::Subcommand;
use serde_json::{Value, json};

use super::{published, show};
use crate::{backends, client::Server};

/// The module commands.
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Compile a script, or check a module, and say what a keeper would run
    Build {
        /// Script (.ts, .js) or module (.wasm, .wat)
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language, where the file's name does not tell
        #[arg(long, value_name = "LANG")]
        language: Option<String>,
    },
    /// Say what a file is: shape, sizes, hash, or every reason why it is refused
    Inspect {
        /// Script or module
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language, where the file's name does not tell
        #[arg(long, value_name = "LANG")]
        language: Option<String>,
    },
    /// Run a script once, sandboxed, as a keeper would
    #[command(
        after_help = "Example:\n  argus module run price.ts --input ctx.json --allow-host 127.0.0.1:8080\n\n\
        Exit code: 0 the script gave arguments, 3 it skipped, 1 it failed, was refused or met a limit."
    )]
    Run(RunArgs),
    /// Give a script a CID on a platform
    Publish {
        /// Script or module
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The language, where the file's name does not tell
        #[arg(long, value_name = "LANG")]
        language: Option<String>,
        /// Where
        #[command(flatten)]
        server: Server,
    },
}

/// Arguments of `argus module run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// Script or module, or the CID of a published one, also as ipfs://CID
    #[arg(value_name = "FILE|CID")]
    pub what: String,
    /// The context that the script is told, as JSON; without it a fixed one is used
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// A host that the script may reach; may be repeated. Without it any public host
    #[arg(long = "allow-host", value_name = "HOST[:PORT]")]
    pub allow_hosts: Vec<String>,
    /// Fuel, one unit per simple instruction
    #[arg(long, value_name = "N", value_parser = |text: &str| whole(text, "units", Limits::CEILING.fuel_max))]
    pub max_fuel: Option<u64>,
    /// Memory, MB
    #[arg(long, value_name = "MB", value_parser = |text: &str| whole(text, "MB", Limits::CEILING.memory_bytes / MB))]
    pub max_memory: Option<u64>,
    /// Wall time, seconds, waits included
    #[arg(long, value_name = "S", value_parser = |text: &str| whole(text, "seconds", Limits::CEILING.wall_ms / 1000))]
    pub max_wall: Option<u64>,
    /// The language, where the file's name does not tell
    #[arg(long, value_name = "LANG")]
    pub language: Option<String>,
    /// Keep the run for `argus replay`
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Node of a chain that the script may read: CHAIN_ID=URL; may be repeated
    #[arg(long = "chain", value_name = "ID=URL")]
    pub chains: Vec<String>,
    /// Where a CID is looked for
    #[command(flatten)]
    pub server: Server,
}

const MB: u64 = 1024 * 1024;

/// A limit as it is given: refused here, because a run with another one than was asked for would mislead.
fn whole(text: &str, unit: &str, most: u64) -> Result<u64, String> {
    let given = text.parse().ok().filter(|n| (1..=most).contains(n));
    given.ok_or_else(|| {
        format!("give a whole number of {unit} from 1 to {most}, the most that any job may have")
    })
}

impl RunArgs {
    fn limits(&self) -> Limits {
        Limits {
            fuel_max: self.max_fuel.unwrap_or(Limits::DEFAULT.fuel_max),
            memory_bytes: self.max_memory.map_or(Limits::DEFAULT.memory_bytes, |mb| mb * MB),
            wall_ms: self.max_wall.map_or(Limits::DEFAULT.wall_ms, |s| s * 1000),
            ..Limits::DEFAULT
        }
    }
}

/// Carries out a module command; gives the exit code.
pub async fn run(command: ModuleCommand, as_json: bool) -> anyhow::Result<u8> {
    match command {
        ModuleCommand::Build { file, language } | ModuleCommand::Inspect { file, language } => {
            inspect(&file, language.as_deref(), as_json).await
        }
        ModuleCommand::Run(args) => run_once(args, as_json).await,
        ModuleCommand::Publish { file, language, server } => {
            publish(&file, language.as_deref(), &server, as_json).await
        }
    }
}

/// Reads a file and finds its language by its name, or by what was given.
fn read(file: &Path, language: Option<&str>) -> anyhow::Result<(Bytes, Language)> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let named = file.extension().and_then(|e| e.to_str()).unwrap_or_default();
    let language = match language.unwrap_or(named) {
        "" => bail!("{} has no ending that tells its language: give --language", file.display()),
        "mts" | "cts" => Language::TypeScript,
        "mjs" | "cjs" => Language::JavaScript,
        text => text.parse()?,
    };
    Ok((bytes.into(), language))
}

async fn inspect(file: &Path, language: Option<&str>, as_json: bool) -> anyhow::Result<u8> {
    let (source, language) = read(file, language)?;
    let runner = backends::local_runner(&[], &[]).await?;
    let source_bytes = source.len();
    match runner.admit(source, language).await {
        Ok(Admitted { wasm_hash, module_bytes, shape }) => {
            let shape = format!("{shape:?}").to_lowercase();
            if as_json {
                show::json(&json!({
                    "ok": true, "language": language.to_string(), "shape": shape, "source_bytes": source_bytes,
                    "module_bytes": module_bytes, "wasm_hash": wasm_hash.0.to_string(),
                    "engine": runner.engine().0.to_string(), "reasons": [],
                }));
            } else {
                show::line(format!(
                    "language  {language}\nshape     {shape}\nsource    {source_bytes} bytes\nmodule    {module_bytes} bytes\nhash      {}\nengine    {}",
                    wasm_hash.0,
                    runner.engine().0
                ));
            }
            Ok(0)
        }
        Err(RunnerError::Refused(refusal)) => {
            if as_json {
                show::json(
                    &json!({ "ok": false, "language": language.to_string(), "reasons": refusal.reasons }),
                );
            } else {
                show::line("refused:");
                refusal.reasons.iter().for_each(|r| show::line(format!("  - {r}")));
            }
            Ok(1)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is to be run: a file of that name, or else what a platform has under that CID.
async fn find(args: &RunArgs) -> anyhow::Result<(Bytes, Language)> {
    let (path, told) = (Path::new(&args.what), args.language.as_deref());
    if path.exists() {
        return read(path, told);
    }
    match published::cid_of(&args.what) {
        Some(cid) => published::fetch(&cid, told, &args.server).await,
        None => bail!("{} is neither a file nor a CID", args.what),
    }
}

async fn run_once(args: RunArgs, as_json: bool) -> anyhow::Result<u8> {
    let (source, language) = find(&args).await?;
    let limits = args.limits();
    let given = match &args.input {
        None => None,
        Some(file) => {
            let text =
                std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            Some(
                serde_json::from_str::<Value>(&text)
                    .with_context(|| format!("{} is no JSON", file.display()))?,
            )
        }
    };
    let runner = backends::local_runner(&[], &args.chains).await?;
    let input = Arc::new(parse_context(given.as_ref(), args.allow_hosts.clone())?);
    match runner.run(source.clone(), language, Arc::clone(&input), limits).await {
        Ok(report) => {
            if let Some(file) = &args.record {
                super::replay::keep(file, &source, language, &input, &limits, &report)?;
            }
            tell(&report, as_json);
            Ok(match report.end {
                RunEnd::Value(_) => 0,
                RunEnd::Skipped(_) => 3,
                RunEnd::Failed(_) => 1,
            })
        }
        Err(error) => {
            if as_json {
                show::json(&json!({
                    "ok": false, "skipped": false, "arguments": null, "log": "", "fuel": 0, "memory_bytes": 0,
                    "host_calls": 0, "error": error.to_string(),
                }));
            } else {
                show::line(format!("refused: {error}"));
            }
            Ok(1)
        }
    }
}

/// Shows a report. The field names of the JSON form are relied upon by others.
fn tell(report: &RunReport, as_json: bool) {
    let (ok, skipped, arguments, error) = match &report.end {
        RunEnd::Value(value) => (true, false, value.clone(), None),
        RunEnd::Skipped(reason) => (false, true, Value::Null, Some(reason.clone())),
        RunEnd::Failed(failure) => (false, false, Value::Null, Some(failure.message.clone())),
    };
    if as_json {
        show::json(&json!({
            "ok": ok, "skipped": skipped, "arguments": arguments, "log": report.log, "fuel": report.fuel,
            "memory_bytes": report.memory_bytes, "host_calls": report.host_calls, "error": error,
            "transcript_root": report.transcript.root().to_string(), "wasm_hash": report.wasm_hash.0.to_string(),
            "engine": report.engine.0.to_string(),
        }));
        return;
    }
    if !report.log.is_empty() {
        show::line(format!("log:\n{}", indent(&report.log)));
    }
    if !report.transcript.calls.is_empty() {
        let rows = report.transcript.calls.iter().map(|c| {
            vec![
                c.sequence.to_string(),
                c.import.clone(),
                cut(&c.request, 60),
                format!("{} ms", c.elapsed_ms),
                c.fuel.to_string(),
            ]
        });
        show::line(show::table(&["call", "what", "request", "took", "fuel before"], rows));
    }
    show::line(format!(
        "fuel {}   memory {} KB   host calls {}",
        report.fuel,
        report.memory_bytes / 1024,
        report.host_calls
    ));
    match (ok, skipped, error) {
        (true, ..) => show::line(format!("arguments: {arguments}")),
        (_, true, reason) => show::line(format!("skipped: {}", reason.unwrap_or_default())),
        (.., error) => show::line(format!("failed: {}", error.unwrap_or_default())),
    }
}

fn indent(text: &str) -> String {
    text.lines().map(|l| format!("  {l}")).collect::<Vec<_>>().join("\n")
}

fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        text.to_owned()
    } else {
        text.chars().take(max - 1).chain(['…']).collect()
    }
}

async fn publish(file: &Path, language: Option<&str>, server: &Server, as_json: bool) -> anyhow::Result<u8> {
    let (bytes, language) = read(file, language)?;
    let body = match String::from_utf8(bytes.to_vec()) {
        Ok(text) => json!({ "source": text, "language": language.to_string() }),
        Err(_) => json!({
            "wasm_base64": base64::engine::general_purpose::STANDARD.encode(&bytes), "language": language.to_string(),
        }),
    };
    let reply = server.post("/modules", &body).await?;
    if as_json {
        show::json(&reply);
    } else {
        show::line(format!("published  ipfs://{}", show::field(&reply, "cid")));
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    /// The limits that a command line asks for, or what is said of it.
    fn limits(args: &[&str]) -> Result<Limits, String> {
        let line = ["argus", "module", "run", "a.ts"].iter().chain(args);
        match Cli::try_parse_from(line).map_err(|e| e.to_string())?.command {
            Command::Module(ModuleCommand::Run(run)) => Ok(run.limits()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn limits_are_those_that_are_asked_for() {
        let asked = limits(&["--max-wall", "60", "--max-memory", "256", "--max-fuel", "10000000000"]);
        let c = Limits::CEILING;
        let expect = Limits { fuel_max: c.fuel_max, memory_bytes: c.memory_bytes, wall_ms: c.wall_ms, ..c };
        assert_eq!(asked, Ok(expect));
        assert_eq!(limits(&[]), Ok(Limits::DEFAULT));
    }

    #[test]
    fn a_limit_out_of_its_range_is_refused_with_the_range() {
        for (option, range) in [
            ("--max-wall", "seconds from 1 to 60"),
            ("--max-memory", "MB from 1 to 256"),
            ("--max-fuel", "units from 1 to 10000000000"),
        ] {
            for value in ["0", "99999999999", "-1", "1.5", "many"] {
                let said = limits(&[&format!("{option}={value}")]).expect_err(value);
                assert!(said.contains(option) && said.contains(range), "{option} {value}: {said}");
            }
        }
    }
}
