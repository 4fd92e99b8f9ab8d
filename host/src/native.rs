//! Native compilation as the host asks for it: a few at a time, each within its limits, in a process of its own.

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};

use argus_domain::module::Refusal;
use argus_ports::RunnerError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, Command},
    sync::Semaphore,
    time::timeout,
};
use wasmtime::Engine;

use crate::{
    compiler::{self, CANNOT_START, CODE, Head, MESSAGE},
    text,
    waiting::Waiting,
};

/// Compilations at a time: they are the largest use of processor time and memory here.
const AT_A_TIME: u32 = 2;
/// Compilations that may wait for their turn; one more is answered with "busy".
const WAITING_MAX: u32 = 256;
/// Longest wait for a turn: all that wait could not be compiled sooner, were each as slow as it may be.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Machine code per byte of a module that is taken back, and what is taken of any: ordinary code has three to eight.
const CODE_PER_BYTE_MAX: u64 = 64;
const CODE_BYTES_MIN: u64 = 1 << 20;
/// Of what the process says as it breaks off.
const LAST_WORDS_BYTES_MAX: u64 = 4096;
/// How Rust's standard library begins when it gives up for want of memory.
const NO_MEMORY: &str = "memory allocation of";
/// What it says where it gives up for another reason.
const OTHER_ABORTS: [&str; 2] = ["panicked", "overflowed its stack"];
const WORDS_SHOWN: usize = 500;

/// How to start a process whose `main` is [`compiler::serve`] and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompilerProcess {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// All of its environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// Why there is no machine code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoCode {
    /// The module is not valid: for every compiler.
    #[error("{0}")]
    Invalid(String),
    /// A limit of this machine stopped it, or it broke off: says nothing about another machine.
    #[error("{0}")]
    Stopped(String),
    /// Too many wait.
    #[error("too many modules wait for the compiler")]
    Busy,
    /// The process could not be started, or says what it must not.
    #[error("{0}")]
    Host(String),
}

impl From<NoCode> for RunnerError {
    fn from(reason: NoCode) -> Self {
        match reason {
            NoCode::Invalid(reason) => Self::Refused(Refusal { reasons: vec![reason] }),
            NoCode::Stopped(reason) => Self::Uncompiled(reason),
            NoCode::Busy => Self::Busy { what: "places of the compiler's queue", places: WAITING_MAX },
            NoCode::Host(reason) => Self::Host(reason),
        }
    }
}

/// What one compilation may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub time: Duration,
    /// Bytes; has no effect in this process.
    pub memory: u64,
}

/// Compiles, with what bounds it.
pub(crate) struct Native {
    engine: Engine,
    process: Option<CompilerProcess>,
    turns: Arc<Semaphore>,
    waiting: AtomicU32,
}

impl Native {
    pub fn new(engine: Engine, process: Option<CompilerProcess>) -> Self {
        Self {
            engine,
            process,
            turns: Arc::new(Semaphore::new(AT_A_TIME as usize)),
            waiting: AtomicU32::new(0),
        }
    }

    /// Machine code of a module.
    pub async fn compile(&self, wasm: Vec<u8>, bounds: Bounds) -> Result<Vec<u8>, NoCode> {
        let turn = {
            let _counted = Waiting::enter(&self.waiting, WAITING_MAX).ok_or(NoCode::Busy)?;
            match timeout(WAIT_MAX.max(bounds.time), self.turns.clone().acquire_owned()).await {
                Ok(Ok(turn)) => turn,
                Ok(Err(closed)) => return Err(NoCode::Host(closed.to_string())),
                Err(_) => return Err(NoCode::Busy),
            }
        };
        let Some(process) = &self.process else {
            // Cannot be interrupted: its thread and its turn go on until it is done.
            let engine = self.engine.clone();
            let compiling = tokio::task::spawn_blocking(move || {
                let code = compiler::machine_code(&engine, &wasm);
                drop(turn);
                code
            });
            return match timeout(bounds.time, compiling).await {
                Ok(Ok(Ok(code))) => Ok(code),
                Ok(Ok(Err(error))) => Err(invalid(&format!("{error:#}"))),
                Ok(Err(_)) => Err(broke_off("in a panic")),
                Err(_) => Err(out_of_time(bounds.time)),
            };
        };
        let mut child = start(process)?;
        let answer = timeout(bounds.time, exchange(&mut child, &wasm, bounds)).await;
        if answer.is_err() {
            // Waits for its end too, so that the next turn does not begin beside it.
            let _gone_already = child.kill().await;
        }
        drop(turn);
        answer.unwrap_or_else(|_| Err(out_of_time(bounds.time)))
    }
}

