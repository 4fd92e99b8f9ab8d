//! What a script remembers: read, written, limited, and replayed.

mod common;

use std::sync::Arc;

use argus_domain::{
    bundle::{Bundle, Run, Script},
    limits::{Limits, STORAGE_BYTES_MAX},
    module::Language,
    run::{FailureKind, RunInput, RunReport, Transcript},
    state::{NOT_GRANTED, State},
};
use argus_host::{Difference, Replayed};
use argus_ports::{ModuleRunner, RunnerError};
use bytes::Bytes;
use common::{Bench, bench, expect_failure, input, value};

fn state(entries: &[(&str, &str)]) -> State {
    let mut state = State::default();
    for (key, value) in entries {
        state.set(key, value.to_string().into_bytes().into()).expect("room");
    }
    state
}

fn on(state: &State) -> Arc<RunInput> {
    Arc::new(RunInput { state: Some(Arc::new(state.clone())), ..input() })
}

async fn run(bench: &Bench, source: &str, before: &State) -> RunReport {
    let source = Bytes::copy_from_slice(source.as_bytes());
    bench
        .host
        .run(source, Language::JavaScript, on(before), Limits::DEFAULT, Arc::default())
        .await
        .expect("admitted")
}

async fn replay(
    bench: &Bench,
    source: &str,
    before: &State,
    transcript: Transcript,
) -> Result<RunReport, RunnerError> {
    let source = Bytes::copy_from_slice(source.as_bytes());
    bench.host.replay(source, Language::JavaScript, on(before), Limits::DEFAULT, Arc::new(transcript)).await
}

const COUNTS: &str = "
const n = Number(argus.storage.get('n') ?? '0') + 1;
argus.storage.set('n', String(n));
argus.storage.set('gone', 'x');
argus.storage.delete('gone');
argus.storage.delete('old');
console.log(JSON.stringify([n, argus.storage.get('n'), argus.storage.get('gone')]));";

