//! Scripts as people write them: each comes to what its case says, and so does its replay, bit for bit.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex},
    vec,
};

use argus_builder::Go;
use argus_domain::{
    run::{RunEnd, RunReport},
    state::State,
};
use argus_guests_tests::{Expect, Found, find, go, host};
use argus_ports::ModuleRunner;

/// What is wrong with a case; nothing, if all is as it should be.
async fn faults(found: &Found) -> Vec<String> {
    let case = &found.case;
    let (host, world) = host(case);
    let (input, secrets) = match case.input() {
        Ok((input, secrets)) => (Arc::new(input), Arc::new(secrets)),
        Err(error) => return vec![format!("context: {error}")],
    };
    let (source, limits) = (found.source.clone(), found.limits());
    let report = match host.run(source.clone(), found.language, input.clone(), limits, secrets).await {
        Ok(report) => report,
        Err(error) => return vec![error.to_string()],
    };
    let mut faults: Vec<String> = world.unknown().into_iter().map(|r| format!("not recorded: {r}")).collect();
    faults.extend(ended(&case.expect, &report));
    let calls: BTreeSet<&str> = report.transcript.calls.iter().map(|call| call.import.as_str()).collect();
    if !calls.iter().copied().eq(case.calls.iter().map(String::as_str)) {
        faults.push(format!("its calls are {calls:?}, not {:?}", case.calls));
    }
    faults.extend(case.remembers.as_ref().and_then(|expected| remembered(expected, &report)));
    if let Some(part) = case.log.as_ref().filter(|part| !report.log.contains(part.as_str())) {
        faults.push(format!("{part:?} is not in the log:\n{}", report.log));
    }
    if let Some(value) = case.secrets.values().find(|value| format!("{report:?}").contains(value.as_str())) {
        faults.push(format!("the secret {value:?} is in the report: {report:?}"));
    }
    let transcript = Arc::new(report.transcript.clone());
    match host.replay(source, found.language, input, limits, transcript).await {
        Ok(again) if again == report => {}
        Ok(again) => faults.push(format!("the replay gave {again:?}, the run {report:?}")),
        Err(error) => faults.push(format!("the replay: {error}")),
    }
    faults
}

/// Asking for a page is a good part of what a small run costs: the SDK's heap begins with what the module has.
#[tokio::test]
async fn a_small_rust_script_makes_do_with_the_memory_that_it_has() {
    let found = find("rust").into_iter().find(|found| found.name.contains("quotes")).expect("the script");
    let (host, _) = host(&found.case);
    let (input, secrets) = found.case.input().expect("its context");
    let run =
        host.run(found.source.clone(), found.language, Arc::new(input), found.limits(), Arc::new(secrets));
    let report = run.await.expect("a run");
    assert_eq!(ended(&found.case.expect, &report), None);
    assert_eq!(
        report.memory_bytes,
        2 << 16,
        "80 KB of stack, its data, and what is left of the page is its heap"
    );
}

fn remembered(expected: &BTreeMap<String, String>, report: &RunReport) -> Option<String> {
    let mut state = State::default();
    for (key, text) in expected {
        state.set(key, text.as_bytes().to_vec().into()).expect("room");
    }
    (report.state.as_deref() != Some(&state))
        .then(|| format!("{expected:?} was expected, not {:?}", report.state))
}

fn ended(expect: &Expect, report: &RunReport) -> Option<String> {
    let is_met = match (expect, &report.end) {
        (Expect::Arguments(expected), RunEnd::Value(value)) => expected == value,
        (Expect::Skipped(part), RunEnd::Skipped(reason)) => reason.contains(part),
        (Expect::Error(part), RunEnd::Failed(failure)) => failure.message.contains(part),
        _ => false,
    };
    (!is_met).then(|| format!("{expect:?} was expected, not {:?}\nlog: {}", report.end, report.log))
}

/// Runs the corpus of a language, which has this many scripts at least.
async fn all(language: &str, least: usize) {
    let cases = find(language);
    assert!(cases.len() >= least, "{language} has {} scripts of {least}", cases.len());
    let mut report = String::new();
    for found in &cases {
        report += &judged(found).await;
    }
    assert!(report.is_empty(), "{report}");
}

async fn judged(found: &Found) -> String {
    let mut report = String::new();
    for fault in faults(found).await {
        let _infallible = write!(report, "\n{}: {fault}", found.name);
    }
    report
}

#[tokio::test]
async fn go() {
    let Some(toolchain) = go::toolchain().await else { return };
    let launcher = env!("CARGO_BIN_EXE_confined");
    let builder =
        Go::new(go::settings(toolchain, launcher, &go::shared_cache())).expect("the builder's folders");
    let mut cases = find("go");
    assert!(cases.len() >= 15, "{} scripts", cases.len());
    // The first build compiles the standard library, which two at once would both do.
    let mut first = cases.remove(0);
    go::build(&builder, &mut first).await;
    let left = Mutex::new(cases.into_iter());
    let (first, one, other) =
        tokio::join!(judged(&first), build_and_judge(&builder, &left), build_and_judge(&builder, &left));
    let report = [first, one, other].concat();
    assert!(report.is_empty(), "{report}");
}

/// Takes what is left, program by program.
async fn build_and_judge(builder: &Go, left: &Mutex<vec::IntoIter<Found>>) -> String {
    let mut report = String::new();
    loop {
        let next = left.lock().expect("no panic").next();
        let Some(mut found) = next else { return report };
        go::build(builder, &mut found).await;
        report += &judged(&found).await;
    }
}

#[tokio::test]
async fn typescript() {
    all("ts", 14).await;
}

#[tokio::test]
async fn javascript() {
    all("js", 10).await;
}

#[tokio::test]
async fn rust() {
    all("rust", 8).await;
}

#[tokio::test]
async fn assemblyscript() {
    all("as", 8).await;
}

#[tokio::test]
async fn c() {
    all("c", 8).await;
}
