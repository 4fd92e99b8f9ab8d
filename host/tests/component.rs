//! Components of the world in `wit/`: one as a toolchain makes it, small ones in text, and ones that must be contained.

mod common;

use std::sync::Arc;

use argus_domain::{
    limits::Limits,
    module::{Language, Shape},
    run::{FailureKind, RunEnd, RunInput, RunReport},
    secret::{RunSecrets, SecretName, SecretValue},
};
use argus_host::overhead;
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use common::{Bench, bench, expect_failure, input, value};

const RUST: &[u8] = include_bytes!("../../tests/guests/good/component-rust.wasm");

/// The types that `resolve` names.
const TYPES: &str = r#"
            (import "argus:script/types@1.0.0" (instance $types
                (type $bytes (list u8))
                (type $topics (list $bytes))
                (type $log' (record (field "address" $bytes) (field "topics" $topics) (field "data" $bytes)
                    (field "block-number" u64) (field "block-hash" $bytes) (field "transaction-hash" $bytes)
                    (field "log-index" u64)))
                (export "log-entry" (type $log (eq $log')))
                (type $event' (record (field "chain-id" u64) (field "log" $log)))
                (export "event" (type $event (eq $event')))
                (type $condition' (record (field "value" string) (field "observed-at" string)))
                (export "condition" (type $condition (eq $condition')))
                (type $trigger' (variant (case "time") (case "event" $event) (case "condition" $condition) (case "manual")))
                (export "trigger" (type $trigger (eq $trigger')))
                (type $pin' (record (field "chain-id" u64) (field "number" u64) (field "hash" $bytes)))
                (export "pin" (type $pin (eq $pin')))
                (type $texts (list string))
                (type $pins (list $pin))
                (type $context' (record (field "job-id" string) (field "task-id" string) (field "due" string)
                    (field "attempt" u32) (field "trigger" $trigger) (field "arguments" $texts) (field "pinned" $pins)))
                (export "context" (type $context (eq $context')))
                (type $error' (variant (case "skip" string) (case "failed" string)))
                (export "script-error" (type $error (eq $error')))))"#;

/// A component in text: the types, then `rest`, which defines the core instance `$i`.
fn component(rest: &str) -> String {
    format!(
        r#"(component {TYPES}
            (alias export $types "context" (type $context))
            (alias export $types "script-error" (type $error))
            {rest}
            (func $resolve (param "ctx" $context) (result (result (list string) (error $error)))
                (canon lift (core func $i "resolve") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc"))))
            (export "resolve" (func $resolve)))"#
    )
}

/// A core module whose `resolve` has this body, with `data` at 0 and what it returns at 4096.
fn core(imports: &str, data: &str, body: &str) -> String {
    format!(
        r#"(core module $m {imports}
            (memory (export "memory") 2) (data (i32.const 0) "{data}")
            (global $top (mut i32) (i32.const 8192))
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.get $top)
                (global.set $top (i32.and (i32.add (global.get $top) (i32.add (local.get 3) (i32.const 15))) (i32.const -8))))
            (func $resolve (export "resolve") (param i32) (result i32) {body} (i32.const 4096)))"#
    )
}

/// Stores what stands for a list of `count` strings at 4112.
fn list(count: u32) -> String {
    format!("(i32.store (i32.const 4100) (i32.const 4112)) (i32.store (i32.const 4104) (i32.const {count}))")
}

fn small(imports: &str, data: &str, body: &str) -> String {
    component(&format!("{} (core instance $i (instantiate $m))", core(imports, data, body)))
}

/// A component that answers with these texts.
fn answers(texts: &[&str]) -> String {
    let mut body = list(u32::try_from(texts.len()).expect("few"));
    let (mut data, mut at) = (String::new(), 0);
    for (i, text) in texts.iter().enumerate() {
        let place = 4112 + 8 * i;
        body += &format!("(i32.store (i32.const {place}) (i32.const {at}))");
        body += &format!("(i32.store (i32.const {}) (i32.const {}))", place + 4, text.len());
        data += &text.replace('"', "\\\"");
        at += text.len();
    }
    small("", &data, &body)
}

/// Two components in one: `stub` exports `f`, which takes a text, and the one whose `resolve` has this body calls it
/// as `$f` with place and length.
fn composed(stub: &str, body: &str) -> String {
    let imports = r#"(import "stub" "f" (func $f (param i32 i32)))"#;
    let core = core(imports, "[1]", body).replace(
        r#"(memory (export "memory") 2)"#,
        r#"(import "m" "memory" (memory 2)) (export "memory" (memory 0))"#,
    );
    let inner = component(&format!(
        r#"(import "stub" (instance $stub (export "f" (func (param "text" string)))))
        (core module $mem (memory (export "memory") 2)) (core instance $mem (instantiate $mem))
        (core func $f (canon lower (func $stub "f") (memory (core memory $mem "memory"))))
        {core}
        (core instance $i (instantiate $m (with "m" (instance $mem)) (with "stub" (instance (export "f" (func $f))))))"#
    ));
    let inner = inner.replacen("(component", "(component $inner", 1);
    format!(
        r#"(component {TYPES}
            (component $stub {stub}
                (func $f (param "text" string) (canon lift (core func $s "f") (memory (core memory $s "memory"))
                    (realloc (core func $s "realloc"))))
                (export "f" (func $f)))
            (instance $stub (instantiate $stub))
            {inner}
            (instance $inner (instantiate $inner (with "argus:script/types@1.0.0" (instance $types)) (with "stub" (instance $stub))))
            (alias export $inner "resolve" (func $resolve))
            (export "resolve" (func $resolve)))"#
    )
}

/// A stub for [`composed`]: a memory of so many pages, and what `f` does.
fn stub(pages: u32, f: &str) -> String {
    format!(
        r#"(core module $s (memory (export "memory") {pages})
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
            (func (export "f") (param i32 i32) {f}))
        (core instance $s (instantiate $s))"#
    )
}

impl Bench {
    async fn component(&self, source: &str) -> RunReport {
        self.run(source, Language::Wasm).await
    }

    async fn rust(&self, first_argument: &str) -> RunReport {
        let input = RunInput { arguments: vec![first_argument.into()], ..input() };
        let source = Bytes::from_static(RUST);
        self.host
            .run(source, Language::Wasm, Arc::new(input), Limits::DEFAULT, Arc::default())
            .await
            .expect("admitted")
    }
}

#[tokio::test]
async fn a_component_makes_every_call_and_replays_bit_for_bit() {
    let b = bench();
    let source = Bytes::from_static(RUST);
    let admitted = b.host.admit(source.clone(), Language::Wasm, Limits::DEFAULT).await.expect("admitted");
    assert_eq!(admitted.shape, Shape::Component);
    let report = b.rust("everything").await;
    let expect = [
        r#""manual""#,
        r#""2025-01-01T00:00:00.000Z""#,
        "1",
        r#""manual""#,
        "3600",
        "0",
        r#""200 52""#,
        r#""2""#,
        r#""reverted 2""#,
        r#""invalid 0""#,
        r#""100""#,
        r#""115792089237316195423570985008687907853269984665640564039457584007913129639935""#,
        r#""0""#,
        r#""denied 0""#,
    ];
    let got = value(&report);
    assert!(got.starts_with(&format!("[{},", expect.join(","))), "{got}");
    assert!(got.ends_with(",true]"), "{got}");
    assert_eq!(report.log, "printed\nshown\n[warn] told\n");
    let made: Vec<&str> = report.transcript.calls.iter().map(|call| call.import.as_str()).collect();
    let first = [
        "http_fetch",
        "evm_call",
        "evm_call",
        "evm_call",
        "evm_block_number",
        "evm_balance",
        "evm_logs",
        "evm_block_number",
        "storage_set",
    ];
    assert!(made.starts_with(&first) && made.ends_with(&["env_secret"]), "{made:?}");
    let sent = b.stub.seen.lock().expect("lock")[0].clone();
    assert_eq!(sent.body.as_deref(), Some(&b"hello"[..]));
    assert_eq!(sent.headers, [("x-a".to_owned(), "b".to_owned())]);

    let input = Arc::new(RunInput { arguments: vec!["everything".into()], ..input() });
    let transcript = Arc::new(report.transcript.clone());
    let replayed =
        b.host.replay(source, Language::Wasm, input, Limits::DEFAULT, transcript).await.expect("replayed");
    assert_eq!(replayed, report);
    assert_eq!(b.rust("everything").await.fuel, report.fuel);
}

/// What a component of the world's next minor version finds beside what was there before.
#[tokio::test]
async fn a_component_has_an_hmac_of_a_version_that_has_it() {
    let b = bench();
    let hmac = |version: &str| {
        let imports = r#"(import "m" "memory" (memory 2)) (import "h" "hmac"
            (func $hmac (param i32 i32 i32 i32 i32 i32)))"#;
        // The digest as a JSON text: quotes go around it, where what was allocated leaves room.
        let body = format!(
            r#"(call $hmac (i32.const 0) (i32.const 7) (i32.const 8) (i32.const 2) (i32.const 1) (i32.const 2048))
            (if (i32.load8_u (i32.const 2048)) (then unreachable))
            (i32.store8 (i32.sub (i32.load (i32.const 2052)) (i32.const 1)) (i32.const 34))
            (i32.store8 (i32.add (i32.load (i32.const 2052)) (i32.load (i32.const 2056))) (i32.const 34))
            {} (i32.store (i32.const 4112) (i32.sub (i32.load (i32.const 2052)) (i32.const 1)))
            (i32.store (i32.const 4116) (i32.add (i32.load (i32.const 2056)) (i32.const 2)))"#,
            list(1)
        );
        let core = core(imports, "API_KEY hi", &body)
            .replace(r#"(memory (export "memory") 2)"#, r#"(export "memory" (memory 0))"#);
        component(&format!(
            r#"(import "argus:script/env@{version}" (instance $env
                (type $k' (enum "invalid" "denied" "timeout" "transport" "reverted"))
                (export "error-kind" (type $k (eq $k')))
                (type $e' (record (field "kind" $k) (field "message" string) (field "data" (option (list u8)))))
                (export "call-error" (type $e (eq $e')))
                (type $c' (enum "hex" "base64")) (export "encoding" (type $c (eq $c')))
                (export "hmac" (func (param "secret" string) (param "data" (list u8)) (param "encoding" $c)
                    (result (result string (error $e)))))))
            (core module $mem (memory (export "memory") 2)
                (global $top (mut i32) (i32.const 12288))
                (func (export "realloc") (param i32 i32 i32 i32) (result i32)
                    (global.get $top) (global.set $top (i32.add (global.get $top) (i32.const 4096)))))
            (core instance $mem (instantiate $mem))
            (core func $hmac (canon lower (func $env "hmac") (memory (core memory $mem "memory"))
                (realloc (core func $mem "realloc"))))
            {core}
            (core instance $i (instantiate $m (with "m" (instance $mem)) (with "h" (instance (export "hmac" (func $hmac))))))"#
        ))
    };
    let key: SecretName = "API_KEY".parse().expect("a name");
    let value_of = SecretValue::new("a key of 16 bytes or more".to_owned()).expect("a value");
    let input = RunInput { secrets: [key.clone()].into(), may_compute: true, ..input() };
    let secrets = Arc::new(RunSecrets::from([(key, value_of)]));
    let run = |source: String| {
        let (input, secrets) = (Arc::new(input.clone()), secrets.clone());
        b.host.run(source.into(), Language::Wasm, input, Limits::DEFAULT, secrets)
    };
    let report = run(hmac("1.1.0")).await.expect("admitted");
    assert_eq!(value(&report), r#"["kYUucbf0ihVE/YYK1QSEqzcb4HRYWeL2nK+qCRi631k="]"#);
    assert_eq!(report.transcript.calls[0].import, "env_hmac");
    let later = run(hmac("1.2.0")).await.expect_err("refused");
    assert!(
        later.to_string().contains(r#"imports what no run provides: "argus:script/env@1.2.0""#),
        "{later}"
    );
}

/// The same request has the same text whoever makes it, so that transcripts of all shapes read alike.
#[tokio::test]
async fn a_request_is_recorded_as_other_shapes_record_it() {
    let b = bench();
    let component = b.rust("everything").await;
    let script = "const h = '0x' + '02'.repeat(20); await argus.evm.call({ chainId: 1, to: h, data: '0x0102' }); console.log('[]')";
    let script = b.js(script).await;
    assert_eq!(component.transcript.calls[1].request, script.transcript.calls[0].request);
    assert_eq!(component.transcript.calls[1].reply, script.transcript.calls[0].reply);
}

#[tokio::test]
async fn a_component_ends_as_the_contract_says() {
    let b = bench();
    assert_eq!(b.rust("skip").await.end, RunEnd::Skipped("the price did not move".into()));
    expect_failure(&b.rust("fail").await, FailureKind::Script, &["no price"]);
    let panicked = b.rust("panic").await;
    expect_failure(&panicked, FailureKind::Script, &["unreachable"]);
    assert!(panicked.log.contains("a broken rule"), "{}", panicked.log);
    expect_failure(&b.rust("exit").await, FailureKind::Script, &["exit code 1"]);
    assert_eq!(value(&b.rust("object").await), r#"[{"shouldExecute":false}]"#);
    expect_failure(
        &b.rust("two in one").await,
        FailureKind::Script,
        &["argument 0", "exactly one JSON value"],
    );
}

#[tokio::test]
async fn the_texts_of_an_answer_become_the_arguments() {
    let b = bench();
    let big = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    assert_eq!(
        value(&b.component(&answers(&[big, r#""a""#, r#"[{"b":null}]"#])).await),
        format!(r#"[{big},"a",[{{"b":null}}]]"#)
    );
    assert_eq!(value(&b.component(&answers(&[])).await), "[]");
    expect_failure(
        &b.component(&answers(&["1", ""])).await,
        FailureKind::Script,
        &["argument 1", "the text is empty"],
    );
    expect_failure(
        &b.component(&answers(&["x"])).await,
        FailureKind::Script,
        &["argument 0", "exactly one JSON value"],
    );
    let deepest = format!("{}{}", "[".repeat(63), "]".repeat(63));
    assert!(matches!(b.component(&answers(&[&deepest])).await.end, RunEnd::Value(_)));
    let too_deep = format!("[{deepest}]");
    expect_failure(&b.component(&answers(&[&too_deep])).await, FailureKind::Limit, &["JSON depth limit"]);
}

#[tokio::test]
async fn hostile_components_are_contained() {
    let b = bench();
    let log = r#"(import "argus:script/log@1.0.0" (instance $log
            (type $l' (enum "debug" "info" "warn" "error")) (export "level" (type $l (eq $l')))
            (export "log" (func (param "level" $l) (param "message" string)))))"#;
    let logging = |body: &str| {
        component(&format!(
            r#"{log} (core module $mem (memory (export "memory") 600)) (core instance $mem (instantiate $mem))
            (core func $log (canon lower (func $log "log") (memory (core memory $mem "memory"))))
            {} (core instance $i (instantiate $m (with "h" (instance (export "log" (func $log))))))"#,
            core(r#"(import "h" "log" (func $log (param i32 i32 i32)))"#, "", body),
        ))
    };
    let grows = r#"(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))"#;
    let two = component(&format!(
        r#"(core module $other (memory 1) (func (export "grow") {grows}))
        (core instance $other (instantiate $other))
        {} (core instance $i (instantiate $m (with "o" (instance $other))))"#,
        core(
            r#"(import "o" "grow" (func $grow))"#,
            "",
            "(call $grow) (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1)) (then (loop $f br $f))) unreachable"
        ),
    ));
    for (name, source, kind, part) in [
        ("endless loop", small("", "", "(loop $l br $l)"), FailureKind::Limit, "fuel limit"),
        ("recursion", small("", "", "(drop (i32.add (call $resolve (i32.const 0)) (i32.const 1)))"), FailureKind::Inconclusive, "native stack"),
        ("two memories", two, FailureKind::Limit, "the memory limit of 64 MB is used up"),
        ("giant list", small("", "", &list(50_000_000)), FailureKind::Script, "out of bounds"),
        // Each string is the whole memory: only what is copied counts.
        (
            "many large strings",
            small("", "", &format!("{} (i32.store (i32.const 4100) (i32.const 16384)) (i32.store (i32.const 4104) (i32.const 10000))
                (local.set 0 (i32.const 16384))
                (loop $l (i32.store (local.get 0) (i32.const 100000)) (i32.store offset=4 (local.get 0) (i32.const 30000))
                    (local.set 0 (i32.add (local.get 0) (i32.const 8))) (br_if $l (i32.lt_u (local.get 0) (i32.const 96384))))", list(0))),
            FailureKind::Limit,
            "call size limit of 4 MB",
        ),
        (
            "long answer",
            small("", "", &format!("(memory.fill (i32.const 0) (i32.const 32) (i32.const 131072)) (i32.store (i32.const 4096) (i32.const 0))
                {} (i32.store (i32.const 4112) (i32.const 0)) (i32.store (i32.const 4116) (i32.const 131072))", list(1))),
            FailureKind::Limit,
            "output limit of 128 KB",
        ),
        ("not UTF-8", small("", "\\ff", &format!("{} (i32.store (i32.const 4116) (i32.const 1))", list(1))), FailureKind::Script, "utf-8"),
        ("no such case", small("", "", "(i32.store8 (i32.const 4096) (i32.const 7))"), FailureKind::Script, "invalid expected discriminant"),
        ("result outside", small("", "", "(return (i32.const -4))"), FailureKind::Script, "out of bounds"),
        ("log loop", logging("(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 1000)) br $l)"), FailureKind::Limit, "fuel limit"),
        ("long log", logging("(call $log (i32.const 1) (i32.const 0) (i32.const 5000000))"), FailureKind::Limit, "call size limit of 4 MB"),
        ("log outside", logging("(call $log (i32.const 1) (i32.const -8) (i32.const 100))"), FailureKind::Script, "out of bounds"),
        (
            "start section",
            component(&format!(
                r#"(core module $s (func $f (loop $l br $l)) (start $f)) (core instance (instantiate $s)) {}
                (core instance $i (instantiate $m))"#,
                core("", "", "")
            )),
            FailureKind::Limit,
            "fuel limit",
        ),
        (
            "large from the start",
            component(&format!(
                r#"(core module $s (memory 1000)) (core instance (instantiate $s)) {}
                (core instance $i (instantiate $m))"#,
                core("", "", "").replace("\"memory\") 2", "\"memory\") 100")
            )),
            FailureKind::Limit,
            "below what the module starts with",
        ),
    ] {
        let report = b.component(&source).await;
        println!("{name}: {:?} fuel {}", report.end, report.fuel);
        expect_failure(&report, kind, &[part]);
        let again = b.component(&source).await;
        assert_eq!((again.fuel, again.end), (report.fuel, report.end), "{name}");
    }
}

#[tokio::test]
async fn components_that_no_run_takes_are_refused_with_every_reason() {
    let b = bench();
    let good = format!("{} (core instance $i (instantiate $m))", core("", "", ""));
    let nested = |n: usize| format!("{}{}", "(component ".repeat(n), ")".repeat(n));
    for (name, source, parts) in [
        ("empty", "(component)".to_owned(), &["no entry point: export `resolve`"][..]),
        (
            "command",
            r#"(component (component $c (type (func))) (instance $c (instantiate $c)) (export "wasi:cli/run@0.2.0" (instance $c)))"#.to_owned(),
            &["WASI 0.2 command", "wasm32-wasip1"],
        ),
        ("deep", component(&format!("{} {good}", nested(99))), &["components lie 100 deep", "the limit is 3"]),
        ("wide", component(&format!("{} {good}", "(component)".repeat(17))), &["17 components inside", "the limit is 16"]),
        (
            "instances",
            component(&format!("(core module $e) {} {good}", "(core instance (instantiate $e))".repeat(10_000))),
            &["makes 10001 instances of core modules, the limit is 16"],
        ),
        (
            "instances of a component",
            component(&format!("(component $c) {} {good}", "(instance (instantiate $c))".repeat(17))),
            &["it has 17 instances of components, the limit is 16"],
        ),
        (
            // Eight each time, and its own.
            "instances in instances",
            component(&format!(
                "(component $c (core module $e) {}) {} {good}",
                "(core instance (instantiate $e))".repeat(8),
                "(instance (instantiate $c))".repeat(2)
            )),
            &["does not fit into a run", "17 core module instances"],
        ),
        (
            "a component with memory in it",
            component(&format!("(component (core module (memory 5000))) {good}")),
            // 5,000 pages and its own two.
            &["memory starts at 327811072 bytes, the limit is 256 MB"],
        ),
        (
            "more memories than a run has",
            component(&format!("(core module $n (memory 0)) {} {good}", "(core instance (instantiate $n))".repeat(2))),
            &["does not fit into a run", "3 Wasm linear memories"],
        ),
        (
            "imports",
            component(&format!(
                r#"(import "argus:script/http@2.0.0" (instance)) (import "wasi:http/types@0.2.0" (instance))
                (import "wasi:cli/exit@0.3.0" (instance)) (import "f" (func)) {good}"#
            )),
            &[
                r#"imports what no run provides: "argus:script/http@2.0.0", "wasi:http/types@0.2.0", "wasi:cli/exit@0.3.0", "f""#,
            ],
        ),
        (
            "another type",
            component(&format!(r#"(import "argus:script/env@1.0.0" (instance (export "now-ms" (func (result string))))) {good}"#)),
            &["an import has another type than the host's", "now-ms"],
        ),
        (
            "no such function",
            component(&format!(r#"(import "argus:script/env@1.0.0" (instance (export "later" (func)))) {good}"#)),
            &["an import has another type than the host's", "later"],
        ),
        (
            "another resolve",
            r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
                (func $f (canon lift (core func $i "f"))) (export "resolve" (func $f)))"#.to_owned(),
            &["`resolve` has another type than the world's"],
        ),
        (
            "features",
            component(&format!("(core module (memory i64 1) (memory 1)) {good}")),
            &["memory64", "multi-memory"],
        ),
    ] {
        match b.run_with(source.as_bytes(), Language::Wasm, Limits::DEFAULT).await {
            Err(RunnerError::Refused(refusal)) => {
                for part in parts {
                    assert!(refusal.to_string().contains(part), "{name}: {part:?} is not in {refusal}");
                }
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn files_and_sockets_are_linked_and_end_the_run_when_used() {
    let b = bench();
    let source = component(&format!(
        r#"(import "wasi:sockets/instance-network@0.2.3" (instance $net (export "network" (type $n (sub resource)))
            (export "instance-network" (func (result (own $n))))))
        (core func $net (canon lower (func $net "instance-network")))
        {} (core instance $i (instantiate $m (with "h" (instance (export "net" (func $net))))))"#,
        core(r#"(import "h" "net" (func $net (result i32)))"#, "", "(drop (call $net))"),
    ));
    let parts = ["wasi:sockets/instance-network@0.2.3#instance-network is called", "no files or sockets"];
    expect_failure(&b.component(&source).await, FailureKind::Script, &parts);
}

/// As componentize-qjs makes them: the code, and a stub for what it imports and no run provides. The other one may
/// also have a memory of its own.
#[tokio::test]
async fn components_that_are_composed_share_their_limits() {
    let b = bench();
    let one = format!("{} (i32.store (i32.const 4116) (i32.const 3))", list(1));
    let calls = |len: u32| format!("(call $f (i32.const 0) (i32.const {len})) {one}");
    let source = composed(&stub(0, ""), &calls(0));
    let report = b.component(&source).await;
    assert_eq!(value(&report), "[[1]]");
    let input = Arc::new(input());
    let transcript = Arc::new(report.transcript.clone());
    let replayed = b.host.replay(source.into(), Language::Wasm, input, Limits::DEFAULT, transcript).await;
    assert_eq!(replayed.expect("replayed"), report);

    // The text came over: it begins with a bracket.
    let looks = "(if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 91)) (then unreachable))";
    assert_eq!(value(&b.component(&composed(&stub(1, looks), &calls(3))).await), "[[1]]");
    let grows = "(if (i32.eq (memory.grow (i32.const 600)) (i32.const -1)) (then unreachable))";
    let grown = b.component(&composed(&stub(0, grows), &calls(0))).await;
    assert_eq!((value(&grown).as_str(), grown.memory_bytes), ("[[1]]", 602 << 16));
    let loops = "(loop $l br $l)";
    for (name, stub, body, kind, part) in [
        ("a text for no memory", stub(0, ""), calls(3), FailureKind::Script, "string content out-of-bounds"),
        ("a stub that never ends", stub(0, loops), calls(0), FailureKind::Limit, "fuel limit"),
        (
            "code that never ends",
            stub(0, ""),
            format!("{} {loops}", calls(0)),
            FailureKind::Limit,
            "fuel limit",
        ),
        (
            "memories that are too large together",
            stub(1, grows),
            format!("{grows} {}", calls(0)),
            FailureKind::Limit,
            "the memory limit of 64 MB is used up",
        ),
        ("a stub that stops", stub(0, "unreachable"), calls(0), FailureKind::Script, "unreachable"),
    ] {
        let report = b.component(&composed(&stub, &body)).await;
        println!("{name}: {:?} fuel {}", report.end, report.fuel);
        expect_failure(&report, kind, &[part]);
        assert_eq!(b.component(&composed(&stub, &body)).await, report, "{name}");
    }
}

/// Where the bare form does something else than the run, or nothing, there is an error or no time.
#[tokio::test]
async fn a_component_has_a_bare_form_to_compare_its_runs_with() {
    let b = bench();
    let measured = async |source: String| overhead::measure(&b.host, source.into(), Language::Wasm, 20).await;
    let cost = measured(answers(&["1"])).await.expect("it runs");
    assert!(cost.bare_ns > 0.0 && cost.full_ns > 0.0, "{cost:?}");
    let failing = measured(small("", "", "unreachable")).await.expect_err("it fails");
    assert!(failing.to_string().contains("unreachable"), "{failing}");
}
