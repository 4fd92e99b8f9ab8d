use alloy_primitives::{address, hex};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    decimal::Decimal,
    ids::{ChainId, JobId, Serial},
    job::{Agreement, Misfire, Mode, Policy, Remarks, Trigger},
    limits::Limits,
    schedule::Schedule,
    time::Timestamp,
};

const OWNER: Address = address!("d8da6bf26964af9d7eed9e03e53415d37aa96045");
const SAFE: Address = address!("dac17f958d2ee523a2206206994597c13d831ec7");

fn job(signature: &str, values: Vec<Value>, safe: bool) -> Job {
    Job {
        id: JobId(U256::from(1)),
        version: 1,
        serial: Serial(1),
        owner: OWNER,
        title: "a job".to_owned(),
        trigger: Trigger::Time(Schedule::Interval { every_secs: 60 }),
        args: Args::Fixed(values),
        action: Action::Call(Target {
            chain: ChainId(31337),
            contract: SAFE,
            signature: signature.to_owned(),
            function: signature.to_owned(),
            abi: String::new(),
        }),
        policy: Policy {
            mode: Mode::Solo,
            agreement: Agreement::Median { tolerance: Decimal::zero() },
            misfire: Misfire::RunOnce,
            fee_cap: U256::ZERO,
            gas_limit: 0,
        },
        limits: Limits::DEFAULT,
        accepted_at: Timestamp(0),
        expires_at: Timestamp(1),
        recurring: true,
        link: None,
        created_chain: ChainId(31337),
        safe: safe.then(|| Safe { address: SAFE, name: String::new() }),
        remarks: Remarks::default(),
    }
}

