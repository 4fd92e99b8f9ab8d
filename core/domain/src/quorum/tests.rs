use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use serde_json::json;

use super::*;
use crate::{
    attempt::{Priority, TraceId},
    call::Signature,
    ids::{AttemptNo, ChainId, TaskId},
    limits::Limits,
    module::EngineId,
    seal::Seal,
    time::Timestamp,
};

fn keeper(n: u8) -> KeeperId {
    KeeperId(Address::repeat_byte(n))
}

fn attempt(keepers: u8, threshold: u8, agreement: Agreement) -> Attempt {
    Attempt {
        task: TaskId(B256::ZERO),
        no: AttemptNo(1),
        keepers: (1..=keepers).map(keeper).collect(),
        mode: Mode::Quorum { keepers, threshold },
        agreement,
        pins: BTreeMap::new(),
        engine: EngineId(B256::ZERO),
        limits: Limits::DEFAULT,
        begun_at: Timestamp(0),
        deadline: Timestamp(1),
        valid_until: Timestamp(2),
        fee_cap: U256::ZERO,
        gas_limit: 0,
        trace: TraceId(0),
        priority: Priority::OnTime,
        state: None,
    }
}

fn observation(n: u8, output: Output, state: Option<B256>) -> Arc<Observation> {
    Arc::new(Observation {
        task: TaskId(B256::ZERO),
        attempt: AttemptNo(1),
        keeper: keeper(n),
        module: B256::ZERO,
        engine: EngineId(B256::ZERO),
        input: B256::ZERO,
        transcript_root: B256::ZERO,
        fuel: 0,
        output,
        state,
        seal: Seal::alone(Signature([0; 65])),
    })
}

