//! The middle price of two sources, in USD with 8 decimals. If one does not answer, the other counts alone; if they
//! are more than 2 % apart, nothing is reported.

use argus_script::{Arguments, Context, Error, Result, U256, Value, arguments, env, http, script, skip};

script!(price_feed);

/// A source's address, and where its answer has the price.
const SOURCES: [(&str, &str); 2] = [
    ("https://api.coinbase.com/v2/prices/ETH-USD/spot", "/data/amount"),
    ("https://api.kraken.com/0/public/Ticker?pair=ETHUSD", "/result/XETHZUSD/c/0"),
];
const DECIMALS: u32 = 8;
const APART_MAX_PERCENT: u64 = 2;

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
