//! What the toolchain's process may use: set by itself, on itself, before it becomes the toolchain.
//!
//! The program that a build is started through (`argus confined`, in production) calls [`enter`]. Doing this between
//! fork and exec would need unsafe code; a fresh process of one thread needs none.

use std::{
    convert::Infallible,
    ffi::OsString,
    io::{self, Write as _},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Command, ExitCode},
    str::FromStr,
};

use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, setgid, setgroups, setuid},
};
use rustix::process::{Resource, Rlimit, Signal, getgid, getuid, setrlimit};

/// What a confined process says on stderr that could not leave the network.
pub(crate) const UNCUT: &str = "confined: this system lets nobody leave its network";

/// With what a process ends that could not become the toolchain, as `env` and `timeout` do: Go's own codes are others.
pub(crate) const NOT_STARTED: u8 = 125;
/// In place of a user's number: the user stays.
const SAME_USER: &str = "same";

/// How builds are confined.
#[derive(Debug, Clone)]
pub struct Confinement {
    /// A program that calls [`enter`] with the arguments it is given, and its first arguments.
    pub launcher: Vec<OsString>,
    /// Another user, and the group of the same number, that builds run as; only root can choose one. `None`: this
    /// process's own.
    pub user: Option<u32>,
}

impl Confinement {
    /// A command line that starts `program` confined. What follows it are the program's arguments.
    pub(crate) fn command(&self, limits: &Limits, network: Network, program: PathBuf) -> Vec<OsString> {
        let mut line = self.launcher.clone();
        line.extend(limits.words().map(|n| n.to_string().into()));
        line.push(
            match network {
                Network::Cut => "cut",
                Network::Open => "open",
            }
            .into(),
        );
        line.push(self.user.map_or(SAME_USER.into(), |user| user.to_string().into()));
        line.push(program.into());
        line
    }
}

/// Whether a step may use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// It has none, not even loopback.
    Cut,
    /// As this machine has it: only for fetching pinned modules.
    Open,
}

/// Bounds of each of the toolchain's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Seconds of CPU.
    pub cpu_s: u64,
    /// Address space. Go reserves more than it uses.
    pub memory_bytes: u64,
    /// Longest file that is written.
    pub file_bytes: u64,
    /// Open files.
    pub files: u64,
}

impl Limits {
    fn words(self) -> [u64; 4] {
        [self.cpu_s, self.memory_bytes, self.file_bytes, self.files]
    }
}

/// Confines this process and turns it into a program: CPU seconds, bytes of memory, bytes of a file, open files,
/// `cut` or `open`, a user's number or `same`, the program, its arguments. Returns only where that failed, and has said
/// why.
pub fn enter(words: &[OsString]) -> ExitCode {
    let error = match become_program(words) {
        Err(error) => error,
        Ok(never) => match never {},
    };
    let _unheard = writeln!(io::stderr(), "confined: {error}");
    ExitCode::from(NOT_STARTED)
}

fn become_program(words: &[OsString]) -> io::Result<Infallible> {
    let [cpu, memory, file, files, network, user, program, arguments @ ..] = words else {
        return Err(io::Error::other(
            "confined CPU_S MEMORY FILE FILES cut|open USER|same PROGRAM ARGUMENTS...",
        ));
    };
    for (word, resource) in [cpu, memory, file, files].into_iter().zip([
        Resource::Cpu,
        Resource::As,
        Resource::Fsize,
        Resource::Nofile,
    ]) {
        lower(resource, number(word)?)?;
    }
    lower(Resource::Core, 0)?;
    if network == "cut" && !cut_network() {
        // For the builder, which hears it and says so.
        let _unheard = writeln!(io::stderr(), "{UNCUT}");
    }
    if user != SAME_USER {
        // After the network, which root leaves everywhere.
        let user = number(user)?;
        setgroups(&[])?;
        setgid(Gid::from_raw(user))?;
        setuid(Uid::from_raw(user))?;
    }
    // A toolchain whose builder was killed builds for nobody. A change of users would undo it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    rustix::thread::set_no_new_privs(true)?;
    let error = Command::new(program).args(arguments).exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

fn number<T: FromStr>(word: &OsString) -> io::Result<T> {
    word.to_str().and_then(|word| word.parse().ok()).ok_or_else(|| io::ErrorKind::InvalidInput.into())
}

/// Lowers a limit, for good. One that is lower already stays.
fn lower(resource: Resource, most: u64) -> io::Result<()> {
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |now| now.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) }).map_err(Into::into)
}

/// Leaves the machine's network for an empty one: as root directly, otherwise in a user namespace of its own. False
/// where the system allows neither; the toolchain itself is still told to fetch nothing.
fn cut_network() -> bool {
    if unshare(CloneFlags::CLONE_NEWNET).is_ok() {
        return true;
    }
    let (user, group) = (getuid().as_raw(), getgid().as_raw());
    if unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET).is_err() {
        return false;
    }
    // Without these the process could not make files: they would belong to nobody.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("{user} {user} 1")),
        ("gid_map", format!("{group} {group} 1")),
    ];
    for (name, text) in maps {
        let _unmapped = std::fs::write(format!("/proc/self/{name}"), text);
    }
    true
}
