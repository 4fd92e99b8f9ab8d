// a script gives `Result<Arguments>` or `Result<Call>`, not `Result<
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price(_: Context) -> Result<String> {
    Ok(String::new())
}
