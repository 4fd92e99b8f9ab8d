//! Core reactors and WASI commands: good ones, and ones that must be contained.

mod common;

use std::sync::Arc;

use argus_domain::{
    limits::Limits,
    module::{Language, Shape},
    run::{FailureKind, RunEnd, RunInput, RunReport},
};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use common::{Bench, bench, expect_failure, input, value};

const REACTOR: &str = include_str!("../../tests/guests/good/reactor.wat");
const ECHO: &str = include_str!("../../tests/guests/good/echo-command.wat");
const SLEEP: &str = include_str!("../../tests/guests/good/sleep-command.wat");

/// A reactor whose `run` has this body; `{data}` at 0.
fn reactor(imports: &str, data: &str, body: &str) -> String {
    format!(
        r#"(module {imports} (memory (export "memory") 1) (data (i32.const 0) "{data}")
            (func $alloc (export "abi_alloc") (param i32) (result i32) i32.const 4096)
            (func $run (export "run") (param i32 i32) (result i64) {body}))"#
    )
}

fn answer(json: &str) -> String {
    reactor("", &json.replace('"', "\\\""), &format!("i64.const {}", json.len()))
}

impl Bench {
    async fn wat(&self, source: &str) -> RunReport {
        self.run(source, Language::Wasm).await
    }
}

#[tokio::test]
async fn a_reactor_calls_the_host_in_json_and_replays() {
    let b = bench();
    let admitted = b.host.admit(REACTOR.into(), Language::Wasm, Limits::DEFAULT).await.expect("admitted");
    assert_eq!(admitted.shape, Shape::Reactor);
    let report = b.wat(REACTOR).await;
    let RunEnd::Value(reply) = &report.end else { panic!("{:?}", report.end) };
    assert_eq!(reply["ok"]["status"], 200);
    assert!(reply["ok"]["body"].as_str().expect("hex").starts_with("0x7b22"));
    assert_eq!(report.log, "[info] fetching\n");
    assert_eq!(report.transcript.calls[0].import, "http_fetch");
    let replayed = b.replay(REACTOR, Language::Wasm, report.transcript.clone()).await.expect("replay");
    assert_eq!(replayed, report);
}

