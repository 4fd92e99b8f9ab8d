use alloy_primitives::{address, b256};

use super::*;
use crate::time::Timestamp;

const CONTRACT: Address = address!("dac17f958d2ee523a2206206994597c13d831ec7");
const ALICE: &str = "0xd8da6bf26964af9d7eed9e03e53415d37aa96045";
const BARE: &str = "Transfer(address,address,uint256)";
const FULL: &str = "Transfer(address indexed from, address indexed to, uint256 value)";
const ABI: &str = r#"[
  {"type":"event","name":"Transfer","inputs":[
    {"name":"from","type":"address","indexed":true},{"name":"to","type":"address","indexed":true},
    {"name":"value","type":"uint256","indexed":false}]},
  {"type":"event","name":"Note","inputs":[
    {"name":"tag","type":"string","indexed":true},{"name":"text","type":"string"},
    {"name":"pair","type":"tuple","components":[{"name":"a","type":"uint8"},{"name":"b","type":"bool"}]}]},
  {"type":"event","name":"Twice","inputs":[]},
  {"type":"event","name":"Twice","inputs":[{"name":"x","type":"uint256"}]},
  {"type":"function","name":"Only","inputs":[]}
]"#;

fn request<'a>(event: &'a str, abi: &'a str, parameter: &'a str, value: &'a str) -> EventRequest<'a> {
    EventRequest { chain: ChainId(1), contract: CONTRACT, event, abi, parameter, value, confirmations: 0 }
}

fn log(topics: Vec<B256>, data: Vec<u8>) -> Log {
    Log {
        chain: ChainId(1),
        address: CONTRACT,
        topics,
        data: data.into(),
        block_number: 1,
        block_hash: B256::ZERO,
        block_time: Timestamp(0),
        transaction: B256::ZERO,
        index_in_block: 0,
        index_in_transaction: 0,
    }
}

fn word(number: u64) -> B256 {
    B256::from(U256::from(number))
}

fn alice() -> B256 {
    ALICE.parse::<Address>().expect("address").into_word()
}

const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

#[test]
fn compiles_to_the_right_place() {
    let topic = |index, word| Some(ParameterPlace::Topic { index, word });
    let check = |event: &str, abi: &str, parameter: &str, value: &str, expect: Option<ParameterPlace>| {
        let filter = EventFilter::compile(&request(event, abi, parameter, value)).expect(event);
        assert_eq!(filter.test.map(|t| t.place), expect, "{event} {parameter}");
    };
    check(BARE, "", "", "", None);
    check(FULL, "[]", "to", ALICE, topic(2, alice()));
    check(&format!("event {FULL}"), "[]", "from", ALICE, topic(1, alice()));
    check("Transfer", ABI, "to", ALICE, topic(2, alice()));
    check(BARE, ABI, "to", ALICE, topic(2, alice()));
    check(BARE, ABI, "topic2", ALICE, topic(2, alice()));
    check(BARE, "", "topic1", ALICE, topic(1, alice()));
    check(BARE, "", "topic3", "5", topic(3, word(5)));
    check(BARE, "", "topic1", &alice().to_string(), topic(1, alice()));
    let data = ParameterPlace::Data {
        types: vec!["uint256".to_owned()],
        index: 0,
        encoded: word(1000).to_vec().into(),
    };
    check("Transfer", ABI, "value", "1000", Some(data.clone()));
    check(FULL, "", "value", "0x3e8", Some(data));
    check("Note", ABI, "tag", "hello", topic(1, keccak256("hello")));
    check("Note", ABI, "tag", &keccak256("hello").to_string(), topic(1, keccak256("hello")));
    let filter = EventFilter::compile(&request("Transfer", ABI, "", "")).expect("compiles");
    assert_eq!((filter.signature.as_str(), filter.topic0), (BARE, TRANSFER));
}

#[test]
fn what_cannot_be_compiled_is_refused() {
    let check = |event: &str, abi: &str, parameter: &str, value: &str, part: &str| {
        let fault =
            EventFilter::compile(&request(event, abi, parameter, value)).expect_err(event).to_string();
        assert!(fault.contains(part), "{event} {parameter}: {fault}");
    };
    check("", ABI, "", "", "missing");
    check("Transfer", "[]", "", "", "full signature");
    check("Only", ABI, "", "", "full signature");
    check("Twice", ABI, "", "", "overloaded");
    check("Transfer(adress)", "", "", "", "no Solidity type");
    check("Transfer", "{", "", "", "cannot be read");
    check("Transfer", ABI, "amount", "1", "from, to, value");
    check("Transfer", ABI, "topic3", "1", "2 indexed");
    check("Transfer", ABI, "topic4", "1", "no parameter");
    check("Transfer", ABI, "value", "", "without event_filter_value");
    check("Transfer", ABI, "", "1", "without event_filter_para_name");
    check("Transfer", ABI, "value", "1.5", "fraction");
    check("Transfer", ABI, "to", "0x12", "20 bytes");
    check(BARE, "", "value", "1", "no parameter");
    check(BARE, "", "topic1", "true", "no topic");
    check("E(uint256)", "", "topic2", "1", "1 indexed");
    check("Transfer(address indexed from, address, uint256 value)", "", "topic2", "1", "1 indexed");
}

#[test]
fn matches_what_was_meant_and_nothing_else() {
    let transfer =
        |from: u64, to: B256, value: u64| log(vec![TRANSFER, word(from), to], word(value).to_vec());
    let check = |event: &str, parameter: &str, value: &str, log: &Log, expect: bool| {
        let filter = EventFilter::compile(&request(event, ABI, parameter, value)).expect(event);
        assert_eq!(filter.matches(log), expect, "{event} {parameter}={value} {log:?}");
    };
    check("Transfer", "", "", &transfer(1, alice(), 7), true);
    check("Transfer", "to", ALICE, &transfer(1, alice(), 7), true);
    check("Transfer", "to", ALICE, &transfer(1, word(2), 7), false);
    check("Transfer", "value", "7", &transfer(1, alice(), 7), true);
    check("Transfer", "value", "8", &transfer(1, alice(), 7), false);
    // ERC-721 has the same signature with the third parameter indexed: no data to compare.
    let nft = log(vec![TRANSFER, word(1), alice(), word(7)], vec![]);
    check("Transfer", "value", "7", &nft, false);
    check("Transfer", "", "", &nft, true);
    check("Transfer", "value", "7", &log(vec![TRANSFER], vec![0xff; 31]), false);
    check("Transfer", "", "", &log(vec![], vec![]), false);
    check("Transfer", "", "", &log(vec![word(1)], vec![]), false);
    check("Transfer", "", "", &Log { chain: ChainId(2), ..transfer(1, alice(), 7) }, false);
    check("Transfer", "", "", &Log { address: Address::ZERO, ..transfer(1, alice(), 7) }, false);
    let note = EventFilter::compile(&request("Note", ABI, "", "")).expect("compiles").topic0;
    let data = DynSolValue::Tuple(vec![
        DynSolValue::String("hi".to_owned()),
        DynSolValue::Tuple(vec![DynSolValue::Uint(U256::from(3), 8), DynSolValue::Bool(true)]),
    ])
    .abi_encode_params();
    let noted = log(vec![note, keccak256("hello")], data);
    check("Note", "tag", "hello", &noted, true);
    check("Note", "text", "hi", &noted, true);
    check("Note", "text", "ho", &noted, false);
    check("Note", "pair", r#"{"a":3,"b":true}"#, &noted, true);
    check("Note", "pair", "[3,false]", &noted, false);
}
