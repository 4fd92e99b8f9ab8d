// expected fn pointer `fn(argus_script::Context) ->
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
fn price(_: Context) -> Arguments {
    arguments![1]
}
