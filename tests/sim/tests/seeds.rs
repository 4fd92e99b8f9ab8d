//! The simulation's own bar: clean seeds stay clean, equal seeds run equally, and every planted bug is found.

#![allow(clippy::print_stdout, reason = "figures of a run are read by people")]

use std::path::Path;

use argus_sim::{
    Plant, Summary,
    live::{self, Ends, Table},
    run, run_many,
};
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
    judge_live(&summary.total.live);
}

/// Whatever the liars, below the threshold no rule but trust in one keeper takes a liar's call.
fn judge_live(table: &Table) {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../live-values.md");
    std::fs::write(file, live::shown(table)).expect("the table is written");
    println!("{}", live::shown(table));
    for (case, ends) in table.iter().filter(|(case, _)| case.rule != "trust-performer") {
        assert_eq!(ends.lies, 0, "{case:?}");
    }
    let of = |keepers: usize, threshold: u8, liars: usize, rule: &str| -> Ends {
        let is_it =
            |c: &live::Case| (c.keepers, c.threshold, c.liars, c.rule) == (keepers, threshold, liars, rule);
        table.iter().find(|(case, _)| is_it(case)).map(|(_, ends)| *ends).unwrap_or_default()
    };
    for (keepers, threshold, liars) in [(3, 2, 1), (5, 3, 2)] {
        let median = of(keepers, threshold, liars, "median, else tolerance");
        let exact = of(keepers, threshold, liars, "exact");
        let trust = of(keepers, threshold, liars, "trust-performer");
        let shown = format!("{threshold} of {keepers}: {median:?} {exact:?} {trust:?}");
        assert!(
            median.seeds >= 20 && exact.seeds >= 20 && trust.seeds >= 20,
            "too few seeds show it; {shown}"
        );
        assert!(median.median * 2 > median.tasks, "mostly the middle is taken; {shown}");
        assert!(trust.performer * 2 > trust.tasks, "mostly a run stands its replay; {shown}");
        assert!(exact.none * 2 > exact.tasks, "live values are seldom equal; {shown}");
    }
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
