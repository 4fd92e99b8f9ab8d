//! Mutated guests: no crash, no hang, and, as strace sees it, no file and no socket.
//!
//! `ARGUS_MUTANTS=100000` and `ARGUS_MUTANTS_SEED=7` ask for more of them, or for others.

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, Output},
};

use argus_guests_tests::setting;

const GUEST_HOST: &str = env!("CARGO_BIN_EXE_guest-host");
const STRACE: &str = "/usr/bin/strace";
/// What the C library's allocator reads once, when it first serves a further thread or gives memory back.
const ALLOCATOR: [&str; 2] =
    ["openat \"/proc/sys/vm/overcommit_memory\"", "openat \"/sys/devices/system/cpu/online\""];
const COUNT: u64 = 2_000;
const SEED: u64 = 1;

#[test]
fn mutants_neither_crash_nor_hang_nor_reach_anything() {
    let (seed, count) = (setting("ARGUS_MUTANTS_SEED", SEED), setting("ARGUS_MUTANTS", COUNT));
    println!("{count} mutants with seed {seed}");
    if !Path::new(STRACE).exists() {
        assert!(
            std::env::var_os("CI").is_none(),
            "{STRACE} is not installed: what mutants touch cannot be seen"
        );
        eprintln!("WARNING: {STRACE} IS NOT INSTALLED: mutants run, but nobody sees what they touch");
        let output =
            Command::new(GUEST_HOST).args(["mutants", &seed.to_string(), &count.to_string()]).output();
        tally(&output.expect("guest-host starts"));
        return;
    }
    let none = touched(seed, 0);
    assert!(!none.is_empty(), "strace saw not even the start");
    let all = touched(seed, count);
    let more: Vec<&String> =
        all.difference(&none).filter(|call| !ALLOCATOR.contains(&call.as_str())).collect();
    assert!(more.is_empty(), "touched by mutants alone:\n{more:#?}");
}

/// Files and sockets that a host touches which runs this many mutants, as strace shows the calls.
fn touched(seed: u64, count: u64) -> BTreeSet<String> {
    let folder = tempfile::tempdir().expect("folder");
    let log = folder.path().join("calls");
    let output = Command::new(STRACE)
        .args(["-f", "--seccomp-bpf", "-qq", "-e", "trace=%file,%network", "-e", "signal=none", "-o"])
        .arg(&log)
        .args([GUEST_HOST, "mutants", &seed.to_string(), &count.to_string()])
        .output()
        .expect("strace starts");
    let tally = tally(&output);
    if count >= COUNT {
        assert!(tally[0] > count / 100 && tally[2] > 0, "hardly a mutant ran: {tally:?}");
    }
    let calls = std::fs::read_to_string(log).expect("strace's log");
    // A call that another thread interrupts has two lines; the first one says on what it is.
    calls.lines().filter(|line| !line.contains(" resumed>")).map(call_of).collect()
}

/// Which call on what, without thread and pointers: `openat "/etc/passwd"`; what names no file, as it is.
fn call_of(line: &str) -> String {
    let call = line.split_once(' ').map_or(line, |(_thread, call)| call).trim();
    let name = call.split('(').next().unwrap_or_default();
    match call.split('"').nth(1) {
        Some(path) => format!("{name} {path:?}"),
        None => call.to_owned(),
    }
}

/// A list in which nothing differs would show nothing.
#[test]
fn calls_differ_by_name_and_path_alone() {
    let line = r#"77 openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 9"#;
    assert_eq!(call_of(line), r#"openat "/etc/hosts""#);
    assert_eq!(call_of(line), call_of(&line.replace("77", "78").replace("= 9", "= 10")));
    assert_ne!(call_of(line), call_of(&line.replace("hosts", "shadow")));
    let socket = "77 socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3";
    assert_eq!(call_of(socket), "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_IP) = 3");
}

/// Those that ran, gave a value, were refused.
fn tally(output: &Output) -> [u64; 3] {
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}{complained}", output.status);
    eprintln!("{}", said.trim());
    let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("no tally: {said:?}"))
}
