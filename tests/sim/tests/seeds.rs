//! The simulation's own bar: clean seeds stay clean, equal seeds run equally, and every planted bug is found.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use argus_sim::{Plant, Summary, run, run_many};
use clap::ValueEnum;

fn shown(summary: &Summary) {
    println!("{}", summary.line());
    if let Some(fault) = summary.fault() {
        panic!("{fault}");
    }
}

#[test]
fn two_hundred_seeds_break_no_invariant() {
    let summary = run_many(0, 200, None, false);
    shown(&summary);
    assert_eq!(
        (summary.seeds, summary.total.lost, summary.total.duplicate, summary.total.early),
        (200, 0, 0, 0)
    );
    assert!(summary.total.crashes > 200 && summary.total.reorgs > 200, "too few faults to show anything");
    assert!(summary.total.refuted > 200, "liars guess too seldom");
    assert!(summary.total.counted > 200, "storage is written too seldom");
}

#[test]
fn a_seed_has_one_history() {
    for seed in [3, 77] {
        assert_eq!(run(seed, None), run(seed, None), "seed {seed}");
    }
    assert_ne!(run(1, None).history, run(2, None).history);
}

#[test]
fn every_planted_bug_is_found() {
    for plant in Plant::value_variants() {
        let summary = run_many(0, 1_000, Some(*plant), true);
        let first = summary.failed.first().unwrap_or_else(|| panic!("{plant:?} is not found in 1,000 seeds"));
        println!("{plant:?}: seed {}, {:?}", first.seed, first.broken.as_ref().map(|b| b.name));
    }
}
