//! What a script's author does first: a new folder, built, run, measured and replayed, without a network.

use std::{fs, path::Path};

use argus_e2e::command::argus;
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
