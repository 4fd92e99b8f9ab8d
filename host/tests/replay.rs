//! The same input gives the same run; a transcript gives it again without the world; a change is shown.

mod common;

use std::sync::Arc;

use argus_domain::{
    bundle::{Bundle, BundleError, CameTo, Finding, Run, Script, Tools, check},
    difference::{MadeCall, ValueDifference},
    limits::Limits,
    module::Language,
    run::{RunEnd, RunReport, Transcript},
};
use argus_host::{Compared, Replayed, compare, replay};
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
console.log(JSON.stringify([(await a.json()).price, await b.text(), hop.status, failed, n, Date.now(), 0.1 + 0.2]));";

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
        Arc::default(),
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
    // Both paths are in both, so that the first call has used the same fuel: what a text costs follows from its hash.
    let source = |which: usize| {
        format!(
            "const paths = ['n/200', 'n/201']; await fetch('https://a.example/json'); \
             await fetch('https://a.example/' + paths[{which}]); console.log('[1]')"
        )
    };
    let live = b.js(&source(0)).await;
    let diverged = |result: Result<_, RunnerError>| match result {
        Err(RunnerError::Diverged(difference)) => {
            let text = |side: &Option<MadeCall>| side.as_ref().map_or("none".to_owned(), ToString::to_string);
            (difference.sequence, text(&difference.one), text(&difference.other))
        }
        other => panic!("{other:?}"),
    };

    let (at, recorded, now) =
        diverged(b.replay(&source(1), Language::JavaScript, live.transcript.clone()).await);
    assert_eq!(at, 1);
    assert!(recorded.contains("/n/200") && now.contains("/n/201"), "{recorded} {now}");

    let short = Transcript { calls: live.transcript.calls[..1].to_vec() };
    let (at, recorded, now) = diverged(b.replay(&source(0), Language::JavaScript, short).await);
    assert_eq!((at, recorded.as_str()), (1, "none"));
    assert!(now.contains("/n/200"));

    let mut long = live.transcript.clone();
    long.calls.push(argus_domain::run::HostCall { sequence: 2, ..long.calls[1].clone() });
    let (at, _, now) = diverged(b.replay(&source(0), Language::JavaScript, long).await);
    assert_eq!((at, now.as_str()), (2, "none"));

    let mut fuel = live.transcript.clone();
    fuel.calls[0].fuel += 1;
    assert_eq!(diverged(b.replay(&source(0), Language::JavaScript, fuel).await).0, 0);
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
    assert!(matches!(b.replay(source, Language::JavaScript, forged).await, Err(RunnerError::Diverged(_))));
}

fn bundle(source: &str, report: &RunReport) -> Bundle {
    let source = argus_domain::Bytes::from(source.as_bytes().to_vec());
    let script = Script { source, language: Language::JavaScript, wasm_hash: Some(report.wasm_hash) };
    Bundle::new(Some(script), vec![Run::by_hand(input(), Limits::DEFAULT, report)], None, Vec::new())
}

#[tokio::test]
async fn a_bundle_is_a_run_in_one_file() {
    let b = bench();
    let report = b.js(SCRIPT).await;
    let bundle = bundle(SCRIPT, &report);
    let file = bundle.encode().expect("not too large");
    let read = Bundle::decode(&file).expect("decode");
    assert_eq!(read, bundle);
    assert_eq!(replay(&b.host, &read, &read.runs[0]).await, Replayed::Equal);

    let mut wrong = read.runs[0].clone();
    wrong.fuel += 1;
    wrong.root.0[0] ^= 1;
    wrong.came_to = CameTo::End(RunEnd::Skipped("x".into()));
    let Replayed::Differs(differences) = replay(&b.host, &read, &wrong).await else { panic!("it differs") };
    assert_eq!(differences.iter().map(|d| d.what).collect::<Vec<_>>(), ["result", "fuel", "root"]);

    let forged = String::from_utf8(file).expect("utf8").replacen("\"elapsed_ms\":", "\"elapsed_ms\":1", 1);
    assert!(matches!(Bundle::decode(forged.as_bytes()), Err(BundleError::Changed { .. })));
    assert!(matches!(Bundle::decode(b"{}"), Err(BundleError::Malformed(_))));
    let mut foreign = read.runs[0].clone();
    foreign.engine = argus_domain::module::EngineId(argus_domain::B256::ZERO);
    let said = replay(&b.host, &read, &foreign).await;
    assert!(matches!(&said, Replayed::Not(why) if why.contains("the release that made it")), "{said:?}");
}

