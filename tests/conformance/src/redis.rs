//! A real Redis, alone on this machine, for as long as a test needs it.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// A server that keeps nothing.
pub struct RedisServer {
    program: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    server: Child,
    /// Its URL.
    pub url: String,
}

/// It is up in a moment on an idle machine.
const UP_WITHIN: Duration = Duration::from_secs(60);

impl RedisServer {
    /// Starts one; `None` where there is no program for it, which fails in CI and is said loudly elsewhere.
    ///
    /// # Panics
    /// Where the program is there and does not come up.
    pub fn start() -> Option<Self> {
        let program = find()?;
        let folder = tempfile::tempdir().expect("a folder");
        // Somebody else may take the port before the server does.
        for _ in 0..20 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
            let port = free.local_addr().expect("its address").port();
            drop(free);
            let mut server = spawn(&program, &folder, port);
            if is_up(&mut server, port) {
                let url = format!("redis://127.0.0.1:{port}");
                return Some(Self { program, folder, port, server, url });
            }
        }
        panic!("Redis does not come up");
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Panics
    /// Where it cannot be ended.
    pub fn kill(&mut self) {
        self.server.kill().expect("killed");
        self.server.wait().expect("ended");
    }

    /// Starts it again where it was, empty.
    ///
    /// # Panics
    /// Where it does not come up.
    pub fn restart(&mut self) {
        self.server = spawn(&self.program, &self.folder, self.port);
        assert!(is_up(&mut self.server, self.port), "Redis comes up again");
    }

    /// Stops it: it takes connections, and answers nobody.
    ///
    /// # Panics
    /// Where it cannot be stopped.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// Where it cannot go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.server.id().to_string()).status();
        assert!(sent.expect("kill").success(), "kill {signal}");
    }

    /// What it answers to one command on a connection of its own, as it is on the wire.
    ///
    /// # Panics
    /// Where it does not answer.
    pub fn says(&self, command: &str) -> String {
        ask(self.port, command).expect("Redis answers")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        // Also one that was stopped.
        let _ended = self.server.kill();
        let _ended = self.server.wait();
    }
}

fn spawn(program: &PathBuf, folder: &tempfile::TempDir, port: u16) -> Child {
    Command::new(program)
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no", "--loglevel", "warning"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server")
}

fn is_up(server: &mut Child, port: u16) -> bool {
    let began = Instant::now();
    while began.elapsed() < UP_WITHIN {
        if matches!(server.try_wait(), Ok(Some(_)) | Err(_)) {
            return false;
        }
        if ask(port, "PING").is_ok_and(|answer| answer == "+PONG\r\n") {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn ask(port: u16, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.strip_suffix("+OK\r\n").unwrap_or(&answer).to_owned())
}

fn find() -> Option<PathBuf> {
    let named = std::env::var_os("ARGUS_REDIS").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).map(|folder| folder.join("redis-server"));
    let found = named.into_iter().chain(places).find(|program| program.is_file());
    if found.is_none() {
        let said = "no redis-server: looked at ARGUS_REDIS and PATH; scripts/setup test installs it";
        assert!(std::env::var_os("CI").is_none(), "{said}");
        eprintln!("\n*** SKIPPED, nothing was tested: {said} ***\n");
    }
    found
}
