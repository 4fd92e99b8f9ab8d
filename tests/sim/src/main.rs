//! `argus-sim`: runs seeds of the simulation and prints what they came to.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "its report is its output")]

use std::process::ExitCode;

use argus_sim::{Plant, lease, live, run, run_many};
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
    /// The leases of shards in place of the tasks.
    #[arg(long, conflicts_with = "plant")]
    leases: bool,
    /// The same with a known bug.
    #[arg(long, value_enum, requires = "leases")]
    lease_plant: Option<lease::LeasePlant>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.leases {
        return leases(&arguments);
    }
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

fn leases(arguments: &Arguments) -> ExitCode {
    let plant = arguments.lease_plant;
    if let Some(seed) = arguments.seed {
        let outcome = lease::run(seed, plant);
        println!("{outcome:#?}");
        let is_good = outcome.broken.is_none() && lease::run(seed, plant) == outcome;
        return if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let summary = lease::run_many(arguments.from, arguments.seeds, plant, plant.is_some());
    println!("{} seeds: {:#?}", summary.seeds, summary.total);
    match summary.fault() {
        Some(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}
