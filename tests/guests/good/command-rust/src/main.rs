//! A WASI preview 1 command as Rust's standard library makes it: context on stdin, result on stdout, log on stderr.

use std::{
    collections::BTreeMap,
    io::Read,
    process::exit,
    time::{Duration, Instant},
};

fn main() {
    let mut context = String::new();
    std::io::stdin().read_to_string(&mut context).expect("a context");
    let names: BTreeMap<String, String> = std::env::vars().collect();
    let started = Instant::now();
    std::thread::sleep(Duration::from_secs(86_400));
    eprintln!("{} bytes, {} variables", context.len(), names.len());
    if context.contains("\"skip\"") {
        eprintln!("not today");
        exit(64);
    }
    if context.contains("\"panic\"") {
        panic!("a broken rule");
    }
    println!(
        "[{}, \"{}\", \"{}\", {}, {}]",
        context.contains("\"due\":\"2025-01-01T00:00:00.000Z\""),
        names["ARGUS_TRIGGER_KIND"],
        names["TRIGGERX_DUE"],
        started.elapsed().as_secs(),
        std::fs::read("/etc/passwd").is_err(),
    );
}
