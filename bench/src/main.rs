//! Measures Argus beside what the machine could do: `make bench`.
//!
//! Every row runs real services over real files. Nothing is asserted: a machine is noisy, so ratios of two things
//! measured in one run count for more than figures, and CPU time for more than wall time.
#![expect(clippy::print_stdout, reason = "the table is what the program is for")]

mod accept;
mod chain;
mod cold;
mod counted;
mod edge;
mod fanout;
mod latency;
mod measure;
mod memory;
mod platform;
mod reads;
mod replay;
mod report;
mod sandbox;
mod subprocess;
mod throughput;
mod watcher;
mod work;

use std::path::{Path, PathBuf};

use argus_evm::anvil;
use clap::Parser;
use tokio::runtime::Builder;

use crate::measure::Row;

/// The one that `argus` has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Every row there is.
const ALL: [&str; 11] = ["M1", "M2", "M5", "M5q", "M7", "M7r", "M9", "M13", "M14", "M15", "RSS"];

/// Measures, prints a table, and writes bench/results/NAME.json and NAME.svg.
#[derive(Parser)]
struct Args {
    /// Only these rows, by id, separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// How long each row measures, after its warming up.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// M5 and M5q: tasks that are open at once.
    #[arg(long, default_value_t = 4_000)]
    open: usize,
    /// M5 and M5q: runs that a keeper takes at once.
    #[arg(long, default_value_t = 1_024)]
    capacity: u32,
    /// M7r: jobs that are stored.
    #[arg(long, default_value_t = 100_000)]
    jobs: u64,
    /// M9: sockets that are told.
    #[arg(long, default_value_t = 500)]
    sockets: usize,
    /// RSS: runs whose memory is watched.
    #[arg(long, default_value_t = 1_000_000)]
    runs: u32,
    /// Name of the result files.
    #[arg(long, default_value = "latest")]
    name: String,
    /// Show what the services log: a filter such as `warn` or `argus_keeper=info`.
    #[arg(long)]
    log: Option<String>,
    /// The program for the local chain.
    #[arg(long, env = "ARGUS_ANVIL")]
    anvil: Option<PathBuf>,
    /// Where programs are looked for.
    #[arg(long, env = "PATH", hide = true, default_value = "")]
    path: String,
    /// Where tools are kept, in its folder `.cache`.
    #[arg(long, env = "HOME", hide = true, default_value = ".")]
    home: PathBuf,
    /// Where tools are kept.
    #[arg(long, env = "XDG_CACHE_HOME", hide = true)]
    cache: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    // As `argus` does.
    rustix::thread::disable_transparent_huge_pages(true)?;
    if let Some(filter) = &args.log {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
    std::fs::create_dir_all(&results)?;
    let before = {
        let folder = folder(&results)?;
        measure::machine(folder.path())?
    };
    let mut rows = Vec::new();
    for id in ALL.iter().filter(|id| args.only.is_empty() || args.only.iter().any(|only| only == *id)) {
        // On the disk of the checkout: a temporary folder may be memory.
        let folder = folder(&results)?;
        let measured = measure(id, folder.path(), &args);
        match measured {
            Ok(more) => rows.extend(more),
            Err(error) => println!("{id} could not be measured: {error:#}\n"),
        }
    }
    println!("{}", report::table(&before, &rows));
    report::write(&results, &args.name, &before, &rows)
}

fn folder(results: &Path) -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix(".data-").tempdir_in(results)
}

fn measure(id: &str, folder: &Path, args: &Args) -> anyhow::Result<Vec<Row>> {
    let alone = || Builder::new_current_thread().enable_all().build();
    let path: Vec<PathBuf> = std::env::split_paths(&args.path).collect();
    match id {
        "M1" => return alone()?.block_on(subprocess::run(&path)),
        "M2" => return alone()?.block_on(sandbox::run()),
        "M15" => return alone()?.block_on(replay::run()),
        "RSS" => return alone()?.block_on(memory::run(args.runs)),
        _ => {}
    }
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let load = throughput::Load { open: args.open, capacity: args.capacity };
    runtime.block_on(async {
        match id {
            "M5" => throughput::run(folder, &throughput::SOLO, load, args.seconds).await,
            "M5q" => throughput::run(folder, &throughput::QUORUM, load, args.seconds).await,
            "M7" => accept::run(folder, args.seconds).await,
            "M7r" => reads::run(folder, args.jobs).await,
            "M9" => fanout::run(folder, args.sockets).await,
            "M13" => cold::run(folder).await,
            _ => {
                let cache = args.cache.clone().unwrap_or_else(|| args.home.join(".cache"));
                let program = anvil::find(args.anvil.as_deref(), &path, &cache)?;
                latency::run(folder, program, args.seconds).await
            }
        }
    })
}
