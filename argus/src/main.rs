//! The `argus` command. What there is to ask for stands in `cli`; wiring in `backends`, `links` and `roles`.

mod answers;
mod backends;
mod cli;
mod client;
mod config;
mod demo;
mod dev;
mod doctor;
mod environment;
mod files;
mod links;
mod metrics;
mod roles;
mod traces;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command, log::Format, show};
use mimalloc::MiMalloc;
use rustix::{
    fs::Mode,
    process::{Resource, Rlimit, getrlimit, setrlimit},
};

/// A task's values are allocated on one thread and freed on another, which this allocator is made for.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::CompileNative = cli.command {
        return argus_host::compiler::serve();
    }
    if let Command::Confined(confined) = &cli.command {
        // Before there is a second thread: only then can a process leave its network.
        return argus_builder::enter(&confined.words);
    }
    // What is allocated here lives for moments: clearing huge pages for it costs more than they save.
    let _unsupported = rustix::thread::disable_transparent_huge_pages(true);
    // Jobs, transcripts and keys are nobody else's to read; what authors make is theirs to share.
    if !matches!(cli.command, Command::Module(_)) {
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
    lift_file_limit();
    let filter = cli.log.as_deref().filter(|text| !text.is_empty());
    cli::log::start(filter.unwrap_or(filter_of(&cli.command)), cli.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("argus").build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            show::progress(format!("error: the system gives no threads: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let format = cli.log_format;
    match runtime.block_on(run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            match format {
                Format::Text => show::progress(format!("error: {error:#}")),
                Format::Json => tracing::error!(error = format!("{error:#}"), "it ended"),
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> anyhow::Result<u8> {
    let json = cli.json;
    match cli.command {
        Command::Dev(args) => dev::run(&args, json).await?,
        Command::Demo(args) => demo::run(&args).await?,
        Command::Run(args) => roles::run(&args).await?,
        Command::Keeper(args) => match &args.command {
            Some(cli::keygen::KeeperSub::Keygen(keygen)) => cli::keygen::run(keygen, json)?,
            None => roles::run_keepers(&args.settings).await?,
        },
        Command::Module(command) => return cli::module::run(command, json).await,
        Command::Job(command) => return cli::job::run(command, json).await,
        Command::Task(command) => cli::task::run(command, json).await?,
        Command::ApiKey(command) => cli::api_key::run(command, json).await?,
        Command::Secret(command) => return cli::rewrap::run(command, json).await,
        Command::Doctor(args) => return cli::doctor::run(&args, json).await,
        Command::Config(command) => cli::config::run(&command, json)?,
        Command::Pki(command) => return cli::pki::run(command, json),
        Command::Store(command) => return cli::store::run(command, json).await,
        Command::Migrate(args) => return cli::migrate::run(&args, json).await,
        Command::Replay(args) => return cli::replay::run(&args, json).await,
        Command::CompileNative | Command::Confined(_) => {
            anyhow::bail!("`main` answers this command before there is a runtime")
        }
    }
    Ok(0)
}

/// Every connection is a file. What a login gives at first, often 1,024, is for programs that use select(2); we may take
/// what the administrator allows.
fn lift_file_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _kept_as_it_is = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// How much a command says where nobody asks for more or less.
fn filter_of(command: &Command) -> &'static str {
    match command {
        // Cassandra warns of each statement that is prepared: all of ours are of the one keyspace.
        Command::Run(_) | Command::Keeper(_) => "info,scylla::network::connection=error",
        // The driver's own words on a cluster that is away are in the error that follows.
        Command::Dev(_)
        | Command::Demo(_)
        | Command::Module(_)
        | Command::Job(_)
        | Command::Task(_)
        | Command::ApiKey(_)
        | Command::Secret(_)
        | Command::Config(_)
        | Command::Doctor(_)
        | Command::Pki(_)
        | Command::Migrate(_)
        | Command::Store(_)
        | Command::Replay(_)
        | Command::CompileNative
        | Command::Confined(_) => "warn,scylla=off",
    }
}
