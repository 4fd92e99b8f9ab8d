// expected fn pointer `fn(argus_script::Context) ->
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price(_: String) -> Result<Arguments> {
    Ok(arguments![1])
}
