//! The bar for leases: clean seeds stay clean, equal seeds run equally, and every planted bug is found.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use argus_sim::lease::{LeasePlant, run, run_many};
use clap::ValueEnum;

#[test]
fn two_hundred_seeds_break_no_invariant() {
    let summary = run_many(0, 200, None, false);
    println!("{:#?}", summary.total);
    if let Some(fault) = summary.fault() {
        panic!("{fault}");
    }
    let total = summary.total;
    assert_eq!(
        (summary.seeds, total.moves),
        (200, 600),
        "each death, pause and departure was followed to its end"
    );
    let faults = [total.crashes, total.leaves, total.pauses, total.freezes, total.cuts, total.outages];
    assert!(faults.iter().all(|n| *n > 200), "too few faults to show anything: {faults:?}");
    assert!(total.refused > 200, "too few late writes: {}", total.refused);
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
    for plant in LeasePlant::value_variants() {
        let summary = run_many(0, 1_000, Some(*plant), true);
        let first = summary.failed.first().unwrap_or_else(|| panic!("{plant:?} is not found in 1,000 seeds"));
        println!("{plant:?}: seed {}, {:?}", first.seed, first.broken.as_ref().map(|b| b.name));
    }
}
