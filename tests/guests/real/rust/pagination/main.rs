//! A sum over the pages of a list, until one names no next.

use argus_script::{Arguments, Context, Error, Result, U256, Value, arguments, http, script};

const ITEMS: &str = "https://api.pages.example/items";

#[script]
fn sum(_: Context) -> Result<Arguments> {
    let (mut sum, mut next) = (U256::ZERO, Some(1));
    while let Some(page) = next {
        let reply = http::get(format!("{ITEMS}?page={page}")).send()?.json()?;
        for item in reply["items"].as_array().into_iter().flatten() {
            let amount = item["amount"].as_str().unwrap_or_default().parse()?;
            sum = sum.checked_add(amount).ok_or_else(|| Error::Failed("the sum does not fit".to_owned()))?;
        }
        next = reply.get("next").and_then(Value::as_u64);
    }
    Ok(arguments![sum])
}
