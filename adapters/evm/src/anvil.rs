//! The development chain: anvil as a child process that cannot outlive its parent.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdin, Command},
    task::JoinSet,
    time::{sleep, timeout},
};

/// Keys of anvil's ten well-known development accounts, hex; worthless anywhere else.
///
/// They come from the mnemonic `test test test test test test test test test test test junk`.
pub const DEV_KEYS: [&str; 10] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// The chain id of a development chain.
pub const DEV_CHAIN: u64 = 31_337;

// anvil is up in 0.1 s on an idle machine; a saved state of many blocks on a busy one takes longer.
const START_WITHIN: Duration = Duration::from_secs(30);
// It writes its state on SIGTERM before it goes.
const STOP_WITHIN: Duration = Duration::from_secs(10);

// The parent-death signal, without a system call that safe Rust cannot make between fork and exec: the shim's
// standard input is a pipe whose other end this process alone has. However this process ends, the pipe closes, and
// the shim ends anvil with SIGTERM, upon which it saves its state. (PR_SET_PDEATHSIG would fire when the *thread*
// that started the child ends, which under a thread pool is any time.)
const SHIM: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
child=$!
( read -r _ <&3; kill -TERM "$child" ) >/dev/null 2>&1 &
watch=$!
exec 3<&-
{ wait "$child"; } 2>/dev/null; status=$?
kill "$watch" 2>/dev/null
exit "$status"
"#;

/// Why there is no development chain.
#[derive(Debug, thiserror::Error)]
pub enum AnvilError {
    /// No program to start.
    #[error(
        "anvil was not found: looked at ARGUS_ANVIL, in PATH and at {cached}. Install it with scripts/setup, or from \
         the npm package @foundry-rs/anvil-linux-amd64 (of your platform), or point ARGUS_ANVIL at it"
    )]
    NotFound {
        /// Where the setup script would have put it.
        cached: PathBuf,
    },
    /// It could not be started, or its output could not be read.
    #[error("anvil at {program} could not be started: {source}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ended, or said nothing, before it listened.
    #[error("anvil at {program} did not come up: {said}")]
    NotUp {
        /// The program.
        program: PathBuf,
        /// The last lines it printed.
        said: String,
    },
    /// The anvil of an earlier start still runs.
    #[error("another anvil has the chain state {path} and does not end; end it first")]
    StateInUse {
        /// The state file.
        path: PathBuf,
    },
    /// The saved state is no JSON, and there is no earlier copy of it.
    #[error("the saved chain state {path} is damaged; delete it to begin with an empty chain")]
    StateDamaged {
        /// The state file.
        path: PathBuf,
    },
}

/// How a development chain is started.
#[derive(Debug, Clone)]
pub struct AnvilConfig {
    /// The program.
    pub program: PathBuf,
    /// Where its state is kept, saved every second and on stopping; `None`: nowhere.
    pub state: Option<PathBuf>,
    /// Chain id; [`DEV_CHAIN`] by default.
    pub chain_id: u64,
    /// Port on loopback; 0: any that is free.
    pub port: u16,
    /// Further arguments, as they are.
    pub extra: Vec<String>,
}

impl AnvilConfig {
    /// The defaults: chain 31337, any free port, a block for each transaction, nothing saved.
    pub fn new(program: PathBuf) -> Self {
        Self { program, state: None, chain_id: DEV_CHAIN, port: 0, extra: Vec::new() }
    }
}

/// Looks for anvil: `named` (the value of `ARGUS_ANVIL`), then each folder of `path`, then the tool cache.
///
/// The caller passes what the environment says, because only the program's own crate reads the environment.
///
/// # Errors
/// [`AnvilError::NotFound`] says where was looked and how to get it.
pub fn find(named: Option<&Path>, path: &[PathBuf], cache: &Path) -> Result<PathBuf, AnvilError> {
    let cached = cache.join("argus/tools/anvil/anvil");
    let on_path = path.iter().map(|folder| folder.join("anvil"));
    // A name that was given and is wrong is an error, not a reason to take another program.
    let mut candidates: Box<dyn Iterator<Item = PathBuf>> = match named {
        Some(named) => Box::new(std::iter::once(named.to_path_buf())),
        None => Box::new(on_path.chain(std::iter::once(cached.clone()))),
    };
    candidates.find(|candidate| candidate.is_file()).ok_or(AnvilError::NotFound { cached })
}

/// A running development chain. Dropping it ends it.
#[derive(Debug)]
pub struct Anvil {
    shim: Child,
    // Closing it is what ends anvil.
    leash: Option<ChildStdin>,
    port: u16,
    chain_id: u64,
    // Reads what anvil prints; ends with the pipe or with this.
    _drain: JoinSet<()>,
}

