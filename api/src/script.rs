//! Scripts at the edge: from a URL to bytes, and one run before anything depends on it.

mod dry_run;
mod locate;

pub use dry_run::{
    DryRuns, FIXED_DUE, Judged, ScriptRefused, admitted, dry_run, judge, judge_form, run_input,
};
pub use locate::{Source, fetch, guesses, language_of, locate};
