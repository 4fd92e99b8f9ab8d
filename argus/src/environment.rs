//! What the environment says. Nothing else in Argus reads it.
#![allow(clippy::disallowed_methods, reason = "the one place that may")]

use std::{ffi::OsString, path::PathBuf};

/// A variable; absent: `None`.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The folders in which programs are looked for.
pub fn program_folders() -> Vec<PathBuf> {
    variable("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Where caches belong by the XDG base directory rules; `None`: the user has no home.
pub fn cache_folder() -> Option<PathBuf> {
    let home = || variable("HOME").map(|home| PathBuf::from(home).join(".cache"));
    variable("XDG_CACHE_HOME").map(PathBuf::from).or_else(home)
}
