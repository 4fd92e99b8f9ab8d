//! The command line: what can be asked for, with help that teaches.

pub mod api_key;
pub mod config;
pub mod doctor;
mod dry_run;
pub mod job;
pub mod keygen;
pub mod log;
pub mod migrate;
pub mod module;
pub mod pki;
mod published;
pub mod replay;
pub mod rewrap;
pub mod secret;
pub mod show;
pub mod store;
pub mod task;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

/// Argus runs your scripts when their time, event or condition comes, has several keepers agree on the result, and
/// makes the on-chain call: on time, once, and provably the right one.
#[derive(Debug, Parser)]
#[command(name = "argus", version, about, arg_required_else_help = true, max_term_width = 100)]
#[command(
    after_help = "Begin with `argus dev`: it starts everything on this machine and prints what to try next."
)]
pub struct Cli {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    pub json: bool,
    /// How much the program says of its work on stderr: error, warn, info, debug, or a filter like argus_keeper=debug
    #[arg(long, global = true, env = "ARGUS_LOG", value_name = "FILTER", value_parser = log::parse)]
    pub log: Option<String>,
    /// How it says it: lines for people, or one JSON object a line with time, level, trace, task and all other fields
    #[arg(long, global = true, env = "ARGUS_LOG_FORMAT", value_name = "text|json", default_value = "text", value_parser = log::format)]
    pub log_format: log::Format,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine: chain, platform and three keepers
    #[command(after_help = "Example:\n  argus dev --data ./dev --port 9002 --allow-host 127.0.0.1:8080\n\n\
        Ctrl-C stops cleanly. A second start with the same --data goes on where the first was.")]
    Dev(Dev),
    /// Watch the whole story on this machine: chain, scripts, three jobs, keepers that agree, calls
    #[command(
        after_help = "Needs anvil (`make demo` installs it). Ends with a table of what happened; exit code 0 \
        only if the chain shows exactly what the scripts computed, once per occurrence."
    )]
    Demo(crate::demo::Demo),
    /// Run roles of the platform with a configuration
    #[command(after_help = "Example:\n  argus run --config argus.toml --roles api,scheduler\n\n\
        `argus config default > argus.toml` is where a configuration begins.")]
    Run(Run),
    /// Run keepers, or make a keeper's key
    #[command(args_conflicts_with_subcommands = true)]
    Keeper(KeeperCommand),
    /// Build, inspect, run and publish scripts
    #[command(subcommand)]
    Module(module::ModuleCommand),
    /// Create, list, show and delete jobs
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Show tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Make keys to the API
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Change the key under which secrets are stored
    #[command(subcommand)]
    Secret(rewrap::SecretKeyCommand),
    /// Say what would keep a configuration from working, with the remedy
    Doctor(doctor::Doctor),
    /// Print, check and explain settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// Make and show the certificates of links between processes
    #[command(subcommand)]
    Pki(pki::PkiCommand),
    /// Bring the store's tables up to this version
    Migrate(migrate::Migrate),
    /// Copy the store, or move to one of another kind
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Run a recorded run again, offline, and compare it bit for bit
    Replay(replay::Replay),
    /// Be the compiler's process: see `backends`, which starts it
    #[command(hide = true)]
    CompileNative,
    /// Become a program that may use little: how builds are started
    #[command(hide = true)]
    Confined(Confined),
}

/// Arguments of `argus confined`.
#[derive(Debug, Args)]
pub struct Confined {
    /// Limits, network, program and its arguments, as argus-builder writes them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub words: Vec<std::ffi::OsString>,
}

/// Arguments of `argus dev`.
#[derive(Debug, Args)]
pub struct Dev {
    /// Folder for everything that is kept
    #[arg(long, value_name = "DIR", default_value = "argus-dev")]
    pub data: PathBuf,
    /// Port of the API on 127.0.0.1; 0 takes any free one
    #[arg(long, value_name = "PORT", default_value_t = 9002)]
    pub port: u16,
    /// Run each role in a process of its own, over gRPC
    #[arg(long)]
    pub processes: bool,
    /// Use a chain that runs already instead of starting anvil
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// How long a block waits for further transactions, on the chain that this starts; 0 makes one for each at once,
    /// which clients that keep nonces for a moment, as ethers does, do not get along with
    #[arg(long, value_name = "SECONDS", default_value = "0.3", value_parser = seconds)]
    pub block_time: Duration,
    /// A host that scripts and value sources may reach although its address is private; may be repeated
    #[arg(long = "allow-host", value_name = "HOST[:PORT]")]
    pub allow_hosts: Vec<String>,
    /// Change one setting, for example --set 'timing.patience_ms = 2000'; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Die at this step of a task's life, in a build for tests
    #[arg(long, value_name = "STEP", hide = true)]
    pub failpoint: Option<String>,
}

/// Longest wait for a block: longer than any chain's.
const BLOCK_TIME_MAX: Duration = Duration::from_secs(60);

fn seconds(text: &str) -> Result<Duration, String> {
    let given = text.parse().ok().and_then(|secs| Duration::try_from_secs_f64(secs).ok());
    given
        .filter(|time| *time <= BLOCK_TIME_MAX)
        .ok_or_else(|| "give seconds from 0 to 60, like 0.3 or 2".to_owned())
}

/// Arguments of `argus run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Which roles: api, scheduler, dispatcher, aggregator, oversight, keeper, or all
    #[arg(long, value_delimiter = ',', value_name = "ROLES", default_value = "all")]
    pub roles: Vec<crate::roles::Role>,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}

/// Where settings come from.
#[derive(Debug, Args)]
pub struct Settings {
    /// Configuration file (TOML); what it does not name has its default
    #[arg(long, value_name = "FILE", env = "ARGUS_CONFIG")]
    pub config: Option<PathBuf>,
    /// Change one setting, for example --set 'api.listen = "0.0.0.0:9002"'; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// Arguments of `argus keeper`.
#[derive(Debug, Args)]
pub struct KeeperCommand {
    /// Something else than running
    #[command(subcommand)]
    pub command: Option<keygen::KeeperSub>,
    /// Where the settings come from
    #[command(flatten)]
    pub settings: Settings,
}
