//! One step of a build: a confined process and everything that it starts, bounded in time and in words.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

/// What is kept of what a step says.
const SAID_BYTES_MAX: u64 = 16 * 1024;
/// How long a process that was killed is waited for: the system may be busy with what it did last.
const DEATH: Duration = Duration::from_secs(5);

/// A step, ready to start.
pub(crate) struct Step<'a> {
    /// Program and arguments.
    pub line: Vec<OsString>,
    /// Its whole environment.
    pub environment: &'a [(&'static str, OsString)],
    /// Where it starts.
    pub folder: &'a Path,
    /// How long.
    pub wall: Duration,
}

/// How a step ended.
pub(crate) enum Ended {
    /// By itself, or by a limit of the system's; with what it said on stderr.
    With(ExitStatus, String),
    /// It was stopped.
    TooSlow,
}

/// The process group of a step: gone with this value, whoever in it is still there.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Absent where all have ended.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// Runs a step to its end, and leaves nothing of it running.
pub(crate) async fn run(step: Step<'_>) -> std::io::Result<Ended> {
    let [program, arguments @ ..] = &step.line[..] else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(step.environment.iter().map(|(name, value)| (*name, value.as_os_str())))
        .current_dir(step.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let errors = child.stderr.take();
    let whole = async { tokio::join!(words(errors), child.wait()) };
    match timeout(step.wall, whole).await {
        Ok((said, status)) => Ok(Ended::With(status?, said)),
        Err(_) => {
            drop(group);
            // Before its folder goes.
            let _ended = timeout(DEATH, child.wait()).await;
            Ok(Ended::TooSlow)
        }
    }
}

/// The beginning of what comes; the rest is taken and dropped, so that nobody waits for a reader.
async fn words(from: Option<impl AsyncRead + Unpin>) -> String {
    let Some(from) = from else { return String::new() };
    let mut kept = Vec::new();
    let mut head = from.take(SAID_BYTES_MAX);
    if head.read_to_end(&mut kept).await.is_ok() {
        let _dropped = tokio::io::copy(&mut head.into_inner(), &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell<'a>(script: &str, wall: Duration) -> Step<'a> {
        let line = ["/bin/sh", "-c", script].map(Into::into).to_vec();
        Step { line, environment: &[], folder: Path::new("/"), wall }
    }

    #[tokio::test]
    async fn what_is_too_slow_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().expect("a folder");
        let noted = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! > {}; wait", noted.display());
        let ended = run(shell(&script, Duration::from_millis(500))).await.expect("a shell");
        assert!(matches!(ended, Ended::TooSlow));
        let child = std::fs::read_to_string(noted).expect("a process");
        // Killed, which takes a moment; then a zombie until whoever inherits it looks.
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
        let is_over = |state: &str| state.is_empty() || state.contains(") Z") || state.contains(") X");
        for _ in 0..100 {
            if is_over(&state()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it still runs: {}", state());
    }

    #[tokio::test]
    async fn who_says_too_much_is_cut_and_not_held_up() {
        let ended = run(shell("head -c 1000000 /dev/zero | tr '\\0' x >&2", Duration::from_secs(60))).await;
        let Ok(Ended::With(status, said)) = ended else { panic!("it did not end") };
        assert!(status.success());
        assert_eq!(said.len() as u64, SAID_BYTES_MAX);
    }
}
