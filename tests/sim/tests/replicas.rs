//! The bar for scheduler replicas: clean seeds stay clean, equal seeds run equally, and every planted bug is found.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use argus_sim::replicas::{ReplicaPlant, run, run_many};
use clap::ValueEnum;

#[test]
fn every_occurrence_is_opened_once_and_soon() {
    let summary = run_many(0, 80, None, false);
    println!("{:#?}", summary.total);
    if let Some(first) = summary.failed.first() {
        panic!("{} of 80 seeds broke an invariant, first {first:?}", summary.failed.len());
    }
    let total = summary.total;
    let faults = [total.crashes, total.leaves, total.pauses];
    assert!(faults.iter().all(|n| *n > 80), "too few faults to show anything: {faults:?}");
    assert!(total.opened > 100_000, "too few openings: {}", total.opened);
    assert!(total.refused > 5, "too few late writes: {}", total.refused);
}

#[test]
fn a_seed_has_one_history() {
    assert_eq!(run(3, None), run(3, None));
    assert_ne!(run(1, None).tally, run(2, None).tally);
}

#[test]
fn every_planted_bug_is_found() {
    for plant in ReplicaPlant::value_variants() {
        let summary = run_many(0, 500, Some(*plant), true);
        let first = summary.failed.first().unwrap_or_else(|| panic!("{plant:?} is not found in 500 seeds"));
        println!("{plant:?}: seed {}, {:?}", first.seed, first.broken.as_ref().map(|b| b.name));
    }
}
