//! `argus-sim`: runs seeds of the simulation and prints what they came to.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its report is its output")]

use std::process::ExitCode;

use argus_sim::{Plant, live, run, run_many};
use clap::Parser;

/// Runs the machines of Argus under simulated faults.
#[derive(Parser)]
#[command(name = "argus-sim")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 200)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Only this seed, twice: its history has to be the same.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// Plant a known bug, which has to be found.
    #[arg(long, value_enum)]
    plant: Option<Plant>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let outcome = run(seed, arguments.plant);
        println!("{outcome:#?}");
        if run(seed, arguments.plant) != outcome {
            eprintln!("seed {seed} had another history the second time");
            return ExitCode::FAILURE;
        }
        return if outcome.broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let summary = run_many(arguments.from, arguments.seeds, arguments.plant, arguments.plant.is_some());
    println!("{}\n\n{}", summary.line(), live::shown(&summary.total.live));
    match summary.fault() {
        Some(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
