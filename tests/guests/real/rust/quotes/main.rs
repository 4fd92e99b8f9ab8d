//! The middle of three exchanges' answers in cents. It holds the answers itself, as its twins in JavaScript and Go do.

use argus_script::{Arguments, Context, Result, U256, Value, arguments, script};

const ANSWERS: [(&str, fn(&Value) -> &Value); 3] = [
    (r#"{"symbol":"ETHUSD","last":"3124.57","volume":"18234.1","at":1735689600}"#, |a| &a["last"]),
    (r#"{"data":{"base":"ETH","currency":"USD","amount":"3125.10"}}"#, |a| &a["data"]["amount"]),
    (
        r#"{"pair":"ETH/USD","bid":"3123.90","ask":"3124.12","trades":[{"price":"3124.01"},{"price":"3124.05"}]}"#,
        |a| &a["trades"][1]["price"],
    ),
];

#[script]
fn quotes(_: Context) -> Result<Arguments> {
    let mut cents = Vec::new();
    for (answer, price) in ANSWERS {
        let answer: Value = answer.parse()?;
        let price = price(&answer).as_str().unwrap_or_default();
        cents.push(U256::parse_units(price, 2)?);
    }
    cents.sort();
    Ok(arguments![cents[1], cents.len() as u64])
}
