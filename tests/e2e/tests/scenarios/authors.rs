//! What a script's author does first: a new folder, built, run, measured and replayed, without a network.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

use argus_e2e::{command::argus, until};
use serde_json::{Value, json};

/// Runs a command that must end well; its JSON.
async fn said(folder: &Path, args: &[&str]) -> Value {
    let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
    let output = argus(folder, &[], &args).await;
    assert_eq!(output.code, 0, "{args:?}: {output:?}");
    output.json()
}

#[tokio::test]
async fn a_new_script_builds_runs_and_repeats() {
    for (lang, file) in [("ts", "script.ts"), ("js", "script.js")] {
        let place = tempfile::tempdir().expect("a folder");
        said(place.path(), &["module", "new", "--lang", lang, "my-feed"]).await;
        let folder = place.path().join("my-feed");
        let built = said(&folder, &["module", "build"]).await;
        assert_eq!((&built["shape"], &built["output"]), (&json!("script"), &json!(format!("./{file}"))));

        let test: Value = serde_json::from_slice(&fs::read(folder.join("script.test.json")).expect("a test"))
            .expect("JSON");
        fs::write(folder.join("answers.json"), json!({ "http": test["http"] }).to_string()).expect("a file");
        let given = ["--input", "ctx.json", "--answers", "answers.json"];
        let run = [&["module", "run", file][..], &given, &["--record", "a.run.json"]].concat();
        let ran = said(&folder, &run).await;
        assert_eq!(ran["arguments"], test["expect"]["arguments"], "{ran}");
        let calls = ran["calls"].as_array().expect("calls");
        assert_eq!(calls.len(), 2, "{ran}");
        assert!(calls.iter().all(|c| c["import"] == "http_fetch" && c["counts"]["http_calls"] == 1), "{ran}");
        let fuel: u64 = calls.iter().filter_map(|call| call["fuel_since"].as_u64()).sum();
        assert!(fuel > 0 && fuel < ran["fuel"].as_u64().expect("fuel"), "{ran}");

        assert_eq!(said(&folder, &["replay", "a.run.json"]).await["equal"], true);
        let bench = [&["module", "bench", file, "--runs", "3"][..], &given].concat();
        let measured = said(&folder, &bench).await;
        assert_eq!((&measured["runs"], &measured["fuel"]), (&json!(3), &ran["fuel"]), "{measured}");
    }
}

#[tokio::test]
async fn a_missing_compiler_is_named_with_what_brings_it() {
    for (lang, variables, expect) in [
        ("rust", &[("CARGO", "no-such-cargo")][..], "rustup.rs"),
        ("as", &[("NPX", "no-such-npx")], "npm install"),
        ("c", &[("CC", "no-such-cc")], "apt-get install clang lld"),
    ] {
        let place = tempfile::tempdir().expect("a folder");
        said(place.path(), &["module", "new", "--lang", lang, "a"]).await;
        let built = argus(&place.path().join("a"), variables, &["module", "build"]).await;
        assert_eq!(built.code, 1, "{built:?}");
        assert!(built.err.contains("is not installed") && built.err.contains(expect), "{lang}: {built:?}");
    }
}

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guests/good/component-rust.wasm");
const REACTOR: &str = include_str!("../../../guests/good/reactor.wat");

#[tokio::test]
async fn a_file_is_inspected_with_every_reason_at_once() {
    let place = tempfile::tempdir().expect("a folder");
    let inspect = async |name: &str, content: &str| {
        fs::write(place.path().join(name), content).expect("a file");
        let told = argus(place.path(), &[], &["module", "inspect", "--json", name]).await;
        let said = argus(place.path(), &[], &["module", "inspect", name]).await;
        assert_eq!(
            (told.code, &told.err, &said.err),
            (said.code, &String::new(), &String::new()),
            "{told:?}"
        );
        (told.code, told.json(), said.out)
    };
    for (name, content, reasons) in [
        (
            "everything.wat",
            r#"(module (import "env" "system" (func)) (import "js-engine-0" "run" (func)) (memory 5000)
                (table 20000 funcref) (func (export "_start")) (func (export "_initialize")) (func (export "run")))"#,
            &[
                "`_start` is exported beside `run` and `_initialize`",
                "it imports the JavaScript engine",
                "it imports what no run provides: \"env.system\"",
                "its memory starts at 327680000 bytes, the limit is 256 MB",
                "its tables start with 20000 elements",
            ][..],
        ),
        (
            "ambiguous.wat",
            r#"(module (memory (export "memory") 1) (func (export "_start")) (func (export "_initialize")))"#,
            &["`_start` is exported beside `_initialize`"],
        ),
        ("bare.wat", "(module)", &["no entry point: export `run`, `abi_alloc` and `memory`"]),
        (
            "memory64.wat",
            r#"(module (memory (export "memory") i64 1) (func (export "_start")))"#,
            &["it needs features beyond the accepted ones: memory64"],
        ),
        ("broken.wat", "(module (", &["the .wat text is malformed"]),
        ("price.py", "print([1])", &["Python is not run yet: use ts, js or wasm"]),
    ] {
        let (code, told, said) = inspect(name, content).await;
        assert_eq!((code, &told["ok"]), (1, &json!(false)), "{name}: {told}");
        let given: Vec<&str> =
            told["reasons"].as_array().expect(name).iter().filter_map(Value::as_str).collect();
        assert_eq!(given.len(), reasons.len(), "{name}: {given:#?}");
        for reason in reasons {
            assert!(given.iter().any(|given| given.starts_with(reason)), "{name}: {reason}: {given:#?}");
        }
        let lines: Vec<String> = given.iter().map(|reason| format!("  - {reason}")).collect();
        assert_eq!(said.trim_end(), format!("refused:\n{}", lines.join("\n")), "{name}");
    }
    // What nothing can be built of is said by the build, too.
    for what in ["build", "inspect", "run"] {
        let said = argus(place.path(), &[], &["module", what, "price.py"]).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.out.contains("Python is not run yet: use ts, js or wasm"), "{what}: {said:?}");
    }
    let (code, told, said) = inspect("good.wat", REACTOR).await;
    let about =
        ["ok", "language", "shape", "reasons", "imports", "memory_bytes_min"].map(|name| told[name].clone());
    let expect = json!([true, "wasm", "reactor", [], ["host.http_fetch", "host.log"], 131072]);
    assert_eq!((code, Value::from(about.to_vec())), (0, expect), "{told}");
    let hash = told["wasm_hash"].as_str().expect("a hash");
    assert!(said.contains("shape     reactor") && said.contains(hash), "{said}");
}