/// What a toolchain leaves to be called first, once: global constructors.
#[tokio::test]
async fn a_reactor_is_initialized_before_it_runs() {
    let b = bench();
    let with = |signature: &str| {
        answer("[1]").replace("(func $run", &format!(r#"(func (export "_initialize") {signature} (i32.store8 (i32.const 1) (i32.const 50))) (func $run"#))
    };
    assert_eq!(value(&b.wat(&with("")).await), "[2]");
    match b.run_with(with("(param i32)").as_bytes(), Language::Wasm, Limits::DEFAULT).await {
        Err(RunnerError::Refused(refusal)) => {
            assert_eq!(refusal.to_string(), "`_initialize` must be (func), it is (func (param i32))");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_command_reads_its_context_and_prints() {
    let b = bench();
    assert_eq!(
        b.host.admit(ECHO.into(), Language::Wasm, Limits::DEFAULT).await.expect("admitted").shape,
        Shape::Command
    );
    let report = b.wat(ECHO).await;
    let RunEnd::Value(context) = &report.end else { panic!("{:?}", report.end) };
    assert_eq!(context["due"], "2025-01-01T00:00:00.000Z");
    assert_eq!(context["arguments"][1][0], "a");
    assert_eq!(context["pinned"]["1"]["number"], 100);
}

#[tokio::test]
async fn a_command_sleeps_on_the_virtual_clock() {
    let b = bench();
    let started = std::time::Instant::now();
    let (one, two) = (b.wat(SLEEP).await, b.wat(SLEEP).await);
    assert!(started.elapsed().as_secs() < 60);
    assert!(value(&one).starts_with(r#"["1735776000","#), "{}", value(&one));
    assert_eq!(one, two);
}

/// Go's runtime refuses to start on a monotonic clock that reads zero.
#[tokio::test]
async fn the_monotonic_clock_is_never_zero() {
    let b = bench();
    let source = r#"(module
        (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 0) "\10\00\00\00\03\00\00\00") (data (i32.const 16) "[1]")
        (func (export "_start")
            (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 32)))
            (if (i64.eqz (i64.load (i32.const 32))) (then unreachable))
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#;
    assert_eq!(value(&b.wat(source).await), "[1]");
}

#[tokio::test]
async fn reactor_replies_mean_what_the_contract_says() {
    let b = bench();
    assert_eq!(value(&b.wat(&answer(r#"["1",2]"#)).await), r#"["1",2]"#);
    assert_eq!(b.wat(&answer(r#"{"skip":"later"}"#)).await.end, RunEnd::Skipped("later".into()));
    expect_failure(&b.wat(&answer(r#"{"error":"no price"}"#)).await, FailureKind::Script, &["no price"]);
    expect_failure(&b.wat(&answer("[1] x")).await, FailureKind::Script, &["exactly one JSON value"]);
    expect_failure(&b.wat(&answer("")).await, FailureKind::Script, &["returned nothing"]);
    let malformed = reactor(
        r#"(import "host" "env_random" (func $f (param i32 i32) (result i64)))"#,
        "nonsense",
        "i32.const 0 i32.const 8 call $f",
    );
    assert!(value(&b.wat(&malformed).await).contains(r#""kind":"invalid""#));
    let big = reactor("", "", "i64.const 40000");
    assert!(matches!(b.wat(&big).await.end, RunEnd::Failed(_)));
}

#[tokio::test]
async fn exit_codes_of_commands() {
    let b = bench();
    let exit = |code: u32| {
        format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
                (func (export "_start") i32.const {code} call $exit))"#
        )
    };
    assert_eq!(b.wat(&exit(64)).await.end, RunEnd::Skipped("skipped".into()));
    expect_failure(&b.wat(&exit(0)).await, FailureKind::Script, &["printed nothing"]);
    expect_failure(&b.wat(&exit(7)).await, FailureKind::Script, &["exit code 7"]);
}

#[tokio::test]
async fn hostile_modules_are_contained() {
    let b = bench();
    let http = r#"(import "host" "http_fetch" (func $f (param i32 i32) (result i64)))"#;
    let secret = r#"(import "host" "env_secret" (func $f (param i32 i32) (result i64)))"#;
    let now = r#"(import "host" "env_now" (func $f (param i32 i32) (result i64)))"#;
    for (name, source, kind, part) in [
        ("endless loop", reactor("", "", "(loop $l br $l) i64.const 0"), FailureKind::Limit, "fuel limit"),
        ("deep recursion", reactor("", "", "local.get 0 local.get 1 call $run i64.const 1 i64.add"), FailureKind::Inconclusive, "native stack"),
        ("host call loop", reactor(secret, "{}", "(loop $l (drop (call $f (i32.const 0) (i32.const 2))) br $l) i64.const 0"), FailureKind::Limit, "host call limit of 32"),
        ("clock loop", reactor(now, "{}", "(loop $l (drop (call $f (i32.const 0) (i32.const 2))) br $l) i64.const 0"), FailureKind::Limit, "fuel limit"),
        ("pointer outside", reactor(http, "", "i32.const -8 i32.const 100 call $f"), FailureKind::Script, "outside the memory"),
        ("result outside", reactor("", "", "i64.const -1"), FailureKind::Script, "outside the memory"),
        ("unreachable", reactor("", "", "unreachable"), FailureKind::Script, "unreachable"),
        ("grow bomb", reactor("", "", "(loop $l (drop (memory.grow (i32.const 16))) br $l) i64.const 0"), FailureKind::Limit, "fuel limit"),
        (
            "start section",
            r#"(module (memory (export "memory") 1) (func $s (loop $l br $l)) (start $s)
                (func (export "abi_alloc") (param i32) (result i32) i32.const 0)
                (func (export "run") (param i32 i32) (result i64) i64.const 0))"#.to_owned(),
            FailureKind::Limit,
            "fuel limit",
        ),
        (
            "stdout flood",
            r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
                (memory (export "memory") 1) (data (i32.const 4) "\00\ff")
                (func (export "_start") (loop $l (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) br $l)))"#.to_owned(),
            FailureKind::Limit,
            "output limit of 128 KB",
        ),
    ] {
        let report = b.wat(&source).await;
        println!("{name}: {:?} fuel {}", report.end, report.fuel);
        expect_failure(&report, kind, &[part]);
    }
}

#[tokio::test]
async fn growth_past_a_limit_fails_as_the_guest_sees_it_and_costs_fuel() {
    let b = bench();
    // memory.grow by 2000 pages (125 MB) gives -1, so the result is "[-1]" only if it failed.
    let grow = reactor(
        "",
        "[-1]",
        "(if (result i64) (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then i64.const 4) (else unreachable))",
    );
    let report = b.wat(&grow).await;
    assert_eq!(value(&report), "[-1]");
    assert!(report.fuel >= 1_000, "{}", report.fuel);
    let table = r#"(module (memory (export "memory") 1) (data (i32.const 0) "[-1]") (table $t 1 funcref)
        (func (export "abi_alloc") (param i32) (result i32) i32.const 4096)
        (func (export "run") (param i32 i32) (result i64)
          (if (result i64) (i32.eq (table.grow $t (ref.null func) (i32.const 10000)) (i32.const -1)) (then i64.const 4) (else unreachable))))"#;
    assert_eq!(value(&b.wat(table).await), "[-1]");
    // Past its own maximum, and past what any memory can be: neither counts as taken.
    let own = reactor(
        "",
        "[-1]",
        "(if (i32.ne (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))
         (if (i32.ne (memory.grow (i32.const -1)) (i32.const -1)) (then unreachable))
         (if (result i64) (i32.eq (memory.grow (i32.const 2)) (i32.const 1)) (then i64.const 4) (else unreachable))",
    );
    let report = b.wat(&own.replace("\"memory\") 1", "\"memory\") 1 3")).await;
    assert_eq!((value(&report).as_str(), report.memory_bytes), ("[-1]", 3 << 16));
    let gives_up = reactor(
        "",
        "",
        "(if (i32.eq (memory.grow (i32.const 2000)) (i32.const -1)) (then unreachable)) i64.const 0",
    );
    expect_failure(
        &b.wat(&gives_up).await,
        FailureKind::Limit,
        &["the memory limit of 64 MB is used up", "raise the job's memory limit", "unreachable"],
    );
    let limits = Limits { memory_bytes: 256 << 20, ..Limits::DEFAULT };
    let report = b.run_with(grow.as_bytes(), Language::Wasm, limits).await.expect("admitted");
    expect_failure(&report, FailureKind::Script, &["unreachable"]);
}

#[tokio::test]
async fn junk_is_refused_with_reasons() {
    let b = bench();
    for (source, part) in [
        (&b"\0asm\x01\0\0\0junk"[..], "malformed"),
        (b"(module (", "malformed"),
        (b"\xff\xfe", "neither"),
        (b"(component)", "no entry point"),
        (b";; c\n(; d ;) (module)", "no entry point"),
        (b"console.log(1)", "this text is no .wat: for a script name its language"),
    ] {
        match b.run_with(source, Language::Wasm, Limits::DEFAULT).await {
            Err(RunnerError::Refused(refusal)) => assert!(refusal.to_string().contains(part), "{refusal}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn mutated_modules_never_harm_the_host() {
    let b = bench();
    let good = wat::parse_str(REACTOR).expect("wat");
    let limits = Limits { fuel_max: 1_000_000, wall_ms: 2_000, ..Limits::DEFAULT };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..300 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = usize::try_from(state >> 8).expect("64 bits") % bytes.len();
            bytes[at] = u8::try_from(state & 0xff).expect("a byte");
        }
        let _ = b.run_with(&bytes, Language::Wasm, limits).await;
    }
    assert_eq!(value(&b.wat(&answer("[1]")).await), "[1]");
}

/// What compilers make of ordinary programs, run with these arguments of the job.
async fn guest(b: &Bench, wasm: &'static [u8], argument: &str) -> RunReport {
    let input = Arc::new(RunInput { arguments: vec![argument.into()], ..input() });
    let source = Bytes::from_static(wasm);
    let report = b
        .host
        .run(source.clone(), Language::Wasm, input.clone(), Limits::DEFAULT, Arc::default())
        .await
        .expect("admitted");
    let transcript = Arc::new(report.transcript.clone());
    let replayed = b.host.replay(source, Language::Wasm, input, Limits::DEFAULT, transcript).await;
    assert_eq!(replayed.expect("replayed"), report);
    report
}

#[tokio::test]
async fn a_command_in_rust_runs_skips_and_panics() {
    let b = bench();
    let wasm = include_bytes!("../../tests/guests/good/command-rust.wasm");
    let report = guest(&b, wasm, "run").await;
    assert_eq!(value(&report), r#"[true,"manual","2025-01-01T00:00:00.000Z",86400,true]"#);
    assert!(report.log.ends_with(" bytes, 12 variables\n"), "{}", report.log);
    assert_eq!(guest(&b, wasm, "skip").await.end, RunEnd::Skipped("not today".into()));
    let panicked = guest(&b, wasm, "panic").await;
    expect_failure(&panicked, FailureKind::Script, &["unreachable"]);
    assert!(panicked.log.contains("a broken rule"), "{}", panicked.log);
}

#[tokio::test]
async fn a_command_in_c_runs_and_fails() {
    let b = bench();
    let wasm = include_bytes!("../../tests/guests/good/command-c.wasm");
    assert_eq!(value(&guest(&b, wasm, "run").await), r#"["manual",1]"#);
    expect_failure(&guest(&b, wasm, "fail").await, FailureKind::Script, &["exit code 2", "no price"]);
}

#[tokio::test]
async fn a_reactor_in_assemblyscript_reads_a_chain() {
    let b = bench();
    let wasm = include_bytes!("../../tests/guests/good/reactor-as.wasm");
    let report = guest(&b, wasm, "run").await;
    assert_eq!(value(&report), r#"[{"ok":100}]"#);
    assert!(report.log.starts_with("[info] "), "{}", report.log);
    assert_eq!(guest(&b, wasm, "skip").await.end, RunEnd::Skipped("not today".into()));
    expect_failure(&guest(&b, wasm, "fail").await, FailureKind::Script, &["no price"]);
}

#[tokio::test]
async fn a_module_in_another_language_than_its_own_is_refused_with_what_to_do() {
    let b = bench();
    let wasm = include_bytes!("../../tests/guests/good/reactor-as.wasm");
    for language in [Language::TypeScript, Language::JavaScript, Language::Go, Language::Python] {
        match b.run_with(wasm, language, Limits::DEFAULT).await {
            Err(RunnerError::Refused(refusal)) => {
                let expect = format!(
                    "these bytes are a WebAssembly module, and their language is given as {language}: give wasm"
                );
                assert_eq!(refusal.to_string(), expect);
            }
            other => panic!("{other:?}"),
        }
    }
}
