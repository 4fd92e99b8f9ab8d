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
    of: (u8, u8),
    agreement: &str,
    answers: Value,
    refuted: &[u8],
    waiting: usize,
    expect: &str,
) {
    let found = found(of, agreement, &answers, refuted, waiting);
    assert_eq!(found, expect, "{of:?} {answers} but {refuted:?} waiting {waiting}");
}

fn found(
    (keepers, threshold): (u8, u8),
    agreement: &str,
    answers: &Value,
    refuted: &[u8],
    waiting: usize,
) -> String {
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
    match choose(&attempt, &seen, &liars, waiting) {
        Choice::Equal(keepers) => format!("equal {:?}", keepers.iter().map(number).collect::<Vec<_>>()),
        Choice::Second { chosen, how } => format!("{how:?} {}", number(&chosen)),
        Choice::Skipped(reason) => format!("skipped {reason}"),
        Choice::Failed(message) => format!("failed {message}"),
        Choice::Disagreed(_) => "disagreed".to_owned(),
        Choice::Short(_) => "short".to_owned(),
        Choice::Waiting => "waiting".to_owned(),
    }
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

/// Which answers come to what, a row per rule: of three keepers two must agree.
#[test]
fn every_rule_of_live_values_has_its_row() {
    let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    let next = "115792089237316195423570985008687907853269984665640564039457584007913129639934";
    let minus_max = format!("-{max}");
    let tuple = |price: &str, size: &str| json!([[price, [size, "7"]], "0xab", true]);
    let rows: &[(&str, &str, Value, &str)] = &[
        ("equal calls need no rule", "0", json!([["5"], ["5"], null]), "equal [1, 2]"),
        ("two within the tolerance", "0.01", json!([["1000"], ["1010"], null]), "Tolerance 1"),
        ("two just outside", "0.01", json!([["1000"], ["1011"], null]), "disagreed"),
        ("every integer has to be within", "0.01", json!([["1000", "1"], ["1001", "2"], null]), "disagreed"),
        ("a tolerance of nothing", "0", json!([["1000"], ["1001"], null]), "disagreed"),
        ("zero is far from one", "0.01", json!([["0"], ["1"], null]), "disagreed"),
        ("and all of it", "1", json!([["0"], ["1"], null]), "Tolerance 1"),
        ("signs that differ are twice as far", "1", json!([["5"], ["-5"], null]), "disagreed"),
        (
            "negative ones are measured by their size",
            "0.01",
            json!([["-1000"], ["-1001"], null]),
            "Tolerance 1",
        ),
        ("the largest integers", "0.01", json!([[max], [next], null]), "Tolerance 1"),
        ("further apart than 256 bits hold", "3", json!([[max], [minus_max], null]), "disagreed"),
        ("the middle of three, however far", "0", json!([["1"], [max], ["7"]]), "Median 3"),
        (
            "the middle goes by the first integer",
            "0",
            json!([["2", "1"], ["1", "9"], ["3", "0"]]),
            "Median 1",
        ),
        ("then by the second", "0", json!([["2", "1"], ["2", "9"], ["2", "5"]]), "Median 3"),
        (
            "nested tuples are flattened",
            "0",
            json!([tuple("5", "1"), tuple("5", "3"), tuple("5", "2")]),
            "Median 3",
        ),
        ("arrays of one length", "0", json!([[["1", "2"]], [["1", "4"]], [["1", "3"]]]), "Median 3"),
        ("arrays of other lengths", "1", json!([[["1", "2"]], [["1"]], null]), "disagreed"),
        ("an array and an integer", "1", json!([[["1"]], ["1"], null]), "disagreed"),
        ("more arguments", "1", json!([["1"], ["1", "1"], null]), "disagreed"),
        ("texts that differ", "1", json!([["1", "a"], ["1", "b"], null]), "disagreed"),
        ("addresses that differ", "1", json!([["1", "0xaa"], ["1", "0xbb"], null]), "disagreed"),
        ("booleans that differ", "1", json!([["1", true], ["1", false], null]), "disagreed"),
        ("of three shapes none is the middle", "1", json!([["1", "a"], ["2", "b"], ["3", "c"]]), "disagreed"),
        (
            "exact bears no difference",
            "exact",
            json!([[max], [next], [max.trim_end_matches('5')]]),
            "disagreed",
        ),
        ("exact takes two that are equal", "exact", json!([["1"], ["2"], ["2"]]), "equal [2, 3]"),
        (
            "trust takes the first run, whatever others saw",
            "trust",
            json!([["1"], ["999"], null]),
            "Performer 1",
        ),
    ];
    for (rule, agreement, answers, expect) in rows {
        let waiting = usize::from(*agreement == "trust");
        assert_eq!(found((3, 2), agreement, answers, &[], waiting), *expect, "{rule}: {answers}");
    }
    // A performer that lies about its run is out once the others' replays say so, and the next one is trusted.
    check_refuted((3, 2), "trust", json!([["1"], ["2"], null]), &[1], 1, "Performer 2");
}
