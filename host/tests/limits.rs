//! Every limit: the run stops there, says which one it was, what it allows and what to do.

mod common;

use argus_domain::{limits::Limits, module::Language, run::FailureKind};
use argus_ports::RunnerError;
use common::{bench, expect_failure, value};

const JS: Language = Language::JavaScript;

#[tokio::test]
async fn each_limit_ends_the_run_with_limit_value_and_remedy() {
    let b = bench();
    let small = Limits::DEFAULT;
    let fetches = |n: u32, path: &str| {
        format!("for (let i = 0; i < {n}; i++) await fetch('https://a.example/{path}'); console.log('[1]')")
    };
    for (name, source, limits, parts) in [
        (
            "fuel",
            "while (true) {}".to_owned(),
            Limits { fuel_max: 5_000_000, ..small },
            &["fuel limit of 5000000", "endless loop"][..],
        ),
        ("regex", "/(a+)+$/.test('a'.repeat(40) + '!')".to_owned(), small, &["fuel limit of 200000000"]),
        ("bigint", "let x = 3n; while (true) x = x * x".to_owned(), small, &["limit of"]),
        ("clock", "while (true) Date.now()".to_owned(), small, &["fuel limit"]),
        // Beyond the last instant of the clock it stands still.
        ("the end of time", "setInterval(() => {}, 2 ** 31 - 1)".to_owned(), small, &["fuel limit"]),
        (
            "interval",
            "setInterval(() => {}, 1000)".to_owned(),
            Limits { fuel_max: 20_000_000, ..small },
            &["fuel limit"],
        ),
        (
            "output",
            "const s = 'x'.repeat(1000); while (true) console.log(s)".to_owned(),
            small,
            &["output limit of 128 KB", "print"],
        ),
        (
            "returned",
            "export default () => 'x'.repeat(200 * 1024)".to_owned(),
            small,
            &["output limit of 128 KB"],
        ),
        ("http calls", fetches(6, "json"), small, &["HTTP call limit of 5"]),
        ("redirects", fetches(1, "redirect/9"), small, &["HTTP call limit of 5", "redirects"]),
        ("http body", fetches(1, "big/1048577"), small, &["HTTP body limit of 1 MB", "smaller"]),
        (
            "http wall",
            fetches(4, "slow/150"),
            Limits { http_wall_ms: 400, ..small },
            &["HTTP time limit of 400 ms"],
        ),
        (
            "host calls",
            "for (let i = 0; i < 40; i++) try { argus.secret('x') } catch {}".to_owned(),
            small,
            &["host call limit of 32"],
        ),
        (
            "evm calls",
            "for (let i = 0; i < 21; i++) await argus.evm.blockNumber(1)".to_owned(),
            small,
            &["EVM call limit of 20"],
        ),
        (
            "request",
            "await fetch('https://a.example/echo', {method: 'POST', body: new Uint8Array(3 << 20)})"
                .to_owned(),
            Limits { fuel_max: 2_000_000_000, ..small },
            &["request limit of"],
        ),
        (
            "json depth",
            "console.log('['.repeat(65) + ']'.repeat(65))".to_owned(),
            small,
            &["JSON depth limit of 64"],
        ),
        (
            "memory, large pieces",
            "const a = []; while (true) a.push(new ArrayBuffer(1 << 20))".to_owned(),
            small,
            &["the memory limit of 64 MB is used up", "raise the job's memory limit"],
        ),
        (
            "memory, small pieces",
            "let list = null; while (true) list = { list, text: 'x' }".to_owned(),
            Limits { memory_bytes: 8 << 20, fuel_max: 2_000_000_000, ..small },
            &["the memory limit of 8 MB is used up"],
        ),
        (
            "memory, promises",
            "async function f(i) { await 0; return i } Promise.all(Array.from({ length: 100000 }, (_, i) => f(i))).then(() => console.log('[1]'))".to_owned(),
            Limits { memory_bytes: 2 << 20, fuel_max: 2_000_000_000, ..small },
            &["the memory limit of 2 MB is used up"],
        ),
        (
            "memory, answers",
            "const a = []; while (true) { try { while (true) a.push(new ArrayBuffer(100000)) } catch {}
                a.push(await (await fetch('https://a.example/big/900000')).text()) }"
                .to_owned(),
            Limits { memory_bytes: 8 << 20, fuel_max: 2_000_000_000, ..small },
            &["the memory limit of 8 MB is used up"],
        ),
        (
            "memory, told onwards",
            "try { new ArrayBuffer(1 << 30) } catch (e) { throw new Error('no room', { cause: e }) }"
                .to_owned(),
            small,
            &["the memory limit of 64 MB is used up", "no room"],
        ),
        (
            "memory minimum",
            "console.log('[1]')".to_owned(),
            Limits { memory_bytes: 1 << 20, ..small },
            &["memory limit of 1 MB"],
        ),
    ] {
        let report = b.run_with(source.as_bytes(), JS, limits).await.expect(name);
        println!("{name}: {:?}", report.end);
        let kind = if name == "bigint" { common::failed(&report).0 } else { FailureKind::Limit };
        if name != "bigint" {
            expect_failure(&report, kind, parts);
        }
        assert!(report.fuel <= limits.fuel_max, "{name}");
    }
}

