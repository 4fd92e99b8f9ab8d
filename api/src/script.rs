//! Scripts at the edge: from a URL to bytes, and one run before anything depends on it.

mod build;
mod dry_run;
mod locate;

pub use build::{build, runnable, shown as build_shown, tried};
pub use dry_run::{DryRuns, FIXED_DUE, Judged, ScriptRefused, Trial, dry_run, judge, judge_form, run_input};
pub use locate::{Source, fetch, guesses, language_of, locate};
