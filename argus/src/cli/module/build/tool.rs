//! Running the author's own tools. What they say on stderr is shown as they say it.

use std::{
    ffi::{OsStr, OsString},
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::{cli::show, dev::stop_signal, environment};

/// Longest time that a tool may take: a first build of a large crate on a slow machine takes minutes, and what takes
/// longer than this waits for something that does not come.
const WITHIN: Duration = Duration::from_secs(30 * 60);
/// What is kept of what a tool says, to find out what its failure means.
const SAID_BYTES_MAX: usize = 256 * 1024;

/// The program that a variable names, else the one of that name.
pub fn named(variable: &str, program: &str) -> OsString {
    environment::variable(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| program.into())
}

/// Whether a program of that name is in one of the folders that are searched.
pub fn is_there(program: &str) -> bool {
    environment::program_folders().iter().any(|folder| folder.join(program).is_file())
}

/// Runs a command in a folder; its stdout, its stderr shown and kept. `missing` says what to do where there is no
/// such program, `explain` what a failure means, where it means something that can be said.
pub async fn run(
    command: Command,
    folder: &Path,
    missing: &str,
    explain: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<String> {
    run_within(WITHIN, command, folder, missing, explain).await
}

async fn run_within(
    within: Duration,
    mut command: Command,
    folder: &Path,
    missing: &str,
    explain: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<String> {
    let program = command.as_std().get_program().to_owned();
    let program = program.display();
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.process_group(0).kill_on_drop(true).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!("{program} is not installed: {missing}"),
        Err(error) => return Err(error).with_context(|| format!("cannot start {program}")),
    };
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (out, errors) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(text(out), shown(errors), child.wait()) };
    let (printed, said, status) = tokio::select! {
        ended = timeout(within, whole) => match ended {
            Ok(ended) => ended,
            Err(_) => bail!(
                "{program} was stopped, it had not ended after {} s: what it said last stands above; run it by itself \
                 in {} to see what it waits for",
                within.as_secs(),
                folder.display()
            ),
        },
        signal = stop_signal() => {
            signal.context("signals cannot be watched")?;
            bail!("{program} was stopped, as you asked");
        }
    };
    let status = status.with_context(|| format!("{program} is lost"))?;
    if status.success() {
        return Ok(printed);
    }
    match explain(&said) {
        Some(sentence) => bail!(sentence),
        None => bail!("{program} failed ({status}): what it says stands above"),
    }
}

/// The process group of a tool: gone with this value, compilers that it started included.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Absent where all have ended.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

async fn text(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut all = Vec::new();
    if let Some(mut from) = from {
        // A pipe that breaks ends what can be read; the exit status says the rest.
        let _broken = from.read_to_end(&mut all).await;
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Shows each line as it comes; the beginning of all.
async fn shown(from: Option<impl AsyncRead + Unpin>) -> String {
    let mut said = String::new();
    let Some(from) = from else { return said };
    let mut lines = BufReader::new(from).split(b'\n');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line);
        show::progress(&line);
        if said.len() + line.len() < SAID_BYTES_MAX {
            said.push_str(&line);
            said.push('\n');
        }
    }
    said
}

/// Where a module goes whose source has this name; an error where the name is no text.
pub fn out_of(name: Option<&OsStr>, out: impl Fn(&str) -> PathBuf) -> anyhow::Result<PathBuf> {
    let name = name.and_then(OsStr::to_str).context("the source's name is no text: give --out")?;
    Ok(out(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, within: Duration, folder: &Path) -> anyhow::Result<String> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let explain = |said: &str| said.contains("no such target").then(|| "add the target".to_owned());
        run_within(within, command, folder, "", explain).await
    }

    #[tokio::test]
    async fn a_tool_that_does_not_end_is_stopped_with_all_that_it_started() {
        let place = tempfile::tempdir().expect("a folder");
        let script = "sleep 600 & echo $! > pid; echo waiting >&2; wait";
        let ended = shell(script, Duration::from_secs(2), place.path()).await.expect_err("it does not end");
        let said = ended.to_string();
        assert!(said.contains("/bin/sh was stopped, it had not ended after 2 s"), "{said}");
        let pid = std::fs::read_to_string(place.path().join("pid")).expect("it began");
        assert!(is_gone(pid.trim()).await, "process {pid} is still there");
    }

    /// Whether a process ends that was sent its last signal.
    async fn is_gone(pid: &str) -> bool {
        let status = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        for _ in 0..200 {
            // Nobody may be there to bury it.
            if status().is_empty() || status().contains(") Z ") {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        false
    }

    #[tokio::test]
    async fn what_a_tool_prints_is_given_and_what_it_says_is_explained() {
        let place = tempfile::tempdir().expect("a folder");
        let hour = Duration::from_secs(3600);
        assert_eq!(shell("echo out; echo err >&2", hour, place.path()).await.expect("it runs"), "out\n");
        for (script, expect) in [
            ("echo no such target >&2; exit 1", "add the target"),
            ("exit 7", "/bin/sh failed (exit status: 7): what it says stands above"),
        ] {
            let said = shell(script, hour, place.path()).await.expect_err(script).to_string();
            assert_eq!(said, expect);
        }
    }
}