/// Each limit of a run under its field's name; a new one has no row, and fails.
#[tokio::test]
async fn every_limit_of_a_run_names_itself_its_value_and_what_to_do() {
    let b = bench();
    let l = Limits::DEFAULT;
    let fetch = "await fetch('https://a.example/json'); await fetch('https://a.example/json')";
    let number = "await argus.evm.blockNumber(1); await argus.evm.blockNumber(1)";
    let rows = [
        (
            "fuel_max",
            Limits { fuel_max: 5_000_000, ..l },
            "while (true) {}",
            "the fuel limit of 5000000 is used up: compute less",
        ),
        (
            "memory_bytes",
            Limits { memory_bytes: 8 << 20, ..l },
            "new ArrayBuffer(1 << 24)",
            "the memory limit of 8 MB is used up: keep less",
        ),
        (
            "wall_ms",
            Limits { wall_ms: 50, ..l },
            "await fetch('https://a.example/slow/4000')",
            "the wall time limit of 50 ms is used up: wait less",
        ),
        (
            "output_bytes",
            Limits { output_bytes: 10, ..l },
            "console.log('x'.repeat(11))",
            "the output limit of 10 bytes is used up: print only",
        ),
        (
            "log_bytes",
            Limits { log_bytes: 10, ..l },
            "console.error('x'.repeat(11)); throw new Error('the end')",
            "the end",
        ),
        (
            "host_calls",
            Limits { host_calls: 1, ..l },
            number,
            "the host call limit of 1 is used up: make fewer",
        ),
        (
            "http_calls",
            Limits { http_calls: 1, ..l },
            fetch,
            "the HTTP call limit of 1 is used up: ask for more in one",
        ),
        (
            "http_body_bytes",
            Limits { http_body_bytes: 10, ..l },
            fetch,
            "the HTTP body limit of 10 bytes is used up: ask for a smaller",
        ),
        (
            "http_wall_ms",
            Limits { http_wall_ms: 50, ..l },
            "await fetch('https://a.example/slow/4000')",
            "the HTTP time limit of 50 ms in all is used up: ask faster",
        ),
        (
            "evm_calls",
            Limits { evm_calls: 1, ..l },
            number,
            "the EVM call limit of 1 is used up: read through one",
        ),
        (
            "json_depth",
            Limits { json_depth: 2, ..l },
            "console.log('[[[]]]')",
            "the JSON depth limit of 2 is used up: give a flatter",
        ),
        (
            "table_elements",
            Limits { table_elements: 1, ..l },
            "",
            "the table limit of 1 elements is below what the module starts with",
        ),
    ];
    for (field, limits, source, sentence) in &rows {
        let report = b.run_with(source.as_bytes(), JS, *limits).await.expect(field);
        let (_, message) = common::failed(&report);
        assert!(message.contains(sentence), "{field}: {sentence:?} is not in {message:?}");
        assert_eq!(report.log.ends_with("… [cut]"), *field == "log_bytes", "{field}: {}", report.log);
    }
    // The one that is met before anything runs.
    let command = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let refused = b
        .run_with(command.as_bytes(), Language::Wasm, Limits { command_bytes: 10, ..l })
        .await
        .expect_err("refused");
    let sentence = "the limit is 10 bytes: strip debug information and optimise for size, or raise the job's limit \
                    command_bytes, up to 64 MB";
    assert!(refused.to_string().contains(sentence), "{refused}");
    let fields = serde_json::to_value(l).expect("JSON");
    for field in fields.as_object().expect("a struct").keys().filter(|field| *field != "command_bytes") {
        assert!(rows.iter().any(|(name, ..)| name == field), "the limit {field} has no row here");
    }
}

