//! A child process that cannot outlive its test.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use argus_domain::lease::{MemberId, ServiceKind, Session};
use argus_ports::LeaseStore;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinSet,
    time::timeout,
};

/// Longest end after a signal.
const END: Duration = Duration::from_secs(15);

// The program takes the shell's place as the leader of a group; a reader of our pipe stays beside it and ends the
// whole group when this process is gone, however it went. As many files as a login gives at first.
const SHIM: &str = r#"
ulimit -Sn 1024
exec 3<&0
( read -r _ <&3; kill -s KILL -- "-$$" ) >/dev/null 2>&1 &
exec "$@" </dev/null 3<&-
"#;

/// The start of a command line for [`Process::start`].
pub fn leashed(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(SHIM).arg("argus-shim").arg(program);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The anvil that has this path, or one below it, among its arguments.
pub fn anvil_of(path: &Path) -> Option<Pid> {
    let path = path.to_str()?;
    let is_it = |line: &[String]| line[0].ends_with("anvil") && line.iter().any(|a| a.starts_with(path));
    running(is_it).map(|(id, _)| id)
}

/// The process that a platform with this configuration runs for a role, and its arguments.
pub fn role_of(config: &Path, role: &str) -> Option<(Pid, Vec<String>)> {
    let config = config.to_str()?;
    let is_it = |line: &[String]| {
        line[0].ends_with("argus")
            && line.iter().any(|a| a == config)
            && line.windows(2).any(|two| two == ["--roles", role])
    };
    running(is_it).map(|(id, line)| (id, line[1..].to_vec()))
}

/// A process with a command line like this.
fn running(is_it: impl Fn(&[String]) -> bool) -> Option<(Pid, Vec<String>)> {
    std::fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let id = Pid::from_raw(entry.file_name().to_str()?.parse().ok()?)?;
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        let text = String::from_utf8_lossy(line.strip_suffix(&[0])?).into_owned();
        let line: Vec<String> = text.split('\0').map(str::to_owned).collect();
        is_it(&line).then_some((id, line))
    })
}

/// Lines that a process says on a pipe, kept.
#[derive(Debug, Clone, Default)]
pub struct Said(Arc<Mutex<Vec<String>>>);

impl Said {
    /// Keeps what comes until the pipe ends.
    pub async fn read(self, pipe: impl AsyncRead + Unpin) {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// All of it so far.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A process with its group. Dropping it ends them.
#[derive(Debug)]
pub struct Process {
    child: Child,
    // Closing it ends whatever is left of the group.
    _leash: Option<ChildStdin>,
    said: Said,
    readers: JoinSet<()>,
}

impl Process {
    /// Starts a [`leashed`] command; its stderr is kept, its stdout is the caller's.
    pub fn start(command: &mut Command) -> (Self, ChildStdout) {
        let mut child = command.spawn().expect("sh");
        let leash = child.stdin.take();
        let said = Said::default();
        let mut readers = JoinSet::new();
        readers.spawn(said.clone().read(child.stderr.take().expect("stderr")));
        let out = child.stdout.take().expect("stdout");
        (Self { child, _leash: leash, said, readers }, out)
    }

    /// What it has said on stderr so far.
    pub fn words(&self) -> String {
        self.said.lines().join("\n")
    }

    /// Waits until it has ended by itself and its last words are there.
    ///
    /// # Panics
    /// If it does not end in time.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = self.ends(END).await;
        // Its last words may still be in the pipe; the reader ends with it.
        let _ = timeout(END, self.readers.join_next()).await;
        status
    }

    async fn ends(&mut self, within: Duration) -> ExitStatus {
        match timeout(within, self.child.wait()).await {
            Ok(status) => status.expect("a status"),
            Err(_) => panic!("it does not end within {within:?}:\n{}", self.words()),
        }
    }

    /// Waits until it dies by itself, as it was told to: by SIGABRT.
    ///
    /// # Panics
    /// If it does not, or otherwise.
    pub async fn aborts(&mut self, secs: u64) {
        let status = self.ends(Duration::from_secs(secs)).await;
        assert_eq!(status.signal(), Some(6), "it aborts, not {status}:\n{}", self.words());
    }

    /// Kills the whole group with SIGKILL and waits until it is gone.
    pub async fn kill(&mut self) {
        kill_process_group(self.pid(), Signal::KILL).expect("killed");
        let status = self.ends(END).await;
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    /// Stops the whole group for a while, as a machine that sleeps does.
    pub async fn pause(&self, pause: Duration) {
        self.freeze();
        tokio::time::sleep(pause).await;
        self.resume();
    }

    /// Has the whole group go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Stops the whole group.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Gives the whole group a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process_group(self.pid(), signal).expect("signalled");
    }

    /// Ends it as Ctrl-C would.
    pub async fn interrupt(&mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::INT).expect("signalled");
        self.ends(END).await
    }

    /// Its resident size, kB.
    pub fn resident_kb(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(path).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn pid(&self) -> Pid {
        let id = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(id).expect("a process id")).expect("a process id")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("--- what a process said:\n{}\n---", self.words());
        }
    }
}

/// Longest try for one moment between two transactions.
const TRY: Duration = Duration::from_millis(300);

/// Stops a process, by giving it signals, at a moment when it has no transaction under way: there it would keep all
/// others from the store's file.
///
/// # Panics
/// Where it is in the middle of one a thousand times.
pub async fn stop_between_transactions(store: &dyn LeaseStore, signal: impl Fn(Signal)) {
    let nobody = Session { member: MemberId([0; 16]), no: 1 };
    for _ in 0..1000 {
        signal(Signal::STOP);
        if timeout(TRY, store.end(ServiceKind::Monitor, nobody, None)).await.is_ok() {
            return;
        }
        signal(Signal::CONT);
        tokio::time::sleep(Duration::from_millis(7)).await;
    }
    panic!("it is always in the middle of a transaction");
}

/// Addresses that nobody has, all different.
///
/// # Panics
/// Where the system has none.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    listeners.each_ref().map(|listener| listener.local_addr().expect("an address"))
}
