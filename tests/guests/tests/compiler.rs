//! The compiler's own process: what it may take, what it can reach, and what its end costs.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use argus_domain::{limits::Limits, module::Language, run::RunEnd};
use argus_guests_tests::hostile;
use argus_host::{CompilerProcess, Host, HostConfig, default_input};
use argus_http::HttpEgress;
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;

const COMPILER: &str = env!("CARGO_BIN_EXE_guest-host");
const COMPILE: &[&str] = &["compile"];
/// Enough for any module here, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

fn process(program: &str, arguments: &[&str]) -> CompilerProcess {
    let arguments = arguments.iter().map(Into::into).collect();
    CompilerProcess { program: program.into(), arguments, environment: Vec::new() }
}

fn host(compiler: CompilerProcess, compile_timeout: Duration, cache: Option<&Path>) -> Host {
    new(HostConfig {
        compiler: Some(compiler),
        compile_timeout,
        cache_dir: cache.map(Path::to_owned),
        ..HostConfig::default()
    })
}

fn new(config: HostConfig) -> Host {
    let egress = Arc::new(HttpEgress::new().expect("client"));
    Host::new(HostConfig { slots: 2, ..config }, egress, Default::default()).expect("host")
}

/// A reactor that answers `[n]`, from 0 to 9.
fn answer(n: u8) -> Bytes {
    format!(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "[{n}]")
            (func (export "abi_alloc") (param i32) (result i32) i32.const 4096)
            (func (export "run") (param i32 i32) (result i64) i64.const 3))"#
    )
    .into()
}

async fn run(host: &Host, source: Bytes) -> Result<String, RunnerError> {
    let report =
        host.run(source, Language::Wasm, Arc::new(default_input()), Limits::DEFAULT, Arc::default()).await?;
    match report.end {
        RunEnd::Value(value) => Ok(value.to_string()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_the_process_compiles_runs_with_and_without_a_cache() {
    let dir = tempfile::tempdir().expect("dir");
    for cache in [None, Some(dir.path().join("cwasm"))] {
        let host = host(process(COMPILER, COMPILE), PATIENCE, cache.as_deref());
        assert_eq!(run(&host, answer(1)).await, Ok("[1]".to_owned()));
    }
    // The second host finds it on disk: a compiler that does not start is not missed.
    let known = host(process("/nowhere", &[]), PATIENCE, Some(&dir.path().join("cwasm")));
    assert_eq!(run(&known, answer(1)).await, Ok("[1]".to_owned()));
    match run(&known, answer(2)).await {
        Err(RunnerError::Host(reason)) => assert!(reason.contains("/nowhere does not start"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

/// Each stand-in breaks off in its way; the next module does not notice.
#[tokio::test]
async fn an_end_of_the_process_costs_one_module_and_is_remembered() {
    let dir = tempfile::tempdir().expect("dir");
    let mark = dir.path().join("started");
    let script = |rest: &str| format!("echo >> {}; {rest}", mark.display());
    for (name, rest, part) in [
        ("killed", "kill -9 $$", "break off (with signal 9)"),
        ("segmentation fault", "kill -11 $$", "break off (with signal 11)"),
        ("panic", "exit 101", "break off (in a panic)"),
        ("memory", "echo memory allocation of 99 bytes failed >&2; kill -6 $$", "memory limit of 1 GB"),
        ("processor time", "kill -24 $$", "compile time limit of 1 s"),
        ("silence", "exec sleep 60", "compile time limit of 1 s"),
        ("a flood", "exec yes", "machine code"),
    ] {
        let _absent = fs::remove_file(&mark);
        let host = host(process("/bin/sh", &["-c", &script(rest)]), Duration::from_secs(1), None);
        for _ in 0..2 {
            match run(&host, answer(3)).await {
                Err(RunnerError::Uncompiled(reason)) => assert!(reason.contains(part), "{name}: {reason}"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let started = fs::read_to_string(&mark).expect("started").lines().count();
        assert_eq!(started, 1, "{name}: the second run asked the compiler again");
    }
    let mute = host(process("/bin/true", &[]), Duration::from_secs(1), None);
    assert!(matches!(run(&mute, answer(3)).await, Err(RunnerError::Host(_))));
}

#[tokio::test]
async fn a_compilation_without_end_is_killed() {
    let folder = tempfile::tempdir().expect("folder");
    let pid = folder.path().join("pid");
    let noted = format!("echo $$ > {}; exec {COMPILER} compile", pid.display());
    let host = new(HostConfig {
        compiler: Some(process("/bin/sh", &["-c", &noted])),
        compile_timeout: Duration::from_secs(1),
        compile_memory_bytes: 16 << 30,
        ..HostConfig::default()
    });
    match run(&host, hostile::br_tables()).await {
        Err(RunnerError::Uncompiled(reason)) => {
            assert_eq!(reason, "the compile time limit of 1 s is used up: split large functions");
        }
        other => panic!("{other:?}"),
    }
    let pid = fs::read_to_string(pid).expect("it started");
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "the process {pid} lives on");
}

#[tokio::test]
async fn a_compilation_that_wants_more_memory_breaks_off() {
    let host = new(HostConfig {
        compiler: Some(process(COMPILER, COMPILE)),
        compile_timeout: PATIENCE,
        compile_memory_bytes: 64 << 20,
        ..HostConfig::default()
    });
    match run(&host, hostile::br_tables()).await {
        Err(RunnerError::Uncompiled(reason)) => {
            assert!(reason.starts_with("the compile memory limit of 64 MB is used up: "), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(run(&host, answer(5)).await, Ok("[5]".to_owned()));
}

/// The process as the kernel shows it while it waits for its module.
#[test]
fn the_process_has_given_up_what_it_does_not_need() {
    let mut child = Command::new(COMPILER)
        .args(COMPILE)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("compiler");
    let mut to = child.stdin.take().expect("stdin");
    for number in [100u64, 7, 1 << 30] {
        to.write_all(&number.to_le_bytes()).expect("the module's length, seconds and bytes of memory");
    }
    let proc = Path::new("/proc").join(child.id().to_string());
    let read = |name: &str| fs::read_to_string(proc.join(name)).expect(name);
    let confined = || read("status").lines().any(|line| line == "Seccomp:\t2");
    let patience = Instant::now();
    while !confined() && patience.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(confined(), "{}", read("status"));
    assert!(read("status").contains("NoNewPrivs:\t1"));
    let limits = read("limits");
    let limit = |name: &str| -> u64 {
        let line = limits.lines().find(|line| line.starts_with(name)).expect(name);
        line[name.len()..].split_whitespace().nth(1).expect("hard limit").parse().expect("a number")
    };
    assert_eq!(limit("Max cpu time"), 28);
    assert_eq!(limit("Max core file size"), 0);
    assert_eq!(limit("Max file size"), 0);
    assert!((1 << 30..4 << 30).contains(&limit("Max address space")), "{limits}");
    assert_eq!(read("environ"), "");
    let nice = read("stat").rsplit(") ").next().and_then(|rest| rest.split(' ').nth(16).map(str::to_owned));
    assert_eq!(nice.as_deref(), Some("10"));
    // Whoever asked is gone: so is the process.
    drop(to);
    assert!(!child.wait().expect("end").success());
}
