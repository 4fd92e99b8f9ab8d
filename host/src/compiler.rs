//! The compiler's own process: WebAssembly in, machine code out, and nothing else within reach.
//!
//! Cranelift meets whatever anybody publishes. Here it may take what its limits say and no more, and if it breaks
//! off, this process does. Before the first byte of a module is read, the process gives up what it will not need:
//! it can open no file and no socket, start no process and no thread, and signal nobody. One process compiles one
//! module, so that no module meets another's code.
//!
//! The exchange on the pipes: on stdin a `Head` and the module, on stdout a tag (`CODE` or `MESSAGE`) and what
//! it says. Stdin stays open for as long as the answer is waited for.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    process::ExitCode,
    sync::mpsc,
};

use rustix::process::{Resource, Rlimit, nice, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use wasmtime::Engine;

use crate::engine;

/// Answer: machine code follows.
pub(crate) const CODE: u8 = 0;
/// Answer: what is wrong with the module follows, as text.
pub(crate) const MESSAGE: u8 = 1;
/// Exit code of a process that came to no answer for reasons that are not the module's.
pub(crate) const CANNOT_START: u8 = 70;
/// Threads that a compilation may use; its processor time is limited accordingly.
const THREADS: usize = 4;

/// What comes before the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Bytes of the module.
    pub len: u64,
    /// Seconds that its compilation may take.
    pub seconds: u64,
    /// Bytes of memory that it may take.
    pub memory: u64,
}

impl Head {
    /// On the pipe: little-endian.
    pub fn encode(&self) -> [u8; 24] {
        let mut bytes = [0; 24];
        let numbers = [self.len, self.seconds, self.memory];
        bytes.chunks_exact_mut(8).zip(numbers).for_each(|(to, n)| to.copy_from_slice(&n.to_le_bytes()));
        bytes
    }

    fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut numbers = [0; 3];
        for number in &mut numbers {
            let mut bytes = [0; 8];
            from.read_exact(&mut bytes)?;
            *number = u64::from_le_bytes(bytes);
        }
        let [len, seconds, memory] = numbers;
        Ok(Self { len, seconds, memory })
    }
}

/// Behind everything that serves.
const NICENESS: i32 = 10;

/// Compiles the module on stdin to stdout. For a program that does nothing else before or after: the limits cannot
/// be taken back.
pub fn serve() -> ExitCode {
    match compile_once() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _unheard = writeln!(io::stderr(), "{error}");
            ExitCode::from(CANNOT_START)
        }
    }
}

fn compile_once() -> Result<(), Box<dyn std::error::Error>> {
    nice(NICENESS)?;
    let engine = engine::build_compiler()?;
    // No thread can start later: those of a compilation all start now, and each meets the allocator.
    rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global()?;
    rayon::broadcast(|_| drop(std::hint::black_box(Box::new(0u64))));
    let (asked, wait) = mpsc::sync_channel(1);
    let (up, started) = mpsc::sync_channel(1);
    // Whoever waits for the answer holds the other end of stdin. Its end is ours: nobody needs the rest.
    std::thread::Builder::new().name("parent".to_owned()).spawn(move || {
        let _heard = up.send(());
        if wait.recv().is_ok() {
            let _until_closed = io::stdin().read(&mut [0]);
            std::process::exit(1);
        }
    })?;
    // Its stack, too, is made before there is a limit.
    started.recv()?;
    let head = Head::read(&mut io::stdin())?;
    confine(&head).map_err(|e| format!("the compiler process cannot be confined: {e}"))?;
    let mut wasm = vec![0; usize::try_from(head.len)?];
    io::stdin().read_exact(&mut wasm)?;
    asked.send(())?;

    let (tag, answer) = match machine_code(&engine, &wasm) {
        Ok(code) => (CODE, code),
        Err(error) => (MESSAGE, format!("{error:#}").into_bytes()),
    };
    let mut out = io::stdout().lock();
    out.write_all(&[tag])?;
    out.write_all(&answer)?;
    Ok(out.flush()?)
}

/// A module's machine code, in the form that a cache keeps.
pub(crate) fn machine_code(engine: &Engine, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    if wasmparser::Parser::is_component(wasm) {
        engine.precompile_component(wasm)
    } else {
        engine.precompile_module(wasm)
    }
}

/// Gives up everything that a compilation does not need.
fn confine(head: &Head) -> Result<(), Box<dyn std::error::Error>> {
    let occupied = address_space()?;
    limit(Resource::As, occupied.saturating_add(head.memory))?;
    // Whoever waits ends this process by the clock; this is for a process that nobody waits for any more.
    limit(Resource::Cpu, head.seconds.saturating_mul(THREADS as u64))?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    // No privileges that a program file could give, and for all threads only these calls: see `allowed`.
    Ok(seccompiler::apply_filter_all_threads(&allowed()?)?)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

/// Bytes of address space in use: the program itself, its libraries and stacks.
fn address_space() -> Result<u64, Box<dyn std::error::Error>> {
    let pages = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = pages.split_ascii_whitespace().next().ok_or("no size in statm")?.parse()?;
    Ok(pages.saturating_mul(rustix::param::page_size() as u64))
}

/// The system calls of a compilation: memory, waiting of threads for each other, the pipes, and the way out. All
/// others fail with EPERM.
fn allowed() -> Result<BpfProgram, Box<dyn std::error::Error>> {
    const ANY: [libc::c_long; 29] = [
        libc::SYS_read,
        libc::SYS_write,
        libc::SYS_readv,
        libc::SYS_writev,
        libc::SYS_close,
        libc::SYS_brk,
        libc::SYS_mmap,
        libc::SYS_munmap,
        libc::SYS_mremap,
        libc::SYS_mprotect,
        libc::SYS_madvise,
        libc::SYS_futex,
        libc::SYS_membarrier,
        libc::SYS_rseq,
        libc::SYS_set_robust_list,
        libc::SYS_sched_yield,
        libc::SYS_sched_getaffinity,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_nanosleep,
        libc::SYS_getrandom,
        libc::SYS_getpid,
        libc::SYS_gettid,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sigaltstack,
        libc::SYS_exit,
        libc::SYS_exit_group,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ANY.iter().map(|call| (*call, Vec::new())).collect();
    // How a program aborts itself.
    let itself =
        SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![itself])?]);
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, refused, SeccompAction::Allow, architecture)?.try_into()?)
}
