//! What a fuzzer may throw anything at: each takes bytes from strangers and must come back.
//!
//! `fuzz/` calls these under libFuzzer; a test calls them with mutations of good input.

mod create;
mod fields;

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use argus_domain::{
    bundle::{Bundle, Run, Script},
    limits::Limits,
    module::Language,
    run::{RunInput, Transcript},
};
use argus_host::{Host, HostConfig, default_input, parse_context};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use tokio::runtime::Runtime;

pub use create::{create, is_created};
pub use fields::{arguments, filter, route, schedule};

use crate::{
    case::{Case, Found, find},
    world,
};

/// Takes any bytes, and must come back.
pub type Target = fn(&[u8]);

/// A name and the function: all that are fuzzed.
pub const TARGETS: [(&str, Target); 10] = [
    ("admission", admission),
    ("transcript", transcript),
    ("bundle", bundle),
    ("script", script),
    ("context", context),
    ("schedule", schedule),
    ("filter", filter),
    ("route", route),
    ("arguments", arguments),
    ("create", create),
];

/// A reactor that makes one call, for transcripts to answer.
const CALLER: &str = include_str!("../good/reactor.wat");

/// A component that is told its context and does nothing more.
const COMPONENT: &str = include_str!("../hostile/component.wat");

struct Sandbox {
    runtime: Runtime,
    host: Arc<Host>,
}

fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let empty: Case =
            serde_json::from_str(r#"{"about":"nothing","expect":{"error":""}}"#).expect("an empty case");
        let config = HostConfig { slots: 2, ready_modules: 8, ..HostConfig::default() };
        let (host, _) = world::host_with(config, &empty);
        Sandbox { runtime, host: Arc::new(host) }
    })
}

/// A panic where the host itself failed: that is what is looked for.
fn must_not_fail<T>(outcome: Result<T, RunnerError>) {
    if let Err(error @ (RunnerError::Host(_) | RunnerError::Busy { .. })) = outcome {
        panic!("{error}");
    }
}

/// Bytes as a module or its text: admitted, and if so run with little of everything.
pub fn admission(bytes: &[u8]) {
    run(Bytes::copy_from_slice(bytes), Language::Wasm, default_input());
}

/// Bytes as a script's source: stripped, compiled and run with little of everything.
pub fn script(bytes: &[u8]) {
    run(Bytes::copy_from_slice(bytes), Language::TypeScript, default_input());
}

fn run(source: Bytes, language: Language, input: RunInput) {
    let Sandbox { runtime, host } = sandbox();
    let limits = Limits { fuel_max: 1_000_000, memory_bytes: 8 << 20, wall_ms: 5_000, ..Limits::DEFAULT };
    must_not_fail(runtime.block_on(host.run(source, language, Arc::new(input), limits, Arc::default())));
}

/// Bytes as the JSON of a transcript: read back by a replay.
pub fn transcript(bytes: &[u8]) {
    let Ok(transcript) = serde_json::from_slice::<Transcript>(bytes) else { return };
    let _root = transcript.root();
    let Sandbox { runtime, host } = sandbox();
    let (input, limits) = (Arc::new(default_input()), Limits::DEFAULT);
    let replay = host.replay(CALLER.into(), Language::Wasm, input, limits, Arc::new(transcript));
    must_not_fail(runtime.block_on(replay));
}

/// Bytes as a bundle: what is read from one is written the same again.
pub fn bundle(bytes: &[u8]) {
    let Ok(bundle) = Bundle::decode(bytes) else { return };
    let again =
        Bundle::decode(&bundle.encode().expect("no larger than it was")).expect("what was written is read");
    assert_eq!(again, bundle);
}

/// Bytes as a context's JSON: what is accepted gives the same input twice, and reaches a component.
pub fn context(bytes: &[u8]) {
    let Ok(given) = serde_json::from_slice(bytes) else { return };
    let read = |value| -> Option<RunInput> { parse_context(Some(value), Vec::new()).ok() };
    let input = read(&given);
    assert_eq!(input, read(&given));
    if let Some(input) = input {
        run(Bytes::from_static(COMPONENT.as_bytes()), Language::Wasm, input);
    }
}

/// Writes the good input of each target into a folder of its name, where a fuzzer looks for it.
///
/// # Errors
/// Where that cannot be written.
pub fn write_seeds(corpus: &Path) -> std::io::Result<()> {
    for (target, _) in TARGETS {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, seed) in seeds(target).iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), seed)?;
        }
    }
    Ok(())
}

/// Good input of each target, to begin from.
///
/// # Panics
/// Where a good guest does not run.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let Sandbox { runtime, host } = sandbox();
    let recorded = || {
        let (input, limits) = (Arc::new(default_input()), Limits::DEFAULT);
        let run = host.run(CALLER.into(), Language::Wasm, input, limits, Arc::default());
        runtime.block_on(run).expect("a good guest runs")
    };
    let good = |wanted: &[Language]| {
        let all = crate::mutants::good().into_iter();
        all.filter(|(language, _)| wanted.contains(language)).map(|(_, bytes)| bytes).collect()
    };
    let real = |languages: [&'static str; 2]| languages.into_iter().flat_map(find);
    let with_real = |mut good: Vec<Vec<u8>>, languages| {
        good.extend(real(languages).map(|found: Found| found.source.into()));
        good
    };
    match target {
        "admission" => with_real(good(&[Language::Wasm]), ["c", "as"]),
        "script" => with_real(good(&[Language::TypeScript, Language::JavaScript]), ["ts", "js"]),
        "transcript" => vec![serde_json::to_vec(&recorded().transcript).expect("JSON")],
        "bundle" => {
            let report = recorded();
            let source = CALLER.as_bytes().to_vec().into();
            let script = Script { source, language: Language::Wasm, wasm_hash: Some(report.wasm_hash) };
            let run = Run::by_hand(default_input(), Limits::DEFAULT, &report);
            vec![Bundle::new(Some(script), vec![run], None, Vec::new()).encode().expect("small")]
        }
        "context" => real(["ts", "js"])
            .filter_map(|found| serde_json::to_vec(&found.case.context?).ok())
            .chain([
            br#"{"job_id":"1","due":"2026-02-03T04:05:06Z","attempt":2,"trigger":{"kind":"condition","value":"12.5"},
                "arguments":["1",{"a":[2]}],"pinned":{"1":{"number":"5","hash":"0x0000000000000000000000000000000000000000000000000000000000000000"}}}"#
                .to_vec(),
            br#"{"trigger":{"kind":"event","chain_id":"1","block_number":"7","log":{"address":"0x0000000000000000000000000000000000000001","topics":[],"data":"0x01"}}}"#
                .to_vec(),
            ]).collect(),
        "create" => create::seeds(),
        field => fields::seeds(field),
    }
}
