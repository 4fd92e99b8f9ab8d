//! What the environment says. Nothing else in Argus reads it.
#![allow(clippy::disallowed_methods, reason = "the one place that may")]

use std::{ffi::OsString, path::PathBuf};

/// A variable; absent: `None`.
pub fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The variables that settings are told by, with their values, and the names of those whose values are no text.
pub fn settings() -> (Vec<(String, String)>, Vec<String>) {
    let (mut told, mut no_text) = (Vec::new(), Vec::new());
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        if name.starts_with("ARGUS_") {
            match value.into_string() {
                Ok(value) => told.push((name, value)),
                Err(_) => no_text.push(name),
            }
        }
    }
    told.sort();
    (told, no_text)
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