#[tokio::test]
async fn limits_that_a_script_can_live_with() {
    let b = bench();
    let report = b.js("let a = []; try { while (true) a.push(new ArrayBuffer(1 << 20)) } catch (e) { a = null; console.log(JSON.stringify([e.message])) }").await;
    assert_eq!(value(&report), r#"["out of memory"]"#);
    assert!(
        report.memory_bytes <= Limits::DEFAULT.memory_bytes && report.memory_bytes > 32 << 20,
        "{}",
        report.memory_bytes
    );

    let report =
        b.js("for (let i = 0; i < 100; i++) console.error('y'.repeat(1000)); console.log('[1]')").await;
    assert_eq!(value(&report), "[1]");
    assert!(report.log.ends_with("… [cut]"));
    assert!(report.log.len() <= 64 * 1024 + 16);
    let report = b.js("try { 'x'.repeat(5e8) } catch (e) { console.log(JSON.stringify([e.message])) }").await;
    assert_eq!(value(&report), r#"["out of memory"]"#);
}

/// Only a script that failed for want of memory is told so.
#[tokio::test]
async fn a_failure_of_another_kind_does_not_blame_the_memory() {
    let b = bench();
    let after = "try { new ArrayBuffer(1 << 30) } catch {} throw new Error('no price today')";
    expect_failure(&b.js(after).await, FailureKind::Script, &["Error: no price today"]);
    let only_words = "throw new Error('the shop is out of memory cards')";
    expect_failure(&b.js(only_words).await, FailureKind::Script, &["out of memory cards"]);
}

#[tokio::test]
async fn the_wall_limit_is_inconclusive_and_leaves_the_host_well() {
    let b = bench();
    let limits = Limits { wall_ms: 200, fuel_max: 10_000_000_000, ..Limits::DEFAULT };
    let looping = b.run_with(b"while (true) {}", JS, limits).await.expect("admitted");
    expect_failure(&looping, FailureKind::Inconclusive, &["wall time limit of 200 ms"]);
    let waiting =
        b.run_with(b"await fetch('https://a.example/slow/4000')", JS, limits).await.expect("admitted");
    expect_failure(&waiting, FailureKind::Inconclusive, &["wall time limit of 200 ms"]);
    assert_eq!(value(&b.js("console.log('[1]')").await), "[1]");
}

#[tokio::test]
async fn sizes_are_checked_before_anything_runs() {
    let b = bench();
    let source = format!("// {}\nconsole.log('[1]')", "x".repeat(1 << 20));
    match b.run_with(source.as_bytes(), JS, Limits::DEFAULT).await {
        Err(RunnerError::Refused(refusal)) => {
            assert!(refusal.to_string().contains("limit is 1 MB"), "{refusal}")
        }
        other => panic!("{other:?}"),
    }
    let mut wasm = wat::parse_str(
        r#"(module (memory (export "memory") 1)
        (func (export "abi_alloc") (param i32) (result i32) i32.const 0)
        (func (export "run") (param i32 i32) (result i64) i64.const 0))"#,
    )
    .expect("wat");
    // A custom section of 5 MB: id, size (LEB128 of 5242884), name "pad".
    wasm.extend([0, 0x84, 0x80, 0xc0, 0x02, 3, b'p', b'a', b'd']);
    wasm.resize(wasm.len() + 5 * 1024 * 1024, 0);
    match b.run_with(&wasm, Language::Wasm, Limits::DEFAULT).await {
        Err(RunnerError::Refused(refusal)) => {
            assert!(refusal.to_string().contains("limit is 4 MB"), "{refusal}")
        }
        other => panic!("{other:?}"),
    }
}

/// A job's larger limit is for WASI commands: of no use to a component.
#[tokio::test]
async fn a_component_that_no_job_takes_is_told_the_limit_of_components() {
    let b = bench();
    let mut component = b"\0asm\x0d\0\x01\0".to_vec();
    component.resize(17 << 20, 0);
    for limits in [Limits::DEFAULT, Limits::CEILING] {
        let refused = b.run_with(&component, Language::Wasm, limits).await.expect_err("refused");
        let said = refused.to_string();
        assert!(said.ends_with("the limit is 4 MB: strip debug information and optimise for size"), "{said}");
    }
}

#[tokio::test]
async fn a_job_cannot_raise_the_ceiling() {
    let b = bench();
    let limits = Limits { http_calls: 1_000, host_calls: 1_000, ..Limits::DEFAULT };
    let report = b
        .run_with(b"for (let i = 0; i < 9; i++) await fetch('https://a.example/json')", JS, limits)
        .await
        .expect("admitted");
    expect_failure(&report, FailureKind::Limit, &["HTTP call limit of 5"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_runs_than_slots_wait_their_turn() {
    let b = std::sync::Arc::new(bench());
    let mut runs = tokio::task::JoinSet::new();
    for i in 0..40 {
        let b = b.clone();
        runs.spawn(async move {
            value(&b.js(&format!("await fetch('https://a.example/slow/5'); console.log('[{i}]')")).await)
        });
    }
    assert_eq!(runs.join_all().await.len(), 40);
}
