//! Scripts at the edge: from a URL to bytes, and one run before anything depends on it.

mod build;
mod dry_run;
mod locate;

pub use build::{ShownBuild, build, no_builder, runnable, shown as build_shown, tried};
pub use dry_run::{DryRuns, FIXED_DUE, Judged, ScriptRefused, Trial, Wants, dry_run, judge, run_input};
pub use locate::{Source, fetch, guesses, language_of, locate, unpublished};