impl Anvil {
    /// Starts anvil and waits until it listens.
    ///
    /// # Errors
    /// See [`AnvilError`]; what anvil printed is in the message.
    pub async fn start(config: &AnvilConfig) -> Result<Self, AnvilError> {
        let failed = |source| AnvilError::Start { program: config.program.clone(), source };
        let mut command = command(config);
        if let Some(state) = &config.state {
            let log = own_state(state).await?;
            keep_good_state(state)?;
            command.stderr(log);
        }
        let mut shim = command.spawn().map_err(failed)?;
        // With the command goes our copy of the lock: from here on anvil alone holds it.
        drop(command);
        let leash = shim.stdin.take();
        let output = shim.stdout.take().ok_or_else(|| failed(std::io::Error::other("no standard output")))?;
        let mut lines = BufReader::new(output).lines();
        let mut said: Vec<String> = Vec::new();
        let port = timeout(START_WITHIN, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(port) = listening_port(&line) {
                    return Some(port);
                }
                said.push(line);
            }
            None
        })
        .await
        .ok()
        .flatten();
        let Some(port) = port else {
            let tail = said.split_off(said.len().saturating_sub(8));
            return Err(AnvilError::NotUp { program: config.program.clone(), said: tail.join("\n") });
        };
        // Its log goes nowhere, but somebody has to read it, or anvil blocks when the pipe is full.
        let mut drain = JoinSet::new();
        drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        tracing::debug!(port, chain = config.chain_id, "anvil listens");
        Ok(Self { shim, leash, port, chain_id: config.chain_id, _drain: drain })
    }

    /// Its HTTP address.
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its WebSocket address: the same port.
    pub fn ws_url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The port on loopback on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its chain id.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Waits until anvil ends by itself: it crashed, or somebody ended it.
    pub async fn ended(&mut self) -> Option<i32> {
        self.shim.wait().await.ok().and_then(|status| status.code())
    }

    /// Ends anvil and waits until it has saved its state.
    pub async fn stop(mut self) {
        drop(self.leash.take());
        if timeout(STOP_WITHIN, self.shim.wait()).await.is_err() {
            tracing::warn!(
                port = self.port,
                "anvil did not end in time; its parent is killed, it may linger"
            );
            let _ = self.shim.kill().await;
        }
    }
}

fn command(config: &AnvilConfig) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(SHIM).arg("anvil-shim").arg(&config.program);
    command.args(["--host", "127.0.0.1", "--port", &config.port.to_string()]);
    command.args(["--chain-id", &config.chain_id.to_string()]);
    if let Some(state) = &config.state {
        command.arg("--state").arg(state).args(["--state-interval", "1"]);
    }
    command.args(&config.extra);
    // In a group of its own, so that Ctrl-C reaches it through its parent and not before it.
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    command
}

fn listening_port(line: &str) -> Option<u16> {
    line.strip_prefix("Listening on 127.0.0.1:")?.trim().parse().ok()
}

/// Waits until no other anvil has this state: one whose platform was killed takes a moment to save it and to end, and
/// what is read meanwhile lacks its last blocks. The lock is on the file that anvil has as its standard error, so it
/// is held for exactly as long as anvil lives, whatever becomes of us.
async fn own_state(state: &Path) -> Result<File, AnvilError> {
    let in_use = || AnvilError::StateInUse { path: state.to_path_buf() };
    let log =
        File::options().create(true).append(true).open(state.with_extension("log")).map_err(|_| in_use())?;
    let locked = timeout(STOP_WITHIN, async {
        loop {
            match log.try_lock() {
                Ok(()) => return true,
                Err(TryLockError::WouldBlock) => sleep(Duration::from_millis(20)).await,
                Err(TryLockError::Error(_)) => return false,
            }
        }
    });
    match locked.await {
        Ok(true) => Ok(log),
        Ok(false) | Err(_) => Err(in_use()),
    }
}

/// anvil writes its state in place, so a machine that stops at the wrong moment leaves half a file. A good state is
/// copied beside itself before each start, and the copy steps in for a damaged one.
fn keep_good_state(state: &Path) -> Result<(), AnvilError> {
    let damaged = || AnvilError::StateDamaged { path: state.to_path_buf() };
    let mut name = state.file_name().unwrap_or_default().to_os_string();
    name.push(".last-start");
    let copy = state.with_file_name(name);
    match std::fs::read(state) {
        Ok(bytes) if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok() => {
            // The copy is a precaution: a full disk is no reason not to start.
            let _ = std::fs::copy(state, &copy);
            Ok(())
        }
        Ok(_) => {
            std::fs::copy(&copy, state).map_err(|_| damaged())?;
            tracing::warn!(state = %state.display(), "the saved chain state is damaged; took that of the last start");
            Ok(())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let error = find(None, &[], Path::new("/nowhere")).expect_err("nothing there").to_string();
        for word in ["ARGUS_ANVIL", "/nowhere/argus/tools/anvil/anvil", "scripts/setup"] {
            assert!(error.contains(word), "{error}");
        }
        assert!(find(Some(Path::new("/nowhere/anvil")), &[], Path::new("/nowhere")).is_err());
    }

    #[test]
    fn a_damaged_state_gives_way_to_the_last_good_one() {
        let folder = tempfile::tempdir().expect("folder");
        let state = folder.path().join("state.json");
        keep_good_state(&state).expect("absent is fine");
        std::fs::write(&state, "{").expect("write");
        assert!(matches!(keep_good_state(&state), Err(AnvilError::StateDamaged { .. })));
        std::fs::write(&state, "{\"a\":1}").expect("write");
        keep_good_state(&state).expect("good");
        std::fs::write(&state, "{\"a\":").expect("write");
        keep_good_state(&state).expect("the copy steps in");
        assert_eq!(std::fs::read_to_string(&state).expect("read"), "{\"a\":1}");
    }
}
