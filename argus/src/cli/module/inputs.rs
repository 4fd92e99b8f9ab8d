//! What a run on this machine is made of: the script, what it is told, what it may reach and use.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use argus_builder::Program;
use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunInput, RunReport},
};
use argus_host::parse_context;
use argus_memory::recorded::Recorded;
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use serde_json::Value;

use super::{
    super::{published, show},
    build::go,
    read,
};
use crate::{answers, backends, client::Server};

/// Arguments of the commands that run scripts.
#[derive(Debug, clap::Args)]
pub struct Inputs {
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
    /// What its module may be
    #[command(flatten)]
    pub size: Size,
    /// The language, where the file's name does not tell
    #[arg(long, value_name = "LANG")]
    pub language: Option<String>,
    /// Node of a chain that the script may read: CHAIN_ID=URL; may be repeated
    #[arg(long = "chain", value_name = "ID=URL")]
    pub chains: Vec<String>,
    /// Answers to its HTTP and EVM calls, as JSON; then the network is not used
    #[arg(long, value_name = "FILE", conflicts_with_all = ["allow_hosts", "chains"])]
    pub answers: Option<PathBuf>,
    /// Where a CID is looked for
    #[command(flatten)]
    pub server: Server,
}

/// How large a module may be.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct Size {
    /// Size of a WASI command, MB
    #[arg(long, value_name = "MB", value_parser = |text: &str| whole(text, "MB", Limits::CEILING.command_bytes / MB))]
    pub max_command: Option<u64>,
}

impl Size {
    /// The limits of a run that asks for no other.
    pub fn limits(self) -> Limits {
        let command_bytes = self.max_command.map_or(Limits::DEFAULT.command_bytes, |mb| mb * MB);
        Limits { command_bytes, ..Limits::DEFAULT }
    }
}

/// All that it takes to run a script.
pub struct Prepared {
    /// The sandbox.
    pub runner: Arc<dyn ModuleRunner>,
    /// What was published or will be.
    pub source: Bytes,
    /// Its language.
    pub language: Language,
    /// What it is told.
    pub input: Arc<RunInput>,
    /// What it may use.
    pub limits: Limits,
    /// The answers that it meets, where they were recorded.
    recorded: Option<Arc<Recorded>>,
}

const MB: u64 = 1024 * 1024;

/// A limit as it is given: refused here, because a run with another one than was asked for would mislead.
fn whole(text: &str, unit: &str, most: u64) -> Result<u64, String> {
    let given = text.parse().ok().filter(|n| (1..=most).contains(n));
    given.ok_or_else(|| {
        format!("give a whole number of {unit} from 1 to {most}, the most that any job may have")
    })
}

impl Inputs {
    fn limits(&self) -> Limits {
        Limits {
            fuel_max: self.max_fuel.unwrap_or(Limits::DEFAULT.fuel_max),
            memory_bytes: self.max_memory.map_or(Limits::DEFAULT.memory_bytes, |mb| mb * MB),
            wall_ms: self.max_wall.map_or(Limits::DEFAULT.wall_ms, |s| s * 1000),
            ..self.size.limits()
        }
    }

    /// What is to be run: a file of that name, or else what a platform has under that CID.
    async fn find(&self) -> anyhow::Result<(Bytes, Language)> {
        let (path, told) = (Path::new(&self.what), self.language.as_deref());
        if path.is_dir() {
            bail!("{} is a folder: argus module build makes the file to run", path.display());
        }
        if path.exists() {
            return match read(path, told)? {
                (_, Language::Go) => Ok((go::module(path).await?, Language::Wasm)),
                other => Ok(other),
            };
        }
        match published::cid_of(&self.what) {
            Some(cid) => match published::fetch(&cid, told, &self.server).await? {
                (source, Language::Go) => Ok((go::program(&Program::File(source)).await?, Language::Wasm)),
                other => Ok(other),
            },
            None => bail!("{} is neither a file nor a CID", self.what),
        }
    }

    /// Reads everything and opens the sandbox.
    pub async fn prepare(&self) -> anyhow::Result<Prepared> {
        let (source, language) = self.find().await?;
        let given = match &self.input {
            None => None,
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read {}", file.display()))?;
                Some(
                    serde_json::from_str::<Value>(&text)
                        .with_context(|| format!("{} is no JSON", file.display()))?,
                )
            }
        };
        let answers = self.answers.as_deref().map(answers::read).transpose()?;
        let runner = match &answers {
            Some(answers) => backends::recorded_runner(answers)?,
            None => show::waiting(STARTING, backends::local_runner(&[], &self.chains)).await?,
        };
        let recorded = answers.map(|answers| answers.http);
        let input = Arc::new(parse_context(given.as_ref(), self.allow_hosts.clone())?);
        Ok(Prepared { runner, source, language, input, limits: self.limits(), recorded })
    }
}

/// What is told of a wait for the sandbox, and of one for the script's module.
pub const STARTING: &str = "compiling the JavaScript engine, once on this machine";
pub const COMPILING: &str = "still compiling the module; what comes of it is kept for the next time";

impl Prepared {
    /// Compiles it and runs it once.
    pub async fn run(&self) -> Result<RunReport, RunnerError> {
        let admitting = self.runner.admit(self.source.clone(), self.language, self.limits);
        show::waiting(COMPILING, admitting).await?;
        self.again().await
    }

    /// Runs what was compiled before. Every run meets the recorded answers from the first one on.
    pub async fn again(&self) -> Result<RunReport, RunnerError> {
        if let Some(recorded) = &self.recorded {
            recorded.rewind();
        }
        let (source, input) = (self.source.clone(), self.input.clone());
        self.runner.run(source, self.language, input, self.limits, Arc::default()).await
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command, module::ModuleCommand};

    /// The limits that a command line asks for, or what is said of it.
    fn limits(args: &[&str]) -> Result<Limits, String> {
        let line = ["argus", "module", "run", "a.ts"].iter().chain(args);
        match Cli::try_parse_from(line).map_err(|e| e.to_string())?.command {
            Command::Module(ModuleCommand::Run(run)) => Ok(run.inputs.limits()),
            other => Err(format!("{other:?}")),
        }
    }

    #[test]
    fn limits_are_those_that_are_asked_for() {
        let asked = limits(&[
            "--max-wall",
            "60",
            "--max-memory",
            "256",
            "--max-fuel",
            "10000000000",
            "--max-command",
            "64",
        ]);
        assert_eq!(asked, Ok(Limits::CEILING));
        assert_eq!(limits(&[]), Ok(Limits::DEFAULT));
    }

    #[test]
    fn a_limit_out_of_its_range_is_refused_with_the_range() {
        for (option, range) in [
            ("--max-wall", "seconds from 1 to 60"),
            ("--max-memory", "MB from 1 to 256"),
            ("--max-command", "MB from 1 to 64"),
            ("--max-fuel", "units from 1 to 10000000000"),
        ] {
            for value in ["0", "99999999999", "-1", "1.5", "many"] {
                let said = limits(&[&format!("{option}={value}")]).expect_err(value);
                assert!(said.contains(option) && said.contains(range), "{option} {value}: {said}");
            }
        }
    }
}