/// `[1, 2]` is a call, `{"call": [1, 2], "state": 3}` one with a state, `"..."` a skip, `{"fail": "..."}` a failure,
/// `null` silence.
fn output(text: &Value) -> Option<Output> {
    match text {
        Value::Array(arguments) => Some(Output::Call(Call {
            chain: ChainId(1),
            target: Address::ZERO,
            value: U256::ZERO,
            calldata: Bytes::from([&[1, 2, 3, 4], keccak256(text.to_string()).as_slice()].concat()),
            arguments: arguments.clone(),
        })),
        Value::String(reason) => Some(Output::Skip(reason.clone())),
        Value::Object(object) if object.contains_key("call") => output(&object["call"]),
        Value::Object(object) => Some(Output::Fail(object["fail"].as_str().expect("message").to_owned())),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn state(text: &Value) -> Option<B256> {
    text.get("state").map(|state| keccak256(state.to_string()))
}

fn check(of: (u8, u8), agreement: &str, answers: Value, waiting: usize, expect: &str) {
    check_refuted(of, agreement, answers, &[], waiting, expect);
}

/// With the runs of these keepers refuted.
fn check_refuted(
    (keepers, threshold): (u8, u8),
    agreement: &str,
    answers: Value,
    refuted: &[u8],
    waiting: usize,
    expect: &str,
) {
    let agreement = match agreement {
        "exact" => Agreement::Exact,
        "trust" => Agreement::TrustPerformer,
        tolerance => Agreement::Median { tolerance: tolerance.parse().expect("tolerance") },
    };
    let attempt = attempt(keepers, threshold, agreement);
    let answers = answers.as_array().expect("answers").clone();
    let seen: BTreeMap<_, _> = (1u8..)
        .zip(&answers)
        .filter_map(|(n, text)| Some((keeper(n), observation(n, output(text)?, state(text)))))
        .collect();
    let number = |k: &KeeperId| (1..=keepers).find(|n| keeper(*n) == *k).expect("one of the attempt");
    let liars: BTreeSet<_> = refuted.iter().map(|n| keeper(*n)).collect();
    let found = match choose(&attempt, &seen, &liars, waiting) {
        Choice::Equal(keepers) => format!("equal {:?}", keepers.iter().map(number).collect::<Vec<_>>()),
        Choice::Second { chosen, how } => format!("{how:?} {}", number(&chosen)),
        Choice::Skipped(reason) => format!("skipped {reason}"),
        Choice::Failed(message) => format!("failed {message}"),
        Choice::Disagreed(_) => "disagreed".to_owned(),
        Choice::Short(_) => "short".to_owned(),
        Choice::Waiting => "waiting".to_owned(),
    };
    assert_eq!(found, expect, "{keepers}/{threshold} {answers:?} but {refuted:?} waiting {waiting}");
}

#[test]
fn two_of_three() {
    let c = |rule: &str, answers: Value, waiting: usize, expect: &str| {
        check((3, 2), rule, answers, waiting, expect)
    };
    c("0.01", json!([["1"], ["1"], null]), 1, "equal [1, 2]");
    c("0.01", json!([["1"], null, ["1"]]), 1, "equal [1, 3]");
    c("0.01", json!([["1"], ["2"], null]), 1, "waiting");
    c("0.01", json!([["1"], ["2"], ["1"]]), 0, "equal [1, 3]");
    c("0.01", json!([["30"], ["10"], ["20"]]), 0, "Median 3");
    c("0.01", json!([["1", "9"], ["1", "7"], ["0", "99"]]), 0, "Median 2");
    c("0.01", json!([["-5"], ["-7"], ["3"]]), 0, "Median 1");
    c("0.01", json!([[["1"], "0xab"], [["3"], "0xab"], [["2"], "0xab"]]), 0, "Median 3");
    c("0.01", json!([["1000"], ["1009"], null]), 0, "Tolerance 1");
    c("0.01", json!([["1000"], ["1011"], null]), 0, "disagreed");
    c("0.01", json!([["0"], ["0"], null]), 0, "equal [1, 2]");
    c("0.01", json!([["1"], ["-1"], null]), 0, "disagreed");
    c("3", json!([["1"], ["-1"], null]), 0, "Tolerance 1");
    c("0.01", json!([["1000", "0xaa"], ["1001", "0xbb"], null]), 0, "disagreed");
    c("0.01", json!([["1000", "0xaa"], ["1001", "0xaa"], ["1", "0xbb"]]), 0, "Tolerance 1");
    c("0.01", json!([["1"], null, null]), 0, "short");
    c("exact", json!([["1000"], ["1001"], null]), 1, "waiting");
    c("exact", json!([["1000"], ["1001"], ["1002"]]), 0, "disagreed");
    c("exact", json!(["later", ["1"], "never"]), 0, "skipped later");
    c("exact", json!([{ "fail": "a" }, { "fail": "b" }, { "fail": "a" }]), 0, "failed a");
    c("exact", json!([{ "fail": "a" }, { "fail": "b" }, null]), 1, "waiting");
    c("exact", json!([{ "fail": "a" }, { "fail": "b" }, null]), 0, "failed a");
    c("exact", json!([{ "fail": "a" }, "later", ["1"]]), 0, "disagreed");
}

#[test]
fn equal_calls_with_other_states_are_not_equal() {
    let c = |rule: &str, answers: Value, expect: &str| check((3, 2), rule, answers, 0, expect);
    let came = |call: u32, state: u32| json!({ "call": [call.to_string()], "state": state });
    c("exact", json!([came(1, 1), came(1, 2), came(1, 1)]), "equal [1, 3]");
    c("exact", json!([came(1, 1), came(1, 2), null]), "disagreed");
    // A live value that is remembered, too: the run in the middle, with its state.
    c("0.01", json!([came(3, 3), came(1, 1), came(2, 2)]), "Median 3");
    c("0.01", json!([came(1, 1), came(1, 2), came(1, 3)]), "Median 2");
    // Whose arguments are not known has no middle.
    let chosen = |state: u32| json!({ "call": [], "state": state });
    c("0.01", json!([chosen(1), chosen(2), chosen(3)]), "disagreed");
    c("0.01", json!([chosen(1), chosen(2), chosen(2)]), "equal [2, 3]");
}

#[test]
fn three_of_five_take_a_median_of_five_only() {
    let c = |answers: Value, waiting: usize, expect: &str| check((5, 3), "0.01", answers, waiting, expect);
    c(json!([["1"], ["2"], ["3"], ["9"], ["9"]]), 0, "Median 3");
    c(json!([["9"], ["9"], ["1"], ["2"], null]), 0, "disagreed");
    c(json!([["1000"], ["1001"], ["1002"], null, null]), 0, "Tolerance 1");
    c(json!([["1000"], ["1001"], ["1002"], null, null]), 1, "waiting");
    c(json!([["1000"], ["1001"], ["2"], null, null]), 0, "disagreed");
}

#[test]
fn one_word_replayed() {
    let c = |answers: Value, waiting: usize, expect: &str| check((3, 2), "trust", answers, waiting, expect);
    c(json!([["1"], null, null]), 2, "Performer 1");
    c(json!([null, ["1"], null]), 1, "Performer 2");
    c(json!(["later", null, null]), 2, "skipped later");
    c(json!([{ "fail": "a" }, null, null]), 2, "failed a");
    c(json!([null, null, null]), 2, "waiting");
    c(json!([null, null, null]), 0, "short");
    check((1, 1), "trust", json!([["1"]]), 0, "equal [1]");
}

#[test]
fn what_no_answer_can_decide_is_not_waited_for() {
    check((4, 3), "exact", json!([["1"], ["2"], ["3"], null]), 1, "disagreed");
    check((4, 3), "0.01", json!([["1"], "later", { "fail": "a" }, null]), 1, "disagreed");
}

#[test]
fn too_few_are_short_and_not_at_odds() {
    let c = |answers: Value, waiting: usize, expect: &str| check((3, 2), "0.01", answers, waiting, expect);
    c(json!([null, null, null]), 1, "short");
    c(json!([null, null, null]), 0, "short");
    c(json!([{ "fail": "a" }, null, null]), 0, "short");
    c(json!([null, null, null]), 2, "waiting");
    check((5, 3), "exact", json!([["1"], null, null, null, null]), 1, "short");
}

#[test]
fn a_refuted_run_is_chosen_no_more_and_one_liar_less_is_left() {
    let c = |answers: Value, refuted: &[u8], waiting: usize, expect: &str| {
        check_refuted((3, 2), "0.01", answers, refuted, waiting, expect);
    };
    c(json!([["10"], ["12"], ["11"]]), &[3], 0, "Median 1");
    c(json!([["12"], ["10"], ["11"]]), &[3], 0, "Median 2");
    c(json!([["12"], ["12"], ["12"]]), &[3], 0, "equal [1, 2]");
    c(json!([["12"], "later", ["11"]]), &[3], 0, "Median 1");
    c(json!([["12"], null, ["12"]]), &[3], 0, "Median 1");
    c(json!([null, null, ["12"]]), &[3], 1, "waiting");
    c(json!([null, null, ["12"]]), &[3], 0, "short");
    c(json!([["12"], ["1", "2"], ["11"]]), &[3], 0, "disagreed");
    check_refuted((3, 2), "trust", json!([["1"], ["2"], null]), &[1], 1, "Performer 2");
    check_refuted((3, 2), "trust", json!([["1"], null, null]), &[1], 2, "waiting");
    let c = |answers: Value, refuted: &[u8], expect: &str| {
        check_refuted((5, 3), "0.01", answers, refuted, 0, expect);
    };
    c(json!([["1"], ["2"], ["3"], ["4"], ["9"]]), &[3], "Median 2");
    c(json!([["1"], ["2"], ["3"], ["4"], ["9"]]), &[3, 4], "Median 2");
    // One liar is left: two answers could be it and one more, so their distance counts.
    c(json!([["1000"], ["1001"], ["3"], null, null]), &[3], "Tolerance 1");
    c(json!([["1000"], ["2000"], ["3"], null, null]), &[3], "disagreed");
    c(json!([["1000"], ["3"], ["4"], null, null]), &[2, 3], "Median 1");
}

#[test]
fn a_keeper_checks_the_choice_with_what_it_found_refuted() {
    let attempt = attempt(3, 2, Agreement::Median { tolerance: Decimal::zero() });
    let seen: Vec<_> = (1u8..)
        .zip([json!(["10"]), json!(["12"]), json!(["11"])])
        .filter_map(|(n, text)| Some(observation(n, output(&text)?, state(&text))))
        .collect();
    let chosen = |refuted: &[u8]| {
        let refuted = refuted.iter().map(|n| keeper(*n)).collect();
        second_round(&attempt, &seen, &refuted).map(|(chosen, _)| chosen)
    };
    assert_eq!(chosen(&[]), Some(keeper(3)));
    assert_eq!(chosen(&[3]), Some(keeper(1)));
    assert_eq!(chosen(&[9]), Some(keeper(3)), "one that is not among them makes no difference");
}

#[test]
fn no_liar_below_the_threshold_moves_the_median_out_of_the_honest_range() {
    let lies =
        [["0", "0"], ["0", "999"], ["999", "999"], ["10", "12"], ["11", "11"], ["11", "12"], ["11", "0"]];
    // Which of the two liars' runs do not stand a replay.
    let unsound = [[false, false], [true, false], [false, true], [true, true]];
    for (lies, unsound, place) in lies
        .iter()
        .flat_map(|lies| unsound.iter().flat_map(move |bad| (0..20u8).map(move |place| (lies, bad, place))))
    {
        // With whether it can be refuted.
        let mut answers = vec![(json!(["10"]), false), (json!(["11"]), false), (json!(["12"]), false)];
        answers.insert(usize::from(place % 4), (json!([lies[0]]), unsound[0]));
        answers.insert(usize::from(place % 5), (json!([lies[1]]), unsound[1]));
        let attempt = attempt(5, 3, Agreement::Median { tolerance: Decimal::zero() });
        let seen: BTreeMap<_, _> = (1u8..)
            .zip(&answers)
            .filter_map(|(n, (text, _))| Some((keeper(n), observation(n, output(text)?, None))))
            .collect();
        let bad = (1u8..).zip(&answers).filter(|(_, (_, bad))| *bad).map(|(n, _)| keeper(n));
        let bad: BTreeSet<_> = bad.collect();
        let mut refuted = BTreeSet::new();
        let chosen = loop {
            match choose(&attempt, &seen, &refuted, 0) {
                Choice::Second { chosen, .. } if bad.contains(&chosen) => assert!(refuted.insert(chosen)),
                Choice::Second { chosen, .. } => break chosen,
                Choice::Equal(keepers) => break keepers[0],
                other => panic!("{answers:?} without {refuted:?} came to {other:?}"),
            }
        };
        let Output::Call(call) = &seen[&chosen].output else { panic!("a call") };
        let value: u32 = call.arguments[0].as_str().expect("text").parse().expect("number");
        assert!((10..=12).contains(&value), "{answers:?} without {refuted:?} gave {value}");
    }
}
