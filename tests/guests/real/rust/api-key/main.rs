//! An API that wants its key in the query.

use argus_script::{Arguments, Context, Result, U256, arguments, env, http, script};

const LATEST: &str = "https://legacy.prices.example/latest";

#[script]
fn rate(_: Context) -> Result<Arguments> {
    let key = env::secret("ACCESS_KEY")?;
    let reply = http::get(&format!("{LATEST}?access_key={key}")).send()?.json()?;
    let usd = reply["usd"].as_str().unwrap_or_default();
    Ok(arguments![U256::parse_units(usd, 6)?])
}