fn start(process: &CompilerProcess) -> Result<Child, NoCode> {
    Command::new(&process.program)
        .args(&process.arguments)
        .env_clear()
        .envs(process.environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|e| NoCode::Host(format!("the compiler {} does not start: {e}", process.program.display())))
}

async fn exchange(child: &mut Child, wasm: &[u8], bounds: Bounds) -> Result<Vec<u8>, NoCode> {
    let host = |reason: &str| NoCode::Host(format!("the compiler process {reason}"));
    let (Some(mut to), Some(from), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(host("has no pipes"));
    };
    let len = wasm.len() as u64;
    let head = Head { len, seconds: bounds.time.as_secs().max(1), memory: bounds.memory }.encode();
    let code_max = len.saturating_mul(CODE_PER_BYTE_MAX).saturating_add(CODE_BYTES_MIN);
    let (mut answer, mut said) = (Vec::new(), Vec::new());
    let mut words = stderr.take(LAST_WORDS_BYTES_MAX);
    let asking = async {
        // What ends before it has read everything says why by how it ends.
        let _broken_pipe = async {
            to.write_all(&head).await?;
            to.write_all(wasm).await
        }
        .await;
        let read = from.take(code_max + 1).read_to_end(&mut answer).await;
        drop(to);
        read
    };
    let (read, heard) = tokio::join!(asking, words.read_to_end(&mut said));
    read.and(heard).map_err(|e| host(&format!("cannot be read: {e}")))?;
    if answer.len() as u64 > code_max {
        let _gone_already = child.start_kill();
        return Err(NoCode::Stopped(format!(
            "the module becomes more than {code_max} bytes of machine code: split it"
        )));
    }
    let status = child.wait().await.map_err(|e| host(&format!("is lost: {e}")))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&said);
        tracing::warn!(%status, said = %text::shown(&said, WORDS_SHOWN), "a compiler process broke off");
        return Err(ended(status, &said, bounds));
    }
    match answer.first() {
        Some(&CODE) => {
            answer.remove(0);
            Ok(answer)
        }
        Some(&MESSAGE) => Err(invalid(&String::from_utf8_lossy(&answer[1..]))),
        _ => Err(host("gave no answer")),
    }
}

/// What the end of a process says that gave no answer.
fn ended(status: ExitStatus, said: &str, bounds: Bounds) -> NoCode {
    // Without memory there may be none for last words either.
    let wordless = status.signal() == Some(libc::SIGABRT) && !OTHER_ABORTS.iter().any(|w| said.contains(w));
    if said.contains(NO_MEMORY) || wordless {
        return NoCode::Stopped(format!(
            "the compile memory limit of {} is used up: split large functions, or leave out what the script does not need",
            text::bytes(bounds.memory)
        ));
    }
    match status.signal() {
        Some(libc::SIGXCPU) => out_of_time(bounds.time),
        Some(signal) => broke_off(&format!("with signal {signal}")),
        None if status.code() == Some(i32::from(CANNOT_START)) => {
            NoCode::Host(format!("the compiler process: {}", text::shown(said, WORDS_SHOWN)))
        }
        None => broke_off("in a panic"),
    }
}

fn invalid(reason: &str) -> NoCode {
    NoCode::Invalid(format!("the module does not compile: {}", text::shown(reason, WORDS_SHOWN)))
}

fn broke_off(how: &str) -> NoCode {
    NoCode::Stopped(format!(
        "the module makes the compiler break off ({how}): build it with another optimisation level, and report it"
    ))
}

fn out_of_time(limit: Duration) -> NoCode {
    NoCode::Stopped(format!(
        "the compile time limit of {} s is used up: split large functions",
        limit.as_secs()
    ))
}