#[tokio::test]
async fn a_run_reads_what_it_was_given_and_what_it_wrote() {
    let b = bench();
    let before = state(&[("n", "4"), ("old", "1"), ("kept", "2")]);
    let report = run(&b, COUNTS, &before).await;
    assert_eq!(value(&report), r#"[5,"5",null]"#);
    assert_eq!(report.state.as_deref(), Some(&state(&[("n", "5"), ("kept", "2")])));
    assert_eq!(report.host_calls, 7, "each is a host call");
    let empty = run(&b, COUNTS, &State::default()).await;
    assert_eq!(value(&empty), r#"[1,"1",null]"#);
}

#[tokio::test]
async fn a_replay_comes_to_the_same_state_and_believes_no_transcript_about_it() {
    let b = bench();
    let before = state(&[("n", "4")]);
    let live = run(&b, COUNTS, &before).await;
    assert_eq!(replay(&b, COUNTS, &before, live.transcript.clone()).await.as_ref(), Ok(&live));
    // The same transcript on another state, and another answer on this one.
    let diverges = |result: Result<RunReport, RunnerError>, part: &str| match result {
        Err(RunnerError::Diverged(call)) => {
            let said = call.to_string();
            assert!(call.sequence == 0 && said.contains(part), "{said}");
        }
        other => panic!("{other:?}"),
    };
    diverges(replay(&b, COUNTS, &State::default(), live.transcript.clone()).await, "null");
    let mut forged = live.transcript.clone();
    forged.calls[0].reply = r#"{"ok":"0x39"}"#.to_owned();
    diverges(replay(&b, COUNTS, &before, forged).await, "0x39");
}

#[tokio::test]
async fn a_bundle_has_the_state_before_and_is_held_to_the_one_after() {
    let b = bench();
    let before = state(&[("n", "4"), ("old", "1")]);
    let report = run(&b, COUNTS, &before).await;
    let source = argus_domain::Bytes::from_static(COUNTS.as_bytes());
    let script = Script { source, language: Language::JavaScript, wasm_hash: None };
    let made = Run::by_hand(on(&before).as_ref().clone(), Limits::DEFAULT, &report);
    let written = Bundle::new(Some(script), vec![made], None, Vec::new()).encode().expect("small");
    let bundle = Bundle::decode(&written).expect("as written");
    let replayed = async |change: fn(&mut Run)| {
        let mut run = bundle.runs[0].clone();
        change(&mut run);
        argus_host::replay(&b.host, &bundle, &run).await
    };
    assert_eq!(replayed(|_| ()).await, Replayed::Equal);
    let told = |difference: Replayed| match difference {
        Replayed::Differs(found) => found.into_iter().map(|Difference { what, .. }| what).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(replayed(|run| run.state = Some(State::default().root())).await), ["state"]);
    assert_eq!(told(replayed(|run| run.state = None).await), ["state"]);
    // An entry that is read shows in its answer, one that is not in what is left at the end.
    let read = |run: &mut Run| run.input.state = Some(Arc::new(state(&[("n", "5"), ("old", "1")])));
    assert_eq!(told(replayed(read).await), ["calls"]);
    let unread = |run: &mut Run| run.input.state = Some(Arc::new(state(&[("n", "4"), ("kept", "2")])));
    assert_eq!(told(replayed(unread).await), ["state"]);
}

#[tokio::test]
async fn too_much_ends_the_run_and_a_wrong_key_can_be_caught() {
    let b = bench();
    let caught = "
        const kinds = [];
        for (const key of ['', 'k'.repeat(257)]) {
          try { argus.storage.set(key, 'v') } catch (e) { kinds.push(e.kind) }
        }
        argus.storage.set('k'.repeat(256), 'v');
        console.log(JSON.stringify(kinds));";
    assert_eq!(value(&run(&b, caught, &State::default()).await), r#"["invalid","invalid"]"#);
    let mut nearly = State::default();
    nearly.set("a", vec![0; STORAGE_BYTES_MAX as usize - 3].into()).expect("room");
    let fits = run(&b, "argus.storage.set('b', 'c'); console.log('[]')", &nearly).await;
    assert_eq!(value(&fits), "[]");
    let full = run(&b, "try { argus.storage.set('b', 'cd') } catch {} console.log('[]')", &nearly).await;
    expect_failure(&full, FailureKind::Limit, &["storage limit of 1 MB", "delete entries"]);
    assert_eq!(full.state.as_deref(), Some(&nearly), "nothing was written");
}

#[tokio::test]
async fn without_storage_nothing_is_read_or_written() {
    let b = bench();
    let report = b.js("argus.storage.set('a', 'b')").await;
    expect_failure(&report, FailureKind::Script, &[NOT_GRANTED]);
    assert_eq!(report.state, None);
}

/// Reactors ask in JSON and get JSON.
#[tokio::test]
async fn a_reactor_asks_in_the_form_of_the_contract() {
    let b = bench();
    let module = |import: &str, request: &str| {
        format!(
            r#"(module
              (import "host" "{import}" (func $ask (param i32 i32) (result i64)))
              (memory (export "memory") 2)
              (global $next (mut i32) (i32.const 4096))
              (data (i32.const 16) "{}")
              (func (export "abi_alloc") (param $len i32) (result i32)
                (global.get $next)
                (global.set $next (i32.add (global.get $next) (local.get $len))))
              (func (export "run") (param i32 i32) (result i64)
                (call $ask (i32.const 16) (i32.const {}))))"#,
            request.replace('"', "\\\""),
            request.len()
        )
    };
    let before = state(&[("a", "\u{1}")]);
    for (import, request, expect, after) in [
        ("storage_get", r#"{"key":"a"}"#, r#"{"ok":"0x01"}"#, &before),
        ("storage_get", r#"{"key":"b"}"#, r#"{"ok":null}"#, &before),
        (
            "storage_set",
            r#"{"key":"b","value":"0x02"}"#,
            r#"{"ok":null}"#,
            &state(&[("a", "\u{1}"), ("b", "\u{2}")]),
        ),
        ("storage_delete", r#"{"key":"a"}"#, r#"{"ok":null}"#, &State::default()),
    ] {
        let source = Bytes::from(module(import, request));
        let report = b
            .host
            .run(source, Language::Wasm, on(&before), Limits::DEFAULT, Arc::default())
            .await
            .expect("admitted");
        assert_eq!(value(&report), expect, "{import}({request})");
        assert_eq!(report.state.as_deref(), Some(after), "{import}({request})");
    }
}