/// A number that differs at one place of a run's record: never is the run found equal.
#[tokio::test]
async fn whatever_is_changed_in_a_run_is_found() {
    let b = bench();
    let report = b.js(SCRIPT).await;
    let good = bundle(SCRIPT, &report);
    type Change = fn(&mut Run);
    let changes: [(&str, Change); 14] = [
        ("a call is dropped", |r| drop(r.transcript.calls.pop())),
        ("the first call is dropped", |r| drop(r.transcript.calls.remove(0))),
        ("two calls are swapped", |r| r.transcript.calls.swap(2, 3)),
        ("a call is repeated", |r| r.transcript.calls.push(r.transcript.calls[4].clone())),
        ("a reply is another", |r| r.transcript.calls[1].reply = r.transcript.calls[0].reply.clone()),
        ("a reply is junk", |r| r.transcript.calls[0].reply.push('x')),
        ("fuel of a call", |r| r.transcript.calls[3].fuel += 1),
        ("time of a call", |r| r.transcript.calls[2].elapsed_ms += 1),
        ("number of a call", |r| r.transcript.calls[2].sequence = 9),
        ("import of a call", |r| r.transcript.calls[2].import.push('x')),
        ("request that is shown", |r| r.transcript.calls[2].request.push(' ')),
        ("the due instant", |r| r.input.due.0 += 1_000),
        ("the task", |r| r.input.task.0.0[0] ^= 1),
        ("the log", |r| r.log.push('x')),
    ];
    let tools = Tools { recover: &|_, _| None, names: &|_, _| true, included: &|_| unreachable!() };
    for (what, change) in changes {
        // Also with a root that fits: whoever forges the file forges that, too.
        for fits in [false, true] {
            let mut run = good.runs[0].clone();
            change(&mut run);
            if fits {
                run.root = run.transcript.root();
            }
            let forged = Bundle::new(good.script.clone(), vec![run], None, Vec::new());
            let failed = check(&forged, &tools).iter().any(|c| matches!(c.finding, Finding::Fails(_)));
            let equal = replay(&b.host, &forged, &forged.runs[0]).await == Replayed::Equal;
            assert!(failed || !equal, "{what}, the root {}", if fits { "fits" } else { "does not" });
        }
    }
}

#[tokio::test]
async fn other_code_is_run_on_the_old_answers_and_compared() {
    let b = bench();
    let old = "const r = await fetch('https://a.example/json'); console.log(JSON.stringify([(await r.json()).price, 1]))";
    let report = b.js(old).await;
    let bundle = bundle(old, &report);
    let seen = b.stub.seen.lock().expect("lock").len();
    let with = async |source: &'static str| {
        let other = (Bytes::from_static(source.as_bytes()), Language::JavaScript);
        compare(&b.host, &bundle, &bundle.runs[0], other).await.expect("compared")
    };
    let same = with(
        "const x = [1, 2, 3].map(n => n * 2); const r = await fetch('https://a.example/json'); \
        console.log(JSON.stringify([(await r.json()).price, x.length - 2]))",
    )
    .await;
    assert!(
        matches!(same, Compared::Same { recorded, now } if recorded == report.fuel && now != recorded),
        "{same:?}"
    );
    let other = with("const r = await fetch('https://a.example/n/200'); console.log('[1]')").await;
    let Compared::Call(call) = &other else { panic!("{other:?}") };
    assert_eq!(call.sequence, 0);
    let (one, now) = (call.one.as_ref().expect("recorded"), call.other.as_ref().expect("made"));
    assert!(one.request.contains("/json") && now.request.contains("/n/200"), "{call:?}");
    assert!(one.reply.is_some() && now.reply.is_none(), "{call:?}");
    let fewer = with("console.log('[1]')").await;
    assert!(
        matches!(&fewer, Compared::Call(call) if call.sequence == 0 && call.other.is_none()),
        "{fewer:?}"
    );
    let result = with(
        "const r = await fetch('https://a.example/json'); \
        console.log(JSON.stringify([(await r.json()).price, 2]))",
    )
    .await;
    let expect =
        ValueDifference { path: "$[1]".to_owned(), one: Some("1".to_owned()), other: Some("2".to_owned()) };
    assert_eq!(result, Compared::Result(expect));
    assert_eq!(b.stub.seen.lock().expect("lock").len(), seen, "nobody is asked");
}

/// Of every language's fixture so many; `ARGUS_REPLAYS=10000` at compile time asks for more.
#[tokio::test]
async fn five_hundred_replays_of_every_language_are_equal() {
    let replays: usize = match option_env!("ARGUS_REPLAYS") {
        Some(text) => text.parse().expect("a number"),
        None => 500,
    };
    let b = bench();
    let guest = |name: &str| {
        std::fs::read_to_string(format!("{}/../tests/guests/good/{name}", env!("CARGO_MANIFEST_DIR")))
            .expect("a fixture")
    };
    let price = include_str!("scripts/price.ts").to_owned();
    let fixtures = [
        ("JavaScript", SCRIPT.to_owned(), Language::JavaScript),
        ("TypeScript", price, Language::TypeScript),
        ("reactor", guest("reactor.wat"), Language::Wasm),
        ("command", guest("echo-command.wat"), Language::Wasm),
        ("waiting command", guest("sleep-command.wat"), Language::Wasm),
    ];
    for (name, source, language) in fixtures {
        let live = b.run(&source, language).await;
        for n in 0..replays {
            let again = b.replay(&source, language, live.transcript.clone()).await.expect(name);
            assert_eq!(again, live, "{name}, replay {n}");
        }
    }
}
