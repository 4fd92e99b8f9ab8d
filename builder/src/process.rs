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

/// A step, ready to start.
pub(crate) struct Step<'a> {
    /// Program and arguments.
    pub line: Vec<OsString>,
    /// Its whole environment.
    pub environment: &'a [(&'static str, OsString)],
    /// Where it starts.
    pub folder: &'a Path,
    /// As whom.
    pub user: Option<u32>,
    /// How long.
    pub wall: Duration,
}

/// How a step ended.
pub(crate) enum Ended {
    /// By itself, or by a limit of the system's; with what it said on both streams.
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
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(user) = step.user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn()?;
    let _group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let whole = async { tokio::join!(words(out), words(err), child.wait()) };
    match timeout(step.wall, whole).await {
        Ok((out, err, status)) => Ok(Ended::With(status?, out + &err)),
        Err(_) => Ok(Ended::TooSlow),
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
