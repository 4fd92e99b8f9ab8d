//! A rate from a service that fails at times: three tries, then it is a failure.

use argus_script::{Arguments, Context, Error, Result, U256, arguments, env, http, script};

const RATE: &str = "https://api.flaky.example/rate";
const TRIES: u32 = 3;

#[script]
fn rate(_: Context) -> Result<Arguments> {
    for _ in 0..TRIES {
        match http::get(RATE).timeout_ms(2000).send() {
            Ok(reply) if reply.is_ok() => {
                let rate = reply.json()?;
                return Ok(arguments![U256::parse_units(&rate["rate"].to_string(), 6)?]);
            }
            Ok(reply) => env::log(&format!("status {}", reply.status)),
            Err(error) => env::log(&error.to_string()),
        }
    }
    Err(Error::Failed(format!("{RATE} failed {TRIES} times")))
}
