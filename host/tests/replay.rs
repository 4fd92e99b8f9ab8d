//! The same input gives the same run; a transcript gives it again without the world; a change is shown.

mod common;

use argus_domain::{
    limits::Limits,
    module::Language,
    run::{RunEnd, Transcript},
};
use argus_host::{Bundle, BundleError};
use argus_ports::RunnerError;
use bytes::Bytes;
use common::{bench, input, value};

const SCRIPT: &str = "
const [a, b] = await Promise.all([fetch('https://a.example/json'), fetch('https://a.example/slow/7')]);
await new Promise(r => setTimeout(r, 50));
const hop = await fetch('https://a.example/redirect/1');
let failed; try { await fetch('https://a.example/fail') } catch (e) { failed = e.message }
const n = await argus.evm.blockNumber(1);
console.error(Math.random(), crypto.randomUUID());
console.log(JSON.stringify([(await a.json()).price, await b.text(), hop.status, failed, n, Date.now() > 0, 0.1 + 0.2]));";

#[tokio::test]
async fn equal_input_gives_equal_fuel_output_and_randomness() {
    let source =
        "export default () => [Math.random(), crypto.randomUUID(), Date.now(), [1.5, 2].map(Math.sin)]";
    let (one, two) = (bench().js(source).await, bench().js(source).await);
    assert_eq!(one, two);
    let mut other = input();
    other.task = argus_domain::ids::TaskId(argus_domain::B256::repeat_byte(9));
    let b = bench();
    let third = argus_ports::ModuleRunner::run(
        &b.host,
        Bytes::from(source),
        Language::JavaScript,
        other.into(),
        Limits::DEFAULT,
    )
    .await
    .expect("run");
    assert_ne!(value(&one), value(&third));
}

#[tokio::test]
async fn a_replay_is_the_run_again_bit_for_bit() {
    let b = bench();
    let live = b.js(SCRIPT).await;
    value(&live);
    assert_eq!(live.transcript.calls.len(), 5);
    let before = b.stub.seen.lock().expect("lock").len();
    for _ in 0..3 {
        let replayed = b.replay(SCRIPT, Language::JavaScript, live.transcript.clone()).await.expect("replay");
        assert_eq!(replayed, live);
        assert_eq!(replayed.transcript.root(), live.transcript.root());
    }
    assert_eq!(b.stub.seen.lock().expect("lock").len(), before, "a replay reaches nobody");
}

#[tokio::test]
async fn failures_and_limits_replay_too() {
    let b = bench();
    for source in [
        "await fetch('https://a.example/json'); throw new Error('x')",
        "await fetch('https://a.example/redirect/9')",
        "await fetch('https://a.example/big/2000000')",
        "await fetch('https://a.example/json'); while (true) {}",
        "await fetch('https://a.example/json'); process.exit(64)",
        "fetch('https://a.example/json'); fetch('https://a.example/slow/20'); process.exit(0)",
    ] {
        let live = b.js(source).await;
        let replayed = b.replay(source, Language::JavaScript, live.transcript.clone()).await.expect(source);
        assert_eq!(replayed, live, "{source}");
    }
}

#[tokio::test]
async fn the_first_divergence_is_shown_with_both_sides() {
    let b = bench();
    let source = |path: &str| {
        format!(
            "await fetch('https://a.example/json'); await fetch('https://a.example/{path}'); console.log('[1]')"
        )
    };
    let live = b.js(&source("n/200")).await;
    let diverged = |result: Result<_, RunnerError>| match result {
        Err(RunnerError::Diverged { sequence, recorded, now }) => (sequence, recorded, now),
        other => panic!("{other:?}"),
    };

    let (at, recorded, now) =
        diverged(b.replay(&source("n/201"), Language::JavaScript, live.transcript.clone()).await);
    assert_eq!(at, 1);
    assert!(recorded.contains("/n/200") && now.contains("/n/201"), "{recorded} {now}");

    let short = Transcript { calls: live.transcript.calls[..1].to_vec() };
    let (at, recorded, now) = diverged(b.replay(&source("n/200"), Language::JavaScript, short).await);
    assert_eq!((at, recorded.as_str()), (1, "none"));
    assert!(now.contains("/n/200"));

    let mut long = live.transcript.clone();
    long.calls.push(argus_domain::run::HostCall { sequence: 2, ..long.calls[1].clone() });
    let (at, _, now) = diverged(b.replay(&source("n/200"), Language::JavaScript, long).await);
    assert_eq!((at, now.as_str()), (2, "none"));

    let mut fuel = live.transcript.clone();
    fuel.calls[0].fuel += 1;
    assert_eq!(diverged(b.replay(&source("n/200"), Language::JavaScript, fuel).await).0, 0);
}

#[tokio::test]
async fn a_changed_answer_changes_root_and_result() {
    let b = bench();
    let source = "const r = await fetch('https://a.example/json'); console.log(JSON.stringify([(await r.json()).price]))";
    let live = b.js(source).await;
    let mut forged = live.transcript.clone();
    forged.calls[0].reply =
        forged.calls[0].reply.replace(&hex::encode("1234.567890"), &hex::encode("9999.567890"));
    let replayed = b.replay(source, Language::JavaScript, forged.clone()).await.expect("replay");
    assert_eq!(value(&replayed), r#"["9999.567890"]"#);
    assert_ne!(replayed.transcript.root(), live.transcript.root());
    forged.calls[0].reply = "junk".into();
    assert!(matches!(
        b.replay(source, Language::JavaScript, forged).await,
        Err(RunnerError::Diverged { .. })
    ));
}

#[tokio::test]
async fn a_bundle_is_a_run_in_one_file() {
    let b = bench();
    let report = b.js(SCRIPT).await;
    let bundle = Bundle::new(Bytes::from(SCRIPT), Language::JavaScript, input(), Limits::DEFAULT, &report);
    let file = bundle.encode();
    let read = Bundle::decode(&file).expect("decode");
    assert_eq!(read, bundle);
    assert_eq!(read.verify(&b.host).await.expect("verify"), []);

    let mut wrong = read.clone();
    wrong.fuel += 1;
    wrong.end = RunEnd::Skipped("x".into());
    let differences = wrong.verify(&b.host).await.expect("verify");
    assert_eq!(differences.iter().map(|d| d.what).collect::<Vec<_>>(), ["result", "fuel"]);

    let forged =
        String::from_utf8(file.clone()).expect("utf8").replacen("\"elapsed_ms\": ", "\"elapsed_ms\": 1", 1);
    assert!(matches!(Bundle::decode(forged.as_bytes()), Err(BundleError::Root { .. })));
    assert!(matches!(Bundle::decode(b"{}"), Err(BundleError::Malformed(_))));
    let mut foreign = read;
    foreign.engine = argus_domain::module::EngineId(argus_domain::B256::ZERO);
    assert!(matches!(foreign.verify(&b.host).await, Err(BundleError::Engine { .. })));
}
