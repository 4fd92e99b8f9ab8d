use alloy_primitives::{I256, U256, hex};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(json: &str) -> Value {
    serde_json::from_str(json).expect(json)
}

/// One argument of one type: what it is shown as, or a part of the refusal.
fn one(ty: &str, value: &str) -> Result<String, String> {
    let function = Function::parse(&format!("f({ty})")).expect(ty);
    match encode_call(&function, &[parse(value)]) {
        Ok((calldata, converted)) => {
            assert_eq!(calldata.len() % 32, 4, "{ty} {value}");
            Ok(converted[0].to_string())
        }
        Err(fault) => Err(fault.to_string()),
    }
}

#[test]
fn values_by_type() {
    let max = U256::MAX.to_string();
    let check = |ty: &str, value: &str, expect: Result<&str, &str>| match (one(ty, value), expect) {
        (Ok(shown), Ok(want)) => assert_eq!(shown, want, "{ty} {value}"),
        (Err(fault), Err(part)) => assert!(fault.contains(part), "{ty} {value}: {fault}"),
        (got, _) => panic!("{ty} {value}: {got:?}"),
    };
    check("uint256", "5", Ok(r#""5""#));
    check("uint256", r#""5""#, Ok(r#""5""#));
    check("uint256", r#""0xff""#, Ok(r#""255""#));
    check("uint256", &max, Ok(&format!("\"{max}\"")));
    check(
        "uint256",
        "115792089237316195423570985008687907853269984665640564039457584007913129639936",
        Err("does not fit"),
    );
    check("uint256", "1e18", Ok(r#""1000000000000000000""#));
    check("uint256", "2.000786e+21", Ok(r#""2000786000000000000000""#));
    check("uint256", "1.5", Err("fraction"));
    check("uint256", r#""1.5""#, Err("fraction"));
    check("uint256", "-1", Err("negative"));
    check("uint256", "-0", Ok(r#""0""#));
    check("uint256", "null", Err("not null"));
    check("uint256", "true", Err("not a boolean"));
    check("uint256", r#""""#, Err("no whole number"));
    check("uint256", r#""NaN""#, Err("no whole number"));
    check("uint256", r#""0x""#, Err("no whole number"));
    check("uint256", r#""--1""#, Err("no whole number"));
    check("uint256", r#""+-1""#, Err("no whole number"));
    check("uint256", r#""1e1000000000""#, Err("does not fit"));
    check("uint8", "255", Ok(r#""255""#));
    check("uint8", "256", Err("does not fit"));
    check("uint", "1", Ok(r#""1""#));
    check("int8", "-128", Ok(r#""-128""#));
    check("int8", "-129", Err("does not fit"));
    check("int8", "128", Err("does not fit"));
    check("int256", &I256::MIN.to_string(), Ok(&format!("\"{}\"", I256::MIN)));
    check("int256", &I256::MAX.to_string(), Ok(&format!("\"{}\"", I256::MAX)));
    check("int256", &(U256::from(1) << 255usize).to_string(), Err("does not fit"));
    check("int256", r#""-0x10""#, Ok(r#""-16""#));
    check("bool", "true", Ok("true"));
    check("bool", r#""false""#, Ok("false"));
    check("bool", "1", Err("not a number"));
    check(
        "address",
        r#""0xd8da6bf26964af9d7eed9e03e53415d37aa96045""#,
        Ok(r#""0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045""#),
    );
    check("address", r#""0xd8da6bf26964af9d7eed9e03e53415d37aa960""#, Err("exactly 20 bytes"));
    check("address", r#""d8da6bf26964af9d7eed9e03e53415d37aa96045""#, Err("0x"));
    check("bytes", r#""0x""#, Ok(r#""0x""#));
    check("bytes", r#""0xABcd""#, Ok(r#""0xabcd""#));
    check("bytes", r#""0xabc""#, Err("pairs"));
    check("bytes", r#""0x0xab""#, Err("hex digits"));
    check("bytes", r#""hello""#, Err("0x"));
    check("bytes4", r#""0x01020304""#, Ok(r#""0x01020304""#));
    check("bytes4", r#""0x010203""#, Err("exactly 4"));
    check("bytes32", &format!("\"0x{}\"", "ab".repeat(32)), Ok(&format!("\"0x{}\"", "ab".repeat(32))));
    check("function", &format!("\"0x{}\"", "01".repeat(24)), Ok(&format!("\"0x{}\"", "01".repeat(24))));
    check("string", r#""héllo""#, Ok(r#""héllo""#));
    check("string", "5", Err("not a number"));
    check("uint256[]", "[1,\"2\",\"0x3\"]", Ok(r#"["1","2","3"]"#));
    check("uint256[]", r#""[1,2]""#, Ok(r#"["1","2"]"#));
    check("uint256[]", "5", Err("an array"));
    check("uint256[2]", "[1]", Err("exactly 2"));
    check("uint256[2][]", "[[1,2],[3,4]]", Ok(r#"[["1","2"],["3","4"]]"#));
    check("(uint256,bool)", "[1,true]", Ok(r#"["1",true]"#));
    check("(uint256,bool)", r#"{"a":1}"#, Err("no members"));
    check("(uint256,bool)[]", "[[1,true],[2,\"false\"]]", Ok(r#"[["1",true],["2",false]]"#));
}

const ABI: &str = r#"[
  {"type":"function","name":"set","inputs":[{"name":"x","type":"uint256"}]},
  {"type":"function","name":"set","inputs":[{"name":"x","type":"uint256"},{"name":"y","type":"address"}]},
  {"type":"function","name":"set","inputs":[{"name":"x","type":"bytes"},{"name":"y","type":"address"}]},
  {"type":"function","name":"pay","inputs":[{"name":"orders","type":"tuple[]","components":[
     {"name":"to","type":"address"},{"name":"amount","type":"uint256"},
     {"name":"meta","type":"tuple","components":[{"name":"tag","type":"bytes4"}]}]}]},
  {"type":"function","name":"odd","inputs":[{"name":"x","type":"nonsense"}]},
  {"type":"event","name":"Set","inputs":[{"name":"x","type":"uint256","indexed":true}]},
  {"type":"receive"}, "function human(uint a, address[2] b) returns (bool)"
]"#;

#[test]
fn functions_by_name_and_signature() {
    let check = |abi: &str, wanted: &str, arity: Option<usize>, expect: Result<&str, &str>| match (
        Function::find(abi, wanted, arity),
        expect,
    ) {
        (Ok(found), Ok(want)) => assert_eq!(found.signature(), want, "{wanted}"),
        (Err(fault), Err(part)) => assert!(fault.to_string().contains(part), "{wanted}: {fault}"),
        (got, _) => panic!("{wanted}: {got:?}"),
    };
    check(ABI, "set", Some(1), Ok("set(uint256)"));
    check(ABI, "set", Some(2), Err("overloaded"));
    check(ABI, "set", None, Err("set(bytes,address)"));
    check(ABI, "set(bytes,address)", None, Ok("set(bytes,address)"));
    check(ABI, "set( uint , address )", None, Ok("set(uint256,address)"));
    check(ABI, "pay", None, Ok("pay((address,uint256,(bytes4))[])"));
    check(ABI, "human", None, Ok("human(uint256,address[2])"));
    check(ABI, "odd", None, Err("nonsense"));
    check(ABI, "none", None, Err("full signature"));
    check("[]", "f(uint)", None, Ok("f(uint256)"));
    check("", "f()", None, Ok("f()"));
    check("", "f((uint256))", None, Ok("f((uint256))"));
    check("", "f", None, Err("full signature"));
    check("{}", "f(uint256)", None, Ok("f(uint256)"));
    check(r#"{"abi":[{"name":"g","inputs":[]}]}"#, "g", None, Ok("g()"));
    check(r#"{"abi":{"name":"g"}}"#, "g", None, Err("its member `abi` is no array"));
    check(r#"{"name":"g","inputs":[{"type":"bool"}]}"#, "g", None, Ok("g(bool)"));
    check(" null ", "f(uint)", None, Ok("f(uint256)"));
    check("3", "f", None, Err("no JSON array"));
    check(r#"[{"name":"f"}"#, "f", None, Err("EOF"));
    check("[3]", "f", None, Err("an object or a signature"));
    // Spelled with escapes it is the same name; without a type it is a function, whatever the type's own type.
    check(r#"["function \u0067(bool)"]"#, "g", None, Ok("g(bool)"));
    check(r#"[{"\u006eame":"\u0067","type":7}]"#, "g", None, Ok("g()"));
    check(r#"[{"name":"g","type":"event"}]"#, "g", None, Err("full signature"));
    check("nonsense", "f(uint256)", None, Err("cannot be read"));
    check("", "f(uint256[0])", None, Err("zero"));
    check("", "f(())", None, Err("no signature"));
    check("", "f(uint256[1000000])", None, Err("words"));
    check("", &format!("f(uint256{})", "[]".repeat(40)), None, Err("signature"));
    check("", &format!("f({}uint256{})", "(".repeat(500), ")".repeat(500)), None, Err("signature"));
    check("", &format!("f(uint256{})", "[65535]".repeat(9)), None, Err("words"));
}

#[test]
fn every_fault_is_named_with_its_path() {
    let pay = Function::find(ABI, "pay", None).expect("pay");
    let good =
        json!([[{"to": "0xd8da6bf26964af9d7eed9e03e53415d37aa96045", "amount": 7, "meta": ["0x01020304"]}]]);
    let (_, converted) = encode_call(&pay, good.as_array().expect("array")).expect("encodes");
    assert_eq!(converted, [json!([["0xd8dA6BF26964aF9D7eEd9e03E53415D37aA96045", "7", ["0x01020304"]]])]);
    let bad = json!([[
        {"to": "0x12", "amount": 1.5, "meta": {"tag": "0x01"}},
        {"to": "0xd8da6bf26964af9d7eed9e03e53415d37aa96045", "amout": 1, "meta": [1]}
    ], 3]);
    let fault = encode_call(&pay, bad.as_array().expect("array")).expect_err("faults");
    let AbiError::Arguments { faults } = fault else { panic!("{fault}") };
    let paths: Vec<&str> = faults.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "arguments",
            "arguments[0][0].to",
            "arguments[0][0].amount",
            "arguments[0][0].meta.tag",
            "arguments[0][1]",
            "arguments[0][1].amount",
        ]
    );
}

#[test]
fn bytes_are_those_of_the_specification() {
    // The first example of the ABI specification: baz(uint32,bool) with 69 and true.
    let baz = Function::parse("baz(uint32,bool)").expect("baz");
    let (calldata, _) = encode_call(&baz, &[json!(69), json!(true)]).expect("encodes");
    let expect = format!("cdcd77c0{:064x}{:064x}", 69, 1);
    assert_eq!(hex::encode(calldata), expect);
    // The third one: sam(bytes,bool,uint256[]) with "dave", true and [1,2,3].
    let sam = Function::parse("sam(bytes,bool,uint[])").expect("sam");
    let (calldata, _) =
        encode_call(&sam, &[json!("0x64617665"), json!(true), json!([1, 2, 3])]).expect("encodes");
    let words = ["60", "1", "a0", "4"].map(|w| format!("{w:0>64}")).concat()
        + &format!("{:0<64}", "64617665")
        + &["3", "1", "2", "3"].map(|w| format!("{w:0>64}")).concat();
    assert_eq!(hex::encode(calldata), format!("a5643bf2{words}"));
    let none = Function::parse("f()").expect("f");
    assert_eq!(encode_call(&none, &[]).expect("encodes").0.len(), 4);
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from),
        "-?[0-9]{1,90}(\\.[0-9]{1,5})?(e-?[0-9]{1,12})?"
            .prop_map(|s| serde_json::from_str(&s).unwrap_or(Value::Null)),
        "\\PC{0,20}".prop_map(Value::from),
        "0x[0-9a-fA-F]{0,70}".prop_map(Value::from),
        "[-+]?[0-9.e]{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec(("[a-z]{1,3}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_encodes_or_is_refused(values in proptest::collection::vec(any_json(), 0..3)) {
        for signature in ["f(uint256,int8)", "f((address,bytes4)[],bool)", "f(string,bytes,uint8[2][])", "f()"] {
            let function = Function::parse(signature).expect(signature);
            if let Ok((calldata, converted)) = encode_call(&function, &values) {
                // What was shown encodes to the same bytes: nothing was lost on the way.
                let again = encode_call(&function, &converted).expect("converted arguments encode");
                prop_assert_eq!(again.0, calldata);
                prop_assert_eq!(again.1, converted);
            }
        }
    }

    #[test]
    fn any_text_is_a_signature_or_refused(text in "[a-z0-9(),\\[\\] ]{0,40}", wild in "\\PC{0,40}") {
        for text in [text, wild] {
            let _ = Function::parse(&text);
            let _ = Function::find(&text, "f", Some(1));
            let _ = event_of_signature(&text);
        }
    }
}
