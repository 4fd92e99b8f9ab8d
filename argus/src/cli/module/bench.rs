//! `argus module bench`: what a run of a script costs on this machine.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use anyhow::{bail, ensure};
use argus_domain::{answer::usable, run::RunEnd};
use argus_host::cpu;
use serde_json::json;

use super::{super::show, inputs::Inputs};

/// Arguments of `argus module bench`.
#[derive(Debug, clap::Args)]
pub struct Bench {
    /// What is run, and how
    #[command(flatten)]
    pub inputs: Inputs,
    /// How many runs are measured, one after the other, each in a fresh instance
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub runs: u32,
}

/// Between two lines that say how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Measures; gives the exit code.
pub async fn run(args: &Bench, as_json: bool) -> anyhow::Result<u8> {
    let job = args.inputs.prepare().await?;
    // Shows that it can be measured: a run that fails is not what its author wants to know about.
    let first = job.run().await?;
    if let RunEnd::Failed(failure) = usable(first.end.clone()) {
        bail!("the script fails, so its runs were not measured: {}", failure.message);
    }
    let mut took = Vec::with_capacity(args.runs as usize);
    let (began, cpu_before) = (Instant::now(), cpu::process());
    // For whoever waits in front of it; a program that reads it does not need to be kept company.
    let mut next_line = stderr().is_terminal().then(|| began + PROGRESS_EVERY);
    for done in 0..args.runs {
        let at = Instant::now();
        if next_line.is_some_and(|line| at >= line) {
            show::progress(format!("{done} of {} runs", args.runs));
            next_line = Some(at + PROGRESS_EVERY);
        }
        let report = job.again().await?;
        took.push(at.elapsed());
        ensure!(
            report.end == first.end && report.fuel == first.fuel,
            "two runs differ: give the answers to its calls with --answers, so that all runs meet the same"
        );
    }
    let wall = began.elapsed();
    let cpu = cpu::process().saturating_sub(cpu_before) / args.runs;
    took.sort_unstable();
    let per_second = f64::from(args.runs) / wall.as_secs_f64().max(f64::MIN_POSITIVE);
    let (p50, p99) = (at(&took, 50), at(&took, 99));
    if as_json {
        show::json(&json!({
            "ok": true, "runs": args.runs, "p50_us": micros(p50), "p99_us": micros(p99),
            "cpu_us": micros(cpu), "runs_per_second": per_second.round(), "fuel": first.fuel,
            "memory_bytes": first.memory_bytes, "host_calls": first.host_calls,
        }));
        return Ok(0);
    }
    let us = |t: Duration| format!("{:.1} us", micros(t));
    let rows = [
        ("p50", us(p50)),
        ("p99", us(p99)),
        ("CPU a run", us(cpu)),
        ("runs a second, one at a time", format!("{per_second:.0}")),
        ("fuel", first.fuel.to_string()),
        ("memory", format!("{} KB", first.memory_bytes / 1024)),
        ("host calls", first.host_calls.to_string()),
    ];
    let head = format!("{} runs", args.runs);
    show::line(show::table(&[&head, ""], rows.map(|(what, value)| vec![what.to_owned(), value])));
    Ok(0)
}

/// The value that `percent` of the sorted times do not exceed.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(index).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!((at(&times, 50), at(&times, 99)), (times[99], times[197]));
        assert_eq!(at(&times[..1], 99), times[0]);
    }
}
