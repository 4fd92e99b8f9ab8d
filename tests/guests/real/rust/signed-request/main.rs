//! An exchange that wants each request signed with a key.

use argus_script::{
    Arguments, Context, Result, U256, arguments,
    env::{self, Encoding},
    http, script,
};

#[script]
fn price(_: Context) -> Result<Arguments> {
    let query = "symbol=ETHUSD";
    let signature = env::hmac("SIGNING_KEY", query.as_bytes(), Encoding::Hex)?;
    let url = format!("https://api.exchange.example/v1/price?{query}&signature={signature}");
    let reply = http::get(&url).send()?.json()?;
    Ok(arguments![U256::parse_units(reply["price"].as_str().unwrap_or_default(), 2)?])
}
