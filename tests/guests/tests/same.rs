//! What an author publishes is source, and everybody makes the module alone: two hosts that share nothing, one of
//! them without a folder of compiled modules, come to the same bytes, result, fuel and transcript. And whatever a run is
//! made in, each of its replays is equal to it: `ARGUS_REPLAYS=10000` asks for as many of each language.

use std::sync::Arc;

use argus_domain::module::Language;
use argus_guests_tests::{Case, Found, find, go, host, host_with, setting};
use argus_host::HostConfig;
use argus_ports::ModuleRunner;
use serde_json::json;

const REPLAYS: u64 = 500;

#[tokio::test]
async fn publisher_and_keeper_agree_on_every_script() {
    let scripts: Vec<Found> = ["js", "ts"].into_iter().flat_map(find).collect();
    let first = scripts.first().expect("scripts");
    let (keeper, _) =
        host_with(HostConfig { slots: 2, cache_dir: None, ..HostConfig::default() }, &first.case);
    for found in &scripts {
        let name = &found.name;
        let (publisher, _) = host(&found.case);
        let (input, secrets) = found.case.input().expect(name);
        let (input, source, limits) = (Arc::new(input), found.source.clone(), found.limits());
        let here = publisher.admit(source.clone(), found.language, limits).await.expect(name);
        let there = keeper.admit(source.clone(), found.language, limits).await.expect(name);
        assert_eq!(here, there, "{name}");
        let run = publisher.run(source.clone(), found.language, input.clone(), limits, secrets.into());
        let run = run.await.expect(name);
        assert_eq!(run.wasm_hash, there.wasm_hash, "{name}");
        // The keeper has the source and the transcript, and no world to ask: result, fuel, log and root are equal,
        // or the replay says which call differed.
        let transcript = Arc::new(run.transcript.clone());
        let again = keeper.replay(source, found.language, input, limits, transcript).await.expect(name);
        assert_eq!(run, again, "{name}");
    }
}

/// Runs each once in its world, and replays it again and again on a host that has no world.
async fn replays(language: &str, cases: &[Found]) {
    let count = setting("ARGUS_REPLAYS", REPLAYS).max(cases.len() as u64);
    let (elsewhere, world) = host(&nothing());
    let mut recorded = Vec::new();
    for found in cases {
        let (input, secrets) = found.case.input().expect(&found.name);
        let input = Arc::new(input);
        let (here, _) = host(&found.case);
        let (source, limits) = (found.source.clone(), found.limits());
        let run = here.run(source, found.language, input.clone(), limits, secrets.into()).await;
        let run = run.expect(&found.name);
        recorded.push((found, input, Arc::new(run.transcript.clone()), run));
    }
    let mut equal = 0;
    for (found, input, transcript, run) in recorded.iter().cycle().take(count as usize) {
        let (source, limits) = (found.source.clone(), found.limits());
        let again = elsewhere.replay(source, found.language, input.clone(), limits, transcript.clone()).await;
        equal += u64::from(again.as_ref() == Ok(run));
        assert_eq!(Ok(run), again.as_ref(), "{}, after {equal} equal ones", found.name);
    }
    assert!(world.unknown().is_empty(), "a replay asked the world: {:?}", world.unknown());
    eprintln!("{language}: {equal} of {count} replays of {} scripts are equal to their runs", cases.len());
}

fn nothing() -> Case {
    let case = json!({ "about": "a world that answers nothing", "expect": { "error": "" } });
    serde_json::from_value(case).expect("a case")
}

#[tokio::test]
async fn replays_of_scripts_are_equal() {
    replays("ts", &find("ts")).await;
    replays("js", &find("js")).await;
}

#[tokio::test]
async fn replays_of_compiled_guests_are_equal() {
    for language in ["rust", "as", "c"] {
        replays(language, &find(language)).await;
    }
}

#[tokio::test]
async fn replays_of_components_are_equal() {
    let source = include_bytes!("../good/component-rust.wasm").as_slice().into();
    let component = Found { name: "component".to_owned(), case: nothing(), source, language: Language::Wasm };
    replays("component", &[component]).await;
}

#[tokio::test]
async fn replays_of_go_programs_are_equal() {
    let Some(toolchain) = go::toolchain().await else { return };
    let launcher = env!("CARGO_BIN_EXE_confined");
    let builder = argus_builder::Go::new(go::settings(toolchain, launcher, &go::shared_cache()));
    let builder = builder.expect("the builder's folders");
    let mut cases = find("go");
    for found in &mut cases {
        go::build(&builder, found).await;
    }
    replays("go", &cases).await;
}
