//! A real IPFS node, alone on this machine, for as long as a test needs it.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

/// A node that knows no other.
pub struct Kubo {
    program: PathBuf,
    repository: tempfile::TempDir,
    daemon: Child,
    /// The URL of its RPC.
    pub url: String,
}

/// It is up in a second on an idle machine.
const UP_WITHIN: Duration = Duration::from_secs(120);

impl Kubo {
    /// Starts one; `None` where there is no program for it, which fails in CI and is said loudly elsewhere.
    ///
    /// # Panics
    /// Where the program is there and does not come up.
    pub fn start() -> Option<Self> {
        let program = find()?;
        let repository = tempfile::tempdir().expect("a folder");
        let made =
            command(&program, repository.path()).args(["init", "--empty-repo", "--profile=test"]).output();
        let made = made.expect("ipfs init");
        assert!(made.status.success(), "ipfs init: {}", String::from_utf8_lossy(&made.stderr));
        let mut daemon = command(&program, repository.path())
            .args(["daemon", "--offline"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ipfs daemon");
        let lines = BufReader::new(daemon.stdout.take().expect("its output"));
        let (found, port) = mpsc::sync_channel(1);
        // Goes on reading: the daemon would stop at a full pipe.
        std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("RPC API server listening on /ip4/127.0.0.1/tcp/") {
                    let _closed = found.send(address.trim().to_owned());
                }
            }
        });
        let port = port.recv_timeout(UP_WITHIN).expect("the IPFS node comes up");
        Some(Self { program, repository, daemon, url: format!("http://127.0.0.1:{port}") })
    }

    /// What its own command line says.
    ///
    /// # Panics
    /// Where that fails.
    pub fn says(&self, arguments: &[&str]) -> String {
        let said = command(&self.program, self.repository.path()).args(arguments).output().expect("ipfs");
        assert!(said.status.success(), "ipfs {arguments:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    /// Where it cannot be ended.
    pub fn kill(&mut self) {
        self.daemon.kill().expect("killed");
        self.daemon.wait().expect("ended");
    }
}

impl Drop for Kubo {
    fn drop(&mut self) {
        let _ended = self.daemon.kill();
        let _ended = self.daemon.wait();
    }
}

fn command(program: &Path, repository: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("IPFS_PATH", repository).stdin(Stdio::null());
    command
}

fn find() -> Option<PathBuf> {
    let named = std::env::var_os("ARGUS_IPFS").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .unwrap_or_default()
        .join("argus/tools/kubo/ipfs");
    let found = named.into_iter().chain([cache.clone()]).find(|program| program.is_file());
    if found.is_none() {
        let said =
            format!("no IPFS node: looked at ARGUS_IPFS and {}; scripts/setup installs it", cache.display());
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("\n*** SKIPPED, nothing was tested: {said} ***\n");
    }
    found
}
