// a script is a plain `fn`
use argus_script::{Arguments, Context, Result, arguments, script};

#[script]
unsafe fn price(_: Context) -> Result<Arguments> {
    Ok(arguments![1])
}