#[test]
fn choices_as_scripts_print_them() {
    let check = |value: Value, expect: Result<ScriptChoice, &str>| match (script_answer(&value), expect) {
        (Ok(answer), Ok(want)) => assert_eq!(answer.choice, want, "{value}"),
        (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{value}: {fault}"),
        (got, _) => panic!("{value}: {got:?}"),
    };
    let call = ScriptChoice::Call { target: OWNER, calldata: hex!("01020304").into() };
    let skip = |reason: &str| Ok(ScriptChoice::Skip(reason.to_owned()));
    check(json!({"shouldExecute": true, "targetContract": OWNER, "calldata": "0x01020304"}), Ok(call));
    check(json!({"shouldExecute": false}), skip("shouldExecute is false"));
    check(json!({"shouldExecute": false, "metadata": {"reason": "calm", "timestamp": 1}}), skip("calm"));
    check(
        json!({"shouldExecute": false, "targetContract": "", "calldata": ""}),
        skip("shouldExecute is false"),
    );
    check(json!([{"shouldExecute": false}]), skip("shouldExecute is false"));
    check(json!([{"shouldExecute": false}, 1]), Err("not an array"));
    check(json!([]), Err("not an array"));
    check(json!({}), Err("shouldExecute: missing"));
    check(json!({"shouldExecute": "true"}), Err("shouldExecute"));
    check(json!({"shouldExecute": true}), Err("targetContract: missing"));
    check(json!({"shouldExecute": true, "targetContract": "0x12", "calldata": "0x"}), Err("40 hex"));
    check(json!({"shouldExecute": true, "targetContract": OWNER}), Err("calldata: missing"));
    check(json!({"shouldExecute": true, "targetContract": OWNER, "calldata": "0102"}), Err("begin with 0x"));
    check(json!({"shouldExecute": true, "targetContract": OWNER, "calldata": "0x012"}), Err("pairs"));
    check(json!({"shouldExecute": false, "storageUpdates": []}), Err("storageUpdates"));
    let remembered = script_answer(&json!({"shouldExecute": false, "storageUpdates": {"b": 1, "a": "x"}}));
    assert_eq!(
        remembered.expect("an answer").storage_updates,
        [("b".to_owned(), json!(1)), ("a".to_owned(), json!("x"))]
    );
}

#[test]
fn a_safe_call_gets_its_owner_and_no_other_safe() {
    const SIX: &str = "execJobFromHub(address,address,uint256,bytes,uint8,address)";
    let five = vec![json!(SAFE), json!(OWNER), json!("0"), json!("0x"), json!(0)];
    let check = |signature: &str, values: &[Value], safe: bool, expect: Result<usize, &str>| match (
        fixed_call(&job(signature, values.to_vec(), safe)),
        expect,
    ) {
        (Ok(call), Ok(count)) => assert_eq!(call.arguments.len(), count, "{values:?}"),
        (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{values:?}: {fault}"),
        (got, _) => panic!("{values:?}: {got:?}"),
    };
    check(SIX, &five, true, Ok(6));
    let whole: Vec<Value> = five.iter().cloned().chain([json!(SAFE)]).collect();
    check(SIX, &whole, true, Ok(6));
    check("execJobFromHub(address,address,uint256,bytes,uint8)", &five, true, Ok(5));
    check(SIX, &five[..4], true, Err("6 are needed"));
    check(SIX, &five, false, Err("6 are needed"));
    check("other(address,address)", &[json!(SAFE)], true, Err("2 are needed"));
    check(SIX, &[json!(OWNER)], true, Err("must be the job's Safe"));
    check(SIX, &[], true, Err("missing"));
    let call = fixed_call(&job(SIX, five, true)).expect("a call");
    assert_eq!(call.arguments[5], json!(OWNER.to_checksum(None)));
    let lower = vec![json!(format!("{SAFE:#x}")), json!(1)];
    check("f(address,uint256)", &lower, true, Ok(2));
}

/// What a run of a job without storage comes to.
fn output(job: &Job, end: RunEnd) -> Option<Output> {
    outcome_of_run(job, end, None, None).map(|outcome| outcome.output)
}

#[test]
fn runs_end_in_outputs() {
    let job = job("set(uint256)", vec![], false);
    let failed = |kind| RunEnd::Failed(RunFailure { kind, message: "boom".to_owned() });
    assert!(matches!(output(&job, RunEnd::Value(json!([5]))), Some(Output::Call(_))));
    assert!(
        matches!(output(&job, RunEnd::Value(json!([1.5]))), Some(Output::Fail(m)) if m.contains("arguments[0]"))
    );
    assert!(matches!(output(&job, RunEnd::Value(json!({}))), Some(Output::Fail(m)) if m.contains("array")));
    assert_eq!(output(&job, RunEnd::Skipped("x".to_owned())), Some(Output::Skip("x".to_owned())));
    assert_eq!(output(&job, failed(FailureKind::Limit)), Some(Output::Fail("boom".to_owned())));
    assert_eq!(output(&job, failed(FailureKind::Inconclusive)), None);
    let chooser = Job { action: Action::Script { chain: ChainId(5) }, ..job };
    let answer = json!({"shouldExecute": true, "targetContract": OWNER, "calldata": "0x"});
    assert!(
        matches!(output(&chooser, RunEnd::Value(answer)), Some(Output::Call(c)) if c.chain == ChainId(5))
    );
    let answer = json!({"shouldExecute": false});
    assert!(matches!(output(&chooser, RunEnd::Value(answer)), Some(Output::Skip(_))));
}

#[test]
fn only_a_call_moves_the_state() {
    let state = |entries: &[(&str, &str)]| {
        let mut state = State::default();
        for (key, value) in entries {
            state.set(key, value.to_string().into_bytes().into()).expect("room");
        }
        Arc::new(state)
    };
    let (before, after) = (state(&[("n", "1")]), state(&[("n", "2")]));
    let check = |job: &Job, end: RunEnd, expect: &Arc<State>| {
        let outcome =
            outcome_of_run(job, end.clone(), Some(&before), Some(after.clone())).expect("conclusive");
        assert_eq!(outcome.state.as_ref(), Some(expect), "{end:?}");
        outcome.output
    };
    let fixed = job("set(uint256)", vec![], false);
    check(&fixed, RunEnd::Value(json!([5])), &after);
    check(&fixed, RunEnd::Value(json!([1.5])), &before);
    check(&fixed, RunEnd::Skipped("not now".to_owned()), &before);
    let boom = RunFailure { kind: FailureKind::Script, message: "boom".to_owned() };
    check(&fixed, RunEnd::Failed(boom), &before);
    let chooser = Job { action: Action::Script { chain: ChainId(5) }, ..fixed };
    let answer = |go: bool, updates: Value| {
        let call = json!({"shouldExecute": go, "targetContract": OWNER, "calldata": "0x", "storageUpdates": updates});
        RunEnd::Value(call)
    };
    // What an answer wants remembered comes after the script's own writes, and as text.
    check(&chooser, answer(true, json!({"n": "3", "m": 4})), &state(&[("n", "3"), ("m", "4")]));
    check(&chooser, answer(false, json!({"n": "3"})), &before);
    let too_much = check(&chooser, answer(true, json!({"": "3"})), &before);
    assert!(matches!(too_much, Output::Fail(m) if m.contains("1 to 256 bytes")));
    let none = outcome_of_run(&chooser, answer(true, json!({"n": "3"})), None, None).expect("conclusive");
    assert!(matches!(none.output, Output::Fail(m) if m.contains(NOT_GRANTED)));
}

proptest! {
    #[test]
    fn any_answer_is_read_or_refused(target in "\\PC{0,44}", calldata in "0x[0-9a-f]{0,9}", go: bool) {
        let value = json!({"shouldExecute": go, "targetContract": target, "calldata": calldata});
        let _ = script_answer(&value);
        let _ = script_answer(&Value::String(target));
    }
}

#[test]
fn a_value_is_usable_where_any_job_can_use_it() {
    let choice = json!({"shouldExecute": false});
    for value in [json!([]), json!(["1", {"a": 2}]), json!([choice]), choice] {
        assert_eq!(usable(RunEnd::Value(value.clone())), RunEnd::Value(value));
    }
    let array = "the script must print one JSON array of arguments, not";
    for (value, parts) in [
        (json!(7), [array, "a number"]),
        (json!("7"), [array, "a string"]),
        (Value::Null, [array, "null"]),
        (json!({"price": 7}), [array, "shouldExecute: missing"]),
        (json!({"shouldExecute": true, "targetContract": "0x12"}), [array, "targetContract: "]),
    ] {
        let RunEnd::Failed(failure) = usable(RunEnd::Value(value.clone())) else {
            panic!("{value} is usable")
        };
        assert_eq!(failure.kind, FailureKind::Script);
        assert!(parts.iter().all(|part| failure.message.contains(part)), "{value}: {}", failure.message);
    }
    for other in [
        RunEnd::Skipped("closed".to_owned()),
        RunEnd::Failed(RunFailure { kind: FailureKind::Limit, message: "fuel".to_owned() }),
    ] {
        assert_eq!(usable(other.clone()), other);
    }
}
