//! Pays a claim out once it has been accepted for a day.

use argus_script::{Arguments, Context, Error, Result, U256, arguments, env, http, script, skip};

const CLAIM: &str = "https://claims.example/claims/7";
const DAY_S: u64 = 86_400;

#[script]
fn claim(_: Context) -> Result<Arguments> {
    let claim = http::get(CLAIM).send()?.json()?;
    let accepted = claim["accepted"].as_u64().ok_or(Error::Failed("nobody accepted it".to_owned()))?;
    if env::now_ms() / 1000 < accepted + DAY_S {
        return Err(skip("the day is not over"));
    }
    let amount = claim["amount"].as_str().unwrap_or_default();
    Ok(arguments![U256::parse_units(amount, 6)?])
}
