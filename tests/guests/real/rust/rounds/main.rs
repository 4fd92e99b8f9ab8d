//! Counts its rounds, and begins anew after the tenth.

use argus_script::{Arguments, Context, Result, arguments, env, script, storage};

const ROUNDS: u64 = 10;

#[script]
fn rounds(_: Context) -> Result<Arguments> {
    let round = kept("round")?.unwrap_or_default() + 1;
    let since = kept("since")?.unwrap_or(env::now_ms() / 1000);
    if round < ROUNDS {
        keep("round", round)?;
        keep("since", since)?;
    } else {
        keep("round", 0)?;
        storage::delete("since")?;
    }
    Ok(arguments![round, since])
}

fn kept(key: &str) -> Result<Option<u64>> {
    let text = storage::get(key)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.and_then(|text| text.parse().ok()))
}

fn keep(key: &str, n: u64) -> Result<()> {
    storage::set(key, n.to_string().as_bytes())
}
