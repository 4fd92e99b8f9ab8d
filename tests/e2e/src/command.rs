//! The program's other commands, as a shell runs them.

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

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
    command.envs(environment.iter().copied());
    ended(folder, command.args(args)).await
}

/// Runs a script of this crate's `sdk` folder in Node.js, with npm packages from a folder.
///
/// # Panics
/// If there is no Node.js, or the script does not end in time.
pub async fn node<A: AsRef<OsStr>>(packages: &Path, script: &str, args: &[A]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk").join(script);
    let mut command = Command::new("node");
    command.env("NODE_PATH", packages).arg(script).args(args);
    ended_within(NODE, packages, &mut command).await
}

/// Runs schemathesis as this crate's `schemathesis` folder says, with values for what its settings name, on the API
/// that a URL describes, with so many examples of each route.
///
/// # Panics
/// If it does not start, or does not end in time.
pub async fn schemathesis(
    program: &Path,
    folder: &Path,
    names: &[(&str, &str)],
    description: &str,
    examples: u32,
) -> Output {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemathesis");
    let settings = std::fs::read_to_string(ours.join("schemathesis.toml")).expect("its settings");
    let fill = |text: String, (name, value): &(&str, &str)| text.replace(&format!("${{{name}}}"), value);
    let filled = folder.join("schemathesis.toml");
    std::fs::write(&filled, names.iter().fold(settings, fill)).expect("its settings are written");
    let mut command = Command::new(program);
    command.env("SCHEMATHESIS_HOOKS", ours.join("hooks.py")).env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg("--config-file").arg(filled).args(["run", description, "--checks", "all", "--no-color"]);
    command.args(["--max-examples", &examples.to_string()]);
    ended_within(SCHEMATHESIS * examples.max(1), folder, &mut command).await
}

/// Starts a command in a folder; dropping it kills it.
pub fn started<A: AsRef<OsStr>>(folder: &Path, args: &[A]) -> Child {
    let mut command = Command::new(crate::program());
    command.args(args).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.kill_on_drop(true).spawn().expect("it starts")
}

/// As [`argus`], in a network namespace of its own, where nothing is but a loopback device that is down.
///
/// # Panics
/// As [`argus`].
pub async fn offline<A: AsRef<OsStr>>(folder: &Path, args: &[A]) -> Output {
    let mut command = Command::new("unshare");
    ended(folder, command.args(["-r", "-n"]).arg(crate::program()).args(args)).await
}

/// Whether a process may leave the network here. Where CI runs it has to.
pub fn can_go_offline() -> bool {
    let unshare = std::process::Command::new("unshare").args(["-r", "-n", "true"]).status();
    let can = unshare.is_ok_and(|status| status.success());
    assert!(can || std::env::var_os("CI").is_none(), "this system lets nobody leave its network");
    can
}

/// Longest time of a command.
const COMMAND: Duration = Duration::from_secs(60);
/// Longest time of a script that goes through many scenarios, each of which has its own deadlines.
const NODE: Duration = Duration::from_secs(600);
/// Longest time of schemathesis for one example of each route, of which most go into what it makes beside them.
const SCHEMATHESIS: Duration = Duration::from_secs(60);

async fn ended(folder: &Path, command: &mut Command) -> Output {
    ended_within(COMMAND, folder, command).await
}

/// Runs a command to its end.
///
/// # Panics
/// If it does not start, or does not end in time.
pub async fn ended_within(limit: Duration, folder: &Path, command: &mut Command) -> Output {
    command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(limit, command.output()).await.expect("it ends").expect("it starts");
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
