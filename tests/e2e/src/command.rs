//! The program's other commands, as a shell runs them.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

/// How a command ended.
#[derive(Debug)]
pub struct Output {
    /// Its exit code.
    pub code: i32,
    /// Its stdout.
    pub out: String,
    /// Its stderr.
    pub err: String,
}

impl Output {
    /// Its stdout as JSON.
    ///
    /// # Panics
    /// If it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a command in a folder, with what it finds in the environment.
///
/// # Panics
/// If it does not end in time.
pub async fn argus<A: AsRef<OsStr>>(folder: &Path, environment: &[(&str, &str)], args: &[A]) -> Output {
    let mut command = Command::new(crate::program());
    command.args(args).envs(environment.iter().copied()).current_dir(folder);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output =
        timeout(Duration::from_secs(60), command.output()).await.expect("it ends").expect("it starts");
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
