//! What the environment says. Nothing else in Argus reads it.
#![allow(clippy::disallowed_methods, reason = "the one place that may")]

use std::{ffi::OsString, path::PathBuf};

/// A variable; absent: `None`.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The variables that settings are told by, with their values. One that is no UTF-8 is none.
pub fn settings() -> Vec<(String, String)> {
    let mut told: Vec<_> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("ARGUS_"))
        .collect();
    told.sort();
    told
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
