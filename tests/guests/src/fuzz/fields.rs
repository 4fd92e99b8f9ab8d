//! Fields of a job that are small languages of their own: each target's bytes are texts, divided by line feeds.

use argus_domain::{
    Address, B256, Value,
    abi::{Function, encode_call},
    chain::Log,
    event::{EventFilter, EventRequest},
    ids::ChainId,
    job::Trigger,
    rule::{KeyRoute, extract},
    schedule::Schedule,
    task::TriggerFact,
    time::Timestamp,
};

/// The first texts of the bytes, and all that is behind them; absent ones are empty.
fn texts<const N: usize>(bytes: &[u8]) -> Option<[&str; N]> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut parts = text.splitn(N, '\n');
    Some(std::array::from_fn(|_| parts.next().unwrap_or_default()))
}

/// A zone, and a cron expression or an instant: what is accepted comes true, in order and after its anchor.
pub fn schedule(bytes: &[u8]) {
    let Some([zone, text]) = texts(bytes) else { return };
    let Ok(zone) = Schedule::parse_zone(zone) else { return };
    let (anchor, end) = (Timestamp::from_secs(1_800_000_000), Timestamp::from_secs(2_000_000_000));
    for schedule in [Schedule::parse_cron(text, zone), Schedule::parse_once(text, zone)].into_iter().flatten()
    {
        let instants = schedule.first_instants(anchor, end, 5);
        assert!(instants.is_sorted_by(|a, b| a < b), "{schedule:?}: {instants:?}");
        assert!(instants.iter().all(|at| (anchor..=end).contains(at)), "{schedule:?}: {instants:?}");
    }
}

/// An event, a parameter, its value and an ABI: what is accepted knows its own sample for one of its event.
pub fn filter(bytes: &[u8]) {
    let Some([event, parameter, value, abi]) = texts(bytes) else { return };
    let (chain, contract) = (ChainId(1), Address::repeat_byte(1));
    let request = EventRequest { chain, contract, event, abi, parameter, value, confirmations: 0 };
    let Ok(filter) = EventFilter::compile(&request) else { return };
    let TriggerFact::Log(sample) = Trigger::Event(filter.clone()).sample(Timestamp(0)) else {
        panic!("the sample of an event is a log");
    };
    assert!(filter.is_of_event(&sample), "{filter:?}");
    let _matches = filter.matches(&sample);
    let _matches = filter.matches(&Log { topics: vec![B256::ZERO], data: Default::default(), ..sample });
}

/// A route and a JSON answer that it leads into.
pub fn route(bytes: &[u8]) {
    let Some([route, answer]) = texts(bytes) else { return };
    let Ok(route) = KeyRoute::parse(route) else { return };
    if let Ok(answer) = serde_json::from_str::<Value>(answer)
        && let Ok(value) = extract(&answer, route.as_ref())
    {
        assert_eq!(value.to_string().parse(), Ok(value));
    }
}

/// A function, an ABI, and arguments: what was encoded is encoded the same again.
pub fn arguments(bytes: &[u8]) {
    let Some([name, abi, values]) = texts(bytes) else { return };
    let Ok(function) = Function::find(abi, name, None) else { return };
    let Ok(values) = serde_json::from_str::<Vec<Value>>(values) else { return };
    if let Ok((calldata, converted)) = encode_call(&function, &values) {
        assert_eq!(encode_call(&function, &converted), Ok((calldata, converted)));
    }
}

/// Good input of these targets.
pub(super) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: &[&str] = match target {
        "schedule" => &[
            "Europe/Vienna\n*/5 2-4 31 2,10 MON-FRI",
            "America/New_York\n0 30 2 8 3 ? 2026",
            "\n@every 1h30m",
            "Asia/Calcutta\n2027-03-28 02:30:00",
        ],
        "filter" => &[
            "Transfer(address indexed from, address indexed to, uint256 value)\nto\n0x00000000000000000000000000000000000000aa\n[]",
            "Moved\namount\n-5\n[{\"type\":\"event\",\"name\":\"Moved\",\"inputs\":[{\"name\":\"who\",\"type\":\"address\",\"indexed\":true},{\"name\":\"amount\",\"type\":\"int8\",\"indexed\":false}]}]",
            "Named(string indexed name, (uint8,bytes32)[2] pairs)\ntopic1\n0x1234\n",
        ],
        "route" => &[
            "data.0.price\n{\"data\":[{\"price\":\"1.50e3\"}]}",
            "a\\.b.c\\\\d\n{\"a.b\":{\"c\\\\d\":-7}}",
            "\n{\"rate\":0.000000000000000001}",
        ],
        _ => &[
            "f(uint256,(address,bool)[],bytes)\n[]\n[\"115792089237316195423570985008687907853269984665640564039457584007913129639935\",[[\"0x00000000000000000000000000000000000000aa\",true]],\"0x0102\"]",
            "g\n[{\"type\":\"function\",\"name\":\"g\",\"inputs\":[{\"name\":\"a\",\"type\":\"int8[2]\"},{\"name\":\"s\",\"type\":\"string\"}],\"outputs\":[]}]\n[[\"-128\",127],\"text\"]",
        ],
    };
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