#[tokio::test]
async fn a_component_runs_and_is_measured() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("ctx.json"), r#"{"arguments": ["object"]}"#).expect("a file");
    let given = [COMPONENT, "--input", "ctx.json"];
    let ran = said(place.path(), &[&["module", "run"][..], &given].concat()).await;
    assert_eq!(ran["arguments"], json!([{ "shouldExecute": false }]), "{ran}");
    let measured = said(place.path(), &[&["module", "bench", "--runs", "3"][..], &given].concat()).await;
    assert_eq!((&measured["runs"], &measured["fuel"]), (&json!(3), &ran["fuel"]), "{measured}");
}

#[tokio::test]
async fn every_measured_run_meets_the_first_answers() {
    let place = tempfile::tempdir().expect("a folder");
    let script = "const ask = async () => (await fetch('https://API.example.com')).status;
        console.log(JSON.stringify([await ask(), await ask()]));";
    let url = "https://api.example.com:443/";
    let answers = json!({ "http": [{ "url": url, "status": 500 }, { "url": url }] });
    for (name, content) in [("retry.js", script.to_owned()), ("answers.json", answers.to_string())] {
        fs::write(place.path().join(name), content).expect("a file");
    }
    let given = ["retry.js", "--answers", "answers.json"];
    let ran = said(place.path(), &[&["module", "run"][..], &given].concat()).await;
    assert_eq!(ran["arguments"], json!([500, 200]), "{ran}");
    let measured = said(place.path(), &[&["module", "bench", "--runs", "3"][..], &given].concat()).await;
    assert_eq!((&measured["runs"], &measured["fuel"]), (&json!(3), &ran["fuel"]), "{measured}");
}

#[tokio::test]
async fn recorded_logs_are_read_by_a_script() {
    let place = tempfile::tempdir().expect("a folder");
    let (token, topic) = (format!("0x{}", "aa".repeat(20)), format!("0x{}", "07".repeat(32)));
    let script = format!(
        "const filter = {{ address: '{token}', topics: ['{topic}'], fromBlock: 90 }};
        const logs = await argus.evm.logs({{ chainId: 1, ...filter }});
        console.log(JSON.stringify(logs.map((log) => [log.block_number, log.data])));"
    );
    let log = |block: u64, data: &str| json!({ "address": token, "topics": [topic], "data": data, "block_number": block });
    let answers =
        json!({ "chains": [{ "id": 1, "logs": [log(89, "0x01"), log(90, "0x02"), log(101, "0x03")] }] });
    let pinned = json!({ "pinned": { "1": { "number": 100, "hash": format!("0x{}", "11".repeat(32)) } } });
    for (name, content) in
        [("logs.js", script), ("answers.json", answers.to_string()), ("ctx.json", pinned.to_string())]
    {
        fs::write(place.path().join(name), content).expect("a file");
    }
    let run = ["module", "run", "logs.js", "--input", "ctx.json", "--answers", "answers.json"];
    assert_eq!(said(place.path(), &run).await["arguments"], json!([[90, "0x02"]]));
}

#[tokio::test]
async fn a_build_ends_with_its_tools_when_it_is_interrupted() {
    let place = tempfile::tempdir().expect("a folder");
    said(place.path(), &["module", "new", "--lang", "c", "a"]).await;
    let (compiler, noted) = (place.path().join("cc"), place.path().join("pid"));
    let script = format!("#!/bin/sh\nsleep 600 &\necho $! >{}.new\nmv {0}.new {0}\nwait\n", noted.display());
    fs::write(&compiler, script).expect("a file");
    fs::set_permissions(&compiler, fs::Permissions::from_mode(0o755)).expect("it can be started");
    let mut build = Command::new(argus_e2e::program());
    build.args(["module", "build"]).current_dir(place.path().join("a")).env("CC", &compiler);
    let build = build.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
    let tool = until("the compiler begins", 20, async || fs::read_to_string(&noted).ok()).await;
    let interrupt = Command::new("kill").args(["-INT", &build.id().to_string()]).status();
    assert!(interrupt.expect("kill").success());
    let ended = build.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && told.contains("was stopped, as you asked"), "{told}");
    let status = format!("/proc/{}/stat", tool.trim());
    // What nobody buries is a zombie until then.
    let is_gone = || fs::read_to_string(&status).map_or(true, |status| status.contains(") Z "));
    until("the compiler ends", 20, async || is_gone().then_some(())).await;
}
