//! The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
//! are more than 2 % apart, nothing is reported.

use argus_script::{Arguments, Context, Error, Result, U256, Value, arguments, env, http, script, skip};

/// A source's address, and where its answer has the price.
const SOURCES: [(&str, &str); 2] = [
    ("https://api.coinbase.com/v2/prices/ETH-USD/spot", "/data/amount"),
    ("https://api.kraken.com/0/public/Ticker?pair=ETHUSD", "/result/XETHZUSD/c/0"),
];
const DECIMALS: u32 = 8;
const APART_MAX_PERCENT: u64 = 2;

#[script]
fn price_feed(_: Context) -> Result<Arguments> {
    let due = env::now_ms() / 1000;
    let mut prices = Vec::new();
    for (url, place) in SOURCES {
        match ask(url, place) {
            Ok(price) => prices.push(price),
            Err(error) => env::log(&format!("{url}: {error}")),
        }
    }
    prices.sort();
    let (Some(low), Some(high)) = (prices.first().copied(), prices.last().copied()) else {
        return Err(Error::Failed("no source answered".to_owned()));
    };
    if is_apart(low, high).unwrap_or(true) {
        return Err(skip(format!("the sources are too far apart: {low} and {high}")));
    }
    let middle = low.checked_add(high).and_then(|sum| sum.div_rem(2u64.into()));
    let (middle, _) = middle.ok_or(Error::Failed("the prices do not fit".to_owned()))?;
    Ok(arguments![middle, due])
}

fn ask(url: &str, place: &str) -> Result<U256> {
    let reply = http::get(url).timeout_ms(3000).send()?.json()?;
    let price = reply.pointer(place).and_then(Value::as_str).unwrap_or_default();
    Ok(U256::parse_units(price, DECIMALS)?)
}

fn is_apart(low: U256, high: U256) -> Option<bool> {
    let apart = high.checked_sub(low)?.checked_mul(100u64.into())?;
    Some(apart > low.checked_mul(APART_MAX_PERCENT.into())?)
}

#[cfg(test)]
mod tests {
    use argus_script::{json, test::World};

    use super::*;

    fn world(coinbase: &str, kraken: &str) -> World {
        World::default().http(SOURCES[0].0, 200, &json!({ "data": { "amount": coinbase } }).to_string()).http(
            SOURCES[1].0,
            200,
            &json!({ "result": { "XETHZUSD": { "c": [kraken, "1"] } } }).to_string(),
        )
    }

    #[test]
    fn the_middle_of_two_sources() {
        let answer = world("3012.45", "3010.05").run(price_feed, Context::default());
        assert_eq!(answer, Ok(json!(["301125000000", 1_735_689_600])));
    }

    #[test]
    fn sources_that_are_far_apart_are_not_reported() {
        let answer = world("3100", "3000").run(price_feed, Context::default());
        assert!(matches!(answer, Err(Error::Skip(_))), "{answer:?}");
    }

    #[test]
    fn one_source_is_enough_and_none_is_not() {
        let one = World::recorded(include_str!("../answers.json")).http(SOURCES[0].0, 500, "");
        assert!(one.run(price_feed, Context::default()).is_ok());
        let (answer, log) = World::default().run_logged(price_feed, Context::default());
        assert_eq!(answer, Err(Error::Failed("no source answered".to_owned())));
        assert_eq!(log.len(), 2);
    }
}
