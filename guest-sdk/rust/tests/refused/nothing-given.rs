// a script gives something: `-> Result<Arguments>` or `-> Result<Call>`
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price(_: Context) {}
